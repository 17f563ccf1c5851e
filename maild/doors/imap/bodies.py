"""Whole mails: small ones in batches, large ones in pieces that go to the disk as they come.

It must never hold more than a batch or a piece in memory, hand over a part as the whole, or mark a mail as seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from maild.core.raw import MEMORY_MAX, Raw, Spool
from maild.core.remote import Trouble
from maild.doors.imap.heads import is_for_later
from maild.doors.imap.session import Session
from maild.threads import do

Fetched = Raw | None
"""None: it did not come.  The mailbox no longer has it, or the server cannot give it; a listing tells which."""
NewSpool = Callable[[], Spool]


async def bodies(
    session: Session, items: Sequence[tuple[int, int]], spool: NewSpool
) -> AsyncIterator[tuple[int, Fetched]]:
    """Yield mails, of UIDs and their announced sizes; the server fills the next batch while one is looked at.

    Who stops before the end has no connection any more: something may be on its way.
    """
    ahead: asyncio.Task[_Told] | None = None
    batches = list(_batches(items, session))
    try:
        for place, batch in enumerate(batches):
            told = await (ahead or _fetch(session, batch))
            ahead = None
            left = [uid for uid in batch.small if uid not in told]
            if place + 1 < len(batches) and not left and not batch.large:
                ahead = asyncio.ensure_future(_fetch(session, batches[place + 1]))
            for uid in batch.small:
                if (content := told.pop(uid, None)) is not None:
                    yield uid, await _kept(content, spool)
            async for fetched in _again(session, left, len(batch.small), spool):
                yield fetched
            for uid, size in batch.large:
                yield uid, await _in_pieces(session, uid, size, spool)
    finally:
        if ahead is not None:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)


_Told = dict[int, bytes]


@dataclass(slots=True)
class _Batch:
    """Small mails that are fetched together, and the large ones among them."""

    small: list[int] = field(default_factory=list)
    octets: int = 0
    large: list[tuple[int, int]] = field(default_factory=list)


def _batches(items: Sequence[tuple[int, int]], session: Session) -> Iterator[_Batch]:
    bounds = session.bounds
    batch = _Batch()
    for uid, size in items:
        if size > bounds.piece:
            batch.large.append((uid, size))
            continue
        if batch.small and (
            len(batch.small) >= bounds.batch_mails or batch.octets + size > bounds.batch_octets
        ):
            yield batch
            batch = _Batch()
        batch.small.append(uid)
        batch.octets += size
    yield batch


async def _fetch(session: Session, batch: _Batch) -> _Told:
    """Return the mails of a batch, as far as they came."""
    if not batch.small:
        return {}
    # Sizes may be a little wrong (Exchange counts before it converts); the room is for a wrong batch.
    room = batch.octets + session.bounds.batch_octets
    ask, told = await session.fetch(batch.small, "(UID BODY.PEEK[])", room)
    if ask.is_bad or (not ask.is_ok and is_for_later(ask.closing)):
        session.need(ask, Trouble.BROKEN_PROTOCOL)
    found = {uid: items.text(b"BODY[]") for uid, items in told.items()}
    return {uid: content for uid, content in found.items() if content is not None}


async def _again(
    session: Session, left: Sequence[int], asked: int, spool: NewSpool
) -> AsyncIterator[tuple[int, Fetched]]:
    """Yield mails that did not come with the others: it may be one of the others that the server stumbled over."""
    there = await session.still_there(left) if left and asked > 1 else set[int]()
    for uid in left:
        told = await _fetch(session, _Batch([uid])) if uid in there else {}
        content = told.get(uid)
        yield uid, None if content is None else await _kept(content, spool)


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
            return await do(into.finish)
    except BaseException:
        into.abandon()
        raise
    into.abandon()
    return None


async def _fill(session: Session, uid: int, size: int, into: Spool) -> bool:
    """Write a mail piece by piece, each while the next is fetched; False when the server stops before the end."""
    end = asyncio.get_running_loop().time() + session.patience.whole_fetch
    at = 0
    writing: asyncio.Task[None] | None = None
    try:
        while True:
            piece = await _piece(session, uid, size, at, end)
            if writing is not None:
                await writing
            if piece is None:
                return False
            at += len(piece)
            writing = asyncio.ensure_future(do(into.write, piece))
            # Only an empty piece is surely the end; announced sizes can be wrong either way.
            if not piece or (len(piece) < session.bounds.piece and at >= size):
                await writing
                return True
    finally:
        if writing is not None:
            await asyncio.gather(writing, return_exceptions=True)


async def _piece(session: Session, uid: int, size: int, at: int, end: float) -> bytes | None:
    """Fetch a mail's octets from a place on; None when the server has none of them."""
    bounds, wire = session.bounds, session.wire
    within = end - asyncio.get_running_loop().time()
    if within <= 0:
        raise wire.fail(Trouble.TIMED_OUT, f"a mail of {size} octets took too long")
    ask, told = await session.fetch(
        [uid], f"(UID BODY.PEEK[]<{at}.{bounds.piece}>)", bounds.piece, within
    )
    if ask.is_bad or (not ask.is_ok and is_for_later(ask.closing)):
        session.need(ask, Trouble.BROKEN_PROTOCOL)
    items = told.get(uid)
    piece = items.text(b"BODY[]<%d>" % at) if items is not None else None
    if piece is not None and (
        len(piece) > bounds.piece or at + len(piece) > 2 * size + bounds.piece
    ):
        raise wire.fail(Trouble.BROKEN_PROTOCOL, "more of a mail than was asked for")
    return piece
