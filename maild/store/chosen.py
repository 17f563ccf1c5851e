"""Which mails of an account are meant, by whose they are and of when: to be erased, or exported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, or_, select

from maild.model.states import MOVES, Move, State
from maild.store.people_tables import contacts
from maild.store.schema import deliveries, entries, filings, messages

ERASABLE = tuple(state for state in State if Move.ERASE in MOVES[state])


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which mails of an account are meant; None asks nothing."""

    account_id: int
    ulids: tuple[str, ...] | None = None
    inbox_id: int | None = None
    client_id: int | None = None
    """Filed under the client, or written from one of its contact addresses."""
    user_id: int | None = None
    """In the user's mailbox, or sent in by that user."""
    before: datetime | None = None
    states: tuple[State, ...] = ERASABLE


class ChosenRows:
    """Queries for them."""

    def __init__(self, connection: Connection) -> None:
        """Read through an open transaction."""
        self._connection = connection

    def ulids(self, chosen: Chosen) -> list[str]:
        """Return the public ids of all that are meant, in the order of their arrival."""
        query = select(deliveries.c.ulid).where(*conditions(chosen)).order_by(deliveries.c.id)
        return list(self._connection.execute(query).scalars())


def conditions(chosen: Chosen) -> list[ColumnElement[bool]]:
    """Return what a delivery has to be."""
    found = [
        deliveries.c.account_id == chosen.account_id,
        deliveries.c.state.in_(chosen.states),
    ]
    if chosen.ulids is not None:
        found.append(deliveries.c.ulid.in_(chosen.ulids))
    if chosen.inbox_id is not None:
        found.append(deliveries.c.inbox_id == chosen.inbox_id)
    if chosen.before is not None:
        found.append(deliveries.c.received_at < chosen.before)
    if chosen.client_id is not None:
        found.append(_of_client(chosen.account_id, chosen.client_id))
    if chosen.user_id is not None:
        owned = select(entries.c.delivery_id).where(entries.c.owner_id == chosen.user_id)
        found.append(or_(deliveries.c.sender_user_id == chosen.user_id, deliveries.c.id.in_(owned)))
    return found


def _of_client(account_id: int, client_id: int) -> ColumnElement[bool]:
    filed = select(filings.c.delivery_id).where(filings.c.client_id == client_id)
    addresses = select(contacts.c.norm).where(
        contacts.c.account_id == account_id, contacts.c.client_id == client_id
    )
    written = select(messages.c.id).where(
        messages.c.account_id == account_id, messages.c.from_norm.in_(addresses)
    )
    return or_(deliveries.c.id.in_(filed), deliveries.c.message_id.in_(written))
