"""Entries, owners, transfers and lists: the mailbox half of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    delete,
    exists,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from maild.model.people import InboxKind
from maild.model.states import State
from maild.store.schema import (
    accounts,
    addresses,
    arrivals,
    clients,
    deliveries,
    entries,
    filings,
    inboxes,
    messages,
    notes,
    recipients,
    rulings,
    statuses,
    transfers,
    users,
)
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
class Filter:
    """Which mails a list shows; None asks nothing."""

    account_id: int
    owner_id: int | None = None
    inbox_id: int | None = None
    state: State | None = None
    reason: str | None = None
    client_id: int | None = None
    unread: bool = False
    status: str | None = None
    status_is_first: bool = False
    """The status is the account's first, which mails without one have."""
    shared_only: bool = False
    """All Received: only mail of shared inboxes (M5)."""
    visible_to: int | None = None
    """Only what this member may see: the own mailbox, and All Received if `sees_shared` (M5)."""
    sees_shared: bool = False
    after: int | None = None
    """The delivery that the page before ended with."""
    limit: int = 50


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


def _is_undone(table: Table) -> ColumnElement[bool]:
    """Whether a later act took back the one that a row belongs to."""
    later = (transfers.alias("undoing_transfers"), rulings.alias("undoing_rulings"))
    return or_(*(exists().where(undoing.c.undoes == table.c.change_id) for undoing in later))


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
            insert_new(self._connection, entries),
            {
                "delivery_id": row.id,
                "account_id": row.account_id,
                "owner_id": owner_id,
                "unread": unread,
                "received_at": received_at,
                "status_id": status_id,
            },
        )
        if row.owner_id is not None and row.owner_id != owner_id and not self.transfers(row.id):
            self._connection.execute(
                update(entries)
                .where(entries.c.delivery_id == row.id)
                .values(owner_id=owner_id, version=entries.c.version + 1)
            )

    def remove(self, delivery_id: int) -> None:
        """Take a delivery out of the mailboxes."""
        self._connection.execute(delete(entries).where(entries.c.delivery_id == delivery_id))

    def entry(self, ulid: str, *, for_update: bool = False) -> EntryRow | None:
        """Return a delivery and its entry by the delivery's public id."""
        if not could_be_id(ulid):
            return None
        return next(iter(self._entries(deliveries.c.ulid == ulid, for_update=for_update)), None)

    def entry_of(self, delivery_id: int) -> EntryRow:
        """Return a delivery and its entry by the inner id."""
        return self._entries(deliveries.c.id == delivery_id)[0]

    def _entries(self, condition: Any, *, for_update: bool = False) -> list[EntryRow]:
        query: Select[Any] = (
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
            .where(condition)
        )
        if for_update and self._connection.dialect.name == "postgresql":
            query = query.with_for_update(of=deliveries)
        return [
            EntryRow(
                **{**row, "state": State(row["state"]), "inbox_kind": InboxKind(row["inbox_kind"])}
            )
            for row in self._connection.execute(query).mappings()
        ]

    # --- owner changes ----------------------------------------------------------------------------------------------

    def move(self, row: EntryRow, *, to: int, unread: bool, cause: dict[str, Any] | None) -> bool:
        """Change the owner if nobody did since `row` was read."""
        result = self._connection.execute(
            update(entries)
            .where(entries.c.delivery_id == row.id, entries.c.version == row.version)
            .values(owner_id=to, unread=unread, unread_cause=cause, version=entries.c.version + 1)
        )
        return result.rowcount == 1

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

    def _transfers(self, condition: Any) -> list[TransferRow]:
        rows = self._connection.execute(
            select(*transfers.c).where(condition).order_by(transfers.c.id)
        ).mappings()
        return [TransferRow(**row) for row in rows]

    def last_change(self, account_id: int, by: int | None) -> str | None:
        """Return the newest act in the account that can be undone and was not: this user's, or anybody's (None)."""
        newest: tuple[datetime, str] | None = None
        for table in (transfers, rulings):
            query = (
                select(table.c.at, table.c.change_id)
                .join(deliveries, deliveries.c.id == table.c.delivery_id)
                .where(
                    deliveries.c.account_id == account_id,
                    table.c.undoes.is_(None),
                    ~_is_undone(table),
                )
                .order_by(table.c.id.desc())
                .limit(1)
            )
            if by is not None:
                query = query.where(table.c.by_user_id == by)
            if table is rulings:
                query = query.where(rulings.c.question == "dismiss")
            row = self._connection.execute(query).first()
            if row is not None and (newest is None or row.at > newest[0]):
                newest = (row.at, row.change_id)
        return None if newest is None else newest[1]

    def dismissals_of_change(self, change_id: str) -> list[tuple[int, dict[str, Any]]]:
        """Return (delivery, answer) of each dismissal of one act."""
        if not could_be_id(change_id):
            return []
        rows = self._connection.execute(
            select(rulings.c.delivery_id, rulings.c.answer).where(
                rulings.c.change_id == change_id, rulings.c.question == "dismiss"
            )
        )
        return [(row.delivery_id, row.answer) for row in rows]

    # --- flags ------------------------------------------------------------------------------------------------------

    def set_unread(self, delivery_id: int, *, unread: bool, cause: dict[str, Any] | None) -> None:
        """Set the owner's flag."""
        self._connection.execute(
            update(entries)
            .where(entries.c.delivery_id == delivery_id)
            .values(unread=unread, unread_cause=cause)
        )

    def set_status(self, delivery_id: int, status_id: int) -> None:
        """Set the status; it is apart from unread (M7)."""
        self._connection.execute(
            update(entries).where(entries.c.delivery_id == delivery_id).values(status_id=status_id)
        )

    def status_names(self, account_id: int) -> dict[str, int]:
        """Return the account's statuses in their order."""
        rows = self._connection.execute(
            select(statuses.c.name, statuses.c.id)
            .where(statuses.c.account_id == account_id)
            .order_by(statuses.c.rank)
        )
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

    # --- lists ------------------------------------------------------------------------------------------------------

    def page(self, wanted: Filter) -> list[dict[str, Any]]:
        """Return one page of mails, newest first (keyset: no page costs more than the first)."""
        query = _narrowed(_mails().where(deliveries.c.account_id == wanted.account_id), wanted)
        # A mailbox is walked along its owner's index, every other list along the account's.
        at, number = deliveries.c.received_at, deliveries.c.id
        if wanted.owner_id is not None:
            at, number = entries.c.received_at, entries.c.delivery_id
        if wanted.after is not None:
            last = self._connection.execute(
                select(deliveries.c.received_at).where(deliveries.c.id == wanted.after)
            ).scalar_one()
            # Bound with its type: a bare datetime would be compared as text with the stored number.
            last_at = literal(last, deliveries.c.received_at.type)
            query = query.where(tuple_(at, number) < tuple_(last_at, literal(wanted.after)))
        return self._filled(query.order_by(at.desc(), number.desc()).limit(wanted.limit))

    def mail(self, delivery_id: int) -> dict[str, Any]:
        """Return one mail as lists show it."""
        return self._filled(_mails().where(deliveries.c.id == delivery_id))[0]

    def _filled(self, query: Select[Any]) -> list[dict[str, Any]]:
        """Run a query of `_mails` and add recipients, clients, doors and people's addresses, each in one query."""
        rows = [dict(row) for row in self._connection.execute(query).mappings()]
        listed = self._recipients({row["message_id"] for row in rows})
        filed = self._clients({row["id"] for row in rows})
        doors = self._doors({row["message_id"] for row in rows})
        people = self.emails(
            {
                row[key]
                for row in rows
                for key in ("owner_id", "sender_user_id")
                if row[key] is not None
            }
        )
        for row in rows:
            row["to"], row["cc"] = listed.get(row["message_id"], ([], []))
            row["clients"] = filed.get(row["id"], [])
            row["door"] = doors.get(row["message_id"])
            row["owner"] = people.get(row["owner_id"])
            row["user"] = people.get(row["sender_user_id"])
        return rows

    def _recipients(self, message_ids: set[int]) -> dict[int, tuple[list[str], list[str]]]:
        found: dict[int, tuple[list[str], list[str]]] = {}
        for some in slices(message_ids):
            rows = self._connection.execute(
                select(recipients.c.message_id, recipients.c.kind, recipients.c.norm)
                .where(recipients.c.message_id.in_(some), recipients.c.kind.in_(("to", "cc")))
                .order_by(recipients.c.id)
            )
            for row in rows:
                found.setdefault(row.message_id, ([], []))[row.kind == "cc"].append(row.norm)
        return found

    def _clients(self, delivery_ids: set[int]) -> dict[int, list[dict[str, str]]]:
        found: dict[int, list[dict[str, str]]] = {}
        for some in slices(delivery_ids):
            rows = self._connection.execute(
                select(filings.c.delivery_id, filings.c.how, clients.c.ulid, clients.c.name)
                .join(clients, clients.c.id == filings.c.client_id)
                .where(filings.c.delivery_id.in_(some))
                .order_by(filings.c.id)
            )
            for row in rows:
                client = {"id": row.ulid, "name": row.name, "how": row.how}
                found.setdefault(row.delivery_id, []).append(client)
        return found

    def _doors(self, message_ids: set[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        for some in slices(message_ids):
            rows = self._connection.execute(
                select(arrivals.c.message_id, arrivals.c.door)
                .where(arrivals.c.message_id.in_(some))
                .order_by(arrivals.c.id)
            )
            for row in rows:
                found.setdefault(row.message_id, row.door)
        return found

    def emails(self, user_ids: set[int]) -> dict[int | None, str]:
        """Return the primary addresses of users."""
        found: dict[int | None, str] = {}
        for some in slices(user_ids):
            rows = self._connection.execute(
                select(addresses.c.user_id, addresses.c.norm).where(
                    addresses.c.user_id.in_(some),
                    addresses.c.kind == "primary",
                    addresses.c.valid_to.is_(None),
                )
            )
            found.update({row.user_id: row.norm for row in rows})
        return found

    def arrivals(self, message_id: int) -> list[dict[str, Any]]:
        """Return how a mail came in, each time."""
        rows = self._connection.execute(
            select(
                arrivals.c.at,
                arrivals.c.door,
                arrivals.c.peer,
                arrivals.c.mail_from,
                arrivals.c.recipients,
                arrivals.c.digest,
                arrivals.c.retries,
                arrivals.c.last_retry_at,
            )
            .where(arrivals.c.message_id == message_id)
            .order_by(arrivals.c.id)
        ).mappings()
        return [dict(row) for row in rows]


def _mails() -> Select[Any]:
    return (
        select(
            deliveries.c.id,
            deliveries.c.ulid,
            deliveries.c.message_id,
            deliveries.c.state,
            deliveries.c.reason,
            deliveries.c.facts,
            deliveries.c.beside,
            deliveries.c.direction,
            deliveries.c.received_at,
            deliveries.c.sender_user_id,
            accounts.c.slug,
            inboxes.c.norm.label("inbox"),
            messages.c.subject,
            messages.c.from_shown,
            messages.c.from_name,
            messages.c.message_id_header,
            messages.c.size,
            messages.c.digest,
            messages.c.sent_at,
            entries.c.owner_id,
            entries.c.unread,
            entries.c.unread_cause,
            entries.c.version,
            users.c.display_name.label("owner_name"),
            statuses.c.name.label("status"),
        )
        .join(messages, messages.c.id == deliveries.c.message_id)
        .join(accounts, accounts.c.id == deliveries.c.account_id)
        .join(inboxes, inboxes.c.id == deliveries.c.inbox_id)
        .outerjoin(entries, entries.c.delivery_id == deliveries.c.id)
        .outerjoin(users, users.c.id == entries.c.owner_id)
        .outerjoin(statuses, statuses.c.id == entries.c.status_id)
    )


def _with_status(wanted: Filter) -> Any:
    named = statuses.c.name == wanted.status
    if not wanted.status_is_first:
        return named
    return or_(named, and_(entries.c.status_id.is_(None), entries.c.owner_id.is_not(None)))


def _visible(wanted: Filter) -> Any:
    own = entries.c.owner_id == wanted.visible_to
    return or_(own, inboxes.c.kind == InboxKind.SHARED) if wanted.sees_shared else own


def _narrowed(query: Select[Any], wanted: Filter) -> Select[Any]:
    conditions = [
        (wanted.owner_id, entries.c.owner_id == wanted.owner_id),
        (wanted.inbox_id, deliveries.c.inbox_id == wanted.inbox_id),
        (wanted.state, deliveries.c.state == wanted.state),
        (wanted.reason, deliveries.c.reason == wanted.reason),
        (wanted.unread or None, entries.c.unread),
        (wanted.status, _with_status(wanted)),
        (wanted.visible_to, _visible(wanted)),
        (wanted.shared_only or None, inboxes.c.kind == InboxKind.SHARED),
    ]
    for value, condition in conditions:
        if value is not None:
            query = query.where(condition)
    if wanted.client_id is not None:
        query = query.join(
            filings,
            and_(filings.c.delivery_id == deliveries.c.id, filings.c.client_id == wanted.client_id),
        )
    return query
