"""The work of deciding: claiming due deliveries, and settling what was decided (TX 2 of design 4).

A lease is a name in `lease` and a moment in `due_at`: until then nobody else takes the delivery.  `settle` compares
state and lease before it writes, so a late worker writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, or_, select, update

from maild.model.facts import ClientRef
from maild.model.states import State
from maild.store.people_tables import clients
from maild.store.schema import bodies, deliveries, events, messages, readings, rulings, traces
from maild.store.sql import ForEach, slices


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that this worker may decide."""

    id: int
    ulid: str
    account_id: int
    message_id: int
    inbox_id: int
    state: State
    attempts: int
    received_at: datetime
    digest: str
    size: int
    message_id_header: str | None
    content_key: str


_CLAIMED = (
    deliveries.c.id,
    deliveries.c.ulid,
    deliveries.c.account_id,
    deliveries.c.message_id,
    deliveries.c.inbox_id,
    deliveries.c.state,
    deliveries.c.attempts,
    deliveries.c.received_at,
    messages.c.digest,
    messages.c.size,
    messages.c.message_id_header,
    messages.c.content_key,
)


_ADD_EVENTS = ForEach.insert(
    events, "at", "account_id", "actor_id", "kind", "delivery_id", "subject"
)
_INLINE = select(bodies.c.account_id, bodies.c.digest, bodies.c.bytes).where(
    bodies.c.account_id.in_(bindparam("accounts", expanding=True)),
    bodies.c.digest.in_(bindparam("digests", expanding=True)),
    bodies.c.bytes.is_not(None),
)


class DeliveryRows:
    """Queries of the deciding transactions."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def claim(
        self,
        *,
        lease: str,
        now: datetime,
        until: datetime,
        limit: int,
        was_tried: bool | None = None,
        newest_first: bool = False,
    ) -> list[Claimed]:
        """Lease due deliveries, oldest or newest first; the attempt is counted here, before the work.

        `was_tried` restricts them to those that were, or were not, claimed before.
        """
        order = (deliveries.c.due_at, deliveries.c.id)
        due = (
            select(deliveries.c.id)
            .where(deliveries.c.due_at.is_not(None), deliveries.c.due_at <= now)
            .order_by(*(column.desc() if newest_first else column for column in order))
            .limit(limit)
        )
        if was_tried is not None:
            due = due.where(deliveries.c.attempts > 0 if was_tried else deliveries.c.attempts == 0)
        if self._connection.dialect.name == "postgresql":
            due = due.with_for_update(skip_locked=True)
        ids = [row.id for row in self._connection.execute(due)]
        return self.lease(ids, lease=lease, until=until)

    def lease(self, ids: Sequence[int], *, lease: str, until: datetime) -> list[Claimed]:
        """Lease these deliveries, whoever had them; the attempt is counted."""
        if not ids:
            return []
        self._connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids))
            .values(lease=lease, due_at=until, attempts=deliveries.c.attempts + 1)
        )
        rows = self._connection.execute(
            select(*_CLAIMED)
            .join(messages, messages.c.id == deliveries.c.message_id)
            .where(deliveries.c.id.in_(ids))
            .order_by(deliveries.c.id)
        ).mappings()
        return [Claimed(**{**row, "state": State(row["state"])}) for row in rows]

    def release(self, *, lease: str, now: datetime) -> None:
        """Make the deliveries of this lease due at once."""
        self._release(deliveries.c.lease == lease, now)

    def release_all(self, beginning: str, *, now: datetime) -> None:
        """Make due at once the deliveries of all leases that begin so, where nobody is at work under any of them."""
        self._release(deliveries.c.lease.startswith(beginning, autoescape=True), now)

    def _release(self, held: ColumnElement[bool], now: datetime) -> None:
        self._connection.execute(
            update(deliveries)
            .where(held, deliveries.c.due_at.is_not(None))
            .values(lease=None, due_at=now)
        )

    def give_back(self, ids: Sequence[int], *, lease: str) -> None:
        """Make leased deliveries that nobody has looked at due again, in the order in which they came."""
        self._connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids), deliveries.c.lease == lease)
            .values(lease=None, due_at=deliveries.c.received_at, attempts=deliveries.c.attempts - 1)
        )

    def put_off(self, delivery_id: int, *, lease: str, due_at: datetime, counts: bool) -> None:
        """Give the lease back: the delivery is to be looked at again then.  Without `counts`, the attempt was none."""
        self._connection.execute(
            update(deliveries)
            .where(deliveries.c.id == delivery_id, deliveries.c.lease == lease)
            .values(
                lease=None,
                due_at=due_at,
                attempts=deliveries.c.attempts - (0 if counts else 1),
            )
        )

    def readings(self, message_ids: Iterable[int], parser_version: int) -> dict[int, bytes]:
        """Return the stored readings of this parser version."""
        found = {}
        for some in slices(message_ids):
            rows = self._connection.execute(
                select(readings.c.message_id, readings.c.letter).where(
                    readings.c.message_id.in_(some), readings.c.parser_version == parser_version
                )
            )
            found.update({row.message_id: row.letter for row in rows})
        return found

    def inline_bodies(self, keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], bytes]:
        """Return those bodies among (account, digest) that are kept in the database; the others lie in files."""
        found: dict[tuple[int, str], bytes] = {}
        for some in slices(keys):
            # Not as pairs: SQLite reads the whole table for those.
            wanted = {
                "accounts": list({account for account, _ in some}),
                "digests": list({digest for _, digest in some}),
            }
            for row in self._connection.execute(_INLINE, wanted):
                found[row.account_id, row.digest] = row.bytes
        return found

    def inline_body(self, account_id: int, digest: str) -> bytes | None:
        """Return a body kept in the database; None: it lies in a file."""
        kept: bytes | None = self._connection.execute(
            select(bodies.c.bytes).where(
                bodies.c.account_id == account_id, bodies.c.digest == digest
            )
        ).scalar_one_or_none()
        return kept

    def traces(self, delivery_id: int) -> list[tuple[datetime, list[dict[str, str]]]]:
        """Return every decision's trace, oldest first."""
        rows = self._connection.execute(
            select(traces.c.at, traces.c.steps)
            .where(traces.c.delivery_id == delivery_id)
            .order_by(traces.c.attempt)
        )
        return [(row.at, row.steps) for row in rows]

    def add_events(self, rows: Sequence[dict[str, Any]]) -> None:
        """Insert events; without an `actor_id` they are maild's own."""
        _ADD_EVENTS.run(self._connection, [{"actor_id": None, **row} for row in rows])

    def readdress(self, delivery_id: int, inbox_id: int) -> None:
        """Let a delivery be another inbox's, which does not have its message yet."""
        self._connection.execute(
            update(deliveries).where(deliveries.c.id == delivery_id).values(inbox_id=inbox_id)
        )

    def add_ruling(self, row: dict[str, Any]) -> None:
        """Record a person's answer."""
        self._connection.execute(insert(rulings).values(**row))

    def client_ref(self, account_id: int, ulid: str) -> ClientRef | None:
        """Return the account's client of that id."""
        row = self._connection.execute(
            select(clients.c.id, clients.c.name).where(
                clients.c.account_id == account_id, clients.c.ulid == ulid
            )
        ).one_or_none()
        return ClientRef(row.id, row.name) if row else None

    def waiting(self, now: datetime) -> int:
        """Return how many deliveries wait to be decided or are in hand."""
        return self._connection.execute(
            select(func.count())
            .select_from(deliveries)
            .where(or_(deliveries.c.state == State.RECEIVED, deliveries.c.due_at <= now))
        ).scalar_one()
