"""What is done to mails on the server: flags, deletion, moves.

It must never expunge a mail that it was not told to: somebody else's `\\Deleted` mails are not ours.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from maild.core.remote import Trouble
from maild.doors.imap.ask import Ask
from maild.doors.imap.names import batches, mailbox, members, uid_set
from maild.doors.imap.session import Session

_COPYUID = re.compile(rb"(?:OK )?\[COPYUID [0-9]+ ([0-9:,]+) ([0-9:,]+)\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Deleted:
    """What became of mails that were to be deleted."""

    gone: frozenset[int]
    """The mailbox no longer has them."""
    marked: frozenset[int]
    """Still there, marked `\\Deleted`: the server lacks UIDPLUS, or kept them all the same."""


async def flag(session: Session, uids: Collection[int], what: str) -> None:
    """Set a flag beside those that are there."""
    for batch in batches(sorted(uids), session.bounds.batch_mails):
        asked = await session.do("STORE", uid_set(batch), f"+FLAGS.SILENT ({what})", prefix="UID")
        session.need(asked, Trouble.REFUSED_ACT)


async def delete(session: Session, uids: Collection[int]) -> Deleted:
    """Mark mails, expunge exactly those (RFC 4315), and look."""
    gone: set[int] = set()
    marked: set[int] = set()
    for batch in batches(sorted(uids), session.bounds.batch_mails):
        await flag(session, batch, "\\Deleted")
        if session.can("UIDPLUS"):
            asked = await session.do("EXPUNGE", uid_set(batch), prefix="UID")
            session.need(asked, Trouble.REFUSED_ACT)
        left = await session.still_there(batch)
        marked |= left
        gone |= set(batch) - left
    return Deleted(frozenset(gone), frozenset(marked))


async def move(session: Session, uids: Collection[int], folder: str) -> dict[int, int]:
    """Move mails; return their new UIDs as far as the server tells."""
    moved: dict[int, int] = {}
    can_move = session.can("MOVE")
    for batch in batches(sorted(uids), session.bounds.batch_mails):
        name = "MOVE" if can_move else "COPY"
        asked = await session.do(name, uid_set(batch), mailbox(folder), prefix="UID")
        session.need(asked, Trouble.REFUSED_ACT)
        moved |= _new_uids(asked, batch)
        if not can_move:
            await delete(session, batch)
    return moved


def _new_uids(asked: Ask, batch: Sequence[int]) -> dict[int, int]:
    """Read COPYUID (RFC 4315 3); a server that miscounts has told nothing."""
    for words in (asked.closing, *(answer[0] for answer in asked.answers)):
        code = _COPYUID.match(words)
        if code is None:
            continue
        try:
            old, new = (members(code[n].decode(), len(batch)) for n in (1, 2))
        except ValueError:
            return {}
        if len(old) == len(new) and set(old) <= set(batch):
            return dict(zip(old, new, strict=True))
    return {}
