"""Working through the outbox: claim, (the act, which is not here,) and what came of it (M8, U14).

No transaction is open while the world is spoken to.  An errand that was done, and whose worker died before that was
written, is done once more when its lease ends: at most one repeat for each such death.  A mail keeps its Message-ID and
its Date in a repeat, so that whoever gets both can tell.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from maild.core.app import Actor, App
from maild.core.digest import DIGEST
from maild.core.full_mailboxes import is_full, pause_digests
from maild.core.notices import NOTICE
from maild.core.standing import note, require_operator
from maild.core.writing_fates import note_given_up, said_by_relay
from maild.model.errand import (
    GIVE_UP_AFTER,
    TRIES_MAX,
    Done,
    ErrandState,
    Fate,
    Later,
    Never,
    Topic,
    rest_after,
)
from maild.model.reason import Reason, RefusedError
from maild.store.outbox import Errand
from maild.store.store import Tx

__all__ = ["Errand", "Hand"]

BATCH = 20
"""Errands that are claimed at a time: as many as one session with the relay takes well within a lease."""
LEASE = timedelta(minutes=2)
"""After this silence of a worker another one takes what it had in hand; one that lives renews it."""
LIST_MAX = 1000
_KEPT = ("to", "subject")

_log = logging.getLogger("maild.outbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Errands that this worker alone may do, for as long as it renews the lease."""

    lease: str
    errands: tuple[Errand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrandView:
    """An errand as the operator sees it; never what the mail says."""

    id: str
    topic: Topic
    account: str | None
    to: str | None
    subject: str | None
    state: ErrandState
    is_in_hand: bool
    attempts: int
    due_at: datetime | None
    give_up_at: datetime
    last_error: str | None
    created_at: datetime
    done_at: datetime | None


def take_hand(app: App, topic: Topic, *, limit: int = BATCH) -> Hand:
    """Claim what is due, and count the attempt.  What is too old, or was begun too often, is buried on the way.

    Commits one transaction when there is something.  Raises StoreDownError.
    """
    now = app.clock()
    hand = Hand(lease=app.ids())
    with app.store.read() as tx:
        if not tx.outbox.is_due(topic, now):
            return hand
    living: list[Errand] = []
    with app.store.write() as tx:
        claimed = tx.outbox.claim(topic, lease=hand.lease, now=now, until=now + LEASE, limit=limit)
        for errand in claimed:
            why = _too_late(errand, now)
            if why is None:
                living.append(errand)
            else:
                tx.outbox.bury(errand.id, lease=hand.lease, why=why)
                note_given_up(tx, errand, now)
    return Hand(lease=hand.lease, errands=tuple(living))


def _too_late(errand: Errand, now: datetime) -> str | None:
    if now >= errand.give_up_at:
        last = f"; the last try: {errand.last_error}" if errand.last_error else ""
        return f"it could not be done in time{last}"
    if errand.attempts > TRIES_MAX:
        return f"it was tried {TRIES_MAX} times; the last try: {errand.last_error or 'ended without a word'}"
    return None


def note_fate(app: App, hand: Hand, errand: Errand, fate: Fate) -> bool:
    """Write what came of an errand; of one that is done only who and what about is kept, not what was said.

    Commits one transaction.  False: the lease was somebody else's by now, and nothing was written.  Raises
    StoreDownError: then it is tried again when its lease ends, though it may have been done.
    """
    with app.store.write() as tx:
        fate = _unless_full(errand, fate)
        held = _write_fate(tx, hand, errand, fate, app.clock())
        if held and errand.topic is Topic.LETTER and isinstance(fate, Done):
            tx.writing.note_said(errand.ulid, said_by_relay(fate.said))
        if held and isinstance(fate, Never):
            note_given_up(tx, errand, app.clock())
        if held and not isinstance(fate, Done) and is_full(fate.why):
            pause_digests(tx, app, str(errand.payload.get("to", "")))
    name = type(fate).__name__.lower() if held else "lease_lost"
    _log.info("errand id=%s fate=%s attempt=%d", errand.ulid, name, errand.attempts)
    if not isinstance(fate, Done):
        # What a server says may name the recipient; the operator reads it in the list.
        _log.debug("errand id=%s why=%r", errand.ulid, fate.why)
    return held


def _unless_full(errand: Errand, fate: Fate) -> Fate:
    """A digest is not tried again where there is no room for it: tomorrow's says more (U14)."""
    if isinstance(fate, Later) and errand.key.startswith(DIGEST) and is_full(fate.why):
        return Never(fate.why)
    return fate


def _write_fate(tx: Tx, hand: Hand, errand: Errand, fate: Fate, now: datetime) -> bool:
    match fate:
        case Done():
            # A notice's subject is a mail's: it would outlive the mail.
            keys = _KEPT[:1] if errand.key.startswith(NOTICE) else _KEPT
            kept: dict[str, Any] = {
                key: errand.payload[key] for key in keys if key in errand.payload
            }
            return tx.outbox.finish(errand.id, lease=hand.lease, now=now, kept=kept)
        case Later(why):
            until = now + rest_after(errand.attempts, errand.ulid)
            return tx.outbox.postpone(errand.id, lease=hand.lease, until=until, why=why)
        case Never(why):
            return tx.outbox.bury(errand.id, lease=hand.lease, why=why)


def give_back(app: App, hand: Hand, left: Sequence[Errand], why: str | None = None) -> None:
    """Give back what was claimed and not begun; `why` is what the operator reads.  Commits.  Raises StoreDownError."""
    if not left:
        return
    with app.store.write() as tx:
        numbers = [errand.id for errand in left]
        tx.outbox.give_back(numbers, lease=hand.lease, now=app.clock(), why=why)


def keep_hand(app: App, hand: Hand) -> bool:
    """Keep what is in hand for another while.  Commits.  False: it went to somebody else.  Raises StoreDownError."""
    with app.store.write() as tx:
        return tx.outbox.renew(lease=hand.lease, until=app.clock() + LEASE)


def release_errands(app: App) -> None:
    """Take back every lease, where whoever had one is known to be dead.  Commits.  Raises StoreDownError."""
    with app.store.write() as tx:
        tx.outbox.release(now=app.clock())


def list_errands(
    app: App, state: ErrandState | None = None, *, account_id: int | None = None, by: Actor
) -> list[ErrandView]:
    """Return errands, the newest first, a thousand at most.  Reads only.  Raises RefusedError NOT_ALLOWED."""
    require_operator(by)
    with app.store.read() as tx:
        found = tx.outbox.page(state, account_id=account_id, limit=LIST_MAX)
        held = tx.outbox.held(errand.id for errand in found)
    return [_view(errand, is_in_hand=errand.id in held) for errand in found]


def retry_errands(app: App, ids: Sequence[str], *, by: Actor) -> list[ErrandView]:
    """Have errands tried at once that are dead or wait; all of them, or none.  Safe to repeat.

    Commits one transaction.  Raises RefusedError (NOT_ALLOWED, NOT_FOUND, CONFLICT for what is done).
    """
    require_operator(by)
    now = app.clock()
    with app.store.write() as tx:
        numbers: list[int] = []
        for ulid in ids:
            errand = tx.outbox.by_ulid(ulid)
            if errand is None:
                raise RefusedError(
                    Reason.NOT_FOUND,
                    noun="errand",
                    value=ulid,
                    hint="`maild outbox list` shows them.",
                )
            if errand.state is ErrandState.DONE:
                raise RefusedError(Reason.CONFLICT, why=f"{ulid} is done; it is not done twice.")
            numbers.append(errand.id)
        tx.outbox.revive(numbers, now=now, give_up_at=now + GIVE_UP_AFTER)
        for ulid in ids:
            note(tx, app, by, "errand.retried", None, errand=ulid)
        found = [tx.outbox.by_ulid(ulid) for ulid in ids]
        held = tx.outbox.held(numbers)
    return [_view(one, is_in_hand=one.id in held) for one in found if one is not None]


def errand_counts(app: App) -> dict[ErrandState, int]:
    """Return how many errands are in each state.  Reads only.  Raises StoreDownError."""
    with app.store.read() as tx:
        return tx.outbox.counts()


def _view(errand: Errand, *, is_in_hand: bool) -> ErrandView:
    return ErrandView(
        id=errand.ulid,
        topic=errand.topic,
        account=errand.account,
        to=errand.payload.get("to"),
        subject=errand.payload.get("subject"),
        state=errand.state,
        is_in_hand=is_in_hand,
        attempts=errand.attempts,
        due_at=errand.due_at,
        give_up_at=errand.give_up_at,
        last_error=errand.last_error,
        created_at=errand.created_at,
        done_at=errand.done_at,
    )
