"""Entries, owners, transfers and lists: the mailbox half of the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    func,
    insert,
    select,
    update,
)

from maild.model.people import InboxKind
from maild.model.states import State
from maild.store.among import among
from maild.store.people_tables import inboxes
from maild.store.schema import deliveries, entries, notes, statuses, transfers
from maild.store.sql import could_be_id, insert_new, slices


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """A delivery and its place in a mailbox; owner and entry fields are None when it lies in none."""

    id: int
    ulid: str
    account_id: int
    message_id: int
    inbox_id: int
    inbox_kind: InboxKind
    state: State
    owner_id: int | None
    unread: bool | None
    unread_cause: dict[str, Any] | None
    status_id: int | None
    version: int | None
    """Of the entry: rises with each owner change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRow:
    """One owner change."""

    id: int
    delivery_id: int
    from_user_id: int
    to_user_id: int
    by_user_id: int | None
    at: datetime
    note: str
    was_unread: bool
    became_unread: bool
    change_id: str
    undoes: str | None


_ENTRIES: Select[Any] = (
    select(
        deliveries.c.id,
        deliveries.c.ulid,
        deliveries.c.account_id,
        deliveries.c.message_id,
        deliveries.c.inbox_id,
        inboxes.c.kind.label("inbox_kind"),
        deliveries.c.state,
        entries.c.owner_id,
        entries.c.unread,
        entries.c.unread_cause,
        entries.c.status_id,
        entries.c.version,
    )
    .join(inboxes, inboxes.c.id == deliveries.c.inbox_id)
    .outerjoin(entries, entries.c.delivery_id == deliveries.c.id)
)
_STATUSES = (
    select(statuses.c.name, statuses.c.id)
    .where(statuses.c.account_id == bindparam("account"))
    .order_by(statuses.c.rank)
)
_KINDS = {kind.value: kind for kind in InboxKind}
_STATES = {state.value: state for state in State}


def _version_again(delivery_id: int) -> ColumnElement[int]:
    """Return the version of an entry that is made anew, higher than any that the mail's entries had before.

    A version rises with an owner change, which stays in history, or when the mail is decided, which counts, too.
    """
    moved = select(func.count()).where(transfers.c.delivery_id == delivery_id).scalar_subquery()
    decided = select(deliveries.c.version).where(deliveries.c.id == delivery_id).scalar_subquery()
    return moved + decided


