"""Which way a list of mails is walked: along a mailbox, an account, or what the index of search finds (M6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
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
from maild.store.engine import OWN_PLAN
from maild.store.inboxes import opened_mailboxes
from maild.store.people_tables import accounts, inboxes, users
from maild.store.schema import (
    IS_UNREAD,
    deliveries,
    entries,
    filings,
    messages,
    statuses,
)
from maild.store.search_tables import ID_MASK, place_of, search_words
from maild.store.searching import Search, condition_of, has_words, matches

FEW = 2000
"""Mails of a client that are sorted rather than met on a walk through all."""
FEW_OWNED = 1000
"""Mails of mailboxes of which each is asked whether it has the words; where there are more, it depends on the words."""
SAMPLE = 1000
COMMON = 3
"""Of so many of the newest mails so many have words that are not rare."""


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


class Walks:
    """Makes the query for a list: each walks an index, newest first."""

    def __init__(self, connection: Connection) -> None:
        """Read through an open transaction."""
        self._connection = connection

    def walk(self, wanted: Filter) -> Select[Any] | None:
        """Return the query for a list, newest first, which walks an index; None: no mail can be in it.

        It selects rows of `MAILS`, or where it goes by the index of search, ids.
        """
        search = wanted.search
        if search is not None and search.is_nothing:
            return None
        if search is not None and search.clauses:
            return _narrowed(self._walk_by_words(search, wanted), wanted).execution_options(
                **OWN_PLAN
            )
        query = self._walk_of_all(wanted)
        return query if _goes_alike(wanted) else query.execution_options(**OWN_PLAN)

    def _walk_of_all(self, wanted: Filter) -> Select[Any]:
        """Return the query for a list that asks for no words: mails are met along an index, and looked at."""
        search = wanted.search
        account: ColumnElement[int] = deliveries.c.account_id
        if is_few := self._is_of_few(wanted):
            account = literal_column("+deliveries.account_id")
        query = _narrowed(MAILS.where(account == wanted.account_id), wanted)
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
            query = query.where(*_within(search, at))
        if is_few:
            # The sign keeps SQLite from walking the account's mails by their time in search of them.
            at = literal_column("+deliveries.received_at")
        # As text: not knowing the limit, PostgreSQL takes it for a tenth of all, and no plan for any value is as good.
        limit: ColumnElement[int] = literal_column(str(int(wanted.limit)))
        return query.order_by(at.desc(), number.desc()).limit(limit)

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

    def _walk_by_words(self, search: Search, wanted: Filter) -> Select[Any]:
        """Return the query for what the index of search finds, along whichever way meets fewest mails."""
        whose = self._owners(wanted)
        if whose is not None and self._hold_few(whose):
            return self._walk_of_mailboxes(search, wanted, whose)
        if self._connection.dialect.name == "sqlite":
            # FTS5 has the places of each word in their order: it meets nothing else.
            return self._walk_of_places(search, wanted, search_words)
        if self._is_rare(search):
            found = select(search_words.c.rowid).where(matches(self._connection, search.clauses))
            return self._walk_of_places(
                search, wanted, found.cte("found").prefix_with("MATERIALIZED")
            )
        if whose is not None and wanted.owner_id is not None:
            return self._walk_of_mailboxes(search, wanted, whose)
        return self._walk_of_places(search, wanted, search_words)

    def _hold_few(self, whose: ColumnElement[bool]) -> bool:
        """Whether mailboxes hold so few mails that each may be asked whether it has the words."""
        some = select(entries.c.delivery_id).where(whose).limit(FEW_OWNED + 1).subquery()
        found: int = self._connection.execute(select(func.count()).select_from(some)).scalar_one()
        return found <= FEW_OWNED

    def _is_rare(self, search: Search) -> bool:
        """Whether what has the words is little, by the newest mails: PostgreSQL then takes it all, and sorts it.

        Its own guess for a word that it does not know is one mail in 200, and it would walk through a million for one.
        """
        newest = (
            select(search_words.c.words)
            .order_by(search_words.c.rowid.desc())
            .limit(SAMPLE)
            .subquery()
        )
        asked = matches(self._connection, search.clauses, newest.c.words)
        found = self._connection.execute(
            select(func.count()).select_from(newest).where(asked).execution_options(**OWN_PLAN)
        )
        return bool(found.scalar_one() < COMMON)

    def _walk_of_places(self, search: Search, wanted: Filter, places: FromClause) -> Select[Any]:
        """Return the query for what the index of search finds: its places are walked backwards, which is newest first."""
        place = places.c.rowid
        query = (
            select(deliveries.c.id)
            .select_from(
                places.join(
                    deliveries, deliveries.c.id == place.op("&")(literal_column(str(ID_MASK)))
                )
                .join(inboxes, inboxes.c.id == deliveries.c.inbox_id)
                .outerjoin(entries, entries.c.delivery_id == deliveries.c.id)
                .outerjoin(statuses, statuses.c.id == entries.c.status_id)
            )
            .where(
                # The index knows it, too; this says so to whoever reads the statement.
                deliveries.c.account_id == wanted.account_id,
                *_within(search, deliveries.c.received_at),
            )
        )
        if places is search_words:
            query = query.where(matches(self._connection, search.clauses))
        # A second holds several mails: those at its edges are told apart by their own time, above.
        if search.since is not None:
            query = query.where(place >= place_of(search.since, 0))
        if search.until is not None:
            query = query.where(place <= place_of(search.until, ID_MASK))
        if wanted.after is not None:
            query = query.where(place < place_of(self._received_at(wanted.after), wanted.after))
        return query.order_by(place.desc()).limit(wanted.limit)

    def _walk_of_mailboxes(
        self, search: Search, wanted: Filter, whose: ColumnElement[bool]
    ) -> Select[Any]:
        """Return the query for what the index finds of mailboxes: each of their mails is asked whether it has the words."""
        at, number = entries.c.received_at, entries.c.delivery_id
        account: ColumnElement[int] = deliveries.c.account_id
        if self._connection.dialect.name == "sqlite":
            # The sign keeps SQLite from walking the account instead; PostgreSQL would take it for one mail in 200.
            account = literal_column("+deliveries.account_id")
        query = (
            select(deliveries.c.id)
            .select_from(
                entries.join(deliveries, deliveries.c.id == number)
                .join(inboxes, inboxes.c.id == deliveries.c.inbox_id)
                .outerjoin(statuses, statuses.c.id == entries.c.status_id)
            )
            .where(
                whose,
                account == wanted.account_id,
                has_words(self._connection, search.clauses),
                *_within(search, at),
            )
        )
        if wanted.after is not None:
            last_at = literal(self._received_at(wanted.after), deliveries.c.received_at.type)
            query = query.where(tuple_(at, number) < tuple_(last_at, literal(wanted.after)))
        return query.order_by(at.desc(), number.desc()).limit(wanted.limit)

    def _owners(self, wanted: Filter) -> ColumnElement[bool] | None:
        """Return in whose mailboxes a list's mails lie; None: in any."""
        if wanted.owner_id is not None:
            return entries.c.owner_id == wanted.owner_id
        if wanted.visible_to is None or wanted.sees_shared:
            return None
        opened = opened_mailboxes(wanted.visible_to, wanted.account_id)
        mine = [wanted.visible_to, *self._connection.execute(opened).scalars()]
        return entries.c.owner_id.in_(mine)

    def _received_at(self, delivery_id: int) -> datetime:
        """Return when a mail came that is known to be there."""
        found: datetime = self._connection.execute(
            select(deliveries.c.received_at).where(deliveries.c.id == delivery_id)
        ).scalar_one()
        return found


