"""Which directory an account follows, how far, and who is asking it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from maild.store.client_tables import directories
from maild.store.people_tables import accounts
from maild.store.sql import insert_into


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryRow:
    """One account's directory."""

    account_id: int
    slug: str
    plug: str
    options: Mapping[str, str]
    every_s: int
    cursor: str | None
    due_at: datetime
    lease: str | None
    fail_count: int
    last_ok_at: datetime | None
    last_error: str | None
    refused: int
    last_refusal: str | None


_SELECT = select(
    directories.c.account_id,
    accounts.c.slug,
    directories.c.plug,
    directories.c.options,
    directories.c.every_s,
    directories.c.cursor,
    directories.c.due_at,
    directories.c.lease,
    directories.c.fail_count,
    directories.c.last_ok_at,
    directories.c.last_error,
    directories.c.refused,
    directories.c.last_refusal,
).join(accounts, accounts.c.id == directories.c.account_id)


class DirectoryRows:
    """Queries about directories."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def of(self, account_id: int) -> DirectoryRow | None:
        """Return an account's directory."""
        row = self._connection.execute(
            _SELECT.where(directories.c.account_id == account_id)
        ).one_or_none()
        return None if row is None else DirectoryRow(**row._mapping)  # noqa: SLF001

    def set(
        self,
        account_id: int,
        plug: str,
        options: Mapping[str, str],
        every_s: int,
        *,
        now: datetime,
    ) -> None:
        """Have an account follow a directory, from the first; whoever asked another one has lost it."""
        begun = {
            "plug": plug,
            "options": dict(options),
            "every_s": every_s,
            "cursor": None,
            "due_at": now,
            "lease": None,
            "fail_count": 0,
            "last_ok_at": None,
            "last_error": None,
            "refused": 0,
            "last_refusal": None,
        }
        self._connection.execute(
            insert_into(self._connection, directories)
            .values(account_id=account_id, created_at=now, **begun)
            .on_conflict_do_update(index_elements=["account_id"], set_=begun)
        )

    def remove(self, account_id: int) -> None:
        """Follow none any more."""
        self._connection.execute(delete(directories).where(directories.c.account_id == account_id))

    def due(self, now: datetime, *, hold: bool = False) -> DirectoryRow | None:
        """Return one that is to be asked; of several, the longest due.  Held, nobody else is given it meanwhile."""
        wanted = (
            _SELECT.where(directories.c.due_at <= now)
            .order_by(directories.c.due_at, directories.c.id)
            .limit(1)
        )
        if hold:
            wanted = wanted.with_for_update(skip_locked=True, of=directories)
        row = self._connection.execute(wanted).one_or_none()
        return None if row is None else DirectoryRow(**row._mapping)  # noqa: SLF001

    def write(self, account_id: int, **values: Any) -> None:
        """Write how it goes.  Who holds the lease was asked in the same transaction, with the account held."""
        self._connection.execute(
            update(directories).where(directories.c.account_id == account_id).values(**values)
        )
