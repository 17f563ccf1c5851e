"""What pages and commands show of mail and nobody decides by: names, histories, and look-ups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, select

from maild.model.facts import Ruling
from maild.model.states import State
from maild.store.people_tables import accounts, addresses, clients, inboxes, users
from maild.store.schema import deliveries, events, messages, rulings
from maild.store.sql import could_be_id, slices


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """Something that happened to a delivery."""

    id: int
    at: datetime
    actor_id: int | None
    kind: str
    subject: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RulingRow:
    """A person's answer, as the history tells it."""

    at: datetime
    by_user_id: int | None
    change_id: str
    ruling: Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRef:
    """Which body a delivery has; `erased_at` says that it is gone."""

    account_id: int
    digest: str
    size: int
    erased_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderRow:
    """Whom a mail was resolved to, by which of their addresses, and what stood in the mail."""

    user_id: int
    name: str
    address: str | None
    literal: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRow:
    """How many deliveries of an inbox have this state and reason."""

    inbox_id: int
    state: str
    reason: str | None
    count: int


class ViewRows:
    """Queries that only show."""

    def __init__(self, connection: Connection) -> None:
        """Read through an open view."""
        self._connection = connection

    def accounts(self) -> dict[str, int]:
        """Return the accounts' ids by slug, in the order of the slugs."""
        rows = self._connection.execute(
            select(accounts.c.slug, accounts.c.id).order_by(accounts.c.slug)
        )
        return {row.slug: row.id for row in rows}

    def names(self, user_ids: Iterable[int]) -> dict[int, str]:
        """Return users' names."""
        found = {}
        for some in slices(user_ids):
            rows = self._connection.execute(
                select(users.c.id, users.c.display_name).where(users.c.id.in_(some))
            )
            found.update({row.id: row.display_name for row in rows})
        return found

    def sender(self, delivery_id: int) -> SenderRow | None:
        """Return whom a mail was resolved to; None if it is of no user."""
        row = self._connection.execute(
            select(
                deliveries.c.sender_user_id,
                users.c.display_name,
                addresses.c.norm,
                deliveries.c.sender_literal,
            )
            .join(users, users.c.id == deliveries.c.sender_user_id)
            .outerjoin(addresses, addresses.c.id == deliveries.c.binding_id)
            .where(deliveries.c.id == delivery_id)
        ).one_or_none()
        if row is None:
            return None
        return SenderRow(
            user_id=row.sender_user_id,
            name=row.display_name,
            address=row.norm,
            literal=row.sender_literal,
        )

    def holder(self, norm: str) -> int | None:
        """Return the user whose address that is now."""
        found: int | None = self._connection.execute(
            select(addresses.c.user_id).where(
                addresses.c.norm == norm,
                addresses.c.valid_to.is_(None),
                addresses.c.verified_at.is_not(None),
            )
        ).scalar_one_or_none()
        return found

    def inbox_id(self, account_id: int, norm: str) -> int | None:
        """Return the account's inbox of that name."""
        found: int | None = self._connection.execute(
            select(inboxes.c.id).where(inboxes.c.account_id == account_id, inboxes.c.norm == norm)
        ).scalar_one_or_none()
        return found

    def client_id(self, account_id: int, ulid: str) -> int | None:
        """Return the account's client of that public id."""
        if not could_be_id(ulid):
            return None
        found: int | None = self._connection.execute(
            select(clients.c.id).where(clients.c.account_id == account_id, clients.c.ulid == ulid)
        ).scalar_one_or_none()
        return found

    def delivery_id(self, account_id: int, ulid: str) -> int | None:
        """Return the account's delivery of that public id."""
        if not could_be_id(ulid):
            return None
        found: int | None = self._connection.execute(
            select(deliveries.c.id).where(
                deliveries.c.account_id == account_id, deliveries.c.ulid == ulid
            )
        ).scalar_one_or_none()
        return found

    def with_reason(
        self, account_id: int, reason: str, *, after: int, limit: int
    ) -> list[tuple[int, str]]:
        """Return the next (id, public id) of the account's deliveries with that reason, in their order."""
        rows = self._connection.execute(
            select(deliveries.c.id, deliveries.c.ulid)
            .where(
                deliveries.c.account_id == account_id,
                deliveries.c.reason == reason,
                deliveries.c.state != State.ERASED,
                deliveries.c.id > after,
            )
            .order_by(deliveries.c.id)
            .limit(limit)
        )
        return [(row.id, row.ulid) for row in rows]

    def twins(self, message_id: int, most: int) -> list[str]:
        """Return the public ids of the account's mails that have this one's Message-ID and other content, oldest first (D6)."""
        this, other = messages.alias("this"), messages.alias("other")
        rows = self._connection.execute(
            select(deliveries.c.ulid)
            .join(other, other.c.id == deliveries.c.message_id)
            .join(
                this,
                and_(
                    this.c.account_id == other.c.account_id,
                    this.c.message_id_header == other.c.message_id_header,
                    this.c.content_key != other.c.content_key,
                ),
            )
            .where(this.c.id == message_id, deliveries.c.state != State.ERASED)
            .order_by(deliveries.c.id)
            .limit(most)
        )
        return [row.ulid for row in rows]

    def counts(self, account_id: int, inbox_id: int | None) -> list[CountRow]:
        """Return how many deliveries of the account, or of its inbox, have each state and reason."""
        query = (
            select(
                deliveries.c.inbox_id,
                deliveries.c.state,
                deliveries.c.reason,
                func.count().label("count"),
            )
            .where(deliveries.c.account_id == account_id)
            .group_by(deliveries.c.inbox_id, deliveries.c.state, deliveries.c.reason)
        )
        if inbox_id is not None:
            query = query.where(deliveries.c.inbox_id == inbox_id)
        return [CountRow(**row) for row in self._connection.execute(query).mappings()]

    def body(self, delivery_id: int) -> BodyRef:
        """Return which bytes a delivery has."""
        row = self._connection.execute(
            select(messages.c.account_id, messages.c.digest, messages.c.size, messages.c.erased_at)
            .join(deliveries, deliveries.c.message_id == messages.c.id)
            .where(deliveries.c.id == delivery_id)
        ).one()
        return BodyRef(
            account_id=row.account_id, digest=row.digest, size=row.size, erased_at=row.erased_at
        )

    def events(self, delivery_id: int) -> list[EventRow]:
        """Return what happened to a delivery, oldest first."""
        rows = self._connection.execute(
            select(events.c.id, events.c.at, events.c.actor_id, events.c.kind, events.c.subject)
            .where(events.c.delivery_id == delivery_id)
            .order_by(events.c.id)
        ).mappings()
        return [EventRow(**row) for row in rows]

    def rulings(self, delivery_id: int) -> list[RulingRow]:
        """Return what people answered about a delivery, oldest first."""
        rows = self._connection.execute(
            select(
                rulings.c.at,
                rulings.c.by_user_id,
                rulings.c.change_id,
                rulings.c.question,
                rulings.c.answer,
            )
            .where(rulings.c.delivery_id == delivery_id)
            .order_by(rulings.c.id)
        )
        return [
            RulingRow(
                at=row.at,
                by_user_id=row.by_user_id,
                change_id=row.change_id,
                ruling=Ruling(question=row.question, answer=row.answer),
            )
            for row in rows
        ]

    def first_inbox(self, account_id: int) -> str | None:
        """Return the name of the account's oldest inbox."""
        found: str | None = self._connection.execute(
            select(inboxes.c.norm)
            .where(inboxes.c.account_id == account_id)
            .order_by(inboxes.c.id)
            .limit(1)
        ).scalar_one_or_none()
        return found

    def client_ulids(self, client_ids: Iterable[int]) -> dict[int, str]:
        """Return clients' public ids."""
        found = {}
        for some in slices(client_ids):
            rows = self._connection.execute(
                select(clients.c.id, clients.c.ulid).where(clients.c.id.in_(some))
            )
            found.update({row.id: row.ulid for row in rows})
        return found
