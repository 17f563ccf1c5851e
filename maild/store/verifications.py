"""What was mailed to an address, so that its owner says it is theirs (U5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from maild.store.people_tables import verifications


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRow:
    """A secret that is on its way to an address, or in somebody's hands."""

    id: int
    address_id: int
    expires_at: datetime


class VerificationRows:
    """Queries about mailed links.  Of a secret only the digest is known here."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def replace(
        self, address_id: int, digest: str, *, now: datetime, expires_at: datetime
    ) -> VerificationRow:
        """Make a link for an address; the ones before are worth nothing from now on."""
        self.withdraw(address_id)
        number = self._connection.execute(
            insert(verifications)
            .values(address_id=address_id, digest=digest, created_at=now, expires_at=expires_at)
            .returning(verifications.c.id)
        ).scalar_one()
        return VerificationRow(id=number, address_id=address_id, expires_at=expires_at)

    def by_digest(self, digest: str) -> VerificationRow | None:
        """Return the link with this secret."""
        row = self._connection.execute(
            select(
                verifications.c.id, verifications.c.address_id, verifications.c.expires_at
            ).where(verifications.c.digest == digest)
        ).one_or_none()
        if row is None:
            return None
        return VerificationRow(id=row.id, address_id=row.address_id, expires_at=row.expires_at)

    def withdraw(self, address_id: int) -> None:
        """Make every link of an address worthless: it was used, replaced, or the address is somebody else's."""
        self._connection.execute(
            delete(verifications).where(verifications.c.address_id == address_id)
        )

    def forget(self, before: datetime) -> int:
        """Forget links that ended before an instant; return how many."""
        return self._connection.execute(
            delete(verifications).where(verifications.c.expires_at < before)
        ).rowcount
