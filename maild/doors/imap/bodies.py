"""Whole mails: small ones in batches, large ones in pieces that go to the disk as they come.

It must never hold more than a batch or a piece in memory, hand over a part as the whole, or mark a mail as seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

from maild.core.raw import MEMORY_MAX, Raw, Spool
from maild.core.remote import Trouble
from maild.doors.imap.heads import is_for_later
from maild.doors.imap.session import Session

_T = TypeVar("_T")


Fetched = Raw | None
"""None: it did not come.  The mailbox no longer has it, or the server cannot give it; a listing tells which."""
NewSpool = Callable[[], Spool]


async def bodies(
    session: Session, items: Sequence[tuple[int, int]], spool: NewSpool
) -> AsyncIterator[tuple[int, Fetched]]:
    """Yield mails, of UIDs and their announced sizes.  Between two of them nothing is on its way."""
    bounds = session.bounds
    small: list[int] = []
    octets = 0
    for uid, size in items:
        is_full = len(small) >= bounds.batch_mails or octets + size > bounds.batch_octets
        if small and (is_full or size > bounds.piece):
            async for fetched in _batch(session, small, octets, spool):
                yield fetched
            small, octets = [], 0
        if size > bounds.piece:
            yield uid, await _in_pieces(session, uid, size, spool)
        else:
            small.append(uid)
            octets += size
    if small:
        async for fetched in _batch(session, small, octets, spool):
            yield fetched


async def _batch(
    session: Session, uids: Sequence[int], octets: int, spool: NewSpool
) -> AsyncIterator[tuple[int, Fetched]]:
    # Sizes may be a little wrong (Exchange counts before it converts); the room is for a wrong batch.
    room = octets + session.bounds.batch_octets
    ask, told = await session.fetch(uids, "(UID BODY.PEEK[])", room)
    if ask.is_bad or (not ask.is_ok and is_for_later(ask.closing)):
        session.need(ask, Trouble.BROKEN_PROTOCOL)
    left = []
    for uid in uids:
        items = told.pop(uid, None)
        content = items.text(b"BODY[]") if items is not None else None
        if content is None:
            left.append(uid)
        else:
            yield uid, await _kept(content, spool)
    there = await session.still_there(left) if left and len(uids) > 1 else set[int]()
    for uid in left:
        if uid not in there or len(uids) == 1:
            yield uid, None
        else:  # It may be another mail of the batch that the server stumbled over.
            async for fetched in _batch(session, [uid], octets, spool):
                yield fetched


async def _kept(content: bytes, spool: NewSpool) -> Raw:
    if len(content) <= MEMORY_MAX:
        return _written(content, spool)  # It never touches the disk.
    work = asyncio.ensure_future(asyncio.to_thread(_written, content, spool))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        if work.exception() is None:
            work.result().discard()
        raise


def _written(content: bytes, spool: NewSpool) -> Raw:
    ends = content.count(b"\r\n")
    into = spool()
    try:
        is_crlf = ends == content.count(b"\n") == content.count(b"\r")
        into.write(content, is_crlf=is_crlf)
        return into.finish()
    except BaseException:
        into.abandon()
        raise


async def _in_pieces(session: Session, uid: int, size: int, spool: NewSpool) -> Fetched:
    into = spool()
    try:
        if await _fill(session, uid, size, into):
            return await _on_thread(into.finish)
    except BaseException:
        into.abandon()
        raise
    into.abandon()
    return None


async def _fill(session: Session, uid: int, size: int, into: Spool) -> bool:
    """Write a mail piece by piece; False when the server stops before the end."""
    loop, bounds, wire = asyncio.get_running_loop(), session.bounds, session.wire
    end = loop.time() + session.patience.whole_fetch
    while True:
        within = end - loop.time()
        if within <= 0:
            raise wire.fail(Trouble.TIMED_OUT, f"a mail of {size} octets took too long")
        at = into.size
        ask, told = await session.fetch(
            [uid], f"(UID BODY.PEEK[]<{at}.{bounds.piece}>)", bounds.piece, within
        )
        if ask.is_bad or (not ask.is_ok and is_for_later(ask.closing)):
            session.need(ask, Trouble.BROKEN_PROTOCOL)
        items = told.get(uid)
        piece = items.text(b"BODY[]<%d>" % at) if items is not None else None
        if piece is None:
            return False
        if len(piece) > bounds.piece or at + len(piece) > 2 * size + bounds.piece:
            raise wire.fail(Trouble.BROKEN_PROTOCOL, "more of a mail than was asked for")
        await _on_thread(into.write, piece)
        # Only an empty piece is surely the end; announced sizes can be wrong either way.
        if not piece or (len(piece) < bounds.piece and into.size >= size):
            return True


async def _on_thread(act: Callable[..., _T], *words: bytes) -> _T:
    """Run what touches the disk on a thread; not even a cancelled wait leaves it running behind."""
    work = asyncio.ensure_future(asyncio.to_thread(act, *words))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
