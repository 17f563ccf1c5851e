"""Asking the index of search, and what a search asks of mailboxes beside it (M6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    cast,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from maild.model.indexed import Clause, Phrase
from maild.model.people import InboxKind
from maild.model.query import Field
from maild.model.states import State
from maild.store.people_tables import inboxes
from maild.store.schema import IS_UNREAD, arrivals, deliveries, entries, filings, messages, notes
from maild.store.search_tables import place_column, search_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """One term as the store asks it."""

    field: Field
    values: tuple[Any, ...] = ()
    """Numbers of what is named, or words; any of them."""
    with_none: bool = False
    """Or nothing at all: no owner, no client, no status of its own."""
    is_not: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A query put to an account; everything must hold."""

    clauses: tuple[Clause, ...] = ()
    """What the index is asked; none: it is not needed."""
    holds: tuple[Holds, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    """Received from the one on, and before the other."""
    is_nothing: bool = False
    """Something is asked that no mail can have."""


# --- the index ------------------------------------------------------------------------------------------------------


def matches(
    connection: Connection,
    clauses: Sequence[Clause],
    words: ColumnElement[Any] = search_words.c.words,
) -> ColumnElement[bool]:
    """Return the condition that a row of the index has all clauses; one at least is no negation.

    PostgreSQL takes them from any column.
    """
    if connection.dialect.name == "sqlite":
        asked = _joined(clauses, _fts5_phrase, (" AND ", " NOT ", " OR "))
        return literal_column("search_words").op("MATCH", is_comparison=True)(asked)
    asked = _joined(clauses, _tsquery_phrase, (" & ", " & !", " | "))
    return words.op("@@", is_comparison=True)(cast(literal(asked), TSQUERY))


def has_words(connection: Connection, clauses: Sequence[Clause]) -> ColumnElement[bool]:
    """Return the condition that a delivery's own row of the index has all clauses."""
    own = search_words.c.rowid == place_column(deliveries.c.received_at, deliveries.c.id)
    if connection.dialect.name == "sqlite":
        return exists().where(matches(connection, clauses), own).correlate(deliveries)
    # A value is looked up for each mail that is met; an EXISTS would be planned as a join with all that has the words.
    words = select(search_words.c.words).where(own).correlate(deliveries).scalar_subquery()
    return func.coalesce(matches(connection, clauses, words), false())


def _joined(clauses: Sequence[Clause], phrase: Any, signs: tuple[str, str, str]) -> str:
    both, but_not, either = signs
    there = [either.join(map(phrase, one.any_of)) for one in clauses if not one.is_not]
    absent = [either.join(map(phrase, one.any_of)) for one in clauses if one.is_not]
    wanted = both.join(f"({one})" for one in there)
    return f"({wanted}){but_not}({either.join(absent)})" if absent else wanted


def _fts5_phrase(phrase: Phrase) -> str:
    words = " ".join(phrase.tokens)
    return f'"{words}" *' if phrase.is_prefix else f'"{words}"'


def _tsquery_phrase(phrase: Phrase) -> str:
    words = " <-> ".join(f"'{token}'" for token in phrase.tokens)
    return f"({words}{':*' if phrase.is_prefix else ''})"


# --- mailboxes ------------------------------------------------------------------------------------------------------


# Lists may have joined these tables for themselves.
_messages, _arrivals = messages.alias("searched_messages"), arrivals.alias("searched_arrivals")
_filings, _notes = filings.alias("searched_filings"), notes.alias("searched_notes")


def condition_of(holds: Holds) -> ColumnElement[bool]:
    """Return what a term asks of `deliveries`, `entries` and `inboxes`."""
    found: ColumnElement[bool] = _CONDITIONS[holds.field](holds)
    # What is unknown, as the owner of a mail that has none, is not what was said not to be.
    return not_(func.coalesce(found, false())) if holds.is_not else found


def _among(column: ColumnElement[Any], holds: Holds) -> ColumnElement[bool]:
    named = column == holds.values[0] if len(holds.values) == 1 else column.in_(holds.values)
    if not holds.with_none:
        return named
    return or_(column.is_(None), named) if holds.values else column.is_(None)


def _client(holds: Holds) -> ColumnElement[bool]:
    if holds.with_none:
        return ~exists().where(_filings.c.delivery_id == deliveries.c.id)
    return deliveries.c.id.in_(
        select(_filings.c.delivery_id).where(_filings.c.client_id.in_(holds.values))
    )


def _status(holds: Holds) -> ColumnElement[bool]:
    return and_(entries.c.owner_id.is_not(None), _among(entries.c.status_id, holds))


def _source(holds: Holds) -> ColumnElement[bool]:
    return exists().where(
        _arrivals.c.message_id == deliveries.c.message_id, _arrivals.c.source_id.in_(holds.values)
    )


def _size(holds: Holds) -> ColumnElement[bool]:
    size = _messages.c.size
    wanted = size > holds.values[0] if holds.field is Field.LARGER else size < holds.values[0]
    return exists().where(_messages.c.id == deliveries.c.message_id, wanted)


def _received(holds: Holds) -> ColumnElement[bool]:
    start, end = holds.values
    return and_(deliveries.c.received_at >= start, deliveries.c.received_at < end)


def _is(holds: Holds) -> ColumnElement[bool]:
    word: str = holds.values[0]
    match word:
        case "unread":
            return IS_UNREAD
        case "read":
            return not_(IS_UNREAD)
        case "in" | "out":
            return deliveries.c.direction == word
        case "shared":
            return inboxes.c.kind == InboxKind.SHARED
        case _:
            return deliveries.c.state == State(word)


def _has(holds: Holds) -> ColumnElement[bool]:
    match holds.values[0]:
        case "owner":
            return entries.c.owner_id.is_not(None)
        case "client":
            return exists().where(_filings.c.delivery_id == deliveries.c.id)
        case _:
            return exists().where(_notes.c.delivery_id == deliveries.c.id)


_CONDITIONS: dict[Field, Any] = {
    Field.OWNER: lambda holds: _among(entries.c.owner_id, holds),
    Field.USER: lambda holds: _among(deliveries.c.sender_user_id, holds),
    Field.CLIENT: _client,
    Field.STATUS: _status,
    Field.STATE: lambda holds: _among(deliveries.c.state, holds),
    Field.REASON: lambda holds: _among(deliveries.c.reason, holds),
    Field.INBOX: lambda holds: _among(deliveries.c.inbox_id, holds),
    Field.SOURCE: _source,
    Field.IS: _is,
    Field.HAS: _has,
    Field.ON: _received,
    Field.LARGER: _size,
    Field.SMALLER: _size,
}
