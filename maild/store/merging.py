"""What changes hands when two users turn out to be one, and back again: statements over sets, whatever the mailbox (U13)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from maild.store.change_tables import people_changes
from maild.store.people_tables import (
    accounts,
    communal_members,
    inboxes,
    owner_chain,
)
from maild.store.schema import deliveries, entries, transfers
from maild.store.sql import slices
from maild.store.types import UtcDateTime

_COLUMNS = (
    *("delivery_id", "from_user_id", "to_user_id", "by_user_id", "at", "note"),
    *("was_unread", "became_unread", "change_id", "undoes"),
)
"""Of a line in the history of owners."""


def _line(to: int, values: dict[str, Any]) -> list[ColumnElement[Any]]:
    """Return what is written of each entry that passes to a user, in the order of the columns."""
    return [
        entries.c.delivery_id,
        entries.c.owner_id,
        literal(to),
        literal(values["by_user_id"], transfers.c.by_user_id.type),
        literal(values["at"], UtcDateTime()),
        literal(values["note"]),
        entries.c.unread,
        entries.c.unread,
        literal(values["change_id"]),
        literal(values["undoes"], transfers.c.undoes.type),
    ]


class MergeRows:
    """Queries of merging and of taking a merge back."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    # Mailboxes

    def move_entries(self, user_id: int, to: int, values: dict[str, Any]) -> int:
        """Give a whole mailbox to another user, unread flags and statuses as they are; return how many mails.

        Each gets its line in the history of owners; they are what the way back is found by.
        """
        self._hold(select(entries.c.delivery_id).where(entries.c.owner_id == user_id))
        lines = select(*_line(to, values)).where(entries.c.owner_id == user_id)
        self._connection.execute(insert(transfers).from_select(_COLUMNS, lines))
        return self._connection.execute(
            update(entries)
            .where(entries.c.owner_id == user_id)
            .values(owner_id=to, version=entries.c.version + 1)
        ).rowcount

    def move_back(self, change_id: str, user_id: int, values: dict[str, Any]) -> int:
        """Give the mails that a merge moved back to the user whose they were, but for those moved since."""
        later = transfers.alias("later_transfers")
        by_merges = exists().where(
            or_(people_changes.c.ulid == later.c.change_id, people_changes.c.ulid == later.c.undoes)
        )  # Such that were taken back: while a later one stands, this one is not.
        untouched = and_(
            transfers.c.change_id == change_id,
            ~exists().where(
                later.c.delivery_id == transfers.c.delivery_id,
                later.c.id > transfers.c.id,
                ~by_merges,
            ),
            entries.c.owner_id == transfers.c.to_user_id,
        )
        joined = transfers.join(entries, entries.c.delivery_id == transfers.c.delivery_id)
        self._hold(
            select(entries.c.delivery_id)
            .select_from(joined)
            .where(transfers.c.change_id == change_id)
        )
        lines = (
            select(*_line(user_id, {**values, "undoes": change_id}))
            .select_from(joined)
            .where(untouched)
        )
        self._connection.execute(insert(transfers).from_select(_COLUMNS, lines))
        moved = select(transfers.c.delivery_id).where(transfers.c.change_id == values["change_id"])
        return self._connection.execute(
            update(entries)
            .where(entries.c.delivery_id.in_(moved))
            .values(owner_id=user_id, version=entries.c.version + 1)
        ).rowcount

    def _hold(self, some: Select[int]) -> None:
        """Let whoever moves one of these mails wait, so that history and owner are written as one."""
        held = some.with_for_update(of=entries).subquery()
        self._connection.execute(select(func.count()).select_from(held))

    def not_moved_back(self, change_id: str, limit: int) -> tuple[int, list[str]]:
        """Return how many mails of a merge are not their former owner's, and the first ones' ids."""
        stayed = (
            select(deliveries.c.ulid)
            .join(transfers, transfers.c.delivery_id == deliveries.c.id)
            .outerjoin(entries, entries.c.delivery_id == deliveries.c.id)
            .where(
                transfers.c.change_id == change_id,
                func.coalesce(entries.c.owner_id, 0) != transfers.c.from_user_id,
            )
        )
        count = self._connection.execute(
            select(func.count()).select_from(stayed.subquery())
        ).scalar_one()
        first = self._connection.execute(stayed.order_by(deliveries.c.id).limit(limit))
        return count, list(first.scalars())

    def owns_mail(self, account_id: int, user_id: int) -> bool:
        """Whether a user has mail of an account."""
        found = self._connection.execute(
            select(entries.c.delivery_id)
            .where(entries.c.owner_id == user_id, entries.c.account_id == account_id)
            .limit(1)
        ).one_or_none()
        return found is not None

    # Where a user is named

    def chains_of(self, user_id: int) -> list[tuple[int, str]]:
        """Return the inboxes whose owner chains name a user, as (id, address), by id."""
        rows = self._connection.execute(
            select(inboxes.c.id, inboxes.c.norm)
            .join(owner_chain, owner_chain.c.inbox_id == inboxes.c.id)
            .where(owner_chain.c.user_id == user_id)
            .order_by(inboxes.c.id)
        )
        return [(row.id, row.norm) for row in rows]

    def names_in_chains(self, account_id: int, user_id: int) -> bool:
        """Whether an owner chain, or the default, of an account names a user."""
        chained = self._connection.execute(
            select(owner_chain.c.inbox_id)
            .join(inboxes, inboxes.c.id == owner_chain.c.inbox_id)
            .where(owner_chain.c.user_id == user_id, inboxes.c.account_id == account_id)
            .limit(1)
        ).one_or_none()
        default = self._connection.execute(
            select(accounts.c.id).where(
                accounts.c.id == account_id, accounts.c.default_owner_id == user_id
            )
        ).one_or_none()
        return chained is not None or default is not None

    def defaults_of(self, user_id: int) -> list[tuple[int, str]]:
        """Return the accounts whose last owner a user is, as (id, slug), by id."""
        rows = self._connection.execute(
            select(accounts.c.id, accounts.c.slug)
            .where(accounts.c.default_owner_id == user_id)
            .order_by(accounts.c.id)
        )
        return [(row.id, row.slug) for row in rows]

    def communal_of(self, user_id: int) -> list[tuple[int, str]]:
        """Return the communal inboxes that a user opens, as (id, address), by id."""
        rows = self._connection.execute(
            select(inboxes.c.id, inboxes.c.norm)
            .join(communal_members, communal_members.c.inbox_id == inboxes.c.id)
            .where(communal_members.c.user_id == user_id)
            .order_by(inboxes.c.id)
        )
        return [(row.id, row.norm) for row in rows]

    def set_default_owner_if(self, account_ids: Iterable[int], was: int, user_id: int) -> list[int]:
        """Change the default owner of the accounts where it is a certain one; return them."""
        changed: list[int] = []
        for some in slices(account_ids):
            rows = self._connection.execute(
                update(accounts)
                .where(accounts.c.id.in_(some), accounts.c.default_owner_id == was)
                .values(default_owner_id=user_id)
                .returning(accounts.c.id)
            )
            changed += rows.scalars()
        return sorted(changed)

    def chains_at(self, inbox_ids: Sequence[int]) -> dict[int, list[int]]:
        """Return owner chains as user ids in order."""
        found: dict[int, list[int]] = {inbox: [] for inbox in inbox_ids}
        for some in slices(inbox_ids):
            rows = self._connection.execute(
                select(owner_chain.c.inbox_id, owner_chain.c.user_id)
                .where(owner_chain.c.inbox_id.in_(some))
                .order_by(owner_chain.c.inbox_id, owner_chain.c.rank)
            )
            for row in rows:
                found[row.inbox_id].append(row.user_id)
        return found
