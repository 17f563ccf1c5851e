"""Saved searches (M6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, func, or_, select, update

from maild.store.people_tables import users
from maild.store.search_tables import profiles
from maild.store.sql import insert_new

# Who turned out to be somebody else left that one their searches (U13).
_whose: ColumnElement[int] = func.coalesce(users.c.merged_into_id, profiles.c.user_id)


def _is_own(user_id: int | None) -> ColumnElement[bool]:
    return profiles.c.user_id.is_(None) if user_id is None else _whose == user_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow:
    """One saved search."""

    id: int
    ulid: str
    account_id: int
    user_id: int | None
    user_name: str | None
    name: str
    terms: list[dict[str, Any]]
    is_shared: bool
    is_pinned: bool
    created_at: datetime
    version: int


class ProfileRows:
    """Queries about saved searches."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def seen_by(self, account_id: int, user_id: int | None, limit: int) -> list[ProfileRow]:
        """Return the saved searches that somebody sees: the own ones and those that are shared, pinned ones first.

        Where there are more than the limit, the own ones are there.
        """
        own = _is_own(user_id)
        kept = (column for column in profiles.c if column.name not in {"name_key", "user_id"})
        rows = self._connection.execute(
            select(
                *kept,
                _whose.label("user_id"),
                users.c.display_name.label("user_name"),
            )
            .outerjoin(users, users.c.id == profiles.c.user_id)
            .where(profiles.c.account_id == account_id, or_(own, profiles.c.is_shared))
            .order_by(case((own, 0), else_=1), profiles.c.is_pinned.desc(), profiles.c.name_key)
            .limit(limit)
        ).mappings()
        found = [ProfileRow(**row) for row in rows]
        return sorted(found, key=lambda row: (not row.is_pinned, row.name.casefold(), row.id))

    def number_of_own(self, account_id: int, user_id: int | None) -> int:
        """Return how many saved searches somebody has in an account."""
        return self._number(account_id, _is_own(user_id))

    def number_of_shared(self, account_id: int) -> int:
        """Return how many saved searches an account shares."""
        return self._number(account_id, profiles.c.is_shared)

    def _number(self, account_id: int, condition: ColumnElement[bool]) -> int:
        return self._connection.execute(
            select(func.count())
            .select_from(profiles)
            .outerjoin(users, users.c.id == profiles.c.user_id)
            .where(profiles.c.account_id == account_id, condition)
        ).scalar_one()

    def add(self, values: dict[str, Any]) -> bool:
        """Add a saved search; False when its person has one of that name."""
        added = self._connection.execute(
            insert_new(self._connection, profiles)
            .values(**values, name_key=values["name"].casefold())
            .returning(profiles.c.id)
        ).scalar_one_or_none()
        return added is not None

    def set(self, profile_id: int, values: dict[str, Any]) -> None:
        """Change a saved search; its name is known to be free."""
        if "name" in values:
            values = {**values, "name_key": values["name"].casefold()}
        self._connection.execute(
            update(profiles)
            .where(profiles.c.id == profile_id)
            .values(**values, version=profiles.c.version + 1)
        )

    def remove(self, profile_id: int) -> None:
        """Remove a saved search."""
        self._connection.execute(delete(profiles).where(profiles.c.id == profile_id))
