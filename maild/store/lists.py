"""Lists of mails, and what stands in them: one page at a time, along an index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
)

from maild.model.people import InboxKind
from maild.model.query import Field
from maild.model.states import State
from maild.store.inboxes import opened_mailboxes
from maild.store.people_tables import accounts, addresses, clients, inboxes, users
from maild.store.schema import (
    IS_UNREAD,
    arrivals,
    deliveries,
    entries,
    filings,
    messages,
    recipients,
    statuses,
)
from maild.store.search_tables import ID_MASK, place_of, search_words
from maild.store.searching import Search, condition_of, matches, prepare
from maild.store.source_tables import sources
from maild.store.sql import slices
from maild.store.users import UserRows

FEW = 2000
"""Mails of a client that are sorted rather than met on a walk through all."""


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
    search: Search | None = None
    after: int | None = None
    """The delivery that the page before ended with."""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Place:
    """A mail in a mailbox, as it was when it was found."""

    ulid: str
    version: int
    """Of the entry."""


class ListRows:
    """Queries that show mails."""

    def __init__(self, connection: Connection) -> None:
        """Read through an open transaction."""
        self._connection = connection

    def page(self, wanted: Filter) -> list[dict[str, Any]]:
        """Return one page of mails, newest first (keyset: no page costs more than the first)."""
        query = self._walk(wanted)
        if query is None:
            return []
        if wanted.search is None or not wanted.search.clauses:
            return self._filled(query)
        return self._mails_of(list(self._connection.execute(query).scalars()))

    def places(self, wanted: Filter, *, but_owner: int) -> list[Place]:
        """Return the mails of a list that lie in other mailboxes than this one, newest first."""
        query = self._walk(wanted)
        if query is None:
            return []
        query = query.where(entries.c.owner_id != but_owner).with_only_columns(
            deliveries.c.ulid, entries.c.version
        )
        return [Place(row.ulid, row.version) for row in self._connection.execute(query)]

    def count(self, wanted: Filter, most: int) -> int:
        """Return how many mails a list has, counted up to a number."""
        query = self._walk(replace(wanted, limit=most, after=None))
        if query is None:
            return 0
        some = query.with_only_columns(deliveries.c.id).order_by(None).subquery()
        return self._connection.execute(select(func.count()).select_from(some)).scalar_one()

    def _walk(self, wanted: Filter) -> Select[Any] | None:
        """Return the query for a list, newest first, which walks an index; None: no mail can be in it.

        It selects rows of `_mails`, or where it goes by the index of search, ids.
        """
        search = wanted.search
        if search is not None and search.is_nothing:
            return None
        if search is not None and search.clauses:
            return _narrowed(self._walk_of(search, wanted), wanted)
        account: ColumnElement[int] = deliveries.c.account_id
        if is_few := self._is_of_few(wanted):
            account = literal_column("+deliveries.account_id")
        query = _narrowed(_mails().where(account == wanted.account_id), wanted)
        # A mailbox is walked along its owner's index, every other list along the account's.
        at: ColumnElement[Any] = deliveries.c.received_at
        number: ColumnElement[Any] = deliveries.c.id
        if wanted.owner_id is not None:
            at, number = entries.c.received_at, entries.c.delivery_id
        if wanted.after is not None:
            # Bound with its type: a bare datetime would be compared as text with the stored number.
            last_at = literal(self._received_at(wanted.after), deliveries.c.received_at.type)
            query = query.where(tuple_(at, number) < tuple_(last_at, literal(wanted.after)))
        if search is not None:
            prepare(self._connection)
            query = query.where(*_within(search, at))
        if is_few:
            # The sign keeps SQLite from walking the account's mails by their time in search of them.
            at = literal_column("+deliveries.received_at")
        return query.order_by(at.desc(), number.desc()).limit(wanted.limit)

    def _is_of_few(self, wanted: Filter) -> bool:
        """Whether the clients that are asked for have so few mails that these are looked through, and sorted."""
        holds = () if wanted.search is None else wanted.search.holds
        asked: tuple[int, ...] = () if wanted.client_id is None else (wanted.client_id,)
        for one in holds:
            if one.field is Field.CLIENT and not one.is_not:
                asked = asked or one.values
        if not asked:
            return False
        some = (
            select(filings.c.delivery_id)
            .where(filings.c.client_id.in_(asked))
            .limit(FEW + 1)
            .subquery()
        )
        found = self._connection.execute(select(func.count()).select_from(some)).scalar_one()
        return found <= FEW

    def _walk_of(self, search: Search, wanted: Filter) -> Select[Any]:
        """Return the query for what the index of search finds: it is walked backwards, which is newest first."""
        prepare(self._connection)
        place = search_words.c.rowid
        query = (
            select(deliveries.c.id)
            .select_from(
                search_words.join(
                    deliveries, deliveries.c.id == place.op("&")(literal_column(str(ID_MASK)))
                )
                .join(inboxes, inboxes.c.id == deliveries.c.inbox_id)
                .outerjoin(entries, entries.c.delivery_id == deliveries.c.id)
                .outerjoin(statuses, statuses.c.id == entries.c.status_id)
            )
            .where(
                matches(self._connection, search.clauses),
                # The index knows it, too; this says so to whoever reads the statement.
                deliveries.c.account_id == wanted.account_id,
                *_within(search, deliveries.c.received_at),
            )
        )
        # A second holds several mails: those at its edges are told apart by their own time, above.
        if search.since is not None:
            query = query.where(place >= place_of(search.since, 0))
        if search.until is not None:
            query = query.where(place <= place_of(search.until, ID_MASK))
        if wanted.after is not None:
            query = query.where(place < place_of(self._received_at(wanted.after), wanted.after))
        return query.order_by(place.desc()).limit(wanted.limit)

    def _received_at(self, delivery_id: int) -> datetime:
        """Return when a mail came that is known to be there."""
        found: datetime = self._connection.execute(
            select(deliveries.c.received_at).where(deliveries.c.id == delivery_id)
        ).scalar_one()
        return found

    def _mails_of(self, ids: list[int]) -> list[dict[str, Any]]:
        """Return mails as lists show them, in this order."""
        rows: dict[int, dict[str, Any]] = {}
        for some in slices(ids):
            found = self._filled(_mails().where(deliveries.c.id.in_(some)))
            rows.update({row["id"]: row for row in found})
        return [rows[one] for one in ids]

    def mails(self, delivery_ids: Iterable[int]) -> list[dict[str, Any]]:
        """Return these mails as lists show them, in the order in which they came in."""
        return [
            row
            for some in slices(delivery_ids)
            for row in self._filled(
                _mails().where(deliveries.c.id.in_(some)).order_by(deliveries.c.id)
            )
        ]

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

    def reached(self, message_ids: set[int]) -> dict[int, list[tuple[str, str]]]:
        """Return whom mails were for, as (place, address), whatever told it."""
        found: dict[int, list[tuple[str, str]]] = {}
        for some in slices(message_ids):
            named = self._connection.execute(
                select(recipients.c.message_id, recipients.c.kind, recipients.c.norm)
                .where(recipients.c.message_id.in_(some))
                .order_by(recipients.c.id)
            )
            for row in named:
                found.setdefault(row.message_id, []).append((row.kind, row.norm))
            polled = self._connection.execute(
                select(arrivals.c.message_id, sources.c.username)
                .join(sources, sources.c.id == arrivals.c.source_id)
                .where(arrivals.c.message_id.in_(some))
                .distinct()
            )
            for message_id, username in polled:
                found.setdefault(message_id, []).append(("source", username))
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
        """Return the primary addresses of users; of who turned out to be somebody else that one's (U13)."""
        found = self._primaries(user_ids)
        missing = user_ids - found.keys()
        if missing:
            heirs = UserRows(self._connection).heirs(missing)
            theirs = self._primaries(set(heirs.values()))
            found |= {user: theirs[heir] for user, heir in heirs.items() if heir in theirs}
        return found

    def _primaries(self, user_ids: set[int]) -> dict[int | None, str]:
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
            # A communal user has no address but its inbox's (M9).
            communal = self._connection.execute(
                select(inboxes.c.communal_user_id, inboxes.c.norm).where(
                    inboxes.c.communal_user_id.in_(some)
                )
            )
            found.update({row.communal_user_id: row.norm for row in communal})
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
                arrivals.c.spam_mark,
                sources.c.name.label("source"),
                arrivals.c.origin,
                arrivals.c.whole_size,
                arrivals.c.spf,
            )
            .outerjoin(sources, sources.c.id == arrivals.c.source_id)
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
        .select_from(deliveries)
        .join(messages, messages.c.id == deliveries.c.message_id)
        .join(accounts, accounts.c.id == deliveries.c.account_id)
        .join(inboxes, inboxes.c.id == deliveries.c.inbox_id)
        .outerjoin(entries, entries.c.delivery_id == deliveries.c.id)
        .outerjoin(users, users.c.id == entries.c.owner_id)
        .outerjoin(statuses, statuses.c.id == entries.c.status_id)
    )


