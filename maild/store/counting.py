"""How many mails mailboxes hold: counted along indexes that hold nothing else, never kept in rows that everybody writes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from maild.model.people import InboxKind
from maild.store.people_tables import inboxes
from maild.store.schema import IS_UNREAD, deliveries, entries


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedRow:
    """How many mails of an owner have a status; None: the account's first."""

    owner_id: int
    status_id: int | None
    count: int


class CountingRows:
    """Queries that count mailboxes."""

    def __init__(self, connection: Connection) -> None:
        """Read through an open transaction."""
        self._connection = connection

    def all(self, account_id: int, owners: Collection[int] | None) -> list[CountedRow]:
        """Count the mails of the account's mailboxes, or of these."""
        return self._counted(account_id, owners)

    def unread(self, account_id: int, owners: Collection[int] | None) -> list[CountedRow]:
        """Count the unread ones among them."""
        return self._counted(account_id, owners, IS_UNREAD)

    def _counted(
        self, account_id: int, owners: Collection[int] | None, *only: ColumnElement[bool]
    ) -> list[CountedRow]:
        query = (
            select(entries.c.owner_id, entries.c.status_id, func.count().label("count"))
            .where(entries.c.account_id == account_id, *only)
            .group_by(entries.c.owner_id, entries.c.status_id)
        )
        if owners is not None:
            query = query.where(entries.c.owner_id.in_(owners))
        return [CountedRow(**row) for row in self._connection.execute(query).mappings()]

    def unread_of_inboxes(self, account_id: int, *, shared_only: bool) -> dict[str, int]:
        """Count the unread mails that came through each inbox, whoever owns them; costs what is unread."""
        counted: Select[Any] = (
            select(deliveries.c.inbox_id, func.count().label("many"))
            .select_from(entries)
            .join(deliveries, deliveries.c.id == entries.c.delivery_id)
            .where(entries.c.account_id == account_id, IS_UNREAD)
            .group_by(deliveries.c.inbox_id)
        )
        found = {row.inbox_id: row.many for row in self._connection.execute(counted)}
        conditions: list[ColumnElement[bool]] = [inboxes.c.account_id == account_id]
        if shared_only:
            conditions.append(inboxes.c.kind == InboxKind.SHARED)
        rows = self._connection.execute(
            select(inboxes.c.id, inboxes.c.norm).where(*conditions).order_by(inboxes.c.id)
        )
        return {row.norm: found.get(row.id, 0) for row in rows}
