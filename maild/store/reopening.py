"""Queries about what an answer re-opens (M7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from maild.model.writing import Act
from maild.store.people_tables import contacts
from maild.store.schema import deliveries, entries, filings, messages, recipients, statuses
from maild.store.sql import slices
from maild.store.writing_tables import outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedRow:
    """A mail in somebody's mailbox whose status says that it is done."""

    delivery_id: int
    message_id: int
    known_by: frozenset[str]
    """Its Message-ID, and those of its answers from here, as far as they were asked for."""


class ReopeningRows:
    """Queries about mails that are done."""

    def __init__(self, connection: Connection) -> None:
        """Read through an open transaction."""
        self._connection = connection

    def closed(self, account_id: int, message_ids: Iterable[str]) -> list[ClosedRow]:
        """Return the account's mails that are done and have these Message-IDs, or were answered by mails that have."""
        quoted = messages.alias("quoted")
        of_them = deliveries.c.message_id == quoted.c.id
        answered = and_(deliveries.c.id == outgoing.c.answers_id, outgoing.c.act == Act.REPLY.value)
        found: dict[tuple[int, int], set[str]] = defaultdict(set)
        for some in slices(message_ids):
            these = (quoted.c.account_id == account_id, quoted.c.message_id_header.in_(some))
            start = select(
                entries.c.delivery_id, deliveries.c.message_id, quoted.c.message_id_header
            )
            own = start.select_from(quoted.join(deliveries, of_them))
            through = start.select_from(
                quoted.join(outgoing, outgoing.c.message_id == quoted.c.id).join(
                    deliveries, answered
                )
            )
            for query in (own, through):
                rows = self._connection.execute(
                    query.join(entries, entries.c.delivery_id == deliveries.c.id)
                    .join(statuses, statuses.c.id == entries.c.status_id)
                    .where(*these, statuses.c.closes)
                )
                for delivery_id, message_id, known_by in rows:
                    found[delivery_id, message_id].add(known_by)
        return [
            ClosedRow(delivery_id=one, message_id=of, known_by=frozenset(found[one, of]))
            for one, of in sorted(found)
        ]

    def reopened_status(self, account_id: int) -> int | None:
        """Return the status that a re-opened mail gets: the one that says so, else the first that closes nothing."""
        return self._connection.execute(
            select(statuses.c.id)
            .where(statuses.c.account_id == account_id, ~statuses.c.closes)
            .order_by(statuses.c.reopens.desc(), statuses.c.rank)
            .limit(1)
        ).scalar_one_or_none()

    def participants(self, message_ids: Iterable[int]) -> dict[int, frozenset[str]]:
        """Return who wrote, and to whom, of each message."""
        found: dict[int, set[str]] = defaultdict(set)
        for some in slices(message_ids):
            written = select(messages.c.id, messages.c.from_norm).where(
                messages.c.id.in_(some), messages.c.from_norm.is_not(None)
            )
            named = select(recipients.c.message_id, recipients.c.norm).where(
                recipients.c.message_id.in_(some), recipients.c.kind.in_(("to", "cc"))
            )
            for query in (written, named):
                for key, norm in self._connection.execute(query):
                    found[key].add(norm)
        return {key: frozenset(norms) for key, norms in found.items()}

    def contacts_of(self, delivery_ids: Iterable[int]) -> dict[int, frozenset[str]]:
        """Return the contact addresses of the clients under which deliveries are filed."""
        found: dict[int, set[str]] = defaultdict(set)
        for some in slices(delivery_ids):
            rows = self._connection.execute(
                select(filings.c.delivery_id, contacts.c.norm)
                .join(contacts, contacts.c.client_id == filings.c.client_id)
                .where(filings.c.delivery_id.in_(some))
            )
            for row in rows:
                found[row.delivery_id].add(row.norm)
        return {key: frozenset(norms) for key, norms in found.items()}
