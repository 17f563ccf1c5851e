"""What a saved search names, by number: so that it goes on when a person, a status or a client is renamed (M6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from maild.model.query import (
    NONE,
    PEOPLE,
    Field,
    Operator,
    Query,
    QueryError,
    Term,
    checked,
    read_terms,
)
from maild.store.store import Tx

_NUMBER = "number"


def with_numbers(tx: Tx, account_id: int, query: Query) -> list[dict[str, Any]]:
    """Return a query as it is kept: each term that names exactly one thing has its number."""
    kept = []
    for term in query.terms:
        said = term.as_dict()
        number = _number(tx, account_id, term)
        kept.append(said if number is None else {**said, _NUMBER: number})
    return kept


def _number(tx: Tx, account_id: int, term: Term) -> int | None:
    if term.operator is not Operator.IS:
        return None
    if term.field in PEOPLE:
        found = {one.id for one in tx.searched.people(account_id) if one.address == term.value}
    elif term.field is Field.STATUS:
        statuses = tx.searched.statuses(account_id)
        wanted = term.value.casefold()
        found = {number for name, number in statuses.items() if name.casefold() == wanted}
    elif term.field is Field.CLIENT and term.value != NONE:
        named = tx.searched.clients(account_id, term.value, 1, whole=True)
        found = set(named.ids) if named.is_whole else set()
    else:
        return None
    return found.pop() if len(found) == 1 else None


def named_now(tx: Tx, account_id: int, kept: list[dict[str, Any]]) -> tuple[Query, str | None]:
    """Return a kept query with today's names and its numbers; and why it cannot be read, if so: then it finds nothing."""
    try:
        read = read_terms(
            [{key: value for key, value in one.items() if key != _NUMBER} for one in kept]
        )
    except QueryError as error:
        # Saved by a version that read it otherwise.
        return Query(), f"The saved search cannot be read by this version, {error}."
    numbers = [one.get(_NUMBER) for one in kept]
    return Query(
        tuple(
            term if number is None else _renamed(tx, account_id, term, number)
            for term, number in zip(read.terms, numbers, strict=True)
        )
    ), None


def _renamed(tx: Tx, account_id: int, term: Term, number: int) -> Term:
    """Return a term that means what has this number, with a value that names it alone today, if anything does."""
    bound = replace(term, number=number)
    for value in (term.value, *_names(tx, account_id, term.field, number)):
        try:
            said = checked("", term.field, Operator.IS, value, is_not=term.is_not)
        except QueryError:
            continue  # Names may have what nobody can type into a search.
        if _number(tx, account_id, said) == number:
            return replace(bound, value=said.value)
    return bound


def _names(tx: Tx, account_id: int, field: Field, number: int) -> list[str]:
    """Return what something may be called now, the best first; none: it is gone."""
    if field in PEOPLE:
        is_here = any(one.id == number for one in tx.searched.people(account_id))
        address = tx.lists.emails({number}).get(number) if is_here else None
        return [] if address is None else [address]
    if field is Field.STATUS:
        statuses = tx.searched.statuses(account_id)
        return [name for name, one in statuses.items() if one == number]
    client = tx.clients.client_by_id(number)
    return [client.name, client.ulid]