class MailboxRows:
    """Queries about where mail lies."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    # --- placing --------------------------------------------------------------------------------------------------

    def place(
        self,
        row: EntryRow,
        *,
        owner_id: int,
        unread: bool,
        received_at: datetime,
        status_id: int | None = None,
    ) -> None:
        """Give a delivery its entry; one that is there keeps everything, but for an owner that nobody chose."""
        self._connection.execute(
            insert_new(self._connection, entries).values(
                delivery_id=row.id,
                account_id=row.account_id,
                owner_id=owner_id,
                unread=unread,
                received_at=received_at,
                status_id=status_id,
                version=_version_again(row.id),
            )
        )
        if row.owner_id is not None and row.owner_id != owner_id and not self.transfers(row.id):
            self._connection.execute(
                update(entries)
                .where(entries.c.delivery_id == row.id)
                .values(owner_id=owner_id, version=entries.c.version + 1)
            )

    def entry(self, ulid: str, *, for_update: bool = False) -> EntryRow | None:
        """Return a delivery and its entry by the delivery's public id."""
        if not could_be_id(ulid):
            return None
        return next(iter(self._entries(deliveries.c.ulid == ulid, for_update=for_update)), None)

    def entries_of(self, delivery_ids: Iterable[int]) -> dict[int, EntryRow]:
        """Return deliveries and their entries by the inner id."""
        return {
            row.id: row
            for some in slices(delivery_ids)
            for row in self._entries(among(deliveries.c.id, some))
        }

    def hold(self, ulids: Iterable[str]) -> dict[str, EntryRow]:
        """Return deliveries and their entries by the public id, held until the commit.

        They are held in one order, whatever order was asked for: two acts at once never wait for each other in a circle.
        """
        return {
            row.ulid: row
            for some in slices(ulid for ulid in ulids if could_be_id(ulid))
            for row in self._entries(among(deliveries.c.ulid, some), for_update=True)
        }

    def _entries(self, condition: Any, *, for_update: bool = False) -> list[EntryRow]:
        query = _ENTRIES.where(condition)
        if for_update and self._connection.dialect.name == "postgresql":
            # By a statement of its own: one that has waited would return entries as they were before it waited.
            held = select(deliveries.c.id).where(condition).order_by(deliveries.c.ulid)
            self._connection.execute(held.with_for_update())
        # By position: a mapping for each row costs as much as the query, and acts on many mails read many.
        return [
            EntryRow(
                id=row[0],
                ulid=row[1],
                account_id=row[2],
                message_id=row[3],
                inbox_id=row[4],
                inbox_kind=_KINDS[row[5]],
                state=_STATES[row[6]],
                owner_id=row[7],
                unread=row[8],
                unread_cause=row[9],
                status_id=row[10],
                version=row[11],
            )
            for row in self._connection.execute(query).all()
        ]

    # --- owner changes ----------------------------------------------------------------------------------------------

    def add_transfer(self, values: dict[str, Any]) -> None:
        """Append to the history."""
        self._connection.execute(insert(transfers).values(**values))

    def transfers(self, delivery_id: int) -> list[TransferRow]:
        """Return a delivery's owner changes, oldest first."""
        return self._transfers(transfers.c.delivery_id == delivery_id)

    def transfers_of_change(self, change_id: str) -> list[TransferRow]:
        """Return the owner changes of one act."""
        if not could_be_id(change_id):
            return []
        return self._transfers(transfers.c.change_id == change_id)

    def newest_transfers(self, delivery_ids: Iterable[int]) -> dict[int, int]:
        """Return the ids of the deliveries' newest owner changes."""
        found = {}
        for some in slices(delivery_ids):
            rows = self._connection.execute(
                select(transfers.c.delivery_id, func.max(transfers.c.id).label("newest"))
                .where(transfers.c.delivery_id.in_(some))
                .group_by(transfers.c.delivery_id)
            )
            found.update({row.delivery_id: row.newest for row in rows})
        return found

    def _transfers(self, condition: Any) -> list[TransferRow]:
        rows = self._connection.execute(
            select(*transfers.c).where(condition).order_by(transfers.c.id)
        ).mappings()
        return [TransferRow(**row) for row in rows]

    # --- flags ------------------------------------------------------------------------------------------------------

    def set_unread(
        self,
        delivery_id: int,
        *,
        unread: bool,
        cause: dict[str, Any] | None,
        version: int | None = None,
    ) -> bool:
        """Set the owner's flag; with a version only of the owner who was seen.  Return whether it was set."""
        change = update(entries).where(entries.c.delivery_id == delivery_id)
        if version is not None:
            change = change.where(entries.c.version == version)
        done = self._connection.execute(change.values(unread=unread, unread_cause=cause))
        return done.rowcount > 0

    def set_status(self, delivery_id: int, status_id: int) -> None:
        """Set the status; it is apart from unread (M7)."""
        self._connection.execute(
            update(entries).where(entries.c.delivery_id == delivery_id).values(status_id=status_id)
        )

    def status_names(self, account_id: int) -> dict[str, int]:
        """Return the account's statuses in their order."""
        rows = self._connection.execute(_STATUSES, {"account": account_id})
        return {row.name: row.id for row in rows}

    def add_note(self, values: dict[str, Any]) -> None:
        """Append a note."""
        self._connection.execute(insert(notes).values(**values))

    def notes(self, delivery_id: int) -> list[tuple[datetime, int | None, str]]:
        """Return the notes on a delivery, oldest first."""
        rows = self._connection.execute(
            select(notes.c.at, notes.c.by_user_id, notes.c.text)
            .where(notes.c.delivery_id == delivery_id)
            .order_by(notes.c.id)
        )
        return [(row.at, row.by_user_id, row.text) for row in rows]
