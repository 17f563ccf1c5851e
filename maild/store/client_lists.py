"""Many clients at once, as lists bring them: looked up and written in a fixed number of statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, select, update

from maild.model.address import Address
from maild.model.people import MemberState
from maild.store.clients import COLUMNS, ClientRow
from maild.store.people_tables import (
    addresses,
    client_domains,
    clients,
    contacts,
    inboxes,
    memberships,
)
from maild.store.sql import ForEach, slices

_CLIENT = ForEach.insert(clients, "account_id", "ulid", "name", "external_key", "created_at")
_CONTACT = ForEach.insert_new(contacts, "account_id", "client_id", "norm", "listed")
_DOMAIN = ForEach.insert_new(client_domains, "account_id", "client_id", "domain", "listed")
_NO_CONTACT = ForEach(
    lambda _: delete(contacts).where(
        contacts.c.client_id == bindparam("client"), contacts.c.norm == bindparam("value")
    )
)
_NO_DOMAIN = ForEach(
    lambda _: delete(client_domains).where(
        client_domains.c.client_id == bindparam("client"),
        client_domains.c.domain == bindparam("value"),
    )
)
_NAME = ForEach(
    lambda _: (
        update(clients).where(clients.c.id == bindparam("client")).values(name=bindparam("value"))
    )
)

Pairs = Collection[tuple[int, str]]
"""(client, value) each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRow:
    """A client to be."""

    ulid: str
    name: str
    external_key: str | None


