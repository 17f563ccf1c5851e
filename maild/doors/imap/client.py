"""One connection to one IMAP server: what a round of collecting needs, and no more.

It must never set `\\Seen` by looking, expunge what it was not told to, count on EXISTS, or go on with a connection on which
something ended before its time: after a time-out, a cancelled wait or a broken answer it is closed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from maild.core.raw import Spool
from maild.core.remote import Bounds, Endpoint, Patience, Proof, RemoteError, Trouble
from maild.doors.imap import acts, signing_in
from maild.doors.imap.acts import Deleted
from maild.doors.imap.bodies import Fetched, bodies
from maild.doors.imap.connecting import connected
from maild.doors.imap.fetching import Answer
from maild.doors.imap.heads import Head, heads_of, whole_header, without_header
from maild.doors.imap.names import batches, from_wire, mailbox, quoted
from maild.doors.imap.session import Selected, Session, is_about

__all__ = ["Deleted", "Fetched", "Folder", "Head", "ImapClient", "Selected", "Status"]

_NOOP_EVERY = 60.0
_FOUND_MAX = 1000
_LISTED = re.compile(
    rb"""LIST[ ]\((?P<flags>[^)]*)\)[ ](?:NIL|"(?:\\.|[^"\\])*")[ ](?:
      "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<literal>\{[0-9]+\})$ | (?P<atom>[^\s"{]+)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_STATUS_ITEM = re.compile(rb"(UIDNEXT|UIDVALIDITY|MESSAGES) ([0-9]{1,10})\b", re.IGNORECASE)
_PLAIN_RUN = re.compile(r"[!#-\[\]-~]+")
"""What any server finds in a Message-ID: ASCII without quotes, backslashes and spaces."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A mailbox of the server's list."""

    name: str
    flags: frozenset[str]
    """In small letters, as `\\trash`, `\\noselect`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a server told about a mailbox that need not be open; None is what it left out."""

    uidvalidity: int | None
    uidnext: int | None
    messages: int | None


