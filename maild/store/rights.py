"""Who may do what: the few rows that permissions are decided by."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, select

from maild.model.people import MemberState, Role
from maild.store.people_tables import accounts, memberships, users

SETTINGS: dict[str, Any] = {
    "plus_tag": "exact",
    "employee_is_client": False,
    "unread_on_transfer": True,
    "all_received": True,
    "own_login_required": False,
    "heal": "ask",
    "digest": "off",
    "outcome_line": False,
    "time_zone": "UTC",
    "retention": "off",
    "retention_ignored": "off",
}
"""An account's settings and what holds where it says nothing."""

# Made once: every request asks these, and SQLAlchemy takes longer to make one than the database takes to answer.
_SETTINGS_OF = select(accounts.c.settings).where(accounts.c.id == bindparam("account"))
_NAME_OF = select(users.c.display_name).where(users.c.id == bindparam("user"))
_ACTIVE_ROLE = (
    select(memberships.c.role)
    .join(users, users.c.id == memberships.c.user_id)
    .where(
        memberships.c.account_id == bindparam("account"),
        memberships.c.user_id == bindparam("user"),
        memberships.c.state == MemberState.ACTIVE,
        users.c.disabled_at.is_(None),
    )
)


class RightsRows:
    """Queries about members and their account's settings."""

    def __init__(self, connection: Connection, *, remembers: bool = False) -> None:
        """Read through an open transaction; in one in which nothing changes, roles are asked for once."""
        self._connection = connection
        self._roles: dict[tuple[int, int], Role | None] | None = {} if remembers else None

    def setting(self, account_id: int, key: str) -> Any:
        """Return an account's setting, or its default."""
        kept = self._connection.execute(_SETTINGS_OF, {"account": account_id}).scalar_one()
        return kept.get(key, SETTINGS[key])

    def display_name(self, user_id: int) -> str:
        """Return a user's name."""
        return str(self._connection.execute(_NAME_OF, {"user": user_id}).scalar_one())

    def active_role(self, account_id: int, user_id: int) -> Role | None:
        """Return an active user's role in an account; None for everybody else."""
        if self._roles is None:
            return self._active_role(account_id, user_id)
        if (account_id, user_id) not in self._roles:
            self._roles[account_id, user_id] = self._active_role(account_id, user_id)
        return self._roles[account_id, user_id]

    def _active_role(self, account_id: int, user_id: int) -> Role | None:
        asked = {"account": account_id, "user": user_id}
        role = self._connection.execute(_ACTIVE_ROLE, asked).scalar_one_or_none()
        return None if role is None else Role(role)
