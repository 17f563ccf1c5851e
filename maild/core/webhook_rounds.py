"""Rounds over webhooks: claim a receiver and what is to go to it, (the sending, which is not here,) and what came of it.

At least once, and in order for each mail: an event waits until the earlier one of its mail was taken, or given up after
three days; events of other mails go on.  What is sent in a round and not written, because its worker died, is sent once
more with the same webhook-id.  A receiver that is down costs no rows: the place in the feed stays where it is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from maild.core.app import OPERATOR, App
from maild.core.feed import FeedPage, events_after, place_events
from maild.core.letters import Notice, post
from maild.core.seal import SealError
from maild.core.standing import note
from maild.core.webhook_posts import Post, Round, of_row, post_of
from maild.core.webhook_steps import paused, secrets_of
from maild.model.webhook import (
    GIVE_UP_AFTER,
    RETRY_AFTER_MAX,
    TEST,
    Down,
    Gone,
    PauseWhy,
    PostFate,
    PostState,
    Refused,
    Taken,
    is_heard,
    rest_after_refusal,
    rest_after_silence,
)
from maild.store.store import Tx
from maild.store.webhooks import HookRow

LEASE = timedelta(minutes=2)
"""After this silence of a worker another one goes on for the receiver; a round is over well before."""
BATCH = 200
"""Events of one round, and how many are sent twice at most when a worker dies."""
WAITING_MAX = 10_000
"""Events that may wait for one receiver in rows of their own; from then on the feed is not read on.

