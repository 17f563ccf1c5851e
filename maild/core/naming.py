"""What a saved search names, by number: so that it goes on when a person, a status or a client is renamed (M6)."""

from __future__ import annotations

from typing import Any

from maild.model.query import PEOPLE, Field, Operator, Query, QueryError, Term, read_terms
from maild.store.store import Tx

_NUMBER, _GONE = "number", "gone"


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
    elif term.field is Field.CLIENT:
        found = set(tx.searched.clients(account_id, term.value, 1, whole=True).ids)
    else:
        return None
    return found.pop() if len(found) == 1 else None


def named_now(
    tx: Tx, account_id: int, kept: list[dict[str, Any]]
) -> tuple[Query | None, list[str]]:
    """Return a kept query with today's names, and what it names that is gone; None: it cannot be read, so it finds nothing."""
    said, gone = [], []
    for one in kept:
        term = {key: value for key, value in one.items() if key != _NUMBER}
        if _NUMBER in one:
            name = _name(tx, account_id, Field(term["field"]), one[_NUMBER])
            if name is None:
                gone.append(f"The {term['field']} “{term['value']}” is not there any more.")
            elif term["value"].upper() != name[1]:
                term["value"] = name[0]
        said.append(term)
    try:
        return read_terms(said), gone
    except QueryError as error:
        # Saved by a version that read it otherwise.
        return None, [*gone, f"The saved search cannot be read by this version, {error}."]


def _name(tx: Tx, account_id: int, field: Field, number: int) -> tuple[str, str] | None:
    """Return what something is called now, and an id by which it may have been named; None: it is gone."""
    if field in PEOPLE:
        is_here = any(one.id == number for one in tx.searched.people(account_id))
        address = tx.lists.emails({number}).get(number) if is_here else None
        return None if address is None else (address, "")
    if field is Field.STATUS:
        statuses = tx.searched.statuses(account_id)
        return next(((name, "") for name, one in statuses.items() if one == number), None)
    client = tx.clients.client_by_id(number)
    return client.name, client.ulid
