"""What hangs on a membership and ends with it (U9, M10)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from maild.model.people import MemberState
from maild.store.drop_tables import drop_addresses
from maild.store.login_tables import sessions, tokens
from maild.store.people_tables import (
    accounts,
    communal_members,
    inboxes,
    logins,
    memberships,
    owner_chain,
)
from maild.store.schema import entries
from maild.store.sql import slices
from maild.store.writing_tables import send_rights


class LeavingRows:
    """Queries about a member who leaves an account."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def strangers(self, owners: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return those (account, user) that are no active membership."""
        wanted = set(owners)
        found: set[tuple[int, int]] = set()
        for some in slices(user for _, user in wanted):
            rows = self._connection.execute(
                select(memberships.c.account_id, memberships.c.user_id).where(
                    memberships.c.user_id.in_(some), memberships.c.state == MemberState.ACTIVE
                )
            )
            found |= {(row.account_id, row.user_id) for row in rows}
        return sorted(wanted - found)

    def mails_owned(self, account_id: int, user_id: int) -> int:
        """Return how many of the account's mails lie in a user's mailbox."""
        return self._connection.execute(
            select(func.count())
            .select_from(entries)
            .where(entries.c.owner_id == user_id, entries.c.account_id == account_id)
        ).scalar_one()

    def end_duties(self, account_id: int, user_id: int) -> None:
        """Take a user out of the account's owner chains, communal inboxes and senders, and as its default owner."""
        here = select(inboxes.c.id).where(inboxes.c.account_id == account_id)
        for table in (owner_chain, communal_members, send_rights):
            self._connection.execute(
                delete(table).where(table.c.user_id == user_id, table.c.inbox_id.in_(here))
            )
        self._connection.execute(
            update(accounts)
            .where(accounts.c.id == account_id, accounts.c.default_owner_id == user_id)
            .values(default_owner_id=None)
        )

    def end_drop(self, membership_id: int, now: datetime) -> None:
        """Let a membership's secret address be refused as replaced."""
        self._connection.execute(
            update(drop_addresses)
            .where(
                drop_addresses.c.membership_id == membership_id, drop_addresses.c.dead_at.is_(None)
            )
            .values(dead_at=now)
        )

    def end_ways_in(self, account_id: int, user_id: int, now: datetime) -> None:
        """End what opens this account alone: sessions of its own login, and tokens for it.  The login stays."""
        own = select(logins.c.id).where(
            logins.c.user_id == user_id, logins.c.account_id == account_id
        )
        self._connection.execute(delete(sessions).where(sessions.c.login_id.in_(own)))
        self._connection.execute(
            update(tokens)
            .where(
                tokens.c.user_id == user_id,
                tokens.c.account_id == account_id,
                tokens.c.revoked_at.is_(None),
            )
            .values(revoked_at=now)
        )
