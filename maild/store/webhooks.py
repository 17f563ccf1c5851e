"""Queries about webhooks: receivers, claimed under a lease, and the events that wait for one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from maild.model.webhook import HookState, PauseWhy, PostState
from maild.store.feed import position_of
from maild.store.people_tables import accounts
from maild.store.schema import events
from maild.store.sql import could_be_id, insert_new, slices
from maild.store.webhook_tables import webhook_posts, webhooks

LATE_MAX = timedelta(hours=6)
"""By how much the time of an event may lie before that of an event with an earlier position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRow:
    """A receiver as it is stored."""

    id: int
    ulid: str
    account_id: int
    account: str
    url: str
    kinds: list[str]
    secret: str
    """Sealed."""
    old_secret: str | None
    old_secret_until: datetime | None
    created_at: datetime
    position: int
    state: HookState
    paused_why: PauseWhy | None
    paused_at: datetime | None
    fails: int
    failing_since: datetime | None
    rest_until: datetime | None
    last_taken_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostRow:
    """An event that waits for a receiver, or is dead."""

    id: int
    event_id: str
    position: int | None
    mail: str | None
    kind: str
    event: dict[str, Any]
    state: PostState
    due_at: datetime | None
    give_up_at: datetime
    attempts: int
    last_error: str | None


_SELECT = select(webhooks, accounts.c.slug.label("account")).join(
    accounts, accounts.c.id == webhooks.c.account_id
)
_LIVING = webhook_posts.c.due_at.is_not(None)
_DEAD = webhook_posts.c.state == PostState.DEAD

_earlier = webhook_posts.alias("earlier")


def _may_go(now: datetime) -> ColumnElement[bool]:
    """Whether an event is due, and every earlier one of its mail that waits for this receiver is, too."""
    is_stopped = exists(
        select(_earlier.c.id).where(
            _earlier.c.webhook_id == webhook_posts.c.webhook_id,
            _earlier.c.mail == webhook_posts.c.mail,
            _earlier.c.due_at > now,
            _earlier.c.id < webhook_posts.c.id,
        )
    )
    return and_(webhook_posts.c.due_at <= now, ~is_stopped)


def _hook(row: Any) -> HookRow:
    values = {name: getattr(row, name) for name in HookRow.__slots__}
    values["state"] = HookState(row.state)
    values["paused_why"] = None if row.paused_why is None else PauseWhy(row.paused_why)
    return HookRow(**values)


def _post(row: Any) -> PostRow:
    values = {name: getattr(row, name) for name in PostRow.__slots__}
    values["state"] = PostState(row.state)
    return PostRow(**values)


