"""Drop addresses: whose a tag is (U7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from maild.store.drop_tables import drop_addresses
from maild.store.people_tables import memberships
from maild.store.sql import slices


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRow:
    """A tag, living or dead."""

    id: int
    lookup: str
    account_id: int
    user_id: int
    dead_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedDrop:
    """A membership's living tag, as it is stored."""

    sealed: str
    made_at: datetime


class DropRows:
    """Queries about drop addresses."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def named(self, lookups: Iterable[str]) -> dict[str, DropRow]:
        """Return the tags of these keyed digests."""
        found = {}
        for some in slices(lookups):
            rows = self._connection.execute(
                select(
                    drop_addresses.c.id,
                    drop_addresses.c.lookup,
                    drop_addresses.c.dead_at,
                    memberships.c.account_id,
                    memberships.c.user_id,
                )
                .join(memberships, memberships.c.id == drop_addresses.c.membership_id)
                .where(drop_addresses.c.lookup.in_(some))
            )
            for row in rows:
                found[row.lookup] = DropRow(**row._mapping)  # noqa: SLF001 - public in spite of its name
        return found

    def live(self, membership_id: int) -> SealedDrop | None:
        """Return the membership's tag."""
        row = self._connection.execute(
            select(drop_addresses.c.sealed, drop_addresses.c.made_at).where(
                drop_addresses.c.membership_id == membership_id,
                drop_addresses.c.dead_at.is_(None),
            )
        ).one_or_none()
        return None if row is None else SealedDrop(sealed=row.sealed, made_at=row.made_at)

    def end(self, membership_id: int, now: datetime) -> None:
        """Let the membership's tag, if there is one, be dead from now on."""
        self._connection.execute(
            update(drop_addresses)
            .where(
                drop_addresses.c.membership_id == membership_id, drop_addresses.c.dead_at.is_(None)
            )
            .values(dead_at=now)
        )

    def make(self, membership_id: int, lookup: str, sealed: str, now: datetime) -> None:
        """Give the membership a tag; the one before, if there is one, is dead from now on."""
        self.end(membership_id, now)
        self._connection.execute(
            insert(drop_addresses).values(
                membership_id=membership_id, lookup=lookup, sealed=sealed, made_at=now
            )
        )
