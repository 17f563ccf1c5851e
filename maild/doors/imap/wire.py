"""aioimaplib's protocol, with the parts replaced that hang, forget, or tell: one line to one server, one command at a time.

Its command writer, tags and table of commands are used as they are.  What comes in is cut into answers by a loop with
bounds instead of by recursion.  Any time-out, cancelled wait or answer that no server may give ends the connection: a
late answer must never be taken for that of the next command.  Nothing that is sent or received is ever logged.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from aioimaplib.aioimaplib import (
    AUTH,
    SELECTED,
    AioImapException,
    IMAP4ClientProtocol,
)
from typing_extensions import override

from maild.core.remote import RemoteError, Trouble
from maild.doors.imap.ask import Ask
from maild.doors.imap.words import printable, trouble_of

_LITERAL = re.compile(rb"\{([0-9]{1,20})\}$")
_STATUS = re.compile(rb"(OK|NO|BAD|BYE|PREAUTH)\b", re.IGNORECASE)
_TAGGED = re.compile(rb"([A-Z0-9]+) (OK|NO|BAD)(?: (.*))?", re.IGNORECASE | re.DOTALL)
_VALIDITY = re.compile(rb"OK \[UIDVALIDITY ", re.IGNORECASE)
_COUNT = re.compile(rb"([0-9]{1,10}) (EXISTS|EXPUNGE)\b", re.IGNORECASE)
_NUMBERED = re.compile(rb"[0-9]{1,10} (EXISTS|EXPUNGE|RECENT|FETCH)\b", re.IGNORECASE)
_WANTED = re.compile(rb"BODY\[|RFC822\.SIZE", re.IGNORECASE)
_GREETING_MAX = 8 * 1024
_ANSWER_COST = 128
"""What an answer costs beside its octets; fifty thousand short ones must count, too."""


LEFT_OUT = "(left out: the server repeated a secret)"


class Wire(IMAP4ClientProtocol):  # type: ignore[misc] # aioimaplib declares no types
    """The protocol of one connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, line: int) -> None:
        """`line`: how many octets a line may have that is not mail."""
        super().__init__(loop)
        self.fault: RemoteError | None = None
        """Why it is closed; None while it can be used."""
        self.greeting = b""
        self.has_news = False
        """Whether the server told of a mail since this was last set to False."""
        self.is_renumbered = False
        """Whether the server told a UIDVALIDITY since this was last set to False, whenever it did."""
        self.exists = 0
        self.is_deaf = False
        """After STARTTLS, until TLS stands: what comes in clear is dropped (RFC 3501 6.2.1)."""
        self.unsayable: frozenset[str] = frozenset()
        """The secret, in every dress in which a server might repeat it."""
        self.capabilities: set[str] = set()
        self.pending_sync_command: Ask | None = None
        self._line_max = line
        self._stir = asyncio.Event()
        self._buffer = bytearray()
        self._searched = 0
        self._answer: list[bytes] = []
        self._pieces: list[bytes] = []
        self._missing = 0
        self._is_in_literal = False
        self._spare = line
        self._heard = 0.0
        self._is_leaving = False

    # --- what the client does -------------------------------------------------------------------

    async def ask(self, ask: Ask, *, within: float, quiet: float | None = None) -> Ask:
        """Send a command and wait for its end.  Raises RemoteError; a NO or BAD is the caller's to judge.

        `within` is the whole time, `quiet` the longest silence.
        """
        self._begin(ask)
        watch = self._watch(quiet) if quiet is not None and quiet < within else None
        try:
            async with asyncio.timeout(within):
                await self.execute(ask)
        except TimeoutError:
            raise self.fail(
                Trouble.TIMED_OUT, f"{ask.name} had no end after {within:g} s"
            ) from None
        except AioImapException as error:
            raise self.fail(Trouble.BROKEN_PROTOCOL, type(error).__name__) from error
        except BaseException:
            self.fail(Trouble.LINE_LOST, f"{ask.name} was given up")
            raise
        finally:
            if watch is not None:
                watch.cancel()
        return ask

    async def greeted(self, within: float) -> bytes:
        """Return the server's first line."""
        if not await self.stirred(lambda: bool(self.greeting), within):
            raise self.fail(Trouble.NOT_THIS_PROTOCOL, f"no greeting in {within:g} s")
        return self.greeting

    async def stirred(self, is_done: Callable[[], bool], within: float) -> bool:
        """Wait until something is so; False at the end of the time.  Raises RemoteError when the line dies."""
        end = self.loop.time() + within
        while not is_done():
            self.check()
            self._stir.clear()
            try:
                async with asyncio.timeout_at(end):
                    await self._stir.wait()
            except TimeoutError:
                return is_done()
            except BaseException:
                self.fail(Trouble.LINE_LOST, "given up")
                raise
        return True

    def begin_idle(self) -> Ask:
        """Send IDLE; `is_idling` once the server agreed."""
        ask = Ask("IDLE")
        self._begin(ask)
        self._idle_event.clear()
        self.pending_sync_command = ask
        self.send(str(ask))
        return ask

    def _begin(self, ask: Ask) -> None:
        self.check()
        if self._asked() is not None:
            raise RuntimeError("a connection has one command at a time")
        ask.tag = self.new_tag()
        self._is_leaving = ask.name == "LOGOUT"

    @property
    def is_idling(self) -> bool:
        """Whether the server agreed to IDLE."""
        return bool(self._idle_event.is_set())

    def check(self) -> None:
        """Raise RemoteError if the connection is over."""
        if self.fault is not None:
            raise RemoteError(self.fault.trouble, self.fault.said)

    def fail(self, trouble: Trouble, said: str | bytes = "") -> RemoteError:
        """End the connection and everything that waits for it; return why.  The first reason stays."""
        if self.fault is None:
            self.fault = RemoteError(trouble, self.say(said))
        asked = self._asked()
        self.pending_sync_command = None
        self.pending_async_commands.clear()
        if asked is not None:
            asked.fail(self.fault)
        self._buffer, self._answer, self._pieces = bytearray(), [], []
        self._stir.set()
        if self.transport is not None:
            self.transport.abort()
        return RemoteError(self.fault.trouble, self.fault.said)

    def say(self, words: str | bytes) -> str:
        """Return the server's words for an error: short, printable, and none at all when they hold a secret."""
        text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
        return LEFT_OUT if any(secret in text for secret in self.unsayable) else printable(text)

    def refusal(self, asked: Ask, otherwise: Trouble) -> RemoteError:
        """Return the error for a NO or BAD; the connection stays."""
        return RemoteError(trouble_of(asked.closing, otherwise), self.say(asked.closing))

    def begin_anew(self, transport: asyncio.Transport) -> None:
        """Go on over TLS: whatever was said in clear is forgotten."""
        self.transport = transport
        self.is_deaf = False
        self._buffer, self._answer, self._pieces = bytearray(), [], []
        self._missing, self._is_in_literal, self._searched = 0, False, 0
        self.capabilities = set()

    # --- what the loop calls --------------------------------------------------------------------

    @override
    def data_received(self, d: bytes) -> None:
        if self.fault is not None or self.is_deaf:
            return
        self._heard = self.loop.time()
        self._buffer += d
        self._cut()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(Trouble.LINE_LOST, f"the line was lost{f': {exc}' if exc else ''}")

    @override
    def send(self, line: str, scrub: str | None = None) -> None:
        self.transport.write(f"{line}\r\n".encode("ascii"))

    # --- framing --------------------------------------------------------------------------------

    def _cut(self) -> None:
        """Cut the buffer into lines and literals; keep the rest."""
        at = 0
        while self.fault is None and not self.is_deaf:
            after = self._literal(at) if self._is_in_literal else self._next_line(at)
            if after < 0:
                break
            at = after
        if self.fault is not None or self.is_deaf:
            self._buffer = bytearray()
        elif at:
            del self._buffer[:at]
            self._searched = max(0, self._searched - at)

    def _literal(self, at: int) -> int:
        """Take what is there of a literal; return where it ends, or -1 when there is nothing."""
        if not self._missing:
            self._answer.append(b"".join(self._pieces))
            self._pieces, self._is_in_literal = [], False
            return at
        with memoryview(self._buffer) as whole, whole[at : at + self._missing] as part:
            piece = bytes(part)
        if not piece:
            return -1
        self._pieces.append(piece)
        self._missing -= len(piece)
        return at + len(piece)

    def _next_line(self, at: int) -> int:
        asked = self._asked()
        line_max = max(self._line_max, asked.line if asked is not None else 0)
        if not self.greeting:
            line_max = min(line_max, _GREETING_MAX)
        end = self._buffer.find(b"\r\n", max(at, self._searched))
        if (end if end >= 0 else len(self._buffer)) - at > line_max:
            self.fail(
                Trouble.BROKEN_PROTOCOL if self.greeting else Trouble.NOT_THIS_PROTOCOL,
                f"a line of more than {line_max} octets",
            )
            return -1
        if end < 0:
            self._searched = max(at, len(self._buffer) - 1)
            return -1
        self._take_line(bytes(self._buffer[at:end]), asked)
        return end + 2

    def _take_line(self, line: bytes, asked: Ask | None) -> None:
        if self._answer:
            self._answer.append(line)
            self._spend(asked, len(line))
            self._go_on(line, asked)
        elif not self.greeting:
            self.greeting = line or b"?"
            self._stir.set()
        elif line[:2] == b"* ":
            self._spare = self._line_max
            self._answer = [line[2:]]
            self._spend(asked, len(self._answer[0]) + _ANSWER_COST)
            self._go_on(line, asked)
        elif line[:1] == b"+":
            self._continuation(line)
        elif line:
            self._response_done(line)

    def _go_on(self, line: bytes, asked: Ask | None) -> None:
        """Go on with the literal that a line announces, or end the answer."""
        size = None
        # Words for people may end in what looks like a literal; status answers have none (RFC 3501 7.1).
        if line.endswith(b"}") and not (len(self._answer) == 1 and _STATUS.match(self._answer[0])):
            size = _LITERAL.search(line)
        if size is not None:
            self._missing = int(size[1])
            self._is_in_literal = True
            self._spend(asked, self._missing)
            return
        answer, self._answer = self._answer, []
        if self.fault is None:
            self._take(answer, asked)

    def _spend(self, asked: Ask | None, octets: int) -> None:
        """Count what the server makes us keep, before it comes."""
        if asked is not None and asked.is_kept:
            asked.room -= octets
            is_over = asked.room < 0
        else:
            self._spare -= octets
            is_over = self._spare < 0
        if is_over:
            self.fail(Trouble.BROKEN_PROTOCOL, "the answer is larger than what was asked for")

    # --- answers --------------------------------------------------------------------------------

    def _take(self, answer: list[bytes], asked: Ask | None) -> None:
        first = answer[0]
        if first[:3].upper() == b"BYE" and not self._is_leaving:
            self.fail(trouble_of(first[4:], Trouble.LINE_LOST), first[4:])
            return
        count = _COUNT.match(first)
        if count is not None:
            self._count(int(count[1]), count[2].upper(), asked)
        self.is_renumbered |= _VALIDITY.match(first) is not None
        if asked is None or not asked.is_kept:
            return
        if not _is_noise(answer):
            asked.answers.append(answer)
            return
        cost = _ANSWER_COST + sum(map(len, answer))
        asked.room += cost
        asked.noise -= cost
        if asked.noise < 0:
            self.fail(Trouble.BROKEN_PROTOCOL, "the server says too much that nobody asked")

    def _count(self, number: int, what: bytes, asked: Ask | None) -> None:
        if what == b"EXPUNGE":
            self.exists = max(0, self.exists - 1)
            is_news = asked is not None and asked.name == "IDLE"
        else:
            is_news = number > self.exists
            self.exists = number
        if is_news:
            self.has_news = True
            self._stir.set()

    @override
    def _continuation(self, line: bytes) -> None:
        asked = self._asked()
        if asked is None:
            return
        asked.challenge = line[1:].strip()
        if asked.name == "IDLE":
            self._idle_event.set()
            self._stir.set()
        elif asked.replies:
            self.transport.write(asked.replies.popleft() + b"\r\n")
        elif asked.name in {"AUTHENTICATE", "LOGIN"}:
            self.fail(Trouble.BROKEN_PROTOCOL, "the server asks on and on")

    @override
    def _response_done(self, line: bytes) -> None:
        asked = self._asked()
        tagged = _TAGGED.fullmatch(line)
        if tagged is None or asked is None or tagged[1].decode() != asked.tag:
            self.fail(Trouble.BROKEN_PROTOCOL, b"an answer to nothing that was asked: " + line)
            return
        self.pending_sync_command = None
        self.pending_async_commands.clear()
        result = tagged[2].decode().upper()
        self.is_deaf = asked.name == "STARTTLS" and result == "OK"
        asked.close(tagged[3] or b"", result)
        self._stir.set()

    def _asked(self) -> Ask | None:
        """Return the command that waits for its answer; there is never more than one."""
        if self.pending_sync_command is not None:
            return self.pending_sync_command
        return next(iter(self.pending_async_commands.values()), None)

    def _watch(self, quiet: float) -> _Watch:
        self._heard = self.loop.time()
        return _Watch(self, quiet)

    def silence(self) -> float:
        """Return for how long the server has said nothing."""
        return float(self.loop.time() - self._heard)

    def is_signed_in(self) -> bool:
        """Whether the server knows who we are."""
        return bool(self.state in {AUTH, SELECTED})


def _is_noise(answer: list[bytes]) -> bool:
    """Whether an answer only tells what other clients do: counts, and flags of mails."""
    numbered = _NUMBERED.match(answer[0])
    if numbered is None or numbered[1].upper() != b"FETCH":
        return numbered is not None
    return not any(_WANTED.search(line) for line in answer[::2])


class _Watch:
    """Ends a connection that is silent for too long; one timer, however many pieces come."""

    def __init__(self, wire: Wire, quiet: float) -> None:
        self._wire, self._quiet = wire, quiet
        self._timer = wire.loop.call_later(quiet, self._look)

    def _look(self) -> None:
        left = self._quiet - self._wire.silence()
        if left > 0:
            self._timer = self._wire.loop.call_later(left, self._look)
        else:
            self._wire.fail(Trouble.TIMED_OUT, f"nothing more came for {self._quiet:g} s")

    def cancel(self) -> None:
        """Watch no more."""
        self._timer.cancel()
