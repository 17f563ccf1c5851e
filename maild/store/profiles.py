"""Saved searches (M6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, update

from maild.store.people_tables import users
from maild.store.search_tables import profiles
from maild.store.sql import insert_new


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
        """Return the saved searches that somebody sees: the own ones and those that are shared, pinned ones first."""
        # Who turned out to be somebody else left that one their searches (U13).
        whose = func.coalesce(users.c.merged_into_id, profiles.c.user_id)
        own = profiles.c.user_id.is_(None) if user_id is None else whose == user_id
        kept = (column for column in profiles.c if column.name not in {"name_key", "user_id"})
        rows = self._connection.execute(
            select(
                *kept,
                whose.label("user_id"),
                users.c.display_name.label("user_name"),
            )
            .outerjoin(users, users.c.id == profiles.c.user_id)
            .where(profiles.c.account_id == account_id, or_(own, profiles.c.is_shared))
            .order_by(profiles.c.is_pinned.desc(), profiles.c.name_key, profiles.c.id)
            .limit(limit)
        ).mappings()
        return [ProfileRow(**row) for row in rows]

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
