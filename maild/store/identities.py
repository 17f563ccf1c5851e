"""Identities: who somebody is to an OIDC provider, by issuer and subject (U10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from maild.store.login_tables import identities
from maild.store.sql import insert_new


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRow:
    """One identity of a login."""

    id: int
    login_id: int
    issuer: str
    subject: str
    address: str
    """What the provider asserted as verified when it was attached; it opens nothing."""
    created_at: datetime
    suspended_at: datetime | None


_COLUMNS = (
    identities.c.id,
    identities.c.login_id,
    identities.c.issuer,
    identities.c.subject,
    identities.c.address,
    identities.c.created_at,
    identities.c.suspended_at,
)


class IdentityRows:
    """Queries about identities."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def named(self, issuer: str, subject: str) -> IdentityRow | None:
        """Return the identity of a provider's subject."""
        row = self._connection.execute(
            select(*_COLUMNS).where(identities.c.issuer == issuer, identities.c.subject == subject)
        ).one_or_none()
        return None if row is None else _identity(row)

    def of(self, login_id: int) -> list[IdentityRow]:
        """Return a login's identities, oldest first."""
        rows = self._connection.execute(
            select(*_COLUMNS).where(identities.c.login_id == login_id).order_by(identities.c.id)
        )
        return [_identity(row) for row in rows]

    def attach(
        self, login_id: int, *, issuer: str, subject: str, address: str, now: datetime
    ) -> bool:
        """Attach an identity to a login; False when it is somebody's already."""
        added = self._connection.execute(
            insert_new(self._connection, identities)
            .values(
                login_id=login_id,
                issuer=issuer,
                subject=subject,
                address=address,
                created_at=now,
            )
            .returning(identities.c.id)
        ).scalar_one_or_none()
        return added is not None

    def detach(self, identity_id: int) -> None:
        """Take an identity from its login."""
        self._connection.execute(delete(identities).where(identities.c.id == identity_id))

    def detach_all(self, login_id: int) -> int:
        """Take every identity from a login; return how many."""
        return self._connection.execute(
            delete(identities).where(identities.c.login_id == login_id)
        ).rowcount


def _identity(row: Any) -> IdentityRow:
    return IdentityRow(**row._mapping)  # noqa: SLF001 - public in spite of its name
