"""Accounts: the tenants, and their own settings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, delete, func, insert, select, update

from maild.model.people import MemberState
from maild.store.people_tables import accounts, addresses, contacts, memberships, users
from maild.store.rights import SETTINGS
from maild.store.schema import entries, statuses
from maild.store.sql import insert_new


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """One tenant."""

    id: int
    slug: str
    name: str
    settings: dict[str, Any]
    """Only what was set; the rest has its default."""
    default_owner_id: int | None
    created_at: datetime

    def setting(self, key: str) -> Any:
        """Return a setting, or its default."""
        return self.settings.get(key, SETTINGS[key])


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """One of an account's statuses."""

    id: int
    name: str
    closes: bool
    """Work on a mail that has it is done: an answer from the client re-opens that mail (M7)."""
    reopens: bool
    """It is what a mail gets then."""


_COLUMNS = (
    accounts.c.id,
    accounts.c.slug,
    accounts.c.name,
    accounts.c.settings,
    accounts.c.default_owner_id,
    accounts.c.created_at,
)
_BY_SLUG = select(*_COLUMNS).where(accounts.c.slug == bindparam("asked"))
_BY_ID = select(*_COLUMNS).where(accounts.c.id == bindparam("asked"))


class AccountRows:
    """Queries about accounts."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def add_account(self, slug: str, name: str, *, now: datetime) -> int | None:
        """Add an account; None when the slug is taken."""
        added = self._connection.execute(
            insert_new(self._connection, accounts)
            .values(slug=slug, name=name, settings={}, created_at=now)
            .returning(accounts.c.id)
        ).scalar_one_or_none()
        return None if added is None else int(added)

    def status_roles(self, account_id: int) -> list[StatusRow]:
        """Return the account's statuses in their order, with what they do."""
        rows = self._connection.execute(
            select(statuses.c.id, statuses.c.name, statuses.c.closes, statuses.c.reopens)
            .where(statuses.c.account_id == account_id)
            .order_by(statuses.c.rank)
        )
        return [StatusRow(**row._mapping) for row in rows]  # noqa: SLF001 - public in spite of its name

    def set_status_roles(self, status_id: int, *, closes: bool, reopens: bool) -> None:
        """Say what a status does (M7)."""
        self._connection.execute(
            update(statuses)
            .where(statuses.c.id == status_id)
            .values(closes=closes, reopens=reopens)
        )

    def next_status_rank(self, account_id: int) -> int:
        """Return the rank behind the account's last status."""
        rank: int = self._connection.execute(
            select(func.coalesce(func.max(statuses.c.rank), -1) + 1).where(
                statuses.c.account_id == account_id
            )
        ).scalar_one()
        return rank

    def count_with_status(self, status_id: int) -> int:
        """Return how many mails have a status."""
        return self._connection.execute(
            select(func.count()).select_from(entries).where(entries.c.status_id == status_id)
        ).scalar_one()

    def gone_statuses(self, status_ids: Collection[int]) -> set[int]:
        """Return which of these statuses are not there any more; the others stay until the transaction's end."""
        if not status_ids:
            return set()
        held = select(statuses.c.id).where(statuses.c.id.in_(status_ids))
        there = self._connection.execute(held.with_for_update(read=True, key_share=True))
        return set(status_ids) - set(there.scalars())

    def remove_status(self, status_id: int) -> None:
        """Remove a status that nothing refers to."""
        self._connection.execute(delete(statuses).where(statuses.c.id == status_id))

    def add_status(
        self,
        account_id: int,
        name: str,
        rank: int,
        *,
        closes: bool = False,
        reopens: bool = False,
    ) -> None:
        """Add a status to an account's own list (M7)."""
        self._connection.execute(
            insert(statuses).values(
                account_id=account_id, name=name, rank=rank, closes=closes, reopens=reopens
            )
        )

    def accounts(self) -> list[AccountRow]:
        """Return every account, by slug."""
        rows = self._connection.execute(select(*_COLUMNS).order_by(accounts.c.slug))
        return [AccountRow(**row._mapping) for row in rows]  # noqa: SLF001

    def account(self, slug: str) -> AccountRow | None:
        """Return the account with this slug."""
        return self._one_account(_BY_SLUG, slug)

    def account_by_id(self, account_id: int) -> AccountRow:
        """Return an account that is known to exist."""
        found = self._one_account(_BY_ID, account_id)
        assert found is not None  # noqa: S101 - a foreign key holds it
        return found

    def _one_account(self, query: Select[Any], asked: str | int) -> AccountRow | None:
        row = self._connection.execute(query, {"asked": asked}).one_or_none()
        return None if row is None else AccountRow(**row._mapping)  # noqa: SLF001

    def hold_account(self, account_id: int) -> None:
        """Let changes to one account's directory wait for each other, so that U4 is checked without a race.

        On SQLite there is one writer anyway.  FOR NO KEY UPDATE: rows that only refer to the account do not wait.
        """
        self._connection.execute(
            select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True)
        )

    def set_settings(self, account_id: int, settings: dict[str, Any]) -> None:
        """Keep an account's settings."""
        self._connection.execute(
            update(accounts).where(accounts.c.id == account_id).values(settings=settings)
        )

    def set_account_name(self, account_id: int, name: str) -> None:
        """Rename an account."""
        self._connection.execute(
            update(accounts).where(accounts.c.id == account_id).values(name=name)
        )

    def set_default_owner(self, account_id: int, user_id: int | None) -> None:
        """Set the last link of every owner chain of an account."""
        self._connection.execute(
            update(accounts).where(accounts.c.id == account_id).values(default_owner_id=user_id)
        )

    def employees_who_are_clients(self, account_id: int, limit: int) -> list[str]:
        """Return addresses that are a user's and a client's contact at once (U4)."""
        rows = self._connection.execute(
            select(contacts.c.norm)
            .distinct()
            .join(
                addresses,
                and_(addresses.c.norm == contacts.c.norm, addresses.c.valid_to.is_(None)),
            )
            .join(users, users.c.id == addresses.c.user_id)
            .join(
                memberships,
                and_(
                    memberships.c.user_id == users.c.id,
                    memberships.c.account_id == contacts.c.account_id,
                    memberships.c.state == MemberState.ACTIVE,
                ),
            )
            .where(contacts.c.account_id == account_id)
            .order_by(contacts.c.norm)
            .limit(limit)
        )
        return [row.norm for row in rows]
