"""Sizes, dates and a few header lines of mails, before any of them is fetched.

It must never mark a mail as seen: BODY.PEEK alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from maild.core.raw import HEAD_MAX
from maild.core.remote import Trouble
from maild.doors.imap.fetching import Items
from maild.doors.imap.session import Session
from maild.doors.imap.words import trouble_of

HEADER_MAX = 32 * 1024
"""Octets of one mail's four header lines; the rest is cut off, for a header can be as large as a mail."""
_FACTS = "UID RFC822.SIZE INTERNALDATE"
_FIELDS = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A mail before it is fetched."""

    uid: int
    size: int
    internal_date: datetime | None
    header: bytes
    """Message-ID, Date, From and Subject as the server gives them, cut at HEADER_MAX; empty when it cannot read them."""


async def heads_of(session: Session, uids: Sequence[int]) -> list[Head]:
    """Return the heads of one batch.  What the mailbox no longer has is left out."""
    part = f"<0.{HEADER_MAX}>" if session.takes_partial_headers else ""
    ask, told = await session.fetch(uids, f"({_FACTS} {_FIELDS}{part})", len(uids) * HEADER_MAX)
    if ask.is_bad and part and trouble_of(ask.closing, Trouble.REFUSED_ACT) is not Trouble.BUSY:
        session.takes_partial_headers = False  # RFC 3501 has it; some servers have not.
        return await heads_of(session, uids)
    heads = [head for uid, items in told.items() if (head := _head(uid, items)) is not None]
    if ask.is_ok:
        return heads
    if ask.is_bad or is_for_later(ask.closing):
        session.need(ask, Trouble.BUSY)
    # One mail that the server cannot read must not hide the others.
    seen = {head.uid for head in heads}
    left = [uid for uid in uids if uid not in seen]
    for uid in left if len(uids) > 1 else []:
        heads += await heads_of(session, [uid])
    if len(uids) == 1 and left:
        heads += await without_header(session, left)
    return heads


async def without_header(session: Session, uids: Sequence[int]) -> list[Head]:
    """Return sizes and dates alone: servers have them at hand, and must open each mail for its header."""
    ask, told = await session.fetch(uids, f"({_FACTS})", 0)
    session.need(ask, Trouble.BUSY)
    return [head for uid, items in told.items() if (head := _head(uid, items)) is not None]


async def whole_header(session: Session, uid: int) -> bytes | None:
    """Return a mail's header block, cut at HEAD_MAX; None when it did not come."""
    ask, told = await session.fetch([uid], f"(UID BODY.PEEK[HEADER]<0.{HEAD_MAX}>)", HEAD_MAX)
    if ask.is_bad or (not ask.is_ok and is_for_later(ask.closing)):
        session.need(ask, Trouble.BUSY)
    return told[uid].text(b"BODY[HEADER]") if uid in told else None


def _head(uid: int, items: Items) -> Head | None:
    size = items.number(b"RFC822.SIZE")
    if size is None:
        return None
    return Head(
        uid=uid,
        size=size,
        internal_date=items.date(),
        header=(items.text(b"BODY[HEADER") or b"")[:HEADER_MAX],
    )


def is_for_later(closing: bytes) -> bool:
    """Whether a NO is about the whole session and not about one mail."""
    is_busy = trouble_of(closing, Trouble.REFUSED_ACT) is Trouble.BUSY
    # Dovecot says so of a mail that it cannot read.
    return is_busy and not closing.upper().startswith(b"[SERVERBUG]")
