"""Clients, the addresses of their contacts, and their domains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, select, update

from maild.model.address import Address
from maild.store.people_tables import client_domains, clients, contacts
from maild.store.sql import insert_new, slices


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRow:
    """One client."""

    id: int
    ulid: str
    account_id: int
    name: str
    external_key: str | None
    created_at: datetime


COLUMNS = (
    clients.c.id,
    clients.c.ulid,
    clients.c.account_id,
    clients.c.name,
    clients.c.external_key,
    clients.c.created_at,
)


class ClientRows:
    """Queries about clients."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def add_client(
        self, account_id: int, ulid: str, name: str, external_key: str | None, *, now: datetime
    ) -> int | None:
        """Add a client; None when another one of the account has the external key."""
        added = self._connection.execute(
            insert_new(self._connection, clients)
            .values(
                account_id=account_id,
                ulid=ulid,
                name=name,
                external_key=external_key,
                created_at=now,
            )
            .returning(clients.c.id)
        ).scalar_one_or_none()
        return None if added is None else int(added)

    def client(self, account_id: int, ulid: str) -> ClientRow | None:
        """Return an account's client by id."""
        row = self._connection.execute(
            select(*COLUMNS).where(clients.c.account_id == account_id, clients.c.ulid == ulid)
        ).one_or_none()
        return None if row is None else ClientRow(**row._mapping)  # noqa: SLF001

    def client_by_id(self, client_id: int) -> ClientRow:
        """Return a client that is known to exist."""
        row = self._connection.execute(select(*COLUMNS).where(clients.c.id == client_id)).one()
        return ClientRow(**row._mapping)  # noqa: SLF001

    def client_by_key(self, account_id: int, key: str) -> ClientRow | None:
        """Return an account's client by its external key."""
        row = self._connection.execute(
            select(*COLUMNS).where(
                clients.c.account_id == account_id, clients.c.external_key == key
            )
        ).one_or_none()
        return None if row is None else ClientRow(**row._mapping)  # noqa: SLF001

    def clients_of(self, account_id: int, *, after: int, limit: int) -> list[ClientRow]:
        """Return an account's clients, oldest first, from behind one of them."""
        rows = self._connection.execute(
            select(*COLUMNS)
            .where(clients.c.account_id == account_id, clients.c.id > after)
            .order_by(clients.c.id)
            .limit(limit)
        )
        return [ClientRow(**row._mapping) for row in rows]  # noqa: SLF001

    def set_client(self, client_id: int, name: str, external_key: str | None) -> None:
        """Give a client another name and key; the key is known to be free."""
        self._connection.execute(
            update(clients)
            .where(clients.c.id == client_id)
            .values(name=name, external_key=external_key)
        )

    def add_contact(self, account_id: int, client_id: int, norm: str) -> bool:
        """Give a client a contact address by hand, so that no list takes it away; False when it has it already."""
        added = self._add(contacts, account_id=account_id, client_id=client_id, norm=norm)
        if not added:
            self._by_hand(contacts, client_id, contacts.c.norm == norm)
        return added

    def add_domain(self, account_id: int, client_id: int, domain: str) -> bool:
        """Give a client a domain by hand, so that no list takes it away; False when it has it already."""
        added = self._add(client_domains, account_id=account_id, client_id=client_id, domain=domain)
        if not added:
            self._by_hand(client_domains, client_id, client_domains.c.domain == domain)
        return added

    def _add(self, table: Any, **values: Any) -> bool:
        added = self._connection.execute(
            insert_new(self._connection, table).values(values).returning(table.c.id)
        ).scalar_one_or_none()
        return added is not None

    def _by_hand(self, table: Any, client_id: int, is_it: ColumnElement[bool]) -> None:
        self._connection.execute(
            update(table).where(table.c.client_id == client_id, is_it).values(listed=False)
        )

    def remove_contact(self, client_id: int, norm: str) -> bool:
        """Take a contact address from a client; False when it did not have it."""
        done = self._connection.execute(
            delete(contacts).where(contacts.c.client_id == client_id, contacts.c.norm == norm)
        )
        return done.rowcount > 0

    def remove_domain(self, client_id: int, domain: str) -> bool:
        """Take a domain from a client; False when it did not have it."""
        done = self._connection.execute(
            delete(client_domains).where(
                client_domains.c.client_id == client_id, client_domains.c.domain == domain
            )
        )
        return done.rowcount > 0

    def contacts_of(self, client_ids: Iterable[int]) -> dict[int, list[str]]:
        """Return the contact addresses of clients."""
        return self._values(contacts.c.client_id, contacts.c.norm, client_ids)

    def domains_of(self, client_ids: Iterable[int]) -> dict[int, list[str]]:
        """Return the domains of clients."""
        return self._values(client_domains.c.client_id, client_domains.c.domain, client_ids)

    def _values(self, key: Any, value: Any, client_ids: Iterable[int]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for some in slices(client_ids):
            rows = self._connection.execute(select(key, value).where(key.in_(some)).order_by(value))
            for client_id, text in rows:
                found.setdefault(client_id, []).append(text)
        return found

    def is_contact(self, account_ids: Iterable[int], norm: str) -> bool:
        """Whether a client of these accounts has this contact address (U4)."""
        row = self._connection.execute(
            select(contacts.c.id)
            .where(contacts.c.account_id.in_(list(account_ids)), contacts.c.norm == norm)
            .limit(1)
        ).one_or_none()
        return row is not None

    def has_tagged_contact(self, account_id: int, base: Address) -> bool:
        """Whether a client has a +tag of this address among its contacts."""
        row = self._connection.execute(
            select(contacts.c.id)
            .where(
                contacts.c.account_id == account_id,
                contacts.c.norm.startswith(f"{base.local}+", autoescape=True),
                contacts.c.norm.endswith(f"@{base.domain}", autoescape=True),
            )
            .limit(1)
        ).one_or_none()
        return row is not None
