"""Small things that queries share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T", bound="int | str | tuple[int, str]")

IN_MAX = 500
"""How many values one IN list may hold; both databases bound the parameters of a statement."""


def slices(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield the distinct values in portions that fit into an IN list."""
    distinct = sorted(set(values))
    for start in range(0, len(distinct), IN_MAX):
        yield distinct[start : start + IN_MAX]


def insert_new(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that leaves rows alone which are there already."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def could_be_id(text: str) -> bool:
    """Whether a text can be a public id at all: what else people type may not even be storable text."""
    return text.isascii() and text.isalnum()
