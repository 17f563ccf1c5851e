"""Queries about templates (M8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select, update

from maild.store.people_tables import inboxes, users
from maild.store.schema import statuses
from maild.store.writing_tables import templates


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRow:
    """A template as it is stored, with what its sender and status are called."""

    id: int
    ulid: str
    account_id: int
    user_id: int | None
    """Whose alone it is; None: everybody's."""
    user_name: str | None
    name: str
    subject: str
    text: str
    inbox_id: int | None
    inbox: str | None
    status_id: int | None
    status: str | None
    at: datetime


class TemplateRows:
    """Queries about templates."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def of(self, account_id: int, user_id: int | None) -> list[TemplateRow]:
        """Return an account's shared templates, and this user's own; by name.

        Those of who turned out to be this user are theirs, too (U13).
        """
        rows = self._connection.execute(
            select(
                templates.c.id,
                templates.c.ulid,
                templates.c.account_id,
                templates.c.user_id,
                users.c.display_name.label("user_name"),
                templates.c.name,
                templates.c.subject,
                templates.c.text,
                templates.c.inbox_id,
                inboxes.c.norm.label("inbox"),
                templates.c.status_id,
                statuses.c.name.label("status"),
                templates.c.at,
            )
            .outerjoin(users, users.c.id == templates.c.user_id)
            .outerjoin(inboxes, inboxes.c.id == templates.c.inbox_id)
            .outerjoin(statuses, statuses.c.id == templates.c.status_id)
            .where(templates.c.account_id == account_id, _is_seen(user_id))
            .order_by(templates.c.name, templates.c.id)
        )
        return [TemplateRow(**row._mapping) for row in rows]  # noqa: SLF001 - public in spite of its name

    def add(self, values: Mapping[str, Any]) -> None:
        """Insert a template."""
        self._connection.execute(insert(templates).values(dict(values)))

    def change(self, template_id: int, values: Mapping[str, Any]) -> None:
        """Change columns of a template."""
        self._connection.execute(
            update(templates).where(templates.c.id == template_id).values(dict(values))
        )

    def remove(self, template_id: int) -> None:
        """Delete a template."""
        self._connection.execute(delete(templates).where(templates.c.id == template_id))

    def with_status(self, status_id: int) -> list[str]:
        """Return the names of the templates that set a status."""
        return list(
            self._connection.execute(
                select(templates.c.name)
                .where(templates.c.status_id == status_id)
                .order_by(templates.c.name)
            ).scalars()
        )


def _is_seen(user_id: int | None) -> ColumnElement[bool]:
    shared = templates.c.user_id.is_(None)
    if user_id is None:
        return shared
    return or_(shared, templates.c.user_id == user_id, users.c.merged_into_id == user_id)
