"""What every act on a server goes through: deadlines, room, the open mailbox, and answers by UID.

It must never take an answer about a mail that was not asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aioimaplib.aioimaplib import AUTH, SELECTED

from maild.core.remote import Bounds, Patience, RemoteError, Trouble
from maild.doors.imap.ask import Ask
from maild.doors.imap.fetching import Answer, Items, items_of
from maild.doors.imap.names import mailbox, uid_set
from maild.doors.imap.wire import Wire

_CODE_NUMBER = re.compile(rb"OK \[(UIDVALIDITY|UIDNEXT) ([0-9]{1,10})\]", re.IGNORECASE)
_NUMBERS = re.compile(rb"[0-9 ]*")
_NUMBER = re.compile(rb"[0-9]+")
_UID_DIGITS = 10
_UID_MAX = 2**32 - 1
_CHANGE_COST = 512
"""Octets that a server may use to tell of one mail's flags and removal."""
_ITEM_COST = 4 * 1024
"""What a server may write around one mail's text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What a server told about the mailbox that it opened."""

    name: str
    uidvalidity: int
    uidnext: int | None
    exists: int
    is_read_only: bool


class Session:
    """A connection that is signed in, and its open mailbox."""

    def __init__(self, wire: Wire, patience: Patience, bounds: Bounds) -> None:
        """Begin without a mailbox."""
        self.wire, self.patience, self.bounds = wire, patience, bounds
        self.opened: Selected | None = None
        """What is open for acts, as it was told when it was opened."""
        self.takes_partial_headers = True

    def can(self, what: str) -> bool:
        """Whether the server said that it can do something."""
        return what in self.wire.capabilities

    async def do(self, name: str, *words: str, prefix: str = "", room: int = 0) -> Ask:
        """Give a command; a NO or BAD is the caller's to judge."""
        ask = Ask(name, *words, prefix=prefix, room=room or self.bounds.line)
        return await self.wire.ask(ask, within=self.patience.command)

    def need(self, asked: Ask, otherwise: Trouble) -> None:
        """Raise RemoteError if the server refused; the connection stays."""
        if not asked.is_ok:
            raise self.wire.refusal(asked, otherwise)

    async def open(self, how: str, name: str) -> Selected:
        """SELECT or EXAMINE a mailbox."""
        self.opened = None
        asked = await self.do(how, mailbox(name))
        if not asked.is_ok:
            self.wire.state = AUTH
            raise self.wire.refusal(asked, Trouble.NO_SUCH_FOLDER)
        self.wire.state = SELECTED
        told: dict[bytes, int] = {}
        for answer in asked.answers:
            code = _CODE_NUMBER.match(answer[0])
            if code is not None:
                told[code[1].upper()] = int(code[2])
        if not told.get(b"UIDVALIDITY"):
            raise self.wire.fail(Trouble.BROKEN_PROTOCOL, "the mailbox has no UIDVALIDITY")
        self.wire.has_news = self.wire.is_renumbered = False
        opened = Selected(
            name=name,
            uidvalidity=told[b"UIDVALIDITY"],
            uidnext=told.get(b"UIDNEXT"),
            exists=self.wire.exists,
            is_read_only=asked.closing[:11].upper() == b"[READ-ONLY]",
        )
        if how == "SELECT":
            self.opened = opened
        return opened

    async def renew(self, name: str) -> Selected:
        """Have an open mailbox brought up to date; SELECT it if it is not open, or if it is not what it was.

        A server reads a whole mailbox to open it; its UIDs cannot change as long as it is open (RFC 3501 2.3.1.1).
        """
        opened = self.opened
        if opened is None or opened.name != name:
            return await self.open("SELECT", name)
        ask = Ask("NOOP", room=self.bounds.line)
        # Other people may have changed, or removed, every mail since.
        ask.noise += _CHANGE_COST * opened.exists
        asked = await self.wire.ask(ask, within=self.patience.command)
        if not asked.is_ok or self.wire.is_renumbered:
            return await self.open("SELECT", name)
        return replace(opened, exists=self.wire.exists)

    async def search(self, criteria: str, at_most: int) -> list[int]:
        """Return the UIDs that fit, ascending.  No CHARSET: some servers refuse any (RFC 3501 6.4.4)."""
        room = min(self.bounds.listing_octets, 64 * 1024 + (_UID_DIGITS + 1) * at_most)
        ask = Ask("SEARCH", criteria, prefix="UID", room=room, line=room)
        asked = await self.wire.ask(ask, within=self.patience.command)
        self.need(asked, Trouble.REFUSED_ACT)
        found: set[int] = set()
        for answer in asked.answers:
            if is_about(answer, b"SEARCH"):
                found.update(self._listed(answer))
        if len(found) > at_most:
            raise self.wire.fail(Trouble.BROKEN_PROTOCOL, f"more than {at_most} mails")
        return sorted(found)

    def _listed(self, answer: Answer) -> Iterator[int]:
        numbers = answer[0][len(b"SEARCH") :]
        if len(answer) > 1 or not _NUMBERS.fullmatch(numbers):
            raise self.wire.fail(Trouble.BROKEN_PROTOCOL, b"no listing: " + answer[0][:80])
        for number in _NUMBER.finditer(numbers):
            uid = int(number[0][: _UID_DIGITS + 1])
            if not 0 < uid <= _UID_MAX:
                raise self.wire.fail(Trouble.BROKEN_PROTOCOL, "a UID beyond all numbers")
            yield uid

    async def still_there(self, uids: Sequence[int]) -> set[int]:
        """Return which of some mails the mailbox still has."""
        return set(uids) & set(await self.search(f"UID {uid_set(uids)}", self.bounds.listing))

    async def fetch(
        self, uids: Sequence[int], what: str, room: int, within: float = 0.0
    ) -> tuple[Ask, dict[int, Items]]:
        """Fetch; return the command, and what the server said about the mails that were asked about."""
        ask = Ask(
            "FETCH",
            uid_set(uids),
            what,
            prefix="UID",
            room=room + _ITEM_COST * (len(uids) + 1) + self.bounds.line,
        )
        patience = self.patience
        await self.wire.ask(ask, within=within or patience.whole_fetch, quiet=patience.idle_data)
        wanted, told = set(uids), dict[int, Items]()
        for answer in ask.answers:
            items = self._items(answer)
            uid = items.number(b"UID") if items is not None else None
            # Others are unsolicited (flags that somebody changed), or a server's fault.
            if items is not None and uid in wanted and items.is_about_mail():
                told.setdefault(uid, items)
        ask.answers.clear()
        return ask, told

    def _items(self, answer: Answer) -> Items | None:
        try:
            return items_of(answer)
        except RemoteError as error:
            raise self.wire.fail(error.trouble, error.said) from None


def is_about(answer: Answer, name: bytes) -> bool:
    """Whether an untagged answer is of one kind."""
    word = answer[0][: len(name) + 1].upper()
    return word in {name, name + b" "}
