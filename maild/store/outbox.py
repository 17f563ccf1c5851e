"""Queries about errands: queued in the transaction that wants them, claimed under a lease, ended by compare-and-set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, select, update

from maild.model.errand import ErrandState, Topic
from maild.store.outbox_tables import outbox
from maild.store.people_tables import accounts
from maild.store.sql import could_be_id, insert_new, slices


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """An errand as it is stored."""

    id: int
    ulid: str
    key: str
    topic: Topic
    account_id: int | None
    account: str | None
    payload: dict[str, Any]
    state: ErrandState
    due_at: datetime | None
    give_up_at: datetime
    attempts: int
    """Tries that were begun, the present one among them."""
    last_error: str | None
    created_at: datetime
    done_at: datetime | None


_SELECT = select(outbox, accounts.c.slug.label("account")).outerjoin(
    accounts, accounts.c.id == outbox.c.account_id
)


def _errand(row: Any) -> Errand:
    values = {name: getattr(row, name) for name in Errand.__slots__}
    values["topic"] = Topic(row.topic)
    values["state"] = ErrandState(row.state)
    return Errand(**values)


class OutboxRows:
    """Queries about errands."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def add(  # noqa: PLR0913 - the columns that who queues it knows
        self,
        *,
        ulid: str,
        key: str,
        topic: Topic,
        account_id: int | None,
        payload: Mapping[str, Any],
        now: datetime,
        give_up_at: datetime,
    ) -> bool:
        """Queue an errand, due at once when this transaction commits.  False: there is one of that key already."""
        # By what comes back: PostgreSQL counts no rows of an INSERT that makes its own key.
        added = self._connection.execute(
            insert_new(self._connection, outbox)
            .values(
                ulid=ulid,
                key=key,
                topic=topic,
                account_id=account_id,
                payload=dict(payload),
                state=ErrandState.WAITING,
                due_at=now,
                give_up_at=give_up_at,
                created_at=now,
            )
            .returning(outbox.c.id)
        ).scalar_one_or_none()
        return added is not None

    def by_key(self, key: str) -> Errand | None:
        """Return the errand of that key."""
        row = self._connection.execute(_SELECT.where(outbox.c.key == key)).one_or_none()
        return None if row is None else _errand(row)

    def is_due(self, topic: Topic, now: datetime) -> bool:
        """Whether there is anything to claim."""
        found = self._connection.execute(
            select(outbox.c.id)
            .where(outbox.c.due_at.is_not(None), outbox.c.due_at <= now, outbox.c.topic == topic)
            .limit(1)
        )
        return found.first() is not None

    def claim(
        self, topic: Topic, *, lease: str, now: datetime, until: datetime, limit: int
    ) -> list[Errand]:
        """Lease due errands, the longest due first; the attempt is counted here, before the work.

        Until then nobody else takes them: neither another thread nor another node.
        """
        due = (
            select(outbox.c.id)
            .where(outbox.c.due_at.is_not(None), outbox.c.due_at <= now, outbox.c.topic == topic)
            .order_by(outbox.c.due_at, outbox.c.id)
            .limit(limit)
        )
        if self._connection.dialect.name == "postgresql":
            due = due.with_for_update(skip_locked=True)
        ids = [row.id for row in self._connection.execute(due)]
        if not ids:
            return []
        self._connection.execute(
            update(outbox)
            .where(outbox.c.id.in_(ids))
            .values(lease=lease, due_at=until, attempts=outbox.c.attempts + 1)
        )
        rows = self._connection.execute(_SELECT.where(outbox.c.id.in_(ids)).order_by(outbox.c.id))
        return [_errand(row) for row in rows]

    def finish(self, errand_id: int, *, lease: str, now: datetime, kept: Mapping[str, Any]) -> bool:
        """Write that it is done, and `kept` in place of the payload.  False: the lease is somebody else's by now."""
        return self._settle(
            errand_id,
            lease,
            state=ErrandState.DONE,
            due_at=None,
            done_at=now,
            payload=dict(kept),
            last_error=None,
        )

    def postpone(self, errand_id: int, *, lease: str, until: datetime, why: str) -> bool:
        """Write that it did not go, and when it is tried again.  False: the lease is somebody else's by now."""
        return self._settle(errand_id, lease, due_at=until, last_error=why)

    def bury(self, errand_id: int, *, lease: str, why: str) -> bool:
        """Write that it will never go.  False: the lease is somebody else's by now."""
        return self._settle(errand_id, lease, state=ErrandState.DEAD, due_at=None, last_error=why)

    def _settle(self, errand_id: int, lease: str, **values: Any) -> bool:
        done = self._connection.execute(
            update(outbox)
            .where(outbox.c.id == errand_id, outbox.c.lease == lease)
            .values(lease=None, **values)
        )
        return done.rowcount == 1

    def mark_returned(self, ulid: str, why: str, *, unless: str | None = None) -> str | None:
        """Write on an errand what a report says; return to whom its mail went, None where there is no such errand.

        What stands there and begins with `unless` stays.
        """
        said: Any = why
        if unless is not None:
            was = outbox.c.last_error
            said = case((was.startswith(unless, autoescape=True), was), else_=why)
        row = self._connection.execute(
            update(outbox)
            .where(outbox.c.ulid == ulid)
            .values(last_error=said)
            .returning(outbox.c.payload)
        ).one_or_none()
        return None if row is None else str(row.payload.get("to", ""))

    def give_back(
        self, errand_ids: Sequence[int], *, lease: str, now: datetime, why: str | None
    ) -> None:
        """Give back what a worker did not begin: it is due at once, and was no attempt."""
        values: dict[str, Any] = {} if why is None else {"last_error": why}
        self._connection.execute(
            update(outbox)
            .where(outbox.c.id.in_(errand_ids), outbox.c.lease == lease)
            .values(lease=None, due_at=now, attempts=outbox.c.attempts - 1, **values)
        )

    def renew(self, *, lease: str, until: datetime) -> bool:
        """Have what is under the lease for longer; False when there is nothing under it any more."""
        done = self._connection.execute(
            update(outbox).where(outbox.c.lease == lease).values(due_at=until)
        )
        return done.rowcount > 0

    def release(self, *, now: datetime) -> None:
        """Take every lease back: whoever had one is dead."""
        self._connection.execute(
            update(outbox).where(outbox.c.lease.is_not(None)).values(lease=None, due_at=now)
        )

    def page(
        self, state: ErrandState | None, *, account_id: int | None, limit: int
    ) -> list[Errand]:
        """Return errands, the newest first; of one account, or all."""
        asked = _SELECT.order_by(outbox.c.id.desc()).limit(limit)
        if state is not None:
            asked = asked.where(outbox.c.state == state)
        if account_id is not None:
            asked = asked.where(outbox.c.account_id == account_id)
        return [_errand(row) for row in self._connection.execute(asked)]

    def by_ulid(self, ulid: str) -> Errand | None:
        """Return an errand."""
        if not could_be_id(ulid):
            return None
        row = self._connection.execute(_SELECT.where(outbox.c.ulid == ulid)).one_or_none()
        return None if row is None else _errand(row)

    def revive(self, errand_ids: Sequence[int], *, now: datetime, give_up_at: datetime) -> None:
        """Have errands that are dead, or wait for their time, tried at once, and from the first try on."""
        self._connection.execute(
            update(outbox)
            .where(
                outbox.c.id.in_(errand_ids),
                outbox.c.state != ErrandState.DONE,
                outbox.c.lease.is_(None),
            )
            .values(state=ErrandState.WAITING, due_at=now, give_up_at=give_up_at, attempts=0)
        )

    def held(self, errand_ids: Iterable[int]) -> set[int]:
        """Return which of these errands are under a lease."""
        found: set[int] = set()
        for some in slices(errand_ids):
            rows = self._connection.execute(
                select(outbox.c.id).where(outbox.c.id.in_(some), outbox.c.lease.is_not(None))
            )
            found.update(row.id for row in rows)
        return found

    def counts(self) -> dict[ErrandState, int]:
        """Return how many errands are in each state."""
        rows = self._connection.execute(
            select(outbox.c.state, func.count()).group_by(outbox.c.state)
        )
        return {ErrandState(state): number for state, number in rows}