More than one act on many mails makes, of which the receiver may know none."""
REFUSED_IN_A_ROW = 5
"""Refusals without one that was taken, after which the receiver counts as down."""
DEAD_KEPT = timedelta(days=30)
"""How long what was given up can be replayed."""

_log = logging.getLogger("maild.webhooks")


def hooks_with_work(app: App, *, limit: int) -> list[int]:
    """Return receivers for which there is something to do now.  Commits positions in the feed.  Raises StoreDownError."""
    place_events(app)
    with app.store.read() as tx:
        return tx.webhooks.with_work(app.clock(), most=WAITING_MAX, limit=limit)


def take_round(app: App, hook_id: int) -> Round | None:
    """Claim a receiver, and return what is to go to it; None: somebody has it, or it cannot be signed for.

    Commits one transaction.  Raises StoreDownError.
    """
    now, lease = app.clock(), app.ids()
    with app.store.write() as tx:
        hook = tx.webhooks.claim(hook_id, lease=lease, now=now, until=now + LEASE)
    if hook is None:
        return None
    try:
        signs = secrets_of(app, hook)
    except SealError as error:
        why = f"its secret does not open ({error}): give it a new one, `maild webhook rotate ID`"
        note_round(app, Round(hook=hook, lease=lease, secrets=(), end=hook.position), {}, Down(why))
        return None
    return _filled(app, Round(hook=hook, lease=lease, secrets=signs, end=hook.position))


def still_ours(app: App, round_: Round) -> bool:
    """Whether nobody has taken the receiver away since it was claimed.  Reads only.  Raises StoreDownError."""
    with app.store.read() as tx:
        return tx.webhooks.is_leased(round_.hook.id, round_.lease)


def _filled(app: App, empty: Round) -> Round:
    hook = empty.hook
    with app.store.read() as tx:
        due = tuple(of_row(row) for row in tx.webhooks.due(hook.id, app.clock(), limit=BATCH))
        waiting = tx.webhooks.counts([hook.id]).get((hook.id, PostState.WAITING), 0)
    if waiting >= WAITING_MAX:
        page = None
    else:
        page = events_after(
            app, account=hook.account, cursor=str(hook.position), limit=BATCH, by=OPERATOR
        )
    if hook.fails:
        return _asking(app, empty, due, page)
    filled = replace(empty, due=due)
    if page is None or len(due) >= BATCH:
        return filled
    return _with_fresh(app, filled, page, BATCH - len(due))


def _asking(app: App, empty: Round, due: tuple[Post, ...], page: FeedPage | None) -> Round:
    """Return a round of the one event that asks a receiver which is down whether it is back.

    A test, or an event that was not tried yet: those that were refused may be why it counts as down.
    """
    if page is not None and not (due and due[0].kind == TEST):
        fresh = _with_fresh(app, empty, page, 1, keeps=not due)
        if fresh.chains() or not due:
            return fresh
    return replace(empty, due=due[:1])


def _with_fresh(app: App, round_: Round, page: FeedPage, room: int, *, keeps: bool = True) -> Round:
    """Add events of the feed, up to so many that are sent.

    Those behind an earlier one of their mail are kept beside, or, without `keeps`, end it.
    """
    hook = round_.hook
    heard = [event for event in page.events if is_heard(hook.kinds, event.type)]
    with app.store.read() as tx:
        held = tx.webhooks.mails_waiting(
            hook.id, {event.mail for event in heard if event.mail is not None}
        )
    fresh: list[Post] = []
    end = int(page.next)
    for event in heard:
        is_behind = event.mail in held
        if not room or (is_behind and not keeps):
            end = int(event.id) - 1
            break
        fresh.append(replace(post_of(event), is_behind=is_behind))
        room -= 0 if is_behind else 1
    return replace(round_, fresh=tuple(fresh), end=end)


# --- what came of it ------------------------------------------------------------------------------------------------


def note_round(
    app: App, round_: Round, fates: Mapping[str, PostFate], trouble: Down | None = None
) -> bool:
    """Write what came of the events that were tried, by webhook-id, and let the receiver go; safe to repeat.

    `trouble`: why nothing could be tried at all.  Commits one transaction.  False: an admin changed the webhook, or the
    lease was over; nothing was written, and what was sent is sent again.  Raises StoreDownError.
    """
    now = app.clock()
    standing = _standing(round_, fates, trouble, now)
    is_paused = "paused_why" in standing
    with app.store.write() as tx:
        kept, end = _kept(round_, fates, now)
        values = {**standing, "position": end, "lease_until": now}
        if not tx.webhooks.end_round(round_.hook.id, lease=round_.lease, values=values):
            return False
        tx.webhooks.taken(_done_with(round_.due, fates))
        for one in round_.due:
            fate = fates.get(one.event_id)
            if one.kind != TEST and isinstance(fate, Refused):
                assert one.row is not None  # noqa: S101 - what is due has a row
                tx.webhooks.set_post(one.row, _retried(one, fate, now, may_die=not is_paused))
        tx.webhooks.add_posts(round_.hook.id, kept)
        if is_paused:
            _tell_paused(tx, app, round_.hook, standing)
    _log.info(
        "webhook_round hook=%s tried=%d taken=%d",
        round_.hook.ulid,
        len(fates),
        sum(isinstance(fate, Taken) for fate in fates.values()),
    )
    return True


def _done_with(due: Sequence[Post], fates: Mapping[str, PostFate]) -> list[int]:
    """Return the rows that are needed no more: what was taken, and a test that was made."""
    return [
        one.row
        for one in due
        if one.row is not None
        and one.event_id in fates
        and (one.kind == TEST or isinstance(fates[one.event_id], Taken))
    ]


def _kept(
    round_: Round, fates: Mapping[str, PostFate], now: datetime
) -> tuple[list[dict[str, Any]], int]:
    """Return the rows for fresh events that are to be tried again, and the place in the feed behind the last one.

    The feed keeps what comes after the last event about which something is known: that needs no rows.
    """
    known = [_is_known(one, fates) for one in round_.fresh]
    leading = next((at for at, is_known in enumerate(known) if not is_known), len(known))
    tried = [
        at
        for at, one in enumerate(round_.fresh)
        if isinstance(fates.get(one.event_id), Taken | Refused)
    ]
    cut = max(leading, max(tried, default=-1) + 1)
    rows = [
        _retried(one, fates.get(one.event_id), now) | _row_of(one)
        for one in round_.fresh[:cut]
        if not isinstance(fates.get(one.event_id), Taken)
    ]
    if cut == len(round_.fresh):
        return rows, round_.end
    position = round_.fresh[cut].position
    assert position is not None  # noqa: S101 - what comes from the feed has one
    return rows, position - 1


def _is_known(one: Post, fates: Mapping[str, PostFate]) -> bool:
    return one.is_behind or isinstance(fates.get(one.event_id), Taken | Refused)


def _row_of(one: Post) -> dict[str, Any]:
    return {
        "event_id": one.event_id,
        "position": one.position,
        "mail": one.mail,
        "kind": one.kind,
        "event": dict(one.event),
    }


def _retried(
    one: Post, fate: PostFate | None, now: datetime, *, may_die: bool = True
) -> dict[str, Any]:
    """Return what is written on an event that is to be tried again, or is given up."""
    give_up_at = one.give_up_at or now + GIVE_UP_AFTER
    values: dict[str, Any] = {
        "state": PostState.WAITING,
        "due_at": now,
        "give_up_at": give_up_at,
        "attempts": one.attempts,
        "last_error": None,
    }
    if isinstance(fate, Refused):
        attempts = one.attempts + 1
        due_at = now + rest_after_refusal(attempts, one.event_id)
        values |= {"due_at": due_at, "attempts": attempts, "last_error": fate.why}
        if may_die and now >= give_up_at:
            values |= {"state": PostState.DEAD, "due_at": None}
    return values


def _standing(
    round_: Round, fates: Mapping[str, PostFate], trouble: Down | None, now: datetime
) -> dict[str, Any]:
    """Return what is written on the receiver."""
    found = list(fates.values())
    down = trouble or next((fate for fate in found if isinstance(fate, Down)), None)
    gone = next((fate for fate in found if isinstance(fate, Gone)), None)
    refused = [fate for fate in found if isinstance(fate, Refused)]
    values: dict[str, Any] = {}
    if any(isinstance(fate, Taken) for fate in found):
        values |= {"fails": 0, "failing_since": None, "rest_until": None, "last_taken_at": now}
    error = gone or down or next(iter(refused), None)
    if error is not None:
        values |= {"last_error": error.why, "last_error_at": now}
    if gone is not None:
        return values | paused(PauseWhy.GONE, now)
    is_taking = "last_taken_at" in values
    judged = sum(fate.is_judged for fate in refused)
    unwell = len(refused) - judged
    refuses_all = bool(round_.hook.fails or unwell >= REFUSED_IN_A_ROW) and not is_taking
    if down is None and not (unwell and refuses_all):
        return values if is_taking or not judged else values | _judging(round_, judged, now)
    since = now if is_taking else round_.hook.failing_since or now
    if now >= since + GIVE_UP_AFTER:
        return values | paused(PauseWhy.SILENT, now)
    fails = 1 if is_taking else round_.hook.fails + 1
    asked = timedelta(0) if down is None or down.rest is None else min(down.rest, RETRY_AFTER_MAX)
    rest = max(rest_after_silence(fails, round_.hook.ulid), asked)
    return values | {"fails": fails, "failing_since": since, "rest_until": now + rest}


def _judging(round_: Round, judged: int, now: datetime) -> dict[str, Any]:
    """Return what is written on a receiver that answers, and took nothing in this round: it is not down."""
    since = round_.hook.failing_since or (now if judged >= REFUSED_IN_A_ROW else None)
    if since is not None and now >= since + GIVE_UP_AFTER:
        return paused(PauseWhy.SILENT, now)
    return {"fails": 0, "rest_until": None, "failing_since": since}


def _tell_paused(tx: Tx, app: App, hook: HookRow, standing: Mapping[str, Any]) -> None:
    """Tell each admin once, in this transaction: whoever pauses by hand knows it already."""
    note(tx, app, OPERATOR, "webhook.paused", hook.account_id, webhook=hook.ulid)
    why: PauseWhy = standing["paused_why"]
    at = f"{app.clock():%Y-%m-%dT%H:%M:%S}"
    for admin, name, shown in tx.digest.admins(hook.account_id):
        notice = Notice(to=shown, to_name=name, subject=_SUBJECT, text=_words(hook, why))
        post(
            tx,
            app,
            notice,
            key=f"webhook-paused:{hook.ulid}:{admin}:{at}",
            account_id=hook.account_id,
        )


_SUBJECT = "A webhook is paused"
_BECAUSE = {
    PauseWhy.GONE: "its receiver answered 410 Gone, which says that it wants nothing more",
    PauseWhy.SILENT: "its receiver took nothing for three days",
}


def _words(hook: HookRow, why: PauseWhy) -> str:
    return (
        f"The webhook {hook.ulid} of {hook.account} is paused: {_BECAUSE[why]}.\n"
        "Nothing is lost: its events wait, and come in their order when it goes on.\n\n"
        f"To go on:\n  maild webhook resume {hook.ulid} --account {hook.account}\n"
    )


def release_hooks(app: App) -> None:
    """Take back every lease, where whoever had one is known to be dead.  Commits.  Raises StoreDownError."""
    with app.store.write() as tx:
        tx.webhooks.release()


def forget_dead_posts(app: App) -> int:
    """Delete what was given up a month ago; return how many there were.  Commits.  Raises StoreDownError."""
    with app.store.write() as tx:
        return tx.webhooks.forget_dead(app.clock() - DEAD_KEPT)
