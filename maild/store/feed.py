"""The feed of events: a position that rises with the commits, so that no reader with a cursor skips one.

SQLite has one writer at a time: ids are given in the order of the commits.  PostgreSQL gives an id before the commit, and
a transaction that commits late shows its events behind a reader's back.  There an event has no position until it is
committed: whoever reads gives positions to what is there without, one at a time, and nobody sees an event before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update

from maild.model.people import InboxKind
from maild.store.feed_tables import event_positions
from maild.store.people_tables import inboxes, users
from maild.store.schema import deliveries, entries, events
from maild.store.source_tables import sources
from maild.store.sql import slices


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRow:
    """An event, and of its mail what says who may see it."""

    position: int
    at: datetime
    kind: str
    actor_id: int | None
    subject: dict[str, Any]
    mail: str | None
    """The public id of its delivery; None: it is about no mail."""
    owner_id: int | None
    """Whose mailbox the mail is in now."""
    is_shared: bool
    """Whether the mail came to a shared inbox."""


def position_of(connection: Connection) -> ColumnElement[int]:
    """Return what an event's position is in this database; on PostgreSQL None until it is placed."""
    return events.c.position if connection.dialect.name == "postgresql" else events.c.id


class FeedRows:
    """Queries about what happened, in order."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection
        self._is_numbered = connection.dialect.name == "postgresql"

    @property
    def _position(self) -> ColumnElement[int]:
        return position_of(self._connection)

    def has_unplaced(self) -> bool:
        """Whether events are committed that have no position yet."""
        if not self._is_numbered:
            return False
        one = select(events.c.id).where(events.c.position.is_(None)).limit(1)
        return self._connection.execute(one).first() is not None

    def place(self, most: int) -> int:
        """Give at most so many events their positions; return how many there were.  Needs a write transaction.

        The one row is held to the commit: whoever waits for it sees every position that was given before.
        """
        last: int = self._connection.execute(
            select(event_positions.c.last).where(event_positions.c.id == 1).with_for_update()
        ).scalar_one()
        waiting = (
            select(events.c.id)
            .where(events.c.position.is_(None))
            .order_by(events.c.id)
            .limit(most)
            .subquery()
        )
        places = select(
            waiting.c.id, (func.row_number().over(order_by=waiting.c.id) + last).label("position")
        ).subquery()
        placed = self._connection.execute(
            update(events).where(events.c.id == places.c.id).values(position=places.c.position)
        ).rowcount
        if placed:
            self._connection.execute(
                update(event_positions).where(event_positions.c.id == 1).values(last=last + placed)
            )
        return placed

    def after(self, account_id: int, position: int, limit: int) -> list[FeedRow]:
        """Return the account's next events behind a position, in order."""
        query = (
            select(
                self._position.label("position"),
                events.c.at,
                events.c.kind,
                events.c.actor_id,
                events.c.subject,
                deliveries.c.ulid.label("mail"),
                entries.c.owner_id,
                inboxes.c.kind.label("inbox_kind"),
            )
            .outerjoin(deliveries, deliveries.c.id == events.c.delivery_id)
            .outerjoin(entries, entries.c.delivery_id == events.c.delivery_id)
            .outerjoin(inboxes, inboxes.c.id == deliveries.c.inbox_id)
            .where(events.c.account_id == account_id, self._position > position)
            .order_by(self._position)
            .limit(limit)
        )
        return [
            FeedRow(
                position=row.position,
                at=row.at,
                kind=row.kind,
                actor_id=row.actor_id,
                subject=row.subject,
                mail=row.mail,
                owner_id=row.owner_id,
                is_shared=row.inbox_kind == InboxKind.SHARED,
            )
            for row in self._connection.execute(query)
        ]

    def end(self, account_id: int) -> int:
        """Return the position of the account's newest event; 0: nothing happened yet."""
        newest = (
            select(self._position)
            .where(events.c.account_id == account_id, self._position.is_not(None))
            .order_by(self._position.desc())
            .limit(1)
        )
        return self._connection.execute(newest).scalar_one_or_none() or 0

    def mark(self) -> int:
        """Return the newest position of all."""
        if self._is_numbered:
            newest = select(event_positions.c.last).where(event_positions.c.id == 1)
        else:
            newest = select(func.max(events.c.id))
        return self._connection.execute(newest).scalar_one() or 0

    def user_ids(self, user_ids: Iterable[int]) -> dict[int, str]:
        """Return users' public ids."""
        found: dict[int, str] = {}
        for some in slices(user_ids):
            rows = self._connection.execute(
                select(users.c.id, users.c.ulid).where(users.c.id.in_(some))
            )
            found.update({row.id: row.ulid for row in rows})
        return found

    def source_names(self, source_ids: Iterable[int]) -> dict[int, str]:
        """Return sources' names, by which the interface knows them."""
        found: dict[int, str] = {}
        for some in slices(source_ids):
            rows = self._connection.execute(
                select(sources.c.id, sources.c.name).where(sources.c.id.in_(some))
            )
            found.update({row.id: row.name for row in rows})
        return found
