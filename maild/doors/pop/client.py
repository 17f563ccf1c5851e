"""A POP3 session, from connecting to QUIT, for one thread; `abort` is for any.

Nothing is deleted before `commit`, and whatever goes wrong ends the session without QUIT: then the server deletes
nothing.  It must never believe a server in what can be counted, nor decide what a mail is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import islice

from maild.core.raw import HEAD_MAX, Raw, Spool
from maild.core.remote import Bounds, Endpoint, Patience, Proof, RemoteError, Trouble
from maild.doors.pop.answers import (
    Listed,
    ListReader,
    Refused,
    delay_seconds,
    printable,
    read_sizes,
    read_uids,
    session_trouble,
)
from maild.doors.pop.signing_in import sign_in
from maild.doors.pop.wire import Wire
from maild.model.source import TlsMode

__all__ = ["Listed", "PopClient"]

_AHEAD = 64
"""Commands that are sent before their answers came, where the server says that it can take it (RFC 2449 6.6)."""
_CAPABILITIES_MAX = 64 * 1024
_SPARE = 1024 * 1024
"""Drained beyond what was wanted, before it is too much."""
_HEAD_DRAINED = 16 * 1024 * 1024


class PopClient:
    """A session.  Use: `connect`, `sign_in`, then the rest; at the end `commit`, `roll_back` or `close`."""

    def __init__(self, wire: Wire, endpoint: Endpoint, patience: Patience, bounds: Bounds) -> None:
        """Be made by `connect`."""
        self._wire = wire
        self._endpoint = endpoint
        self._patience = patience
        self._bounds = bounds
        self.capabilities: frozenset[str] = frozenset()
        """The first words of CAPA's lines; empty where the server has no CAPA."""
        self._arguments: dict[str, str] = {}
        self.can_top = True
        """Whether TOP is worth a try."""
        self.too_large: set[int] = set()
        """The mails that `fetch` gave up since they had more than `max_size` octets."""

    @classmethod
    def connect(
        cls, endpoint: Endpoint, address: str, *, patience: Patience, bounds: Bounds
    ) -> PopClient:
        """Connect to `address`, which was checked; the certificate must be for `endpoint.host`.

        TCP and TLS together take `patience.connect` at most, the greeting and what follows it as long again.
        Raises RemoteError.
        """
        wire = Wire(endpoint, address, patience=patience, bounds=bounds)
        client = cls(wire, endpoint, patience, bounds)
        client._ask_capabilities()
        if endpoint.tls is TlsMode.STARTTLS:
            client._start_tls()
        return client

    def _start_tls(self) -> None:
        """Ask for TLS whatever CAPA says: a line that somebody else cut out of it must not make us go on in clear."""
        wire = self._wire
        try:
            wire.send(b"STLS\r\n")
            wire.answer()
        except Refused as refused:
            raise wire.fail(Trouble.TLS_FAILED, f"STLS: {refused.said}") from None
        wire.begin_tls()
        self._ask_capabilities()  # RFC 2595 4: what was said before is void.

    def _ask_capabilities(self) -> None:
        self.capabilities, self._arguments = frozenset(), {}
        self._wire.send(b"CAPA\r\n")
        try:
            self._wire.answer()
        except Refused:
            return
        words: dict[str, str] = {}
        for line in self._text(_CAPABILITIES_MAX, "CAPA").split(b"\n"):
            name, _, argument = printable(line).partition(" ")
            if name:
                words[name.upper()] = argument
        self.capabilities, self._arguments = frozenset(words), words
        self.can_top = "TOP" in words

    def _text(self, limit: int, what: str) -> bytes:
        text = bytearray()
        for piece, _ in self._wire.text():
            text += piece
            if len(text) > limit:
                raise self._wire.fail(Trouble.BROKEN_PROTOCOL, f"{what} has no end")
        return bytes(text)

    def sign_in(self, proof: Proof) -> None:
        """Sign in, and ask anew what the server can.  Raises RemoteError.

        Whether a secret may go over a line without TLS is for the caller to know.
        """
        self._wire.give(self._patience.sign_in)
        try:
            sign_in(self._wire, proof, self.capabilities, self._words("SASL"))
        except RemoteError as error:
            if error.trouble is Trouble.LOGIN_LATER:
                error.not_before_s = self.login_delay or 0
            raise
        self._wire.give(self._patience.command)
        if self.capabilities:
            self._ask_capabilities()

    def _words(self, capability: str) -> frozenset[str]:
        return frozenset(self._arguments.get(capability, "").upper().split())

    @property
    def login_delay(self) -> int | None:
        """The seconds that the server wants between two sessions (RFC 2449 6.5); None: it does not say."""
        return delay_seconds(self._arguments.get("LOGIN-DELAY", ""))

    @property
    def expire(self) -> int | None:
        """The days after which the server deletes by itself, 0 perhaps at once (RFC 2449 6.7); None: never, or unsaid."""
        word = self._arguments.get("EXPIRE", "").partition(" ")[0]
        return int(word[:9]) if word.isascii() and word.isdecimal() else None

    def listing(self) -> list[Listed]:
        """Return what is on the server, by number.

        A number of LIST that is none or comes twice ends the session with BROKEN_PROTOCOL, and so does a listing
        beyond `Bounds`; order does not matter.  In UIDL, an id for a number that LIST has not is passed over (the mail
        is there at the next session), a mail without id has none, and two ids for one mail are BROKEN_PROTOCOL.
        Without UIDL all ids are None; but a server that says it has UIDL and refuses it is BUSY, for mails whose ids
        are only away for a while must not look like mails that never had any.
        """
        wire = self._wire
        wire.give(self._patience.command)
        at_once = "PIPELINING" in self.capabilities
        wire.send(b"LIST\r\nUIDL\r\n" if at_once else b"LIST\r\n", 2 if at_once else 1)
        sizes: dict[int, int] = {}
        try:
            wire.answer()
            self._read_list(lambda lines: read_sizes(lines, sizes))
        except Refused as refused:
            raise wire.fail(session_trouble(refused), f"LIST: {refused.said}") from None
        if not at_once and not sizes:
            return []
        if not at_once:
            wire.send(b"UIDL\r\n")
        uids = self._read_uids(sizes)
        return [Listed(number, sizes[number], uids.get(number)) for number in sorted(sizes)]

    def _read_uids(self, known: Collection[int]) -> dict[int, str | None]:
        uids: dict[int, str | None] = {}
        try:
            self._wire.answer()
        except Refused as refused:
            if known and ("UIDL" in self.capabilities or refused.code):
                raise self._wire.fail(Trouble.BUSY, f"UIDL: {refused.said}") from None
            return {}
        self._read_list(lambda lines: read_uids(lines, uids, known))
        return uids

    def _read_list(self, take: Callable[[list[bytes]], None]) -> None:
        reader = ListReader(self._bounds)
        try:
            for piece, _ in self._wire.text():
                take(reader.lines(piece))
        except RemoteError as error:
            raise self._wire.fail(error.trouble, error.said) from None

    def top(self, number: int) -> bytes | None:
        """Return a mail's header block with the empty line, its first 256 KiB; None if the server refuses."""
        return dict(self.tops([number]))[number]

    def tops(self, numbers: Iterable[int]) -> Iterator[tuple[int, bytes | None]]:
        """Give the header block of each mail, as `top`; many are asked for at once where the server can take it.

        To stop in between ends the session.  `Patience.whole_fetch` is for all of them together.
        """
        with closing(self._each(b"TOP %d 0\r\n", numbers)) as each:
            for number in each:
                head = self._head()
                with self._wire.paused():
                    yield number, head

    def _head(self) -> bytes | None:
        try:
            self._wire.answer()
        except Refused:
            if not self.capabilities:
                self.can_top = False
            return None
        head, size = bytearray(), 0
        for piece, _ in self._wire.text():
            head += piece[: max(0, HEAD_MAX - len(head))]
            size += len(piece)
            if size > _HEAD_DRAINED:
                raise self._wire.fail(Trouble.BROKEN_PROTOCOL, "TOP has no end")
        end = head.find(b"\r\n\r\n")
        if head.startswith(b"\r\n"):
            end = -2
        return bytes(head if end == -1 else head[: end + 4])

    def fetch(
        self, numbers: Iterable[int], spool: Callable[[], Spool], *, max_size: int | None = None
    ) -> Iterator[tuple[int, Raw | None]]:
        """Give each mail in the order of `numbers`; None for one that the server refuses, and the rest goes on.

        None, too, for a mail of more than `max_size` octets (`Bounds.mail` by default): its number is in `too_large`, and what comes of it is
        read and thrown away up to twice the limit and a mebibyte, since a server that gave its size wrongly is common;
        beyond that the session ends with BROKEN_PROTOCOL, for the rest may have no end.

        What the caller does with a mail does not count into `Patience.whole_fetch`.  To stop in between ends the
        session.  Raises RemoteError, and OSError of the disk; the mail in hand is abandoned then.
        """
        with closing(self._each(b"RETR %d\r\n", numbers)) as each:
            for number in each:
                raw = self._mail(number, spool, self._bounds.mail if max_size is None else max_size)
                with self._wire.paused():
                    yield number, raw

    def _mail(self, number: int, spool: Callable[[], Spool], max_size: int) -> Raw | None:
        try:
            self._wire.answer()
        except Refused:
            return None
        sink = spool()
        size = 0
        try:
            for piece, is_crlf in self._wire.text():
                size += len(piece)
                if size <= max_size:
                    sink.write(piece, is_crlf=is_crlf)
                else:
                    self._give_up(number, sink, is_endless=size > 2 * max_size + _SPARE)
            return None if size > max_size else sink.finish()
        except BaseException:
            sink.abandon()
            raise

    def _give_up(self, number: int, sink: Spool, *, is_endless: bool) -> None:
        self.too_large.add(number)
        sink.abandon()
        if is_endless:
            raise self._wire.fail(Trouble.BROKEN_PROTOCOL, f"mail {number} has no end")

    def _each(self, command: bytes, numbers: Iterable[int]) -> Generator[int, None, None]:
        """Send a command for each number, some ahead of their answers; give the number whose answer is next."""
        wire = self._wire
        wire.give(self._patience.whole_fetch)
        depth = _AHEAD if "PIPELINING" in self.capabilities else 1
        waiting: deque[int] = deque()
        rest = iter(numbers)
        is_whole = False
        try:
            while True:
                if len(waiting) <= depth // 2:
                    more = list(islice(rest, depth - len(waiting)))
                    if more:
                        wire.send(b"".join(command % number for number in more), len(more))
                        waiting.extend(more)
                if not waiting:
                    break
                yield waiting.popleft()
            is_whole = True
        finally:
            if not is_whole:
                wire.close()  # Answers are on their way that nobody waits for.

    def delete(self, numbers: Sequence[int]) -> set[int]:
        """Mark mails for deletion; return those that the server agreed to.  They go at `commit`.  Raises RemoteError."""
        done: set[int] = set()
        for number in self._each(b"DELE %d\r\n", numbers):
            with suppress(Refused):
                self._wire.answer()
                done.add(number)
        return done

    def commit(self) -> None:
        """Say QUIT, upon which the server deletes what is marked.

        Raises RemoteError.  REFUSED_ACT: the server says that it could not delete all.  Any other: the answer did not
        come; what was marked may be gone or not, and only the next listing tells.
        """
        self._wire.give(self._patience.command)
        try:
            self._wire.send(b"QUIT\r\n")
            self._wire.answer()
        except Refused as refused:
            raise self._wire.fail(Trouble.REFUSED_ACT, refused.said) from None
        finally:
            self._wire.close()

    def roll_back(self) -> None:
        """End the session so that nothing is deleted: RSET, and QUIT only if that was agreed to.  Raises RemoteError."""
        self._wire.give(self._patience.command)
        try:
            self._wire.rset()
            self._wire.send(b"QUIT\r\n")
            self._wire.answer()
        except Refused:
            pass  # Without QUIT nothing is deleted either; after RSET nothing is marked.
        finally:
            self._wire.close()

    def noop(self) -> None:
        """Ask whether the server is there.  Raises RemoteError."""
        self._wire.give(self._patience.command)
        try:
            self._wire.noop()
        except Refused as refused:
            raise self._wire.fail(Trouble.BROKEN_PROTOCOL, f"NOOP: {refused.said}") from None

    def close(self) -> None:
        """Drop the line: nothing is deleted.  Safe to repeat."""
        self._wire.close()

    def abort(self) -> None:
        """End the session at once, from any thread: whoever waits in it gets LINE_LOST, and nothing is deleted."""
        self._wire.abort()
