"""Inboxes: the addresses that maild answers for, and who owns what comes in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    exists,
    insert,
    select,
    update,
)

from maild.model.people import InboxKind, MemberState
from maild.store.people_tables import (
    addresses,
    communal_members,
    inboxes,
    memberships,
    owner_chain,
    users,
)
from maild.store.schema import deliveries, entries
from maild.store.sql import insert_new, slices


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """One inbox."""

    id: int
    account_id: int
    norm: str
    kind: InboxKind
    mode: str
    sender_policy: str
    unknown_policy: str
    max_size: int | None
    """Octets; None: the listener's limit alone."""
    communal_user_id: int | None
    created_at: datetime


_COLUMNS = (
    inboxes.c.id,
    inboxes.c.account_id,
    inboxes.c.norm,
    inboxes.c.kind,
    inboxes.c.mode,
    inboxes.c.sender_policy,
    inboxes.c.unknown_policy,
    inboxes.c.max_size,
    inboxes.c.communal_user_id,
    inboxes.c.created_at,
)


class InboxRows:
    """Queries about inboxes."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def add_inbox(self, values: dict[str, Any]) -> int | None:
        """Add an inbox; None when its address is an inbox already.  The caller registers the name."""
        added = self._connection.execute(
            insert_new(self._connection, inboxes).values(values).returning(inboxes.c.id)
        ).scalar_one_or_none()
        return None if added is None else int(added)

    def inbox(self, norm: str) -> InboxRow | None:
        """Return the inbox with this address."""
        row = self._connection.execute(
            select(*_COLUMNS).where(inboxes.c.norm == norm)
        ).one_or_none()
        return None if row is None else _inbox(row)

    def inboxes_of(self, account_id: int) -> list[InboxRow]:
        """Return an account's inboxes, by address."""
        rows = self._connection.execute(
            select(*_COLUMNS).where(inboxes.c.account_id == account_id).order_by(inboxes.c.norm)
        )
        return [_inbox(row) for row in rows]

    def set_inbox(self, inbox_id: int, values: dict[str, Any]) -> None:
        """Change columns of an inbox."""
        self._connection.execute(update(inboxes).where(inboxes.c.id == inbox_id).values(values))

    def owner_chain(self, inbox_id: int) -> list[tuple[int, str]]:
        """Return the owner and the substitutes, in order, as (user, name)."""
        rows = self._connection.execute(
            select(users.c.id, users.c.display_name)
            .join(owner_chain, owner_chain.c.user_id == users.c.id)
            .where(owner_chain.c.inbox_id == inbox_id)
            .order_by(owner_chain.c.rank)
        )
        return [(row.id, row.display_name) for row in rows]

    def set_owner_chain(self, inbox_id: int, user_ids: Sequence[int]) -> None:
        """Replace the chain."""
        self._connection.execute(delete(owner_chain).where(owner_chain.c.inbox_id == inbox_id))
        for rank, user_id in enumerate(user_ids):
            self._connection.execute(
                insert(owner_chain).values(inbox_id=inbox_id, rank=rank, user_id=user_id)
            )

    # Communal inboxes (M9)

    def communal_members(self, inbox_id: int) -> list[tuple[str, str]]:
        """Return who opens a communal inbox, as (address, name)."""
        rows = self._connection.execute(
            select(addresses.c.norm, users.c.display_name)
            .join(users, users.c.id == addresses.c.user_id)
            .join(communal_members, communal_members.c.user_id == users.c.id)
            .where(
                communal_members.c.inbox_id == inbox_id,
                addresses.c.kind == "primary",
                addresses.c.valid_to.is_(None),
            )
            .order_by(addresses.c.norm)
        )
        return [(row.norm, row.display_name) for row in rows]

    def add_communal_member(self, inbox_id: int, user_id: int, *, now: datetime) -> None:
        """Let a user open a communal inbox; the caller has looked that they cannot yet."""
        self._connection.execute(
            insert(communal_members).values(inbox_id=inbox_id, user_id=user_id, since=now)
        )

    def is_communal_member(self, inbox_id: int, user_id: int) -> bool:
        """Whether a user opens a communal inbox."""
        row = self._connection.execute(
            select(communal_members.c.user_id).where(
                communal_members.c.inbox_id == inbox_id, communal_members.c.user_id == user_id
            )
        ).one_or_none()
        return row is not None

    def unopened(self, account_id: int) -> list[str]:
        """Return the communal inboxes whose mailbox holds mail that no active member could open."""
        opens = exists().where(
            communal_members.c.inbox_id == inboxes.c.id,
            communal_members.c.user_id == users.c.id,
            users.c.disabled_at.is_(None),
            memberships.c.user_id == users.c.id,
            memberships.c.account_id == account_id,
            memberships.c.state == MemberState.ACTIVE,
        )
        rows = self._connection.execute(
            select(inboxes.c.norm, inboxes.c.communal_user_id)
            .where(
                inboxes.c.account_id == account_id, inboxes.c.communal_user_id.is_not(None), ~opens
            )
            .order_by(inboxes.c.norm)
        ).all()
        return [row.norm for row in rows if self.mails_of(row.communal_user_id, 1)]

    def mailboxes_opened(self, account_id: int, user_id: int) -> frozenset[int]:
        """Return the communal users whose mailboxes somebody opens beside their own (M9)."""
        rows = self._connection.execute(opened_mailboxes(user_id, account_id))
        return frozenset(row.communal_user_id for row in rows)

    def mailboxes_opened_by(self, user_id: int) -> list[int]:
        """Return the communal users of all accounts whose mailboxes somebody opens, by id."""
        rows = self._connection.execute(
            select(inboxes.c.communal_user_id)
            .join(communal_members, communal_members.c.inbox_id == inboxes.c.id)
            .where(communal_members.c.user_id == user_id, inboxes.c.communal_user_id.is_not(None))
            .order_by(inboxes.c.communal_user_id)
        )
        return list(rows.scalars())

    def mails_of(self, user_id: int, limit: int) -> list[str]:
        """Return the ids of mails in somebody's mailbox, oldest first."""
        rows = self._connection.execute(
            select(deliveries.c.ulid)
            .join(entries, entries.c.delivery_id == deliveries.c.id)
            .where(entries.c.owner_id == user_id)
            .order_by(deliveries.c.id)
            .limit(limit)
        )
        return [row.ulid for row in rows]

    def has_members(self, communal_user_id: int) -> bool:
        """Whether an active member opens a communal user's mailbox, and mail still comes to it."""
        return not self.unread_by_all([communal_user_id])

    def unread_by_all(self, user_ids: Iterable[int]) -> set[int]:
        """Return those of some users that are communal ones whose mailbox no active member opens."""
        found: set[int] = set()
        for some in slices(user_ids):
            rows = self._connection.execute(
                select(users.c.id).where(users.c.id.in_(some), is_unread_by_all())
            )
            found |= set(rows.scalars())
        return found

    def remove_communal_member(self, inbox_id: int, user_id: int) -> bool:
        """Take a communal inbox from a user; False when they did not have it."""
        done = self._connection.execute(
            delete(communal_members).where(
                communal_members.c.inbox_id == inbox_id, communal_members.c.user_id == user_id
            )
        )
        return done.rowcount > 0


def is_unread_by_all() -> ColumnElement[bool]:
    """Whether a user is a communal one whose mailbox no active member opens, or to which no mail comes any more."""
    member = users.alias("opening_users")
    opens = exists().where(
        inboxes.c.communal_user_id == users.c.id,
        inboxes.c.mode == "communal",
        communal_members.c.inbox_id == inboxes.c.id,
        member.c.id == communal_members.c.user_id,
        member.c.disabled_at.is_(None),
    )
    return and_(users.c.kind == "communal", ~opens)


def opened_mailboxes(user_id: int, account_id: int) -> Select[Any]:
    """Return the query for the communal users of an account whose mailboxes somebody opens."""
    return (
        select(inboxes.c.communal_user_id)
        .join(communal_members, communal_members.c.inbox_id == inboxes.c.id)
        .where(
            communal_members.c.user_id == user_id,
            inboxes.c.account_id == account_id,
            inboxes.c.communal_user_id.is_not(None),
        )
    )


def _inbox(row: Any) -> InboxRow:
    return InboxRow(**{**row._mapping, "kind": InboxKind(row.kind)})  # noqa: SLF001
