"""Keys of inboxes: what opens the HTTP door.  Only digests are here; no query returns a key."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from maild.store.people_tables import inbox_keys


class InboxKeyRows:
    """Queries about the keys of inboxes."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def made_at(self, inbox_id: int) -> datetime | None:
        """Return since when the inbox has its key; None: it has none."""
        made: datetime | None = self._connection.execute(
            select(inbox_keys.c.created_at).where(inbox_keys.c.inbox_id == inbox_id)
        ).scalar_one_or_none()
        return made

    def digest(self, inbox_id: int) -> str | None:
        """Return the digest of the inbox's key."""
        found: str | None = self._connection.execute(
            select(inbox_keys.c.digest).where(inbox_keys.c.inbox_id == inbox_id)
        ).scalar_one_or_none()
        return found

    def set_key(self, inbox_id: int, account_id: int, digest: str, *, now: datetime) -> None:
        """Give the inbox this key; the one it had ends."""
        self.end(inbox_id)
        self._connection.execute(
            insert(inbox_keys).values(
                inbox_id=inbox_id, account_id=account_id, digest=digest, created_at=now
            )
        )

    def end(self, inbox_id: int) -> bool:
        """End the inbox's key; say whether it had one."""
        ended = self._connection.execute(
            delete(inbox_keys).where(inbox_keys.c.inbox_id == inbox_id)
        )
        return ended.rowcount > 0
