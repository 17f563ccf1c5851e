"""What decisions are made from, read in a few bulk queries for a whole batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import and_, func, select

from maild.model.facts import ClientRef, Direct, InboxFacts, Ruling, ThreadHit, Witness
from maild.model.people import InboxKind
from maild.model.states import State
from maild.store.bindings import BindingRows
from maild.store.people_tables import (
    accounts,
    client_domains,
    clients,
    contacts,
    inboxes,
)
from maild.store.schema import arrivals, deliveries, events, filings, messages, recipients, rulings
from maild.store.sql import slices

TWINS_MOST = 20
"""Messages of one Message-ID that are looked at for a decision: a peer may send a hundred thousand."""
Owned = dict[tuple[int, str], tuple[ClientRef, ...]]
"""Clients by (account, address or domain)."""


class DecisionRows(BindingRows):
    """Queries that fill a Case; they only read."""

    def inbox_facts(self, inbox_ids: Iterable[int]) -> dict[int, InboxFacts]:
        """Return each inbox with its account's settings."""
        found = {}
        for some in slices(inbox_ids):
            rows = self._connection.execute(
                select(
                    inboxes.c.id,
                    inboxes.c.norm,
                    inboxes.c.kind,
                    inboxes.c.sender_policy,
                    inboxes.c.unknown_policy,
                    accounts.c.name,
                    accounts.c.settings,
                )
                .join(accounts, accounts.c.id == inboxes.c.account_id)
                .where(inboxes.c.id.in_(some))
            )
            for row in rows:
                found[row.id] = InboxFacts(
                    norm=row.norm,
                    kind=InboxKind(row.kind),
                    sender_policy=row.sender_policy,
                    unknown_policy=row.unknown_policy,
                    account_name=row.name,
                    plus_tag=row.settings.get("plus_tag", "exact"),
                    employee_is_client=row.settings.get("employee_is_client", False),
                )
        return found

    def witnesses(self, message_ids: Iterable[int]) -> dict[int, list[Witness]]:
        """Return what each arrival of the messages says about the sender."""
        found: dict[int, list[Witness]] = defaultdict(list)
        for some in slices(message_ids):
            rows = self._connection.execute(
                select(
                    arrivals.c.message_id,
                    arrivals.c.door,
                    arrivals.c.recipients,
                    arrivals.c.authenticated_for,
                    arrivals.c.trusted_results,
                    arrivals.c.spam_mark,
                    arrivals.c.origin,
                    arrivals.c.whole_size,
                    arrivals.c.drop_user_id,
                    arrivals.c.signed_in_user_id,
                    arrivals.c.left_unread,
                    arrivals.c.id,
                    arrivals.c.peer,
                    arrivals.c.helo,
                    arrivals.c.mail_from,
                    arrivals.c.spf,
                )
                .where(arrivals.c.message_id.in_(some))
                .order_by(arrivals.c.id)
            )
            for row in rows:
                found[row.message_id].append(
                    Witness(
                        door=row.door,
                        recipients=tuple(row.recipients),
                        authenticated_for=tuple(row.authenticated_for),
                        trusted_results=row.trusted_results,
                        spam_mark=row.spam_mark,
                        origin=row.origin,
                        whole_size=row.whole_size,
                        drop_user_id=row.drop_user_id,
                        signed_in_user_id=row.signed_in_user_id,
                        left_unread=row.left_unread,
                        direct=None if row.spf is None else _direct(row),
                    )
                )
        return found

    def inboxes_among(
        self, account_ids: Iterable[int], norms: Iterable[str]
    ) -> set[tuple[int, str]]:
        """Return which of the addresses are inboxes of these accounts, as (account, address)."""
        found = set()
        wanted = list(set(account_ids))
        for some in slices(norms):
            rows = self._connection.execute(
                select(inboxes.c.account_id, inboxes.c.norm).where(
                    inboxes.c.norm.in_(some), inboxes.c.account_id.in_(wanted)
                )
            )
            found |= {(row.account_id, row.norm) for row in rows}
        return found

    def contacts(self, account_ids: Iterable[int], norms: Iterable[str]) -> Owned:
        """Return the clients that have these contact addresses."""
        return self._owned(contacts, contacts.c.norm, account_ids, norms)

    def domains(self, account_ids: Iterable[int], names: Iterable[str]) -> Owned:
        """Return the clients that own these domains."""
        return self._owned(client_domains, client_domains.c.domain, account_ids, names)

    def _owned(
        self, table: Any, column: Any, account_ids: Iterable[int], values: Iterable[str]
    ) -> Owned:
        found: dict[tuple[int, str], list[ClientRef]] = defaultdict(list)
        wanted = list(set(account_ids))
        for some in slices(values):
            rows = self._connection.execute(
                select(table.c.account_id, column.label("value"), clients.c.id, clients.c.name)
                .join(clients, clients.c.id == table.c.client_id)
                .where(column.in_(some), table.c.account_id.in_(wanted))
                .order_by(clients.c.id)
            )
            for row in rows:
                found[row.account_id, row.value].append(ClientRef(row.id, row.name))
        return {key: tuple(refs) for key, refs in found.items()}

    def clients_numbered(self, numbers: Iterable[int]) -> dict[tuple[int, int], ClientRef]:
        """Return the clients with these numbers, by (account, number)."""
        found: dict[tuple[int, int], ClientRef] = {}
        for some in slices(numbers):
            rows = self._connection.execute(
                select(clients.c.account_id, clients.c.id, clients.c.name).where(
                    clients.c.id.in_(some)
                )
            )
            found |= {(row.account_id, row.id): ClientRef(row.id, row.name) for row in rows}
        return found

    def written_to(self, client_ids: Iterable[int], norms: Iterable[str]) -> set[tuple[int, str]]:
        """Return to which of these addresses a proven user wrote in mail that is filed there, as (client, address)."""
        found = set()
        wanted = list(client_ids)
        for some in slices(norms):
            rows = self._connection.execute(
                select(filings.c.client_id, recipients.c.norm)
                .distinct()
                .join(deliveries, deliveries.c.message_id == recipients.c.message_id)
                .join(filings, filings.c.delivery_id == deliveries.c.id)
                .where(
                    recipients.c.norm.in_(some),
                    recipients.c.kind.in_(("to", "cc")),
                    filings.c.client_id.in_(wanted),
                    deliveries.c.sender_user_id.is_not(None),
                )
            )
            found |= {(row.client_id, row.norm) for row in rows}
        return found

    def threads(
        self, account_ids: Iterable[int], message_ids: Iterable[str]
    ) -> dict[tuple[int, str], ThreadHit]:
        """Return the filed mails with these Message-IDs, by (account, Message-ID), with their participants."""
        filed = self._filed_with(list(set(account_ids)), message_ids)
        people = self._participants({row.message_id for rows in filed.values() for row in rows})
        hits = {}
        for (account, header), rows in filed.items():
            refs = {row.client_id: ClientRef(row.client_id, row.name) for row in rows}
            participants = frozenset[str]().union(*(people[row.message_id] for row in rows))
            hits[account, header] = ThreadHit(
                message_id=header,
                clients=tuple(refs[key] for key in sorted(refs)),
                participants=participants | {row.from_norm for row in rows if row.from_norm},
            )
        return hits

    def _filed_with(
        self, account_ids: list[int], message_ids: Iterable[str]
    ) -> dict[tuple[int, str], list[Any]]:
        found: dict[tuple[int, str], list[Any]] = defaultdict(list)
        for some in slices(message_ids):
            rows = self._connection.execute(
                select(
                    messages.c.account_id,
                    messages.c.message_id_header,
                    messages.c.id.label("message_id"),
                    messages.c.from_norm,
                    clients.c.id.label("client_id"),
                    clients.c.name,
                )
                .join(
                    deliveries,
                    and_(
                        deliveries.c.message_id == messages.c.id, deliveries.c.state == State.FILED
                    ),
                )
                .join(filings, filings.c.delivery_id == deliveries.c.id)
                .join(clients, clients.c.id == filings.c.client_id)
                .where(
                    messages.c.message_id_header.in_(some), messages.c.account_id.in_(account_ids)
                )
            )
            for row in rows:
                found[row.account_id, row.message_id_header].append(row)
        return found

    def _participants(self, message_ids: Iterable[int]) -> dict[int, set[str]]:
        found: dict[int, set[str]] = defaultdict(set)
        for some in slices(message_ids):
            rows = self._connection.execute(
                select(recipients.c.message_id, recipients.c.norm).where(
                    recipients.c.message_id.in_(some), recipients.c.kind.in_(("to", "cc"))
                )
            )
            for row in rows:
                found[row.message_id].add(row.norm)
        return found

    def imported(self, delivery_ids: Iterable[int]) -> frozenset[int]:
        """Return those deliveries that an import made."""
        found: set[int] = set()
        for some in slices(delivery_ids):
            made = select(events.c.delivery_id).where(
                events.c.delivery_id.in_(some), events.c.kind == "imported"
            )
            found.update(self._connection.execute(made).scalars())
        return frozenset(found)

    def twins(self, batch: Iterable[tuple[int, int, str, str]]) -> dict[int, list[int]]:
        """Return the oldest messages of the same account and Message-ID with other content, TWINS_MOST of them (D6).

        Asked for by (message, account, Message-ID, content key), answered by message.  They are asked for in order to be
        marked: whatever came after the oldest was decided beside them, and was marked then.
        """
        asked = list(batch)
        known: dict[tuple[int, str], list[tuple[int, str]]] = defaultdict(list)
        accounts_asked = list({account for _, account, _, _ in asked})
        for some in slices(header for _, _, header, _ in asked):
            place = func.row_number().over(
                partition_by=(messages.c.account_id, messages.c.message_id_header),
                order_by=messages.c.id,
            )
            placed = (
                select(
                    messages.c.id,
                    messages.c.account_id,
                    messages.c.message_id_header,
                    messages.c.content_key,
                    place.label("place"),
                )
                .where(
                    messages.c.account_id.in_(accounts_asked),
                    messages.c.message_id_header.in_(some),
                )
                .subquery()
            )
            rows = self._connection.execute(select(placed).where(placed.c.place <= TWINS_MOST))
            for row in rows:
                known[row.account_id, row.message_id_header].append((row.id, row.content_key))
        return {
            message: [twin for twin, other in known[account, header] if other != key]
            for message, account, header, key in asked
        }

    def rulings(self, delivery_ids: Iterable[int]) -> dict[int, list[Ruling]]:
        """Return what people answered about these deliveries, oldest first."""
        found: dict[int, list[Ruling]] = defaultdict(list)
        for some in slices(delivery_ids):
            rows = self._connection.execute(
                select(
                    rulings.c.delivery_id,
                    rulings.c.question,
                    rulings.c.answer,
                    rulings.c.at,
                    rulings.c.change_id,
                    rulings.c.undoes,
                )
                .where(rulings.c.delivery_id.in_(some))
                .order_by(rulings.c.id)
            )
            for row in rows:
                answer = dict(row.answer)
                if "client_id" in answer:
                    answer["client"] = ClientRef(answer.pop("client_id"), answer.pop("client_name"))
                found[row.delivery_id].append(
                    Ruling(
                        question=row.question,
                        answer=answer,
                        at=row.at,
                        change=row.change_id,
                        takes_back=row.undoes,
                    )
                )
        return found


def _direct(row: Any) -> Direct:
    return Direct(
        arrival_id=row.id,
        peer=row.peer,
        helo=row.helo,
        mail_from=row.mail_from,
        spf=row.spf,
    )