class ImapClient:
    """One connection, for one task at a time.

    Everything raises RemoteError, and OSError where a spool does.  After a plain NO the connection can be used on:
    `is_usable` tells.
    """

    def __init__(self, session: Session) -> None:
        """Use `connect`."""
        self._session = session
        self._wire = session.wire

    @classmethod
    async def connect(
        cls, endpoint: Endpoint, address: str, *, patience: Patience, bounds: Bounds
    ) -> ImapClient:
        """Connect to `address`, resolved and checked by the caller; the certificate must name `endpoint.host`."""
        wire = await connected(endpoint, address, patience=patience, bounds=bounds)
        return cls(Session(wire, patience, bounds))

    async def sign_in(self, proof: Proof) -> None:
        """Sign in.  A refusal ends the connection."""
        await signing_in.sign_in(self._wire, proof, self._session.patience)

    @property
    def capabilities(self) -> frozenset[str]:
        """What the server says it can do, in capitals."""
        return frozenset(self._wire.capabilities)

    @property
    def can_idle(self) -> bool:
        """Whether the server tells of news by itself; without, `idle` asks every minute."""
        return self._session.can("IDLE")

    @property
    def can_move(self) -> bool:
        """Whether a move is one act; else it is a copy and a deletion."""
        return self._session.can("MOVE")

    @property
    def has_uidplus(self) -> bool:
        """Whether single mails can be expunged; else they are marked only."""
        return self._session.can("UIDPLUS")

    @property
    def is_usable(self) -> bool:
        """Whether the connection stands."""
        return self._wire.fault is None

    # --- folders --------------------------------------------------------------------------------

    async def folders(self) -> list[Folder]:
        """Return the mailboxes, with the uses that the server declares (RFC 6154)."""
        session = self._session
        words = ['""', '"*"']
        if session.can("SPECIAL-USE") and session.can("LIST-EXTENDED"):
            words.append("RETURN (SPECIAL-USE)")
        asked = await session.do("LIST", *words, room=session.bounds.batch_octets)
        session.need(asked, Trouble.REFUSED_ACT)
        listed = (_folder(answer) for answer in asked.answers)
        return [folder for folder in listed if folder is not None]

    async def select(self, name: str) -> Selected:
        """Open a mailbox for what follows."""
        return await self._session.open("SELECT", name)

    async def look_again(self, name: str) -> Selected:
        """Have the server look for news in a mailbox, and open it only if it is not open; `uidnext` stays as it was."""
        return await self._session.renew(name)

    async def status(self, name: str) -> Status:
        """Look at a mailbox without opening it."""
        session = self._session
        asked = await session.do("STATUS", mailbox(name), "(UIDNEXT UIDVALIDITY MESSAGES)")
        session.need(asked, Trouble.NO_SUCH_FOLDER)
        told: dict[bytes, int] = {}
        for answer in asked.answers:
            if is_about(answer, b"STATUS"):
                listed = answer[-1].rpartition(b"(")[2]
                told |= {item[1].upper(): int(item[2]) for item in _STATUS_ITEM.finditer(listed)}
        return Status(
            uidvalidity=told.get(b"UIDVALIDITY"),
            uidnext=told.get(b"UIDNEXT"),
            messages=told.get(b"MESSAGES"),
        )

    # --- mails ----------------------------------------------------------------------------------

    async def uids(self, above: int = 0) -> list[int]:
        """Return the UIDs above one, ascending."""
        self._wire.has_news = False
        # `n:*` holds the last mail even when that is below n (RFC 3501 6.4.8).
        criteria = f"UID {above + 1}:*" if above else "ALL"
        found = await self._session.search(criteria, self._session.bounds.listing)
        return [uid for uid in found if uid > above]

    async def heads(self, uids: Sequence[int], *, with_header: bool = True) -> AsyncIterator[Head]:
        """Yield sizes, dates and, if wanted, header lines; what the mailbox no longer has is left out."""
        ask = heads_of if with_header else without_header
        for batch in batches(uids, self._session.bounds.batch_mails):
            for head in await ask(self._session, batch):
                yield head

    async def header(self, uid: int) -> bytes | None:
        """Return a mail's header block, cut at `core.raw.HEAD_MAX`; None when it did not come."""
        return await whole_header(self._session, uid)

    def bodies(
        self, items: Sequence[tuple[int, int]], spool: Callable[[], Spool]
    ) -> AsyncIterator[tuple[int, Fetched]]:
        """Yield mails, of UIDs and their sizes as `heads` told them.

        None: it did not come; the mailbox no longer has it, or the server cannot give it.  A size above `bounds.piece`
        makes a mail come in pieces, whatever its true size.
        """
        return bodies(self._session, items, spool)

    async def mark_seen(self, uids: Collection[int]) -> None:
        """Mark mails as seen.  Safe to repeat."""
        await acts.flag(self._session, uids, "\\Seen")

    async def delete(self, uids: Collection[int]) -> Deleted:
        """Delete these mails and no other.  Safe to repeat."""
        return await acts.delete(self._session, uids)

    async def move(self, uids: Collection[int], folder: str) -> dict[int, int]:
        """Move mails to a mailbox that is there; return their new UIDs as far as the server tells.

        Without MOVE a copy comes first; if the line is lost after it, `find` the copy before trying again.
        """
        return await acts.move(self._session, uids, folder)

    async def find(self, folder: str, message_id: str) -> list[int]:
        """Return the UIDs of mails with a Message-ID in another mailbox.  The open one stays open."""
        session, before = self._session, self._session.opened
        run = max(_PLAIN_RUN.findall(message_id), key=len, default="")
        if not run:
            return []
        await session.open("EXAMINE", folder)
        found = await session.search(f"HEADER Message-ID {quoted(run)}", _FOUND_MAX)
        wanted = message_id.encode("utf-8", "surrogateescape")
        # Servers search loosely; a wrong find would be taken for a copy that is not there.
        fitting = [head.uid async for head in self.heads(found) if _has_id(head, wanted)]
        if before is not None:
            await session.open("SELECT", before.name)
        return fitting

    # --- waiting and leaving --------------------------------------------------------------------

    async def idle(self, seconds: float) -> bool:
        """Wait until the server tells of something new since the last `uids`; False at the end of the time."""
        self._wire.check()
        if not self._wire.has_news:
            await (self._listen(seconds) if self.can_idle else self._ask_again(seconds))
        is_new, self._wire.has_news = self._wire.has_news, False
        return is_new

    async def _listen(self, seconds: float) -> None:
        wire, patience = self._wire, self._session.patience
        ask = wire.begin_idle()
        if not await wire.stirred(lambda: wire.is_idling or ask.is_over, patience.command):
            raise wire.fail(Trouble.TIMED_OUT, "no answer to IDLE")
        if not ask.is_over:
            await wire.stirred(lambda: wire.has_news or ask.is_over, seconds)
        if not ask.is_over:
            wire.send("DONE")
            if not await wire.stirred(lambda: ask.is_over, patience.command):
                raise wire.fail(Trouble.TIMED_OUT, "no answer to DONE")
        wire.check()
        self._session.need(ask, Trouble.REFUSED_ACT)

    async def _ask_again(self, seconds: float) -> None:
        wire = self._wire
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not wire.has_news and (left := end - loop.time()) > 0:
            await wire.stirred(lambda: wire.has_news, min(left, _NOOP_EVERY))
            self._session.need(await self._session.do("NOOP"), Trouble.BUSY)

    async def logout(self) -> None:
        """Leave politely, then close.  Never raises RemoteError: there is nothing to be done about it."""
        with suppress(RemoteError):
            await self._session.do("LOGOUT")
        self.close()

    def close(self) -> None:
        """Cut the line.  Never waits; safe to repeat."""
        self._wire.fail(Trouble.LINE_LOST, "closed")


def _folder(answer: Answer) -> Folder | None:
    listed = _LISTED.match(answer[0])
    if listed is None:
        return None
    if listed["literal"] is not None:
        name = answer[1] if len(answer) > 1 else b""
    elif listed["quoted"] is not None:
        name = re.sub(rb"\\(.)", rb"\1", listed["quoted"])
    else:
        name = listed["atom"]
    flags = listed["flags"].decode("ascii", "replace").lower().split()
    return Folder(from_wire(name), frozenset(flags))


def _has_id(head: Head, wanted: bytes) -> bool:
    """Whether the Message-ID line holds exactly this."""
    unfolded = re.sub(rb"\r?\n(?=[ \t])", b"", head.header)
    line = re.search(rb"^message-id[ \t]*:(.*)$", unfolded, re.IGNORECASE | re.MULTILINE)
    return line is not None and line[1].strip() == wanted.strip()