class ClientListRows:
    """Queries about many clients of one account."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def by_key(self, account_id: int, keys: Iterable[str]) -> dict[str, ClientRow]:
        """Return the clients with these external keys."""
        rows = self._clients(account_id, clients.c.external_key, keys)
        return {row.external_key: row for row in rows if row.external_key is not None}

    def by_name(self, account_id: int, names: Iterable[str]) -> dict[str, list[ClientRow]]:
        """Return the clients with these names, oldest first."""
        found: dict[str, list[ClientRow]] = {}
        for row in self._clients(account_id, clients.c.name, names):
            found.setdefault(row.name, []).append(row)
        return found

    def _clients(self, account_id: int, column: Any, values: Iterable[str]) -> list[ClientRow]:
        return [
            ClientRow(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
            for some in slices(values)
            for row in self._connection.execute(
                select(*COLUMNS)
                .where(clients.c.account_id == account_id, column.in_(some))
                .order_by(clients.c.id)
            )
        ]

    def contacts(self, client_ids: Iterable[int]) -> dict[int, dict[str, bool]]:
        """Return the contacts of clients, each with whether a list put it there."""
        return self._marked(contacts, contacts.c.norm, client_ids)

    def domains(self, client_ids: Iterable[int]) -> dict[int, dict[str, bool]]:
        """Return the same of their domains."""
        return self._marked(client_domains, client_domains.c.domain, client_ids)

    def _marked(
        self, table: Any, value: Any, client_ids: Iterable[int]
    ) -> dict[int, dict[str, bool]]:
        found: dict[int, dict[str, bool]] = {}
        for some in slices(client_ids):
            rows = self._connection.execute(
                select(table.c.client_id, value, table.c.listed).where(table.c.client_id.in_(some))
            )
            for client_id, text, listed in rows:
                found.setdefault(client_id, {})[text] = listed
        return found

    def kind(self, account_id: int, address: Address) -> str | None:
        """Return whether an address is a user's or an inbox's of this account, as "user" or "inbox" (U4)."""
        return self.kinds(account_id, [address]).get(address.norm)

    def kinds(self, account_id: int, wanted: Collection[Address]) -> dict[str, str]:
        """Return the same of many; those that are neither are left out."""
        found = dict.fromkeys(self._users(account_id, (one.norm for one in wanted)), "user")
        bases = {one.base.norm for one in wanted} | {one.norm for one in wanted}
        taken: set[str] = set()
        for some in slices(bases):
            taken |= set(
                self._connection.execute(
                    select(inboxes.c.norm).where(
                        inboxes.c.account_id == account_id, inboxes.c.norm.in_(some)
                    )
                ).scalars()
            )
        found |= {one.norm: "inbox" for one in wanted if {one.norm, one.base.norm} & taken}
        return found

    def _users(self, account_id: int, norms: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for some in slices(norms):
            found |= set(
                self._connection.execute(
                    select(addresses.c.norm)
                    .join(
                        memberships,
                        and_(
                            memberships.c.user_id == addresses.c.user_id,
                            memberships.c.account_id == account_id,
                            memberships.c.state == MemberState.ACTIVE,
                        ),
                    )
                    .where(addresses.c.norm.in_(some), addresses.c.valid_to.is_(None))
                ).scalars()
            )
        return found

    def add(self, account_id: int, new: Sequence[NewRow], *, now: datetime) -> dict[str, int]:
        """Add clients whose keys are known to be free; return their inner ids by their own."""
        _CLIENT.run(
            self._connection,
            [
                {
                    "account_id": account_id,
                    "ulid": one.ulid,
                    "name": one.name,
                    "external_key": one.external_key,
                    "created_at": now,
                }
                for one in new
            ],
        )
        found: dict[str, int] = {}
        for some in slices(one.ulid for one in new):
            rows = self._connection.execute(
                select(clients.c.ulid, clients.c.id).where(clients.c.ulid.in_(some))
            )
            found |= {row.ulid: row.id for row in rows}
        return found

    def rename(self, names: Pairs) -> None:
        """Give clients other names."""
        _NAME.run(self._connection, _pairs(names))

    def add_contacts(self, account_id: int, pairs: Pairs) -> None:
        """Give clients contacts, as from a list."""
        rows = [
            {"account_id": account_id, "client_id": client, "norm": value, "listed": True}
            for client, value in pairs
        ]
        _CONTACT.run(self._connection, rows)

    def add_domains(self, account_id: int, pairs: Pairs) -> None:
        """Give clients domains, as from a list."""
        rows = [
            {"account_id": account_id, "client_id": client, "domain": value, "listed": True}
            for client, value in pairs
        ]
        _DOMAIN.run(self._connection, rows)

    def drop_contacts(self, pairs: Pairs) -> None:
        """Take contacts from clients."""
        _NO_CONTACT.run(self._connection, _pairs(pairs))

    def drop_domains(self, pairs: Pairs) -> None:
        """Take domains from clients."""
        _NO_DOMAIN.run(self._connection, _pairs(pairs))

    def shared_contacts(
        self, account_id: int, norms: Iterable[str]
    ) -> dict[str, list[tuple[int, str]]]:
        """Return the contacts among these that are at two clients or more, with (client, its name)."""
        return self._shared(contacts, contacts.c.norm, account_id, norms)

    def shared_domains(
        self, account_id: int, names: Iterable[str]
    ) -> dict[str, list[tuple[int, str]]]:
        """Return the same of domains."""
        return self._shared(client_domains, client_domains.c.domain, account_id, names)

    def _shared(
        self, table: Any, column: Any, account_id: int, values: Iterable[str]
    ) -> dict[str, list[tuple[int, str]]]:
        found: dict[str, list[tuple[int, str]]] = {}
        for some in slices(values):
            rows = self._connection.execute(
                select(column.label("value"), clients.c.id, clients.c.name)
                .join(clients, clients.c.id == table.c.client_id)
                .where(table.c.account_id == account_id, column.in_(some))
                .order_by(clients.c.id)
            )
            for row in rows:
                found.setdefault(row.value, []).append((row.id, row.name))
        return {value: owners for value, owners in found.items() if len(owners) > 1}


def _pairs(pairs: Pairs) -> list[dict[str, Any]]:
    return [{"client": client, "value": value} for client, value in pairs]
