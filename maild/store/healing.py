"""Mails that wait for a person: one with what was found out about it, and those that a new fact may settle (I4)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, func, or_, select, true, type_coerce, update

from maild.model.people import InboxKind
from maild.model.states import State
from maild.store.people_tables import client_domains, clients, contacts, inboxes
from maild.store.schema import deliveries, entries, messages, rulings
from maild.store.sql import slices

NAMED_MAX = 50
"""Names that a condition holds.  With some hundred it is nested deeper than SQLite takes, and each mail is searched for
each of them; reading the mails and looking at what they name takes less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRow:
    """One mail, and what its last decision found out."""

    id: int
    ulid: str
    account_id: int
    message_id: int
    inbox_id: int
    inbox_kind: InboxKind
    state: State
    reason: str | None
    facts: dict[str, Any]
    direction: str
    sender_user_id: int | None
    claimed_user_id: int | None
    from_norm: str | None
    """The strict From; None where the mail names no one author."""
    owner_id: int | None
    due_at: datetime | None
    lease: str | None
    version: int
    """Rises with each decision."""
    newest_answer: int | None = None
    """The newest ruling about it; asked for with one mail alone."""

    def is_in_doubt(self, now: datetime) -> bool:
        """Whether it is being decided again, or will be at once."""
        return self.lease is not None or (self.due_at is not None and self.due_at <= now)


_COLUMNS = (
    deliveries.c.id,
    deliveries.c.ulid,
    deliveries.c.account_id,
    deliveries.c.message_id,
    deliveries.c.inbox_id,
    inboxes.c.kind.label("inbox_kind"),
    deliveries.c.state,
    deliveries.c.reason,
    deliveries.c.facts,
    deliveries.c.direction,
    deliveries.c.sender_user_id,
    deliveries.c.claimed_user_id,
    messages.c.from_norm,
    entries.c.owner_id,
    deliveries.c.due_at,
    deliveries.c.lease,
    deliveries.c.version,
)
_WAITING = (
    select(*_COLUMNS)
    .join(messages, messages.c.id == deliveries.c.message_id)
    .join(inboxes, inboxes.c.id == deliveries.c.inbox_id)
    .outerjoin(entries, entries.c.delivery_id == deliveries.c.id)
)


class HealingRows:
    """Queries about mails that wait."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def mail(self, delivery_id: int) -> WaitingRow:
        """Return one mail that is known to exist."""
        newest = select(func.max(rulings.c.id)).where(rulings.c.delivery_id == deliveries.c.id)
        row = self._connection.execute(
            _WAITING.add_columns(newest.scalar_subquery().label("newest_answer")).where(
                deliveries.c.id == delivery_id
            )
        ).one()
        return _waiting(row)

    def about(
        self,
        account_id: int,
        reasons: Collection[str],
        names: Collection[str],
        *,
        after: int = 0,
        limit: int,
    ) -> list[WaitingRow]:
        """Return held and unfiled mails of these reasons that name one of these addresses, in their order.

        Found along the index of reasons: by From, or by what the decision noted that it had tried.  A name that begins
        with @ is a domain.  May hold some that only look like it, or where many names are asked for all of these
        reasons; who asks looks again.
        """
        return self._those(account_id, reasons, _named_by(names), after=after, limit=limit)

    def waiting(
        self, account_id: int, reasons: Collection[str], *, after: int, limit: int
    ) -> list[WaitingRow]:
        """Return held and unfiled mails of these reasons, whomever they name, in their order."""
        return self._those(account_id, reasons, true(), after=after, limit=limit)

    def _those(
        self,
        account_id: int,
        reasons: Collection[str],
        named: ColumnElement[bool],
        *,
        after: int,
        limit: int,
    ) -> list[WaitingRow]:
        rows = self._connection.execute(
            _WAITING.where(
                deliveries.c.account_id == account_id,
                deliveries.c.reason.in_(sorted(reasons)),
                deliveries.c.state.in_((State.HELD, State.UNFILED)),
                deliveries.c.id > after,
                named,
            )
            .order_by(deliveries.c.id)
            .limit(limit)
        )
        return [_waiting(row) for row in rows]

    def clients_of(self, account_id: int, key: str) -> list[tuple[str, str]]:
        """Return (id, name) of the clients that have a contact address, or else own a domain."""
        for table, column in (
            (contacts, contacts.c.norm),
            (client_domains, client_domains.c.domain),
        ):
            rows = self._connection.execute(
                select(clients.c.ulid, clients.c.name)
                .join(table, table.c.client_id == clients.c.id)
                .where(table.c.account_id == account_id, column == key)
                .order_by(clients.c.id)
            ).all()
            if rows:
                return [(row.ulid, row.name) for row in rows]
        return []

    def outcomes(self, delivery_ids: Iterable[int]) -> dict[int, tuple[State, str | None]]:
        """Return state and reason of deliveries."""
        found: dict[int, tuple[State, str | None]] = {}
        for some in slices(delivery_ids):
            rows = self._connection.execute(
                select(deliveries.c.id, deliveries.c.state, deliveries.c.reason).where(
                    deliveries.c.id.in_(some)
                )
            )
            found |= {row.id: (State(row.state), row.reason) for row in rows}
        return found

    def decide_soon(self, delivery_ids: Sequence[int], now: datetime) -> None:
        """Have deliveries decided again by the workers; one that has them in hand decides on what was, and loses them."""
        for some in slices(delivery_ids):
            self._connection.execute(
                update(deliveries).where(deliveries.c.id.in_(some)).values(due_at=now, lease=None)
            )


def _named_by(names: Collection[str]) -> ColumnElement[bool]:
    if len(names) > NAMED_MAX:
        return true()
    return or_(*(one for name in sorted(names) for one in _names(name)))


def _names(name: str) -> Iterable[ColumnElement[bool]]:
    """Return how a mail may name an address, or an address of a domain."""
    if name.startswith("@"):
        yield messages.c.from_norm.endswith(name, autoescape=True)
    else:
        yield messages.c.from_norm == name
    # The document is opaque to queries but for this: a text in which an address stands or not, along the index of
    # reasons.  What it means, whoever asks finds out by reading it.
    written = json.dumps(name.removeprefix("@"), ensure_ascii=False)[1:-1]
    yield type_coerce(deliveries.c.facts, Text).contains(written, autoescape=True)


def _waiting(row: Any) -> WaitingRow:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    values["state"] = State(row.state)
    values["inbox_kind"] = InboxKind(row.inbox_kind)
    return WaitingRow(**values)