def _within(search: Search, at: ColumnElement[datetime]) -> list[ColumnElement[bool]]:
    """Return the bounds of when a mail was received, on the column that is walked."""
    bounds = []
    if search.since is not None:
        bounds.append(at >= literal(search.since, deliveries.c.received_at.type))
    if search.until is not None:
        bounds.append(at < literal(search.until, deliveries.c.received_at.type))
    return bounds


def _with_status(wanted: Filter) -> Any:
    named = statuses.c.name == wanted.status
    if not wanted.status_is_first:
        return named
    return or_(named, and_(entries.c.status_id.is_(None), entries.c.owner_id.is_not(None)))


def _visible(wanted: Filter) -> Any:
    if wanted.visible_to is None:
        return None
    opened = opened_mailboxes(wanted.visible_to, wanted.account_id)
    own = or_(entries.c.owner_id == wanted.visible_to, entries.c.owner_id.in_(opened))
    return or_(own, inboxes.c.kind == InboxKind.SHARED) if wanted.sees_shared else own


def _narrowed(query: Select[Any], wanted: Filter) -> Select[Any]:
    conditions = [
        (wanted.owner_id, entries.c.owner_id == wanted.owner_id),
        (wanted.inbox_id, deliveries.c.inbox_id == wanted.inbox_id),
        (wanted.state, deliveries.c.state == wanted.state),
        (wanted.reason, deliveries.c.reason == wanted.reason),
        (wanted.unread or None, IS_UNREAD),
        (wanted.status, _with_status(wanted)),
        (wanted.visible_to, _visible(wanted)),
        (wanted.shared_only or None, inboxes.c.kind == InboxKind.SHARED),
    ]
    for value, condition in conditions:
        if value is not None:
            query = query.where(condition)
    if wanted.search is not None:
        query = query.where(*map(condition_of, wanted.search.holds))
    if wanted.client_id is not None:
        query = query.join(
            filings,
            and_(filings.c.delivery_id == deliveries.c.id, filings.c.client_id == wanted.client_id),
        )
    return query
