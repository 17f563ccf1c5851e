"""Sessions: who is signed in on which browser, and until when (U10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from maild.store.login_tables import sessions
from maild.store.people_tables import logins, users


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One signed-in browser, without its secret."""

    id: int
    digest: str
    login_id: int
    user_id: int
    account_id: int | None
    """The one account that the login opens; None: all of the user's."""
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    peer: str
    agent: str
    disabled_at: datetime | None
    suspended_at: datetime | None


_COLUMNS = (
    sessions.c.id,
    sessions.c.digest,
    sessions.c.login_id,
    logins.c.user_id,
    logins.c.account_id,
    sessions.c.created_at,
    sessions.c.seen_at,
    sessions.c.expires_at,
    sessions.c.peer,
    sessions.c.agent,
    users.c.disabled_at,
    logins.c.suspended_at,
)
_JOINED = sessions.join(logins, logins.c.id == sessions.c.login_id).join(
    users, users.c.id == logins.c.user_id
)


class SessionRows:
    """Queries about sessions.  Of a secret only the digest is known here."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def add(
        self,
        login_id: int,
        digest: str,
        *,
        now: datetime,
        expires_at: datetime,
        peer: str,
        agent: str,
    ) -> None:
        """Begin a session."""
        self._connection.execute(
            insert(sessions).values(
                login_id=login_id,
                digest=digest,
                created_at=now,
                seen_at=now,
                expires_at=expires_at,
                peer=peer,
                agent=agent,
            )
        )

    def by_digest(self, digest: str) -> SessionRow | None:
        """Return the session with this secret."""
        row = self._connection.execute(
            select(*_COLUMNS).select_from(_JOINED).where(sessions.c.digest == digest)
        ).one_or_none()
        return None if row is None else _session(row)

    def of(self, user_id: int, now: datetime) -> list[SessionRow]:
        """Return a user's living sessions, of every login, the latest seen first."""
        rows = self._connection.execute(
            select(*_COLUMNS)
            .select_from(_JOINED)
            .where(logins.c.user_id == user_id, sessions.c.expires_at > now)
            .order_by(sessions.c.seen_at.desc(), sessions.c.id.desc())
        )
        return [_session(row) for row in rows]

    def see(self, session_id: int, *, now: datetime, expires_at: datetime) -> None:
        """Note that a session was used, and how long it lives now."""
        self._connection.execute(
            update(sessions)
            .where(sessions.c.id == session_id)
            .values(seen_at=now, expires_at=expires_at)
        )

    def end(self, session_id: int) -> bool:
        """End a session; False when it was over."""
        ended = self._connection.execute(delete(sessions).where(sessions.c.id == session_id))
        return ended.rowcount > 0

    def end_of_login(self, login_id: int) -> int:
        """End a login's sessions; return how many."""
        return self._connection.execute(
            delete(sessions).where(sessions.c.login_id == login_id)
        ).rowcount

    def end_of_user(self, user_id: int) -> int:
        """End the sessions of all of a user's logins; return how many."""
        own = select(logins.c.id).where(logins.c.user_id == user_id)
        return self._connection.execute(
            delete(sessions).where(sessions.c.login_id.in_(own))
        ).rowcount

    def forget(self, before: datetime) -> int:
        """Forget sessions that ended before an instant; return how many."""
        return self._connection.execute(
            delete(sessions).where(sessions.c.expires_at < before)
        ).rowcount


def _session(row: Any) -> SessionRow:
    return SessionRow(**row._mapping)  # noqa: SLF001 - public in spite of its name