MAILS: Select[Any] = (
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
"""The query for mails as lists show them."""


def _goes_alike(wanted: Filter) -> bool:
    """Whether a list goes along one index whatever its values are: a mailbox or what is unread of it, or all of an account."""
    unnarrowed = Filter(
        account_id=wanted.account_id,
        owner_id=wanted.owner_id,
        unread=wanted.unread and wanted.owner_id is not None,
        visible_to=wanted.visible_to,
        sees_shared=wanted.sees_shared,
        after=wanted.after,
        limit=wanted.limit,
    )
    return wanted == unnarrowed and (wanted.owner_id is not None or wanted.visible_to is None)


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


def _visible(wanted: Filter, member: int) -> Any:
    opened = opened_mailboxes(member, wanted.account_id)
    own = or_(entries.c.owner_id == member, entries.c.owner_id.in_(opened))
    return or_(own, inboxes.c.kind == InboxKind.SHARED) if wanted.sees_shared else own


def _narrowed(query: Select[Any], wanted: Filter) -> Select[Any]:
    equal: tuple[tuple[Any, ColumnElement[Any]], ...] = (
        (wanted.owner_id, entries.c.owner_id),
        (wanted.inbox_id, deliveries.c.inbox_id),
        (wanted.state, deliveries.c.state),
        (wanted.reason, deliveries.c.reason),
    )
    conditions: list[Any] = [column == value for value, column in equal if value is not None]
    if wanted.unread:
        conditions.append(IS_UNREAD)
    if wanted.status is not None:
        conditions.append(_with_status(wanted))
    if wanted.visible_to is not None:
        conditions.append(_visible(wanted, wanted.visible_to))
    if wanted.shared_only:
        conditions.append(inboxes.c.kind == InboxKind.SHARED)
    if conditions:
        query = query.where(*conditions)
    if wanted.search is not None:
        query = query.where(*map(condition_of, wanted.search.holds))
    if wanted.client_id is not None:
        query = query.join(
            filings,
            and_(filings.c.delivery_id == deliveries.c.id, filings.c.client_id == wanted.client_id),
        )
    return query