class WebhookRows:
    """Queries about webhooks."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    # -- receivers ---------------------------------------------------------------------------------------------------

    def add(self, values: Mapping[str, Any]) -> None:
        """Insert a receiver."""
        self._connection.execute(insert(webhooks).values(values))

    def of_account(self, account_id: int) -> list[HookRow]:
        """Return the account's receivers, the oldest first."""
        asked = _SELECT.where(webhooks.c.account_id == account_id).order_by(webhooks.c.id)
        return [_hook(row) for row in self._connection.execute(asked)]

    def by_ulid(self, account_id: int, ulid: str, *, hold: bool = False) -> HookRow | None:
        """Return one of the account's receivers; held, no round of it ends before this transaction does."""
        if not could_be_id(ulid):
            return None
        asked = _SELECT.where(webhooks.c.account_id == account_id, webhooks.c.ulid == ulid)
        if hold:
            asked = asked.with_for_update(of=webhooks)
        row = self._connection.execute(asked).one_or_none()
        return None if row is None else _hook(row)

    def change(self, hook_id: int, values: Mapping[str, Any]) -> None:
        """Change what an admin sets; whoever works for the receiver at this moment writes nothing more of it."""
        self.alter(hook_id, {**values, "lease": None, "lease_until": None})

    def alter(self, hook_id: int, values: Mapping[str, Any]) -> None:
        """Change what a round may go on with."""
        self._connection.execute(update(webhooks).where(webhooks.c.id == hook_id).values(values))

    def remove(self, hook_id: int) -> None:
        """Delete a receiver, and what waits for it."""
        self._connection.execute(delete(webhook_posts).where(webhook_posts.c.webhook_id == hook_id))
        self._connection.execute(delete(webhooks).where(webhooks.c.id == hook_id))

    # -- the worker's ------------------------------------------------------------------------------------------------

    def with_work(self, now: datetime, *, most: int, limit: int) -> list[int]:
        """Return receivers for which something may be sent now, and whom nobody works for; the longest idle first.

        For whom `most` events wait, none is read.
        """
        position = position_of(self._connection)
        is_behind = exists(
            select(events.c.id).where(
                events.c.account_id == webhooks.c.account_id, position > webhooks.c.position
            )
        )
        waiting = (
            select(func.count())
            .where(webhook_posts.c.webhook_id == webhooks.c.id, _LIVING)
            .scalar_subquery()
        )
        is_due = exists(
            select(webhook_posts.c.id).where(
                webhook_posts.c.webhook_id == webhooks.c.id,
                _may_go(now),
            )
        )
        asked = (
            select(webhooks.c.id)
            .where(self._is_free(now), or_(is_due, and_(is_behind, waiting < most)))
            .order_by(webhooks.c.lease_until.nulls_first(), webhooks.c.id)
            .limit(limit)
        )
        return list(self._connection.execute(asked).scalars())

    def _is_free(self, now: datetime) -> ColumnElement[bool]:
        return and_(
            webhooks.c.state == HookState.ACTIVE,
            or_(webhooks.c.rest_until.is_(None), webhooks.c.rest_until <= now),
            or_(webhooks.c.lease.is_(None), webhooks.c.lease_until <= now),
        )

    def claim(self, hook_id: int, *, lease: str, now: datetime, until: datetime) -> HookRow | None:
        """Lease a receiver: nobody else sends to it meanwhile.  None: somebody does, or nothing is to be sent."""
        done = self._connection.execute(
            update(webhooks)
            .where(webhooks.c.id == hook_id, self._is_free(now))
            .values(lease=lease, lease_until=until)
        )
        if done.rowcount != 1:
            return None
        return _hook(self._connection.execute(_SELECT.where(webhooks.c.id == hook_id)).one())

    def is_leased(self, hook_id: int, lease: str) -> bool:
        """Whether a receiver's lease is this one."""
        asked = select(webhooks.c.id).where(webhooks.c.id == hook_id, webhooks.c.lease == lease)
        return self._connection.execute(asked).first() is not None

    def end_round(self, hook_id: int, *, lease: str, values: Mapping[str, Any]) -> bool:
        """Write how a round went, and give the lease back.  False: it is somebody else's by now."""
        done = self._connection.execute(
            update(webhooks)
            .where(webhooks.c.id == hook_id, webhooks.c.lease == lease)
            .values({**values, "lease": None})
        )
        return done.rowcount == 1

    def release(self) -> None:
        """Take every lease back: whoever had one is dead."""
        self._connection.execute(
            update(webhooks).where(webhooks.c.lease.is_not(None)).values(lease=None)
        )

    # -- events that wait --------------------------------------------------------------------------------------------

    def due(self, hook_id: int, now: datetime, *, limit: int) -> list[PostRow]:
        """Return what is due: tests, then the oldest; nothing of a mail behind an event that still has to wait."""
        asked = (
            select(webhook_posts)
            .where(
                webhook_posts.c.webhook_id == hook_id,
                _may_go(now),
            )
            .order_by(webhook_posts.c.position.is_not(None), webhook_posts.c.id)
            .limit(limit)
        )
        return [_post(row) for row in self._connection.execute(asked)]

    def mails_waiting(self, hook_id: int, mails: Iterable[str]) -> set[str]:
        """Return which of these mails have an event that waits."""
        found: set[str] = set()
        for some in slices(mails):
            rows = self._connection.execute(
                select(webhook_posts.c.mail).where(
                    webhook_posts.c.webhook_id == hook_id, webhook_posts.c.mail.in_(some), _LIVING
                )
            )
            found.update(row.mail for row in rows)
        return found

    def add_posts(self, hook_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep events for later; one that is there already stays as it is."""
        if rows:
            self._connection.execute(
                insert_new(self._connection, webhook_posts),
                [{**row, "webhook_id": hook_id} for row in rows],
            )

    def taken(self, post_ids: Iterable[int]) -> None:
        """Forget events that the receiver took."""
        for some in slices(post_ids):
            self._connection.execute(delete(webhook_posts).where(webhook_posts.c.id.in_(some)))

    def set_post(self, post_id: int, values: Mapping[str, Any]) -> None:
        """Write what came of a try."""
        self._connection.execute(
            update(webhook_posts).where(webhook_posts.c.id == post_id).values(values)
        )

    # -- what admins see and do --------------------------------------------------------------------------------------

    def counts(self, hook_ids: Collection[int]) -> dict[tuple[int, PostState], int]:
        """Return how many events of each receiver wait or are dead."""
        found: dict[tuple[int, PostState], int] = {}
        for some in slices(hook_ids):
            rows = self._connection.execute(
                select(webhook_posts.c.webhook_id, webhook_posts.c.state, func.count())
                .where(webhook_posts.c.webhook_id.in_(some))
                .group_by(webhook_posts.c.webhook_id, webhook_posts.c.state)
            )
            found.update({(hook, PostState(state)): number for hook, state, number in rows})
        return found

    def behind(self, account_id: int, position: int, *, most: int) -> int:
        """Return how many events of the account lie behind a position, counted to `most`."""
        some = (
            select(events.c.id)
            .where(events.c.account_id == account_id, position_of(self._connection) > position)
            .limit(most)
            .subquery()
        )
        return self._connection.execute(select(func.count()).select_from(some)).scalar_one()

    def next_due(self, hook_id: int) -> datetime | None:
        """Return when the next event that waits is tried."""
        return self._connection.execute(
            select(webhook_posts.c.due_at)
            .where(webhook_posts.c.webhook_id == hook_id, _LIVING)
            .order_by(webhook_posts.c.due_at)
            .limit(1)
        ).scalar_one_or_none()

    def posts(self, hook_id: int, state: PostState, *, after: int = 0, limit: int) -> list[PostRow]:
        """Return events that wait or are dead, the oldest first."""
        asked = (
            select(webhook_posts)
            .where(
                webhook_posts.c.webhook_id == hook_id,
                webhook_posts.c.state == state,
                webhook_posts.c.id > after,
            )
            .order_by(webhook_posts.c.id)
            .limit(limit)
        )
        return [_post(row) for row in self._connection.execute(asked)]

    def revive(self, hook_id: int, state: PostState, *, now: datetime, give_up_at: datetime) -> int:
        """Have all events in a state tried at once, and from the first try on; return how many there are."""
        done = self._connection.execute(
            update(webhook_posts)
            .where(webhook_posts.c.webhook_id == hook_id, webhook_posts.c.state == state)
            .values(state=PostState.WAITING, due_at=now, give_up_at=give_up_at, attempts=0)
        )
        return done.rowcount

    def kinds_waiting(self, hook_id: int) -> set[str]:
        """Return of which types events wait."""
        asked = (
            select(webhook_posts.c.kind)
            .where(webhook_posts.c.webhook_id == hook_id, _LIVING)
            .distinct()
        )
        return set(self._connection.execute(asked).scalars())

    def drop_kinds(self, hook_id: int, kinds: Collection[str]) -> None:
        """Forget the events of some types that wait."""
        self._connection.execute(
            delete(webhook_posts).where(
                webhook_posts.c.webhook_id == hook_id, _LIVING, webhook_posts.c.kind.in_(kinds)
            )
        )

    def drop_behind(self, hook_id: int, position: int) -> None:
        """Forget the events behind a position that wait or are dead: they come again from the feed."""
        self._connection.execute(
            delete(webhook_posts).where(
                webhook_posts.c.webhook_id == hook_id, webhook_posts.c.position > position
            )
        )

    def forget_dead(self, before: datetime) -> int:
        """Delete the dead whose time was over before then; return how many there were."""
        done = self._connection.execute(
            delete(webhook_posts).where(_DEAD, webhook_posts.c.give_up_at < before)
        )
        return done.rowcount

    def position_at(self, account_id: int, at: datetime, newest: int) -> int:
        """Return the position before the account's first event that happened at or after a time.

        Positions rise with the time, but not strictly: what is long under way is placed at its end, and a clock may be
        set back.  A few looks find a place that is early enough for `LATE_MAX` of that, and from there on it is
        read.  `newest` is the last one.
        """
        low, high = 0, newest
        while low < high:
            middle = (low + high) // 2
            if self._at_behind(account_id, middle) < at - LATE_MAX:
                low = middle + 1
            else:
                high = middle
        place = position_of(self._connection)
        asked = (
            select(place)
            .where(events.c.account_id == account_id, place > low, events.c.at >= at)
            .order_by(place)
            .limit(1)
        )
        first = self._connection.execute(asked).scalar_one_or_none()
        return newest if first is None else first - 1

    def _at_behind(self, account_id: int, position: int) -> datetime:
        """Return when the account's first event behind a position happened; there is one."""
        place = position_of(self._connection)
        asked = (
            select(events.c.at)
            .where(events.c.account_id == account_id, place > position)
            .order_by(place)
            .limit(1)
        )
        found: datetime = self._connection.execute(asked).scalar_one()
        return found
