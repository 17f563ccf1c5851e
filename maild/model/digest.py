"""The daily digest (U14): who gets one copy together, and what it says.  Pure.

Several people whose mail ends in one physical inbox get one copy.  It is told to one of them only what that one's own
accounts hold: an inbox that somebody merely claimed to share never receives another account's mail.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

NEWEST = 10
"""Mails that are named."""
LINE_MAX = 100
_BLANK = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who may get a digest."""

    user_id: int
    name: str
    address: str
    """The verified primary address, canonical."""
    shown: str
    """The same as its owner writes it."""
    inbox: str
    """The physical inbox in which mail to it ends, canonical; the address itself where nobody said otherwise."""
    accounts: frozenset[int]
    """Those of their accounts that send digests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One mail: to one of the readers, about all of them."""

    to: Reader
    readers: tuple[Reader, ...]
    """The first is `to`."""
    is_first: bool
    """Whether it is the first copy of its inbox in the oldest of its accounts; another one has people of other accounts."""

    def key(self, date: str) -> str:
        """Return the occasion's name: whoever makes the same copy again on that day, on whatever node, sends no second.

        An inbox that is not the address of who gets the copy was only said to be theirs, and may be named by people of any
        account: each account has an occasion of its own there, so that none uses up another one's.
        """
        is_own = self.to.address == self.to.inbox
        claimed = "" if is_own else f":{min(self.to.accounts)}"
        more = "" if self.is_first else f":{self.to.user_id}"
        return f"digest:{self.to.inbox}{claimed}{more}:{date}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How much waits for somebody in one inbox of an account."""

    user_id: int
    account_id: int
    inbox: str
    held: int
    unread: int
    """Without those that are held."""


def together(waiting: Iterable[Waiting]) -> list[Waiting]:
    """Return what waits with one line for each user and inbox, in their order."""
    found: dict[tuple[int, int, str], Waiting] = {}
    for one in waiting:
        key = (one.user_id, one.account_id, one.inbox)
        had = found.get(key, replace(one, held=0, unread=0))
        found[key] = replace(one, held=had.held + one.held, unread=had.unread + one.unread)
    return [found[key] for key in sorted(found)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One mail that waits."""

    at: datetime
    inbox: str
    is_held: bool
    from_: str
    subject: str


def copies_of(readers: Iterable[Reader]) -> list[Copy]:
    """Return who gets a copy: one for each physical inbox, and about whom.

    Who owns the inbox's own address gets it, else who works in the most accounts.  Somebody who works in an account that
    this one does not work in gets a copy of their own.
    """
    by_inbox: dict[str, list[Reader]] = {}
    for reader in readers:
        by_inbox.setdefault(reader.inbox, []).append(reader)
    found: list[Copy] = []
    for _, together in sorted(by_inbox.items()):
        groups: list[list[Reader]] = []
        for reader in sorted(together, key=_rank):
            group = next((one for one in groups if one[0].accounts >= reader.accounts), None)
            if group is None:
                groups.append([reader])
            else:
                group.append(reader)
        firsts: set[int] = set()
        for group in groups:
            oldest = min(group[0].accounts)
            is_first = oldest not in firsts
            found.append(Copy(to=group[0], readers=tuple(group), is_first=is_first))
            firsts.add(oldest)
    return found


def _rank(reader: Reader) -> tuple[bool, int, int]:
    return reader.address != reader.inbox, -len(reader.accounts), reader.user_id


def subject_of(copy: Copy, waiting: Sequence[Waiting]) -> str:
    """Return the mail's subject."""
    count = sum(one.held + one.unread for one in waiting)
    mails = "1 mail waits" if count == 1 else f"{count} mails wait"
    if len(copy.readers) == 1:
        return f"{mails} for you"
    return f"{mails} for {listed([plain(one.name) for one in copy.readers])}"


def text_of(
    copy: Copy,
    waiting: Sequence[Waiting],
    newest: Sequence[Item],
    *,
    accounts: Mapping[int, str],
    zone: tzinfo,
    url: str = "",
) -> str:
    """Return what the mail says: counts by person, account and inbox, and the newest mails, a line each.

    What strangers wrote stands in lines of its own, each cut short, and never as anything but text.
    """
    lines: list[str] = []
    for reader in copy.readers:
        own = [one for one in waiting if one.user_id == reader.user_id]
        if not own:
            continue
        lines += [f"For {plain(reader.name)}:"] if len(copy.readers) > 1 else []
        lines += [f"  {_place(one, accounts)}: {_count(one)}" for one in own]
        lines.append("")
    lines.append("The newest:")
    lines += [f"  {_line(one, zone)}" for one in newest[:NEWEST]]
    lines += ["", *([f"Read them: {url}", ""] if url else [])]
    lines += [
        "This comes once a day while mail waits.",
        "An admin can stop it:",
        *(f"  maild user set {shlex.quote(one.address)} digest=off" for one in copy.readers),
    ]
    return "\n".join(lines)


def _place(one: Waiting, accounts: Mapping[int, str]) -> str:
    return one.inbox if len(accounts) < 2 else f"{plain(accounts[one.account_id])}, {one.inbox}"


def _count(one: Waiting) -> str:
    parts = [f"{one.held} held"] if one.held else []
    parts += [f"{one.unread} unread"] if one.unread else []
    return ", ".join(parts)


def _line(one: Item, zone: tzinfo) -> str:
    at = one.at.astimezone(zone)
    held = " (held)" if one.is_held else ""
    return f"{at:%Y-%m-%d %H:%M}{held} {plain(one.from_) or 'nobody'}: {plain(one.subject) or 'no subject'}"


def plain(text: str, most: int = LINE_MAX) -> str:
    """Return hostile text as one short line: no control, no line break, nothing that turns the direction of writing."""
    kept = (
        char if unicodedata.category(char)[0] not in {"C", "Z"} else _space(char) for char in text
    )
    line = _BLANK.sub(" ", "".join(kept)).strip()
    return line if len(line) <= most else line[: most - 1] + "…"


def _space(char: str) -> str:
    """Marks without width are left out; whatever else stands between words is a blank."""
    return "" if unicodedata.category(char) == "Cf" else " "


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
