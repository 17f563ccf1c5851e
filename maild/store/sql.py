"""Small things that queries share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Table,
    UpdateBase,
    insert,
)
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T", bound="int | str | tuple[int, str]")

IN_MAX = 500
"""How many values one IN list may hold; both databases bound the parameters of a statement."""


def slices(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield the distinct values in portions that fit into an IN list."""
    distinct = sorted(set(values))
    for start in range(0, len(distinct), IN_MAX):
        yield distinct[start : start + IN_MAX]


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that can be told what to do about a row that is there already."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def insert_new(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that leaves rows alone which are there already."""
    return insert_into(connection, table).on_conflict_do_nothing()


class ForEach:
    """A statement that is run for each of many rows, its text and its types looked up once.

    SQLAlchemy looks both up at each call, and goes through each row's parameters one by one: that takes twice as long as
    the driver then takes for a small row itself.
    """

    def __init__(
        self, make: Callable[[Connection], UpdateBase], columns: Sequence[str] = ()
    ) -> None:
        """`make` returns the statement for a dialect; every value that is bound in it is a column of the rows.

        `columns` are those of an INSERT that names none.
        """
        self._make_it = make
        self._columns = list(columns) or None
        self._made: dict[str, _Made] = {}

    @classmethod
    def insert(cls, table: Table, *columns: str) -> ForEach:
        """Return the INSERT of rows with exactly these columns."""
        return cls(lambda _: insert(table), columns)

    @classmethod
    def insert_new(cls, table: Table, *columns: str) -> ForEach:
        """Return the same, which leaves rows alone that are there already."""
        return cls(lambda connection: insert_new(connection, table), columns)

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it for all rows, if there are any.  Raises as `Connection.execute`, and KeyError for a missing column."""
        if not rows:
            return
        made = self._made.get(connection.dialect.name) or self._make(connection)
        values: Any
        if made.is_positional:
            values = [
                tuple([row[name] if bind is None else bind(row[name]) for name, bind in made.binds])
                for row in rows
            ]
        else:
            values = [
                {name: row[name] if bind is None else bind(row[name]) for name, bind in made.binds}
                for row in rows
            ]
        connection.exec_driver_sql(made.statement, values)

    def _make(self, connection: Connection) -> _Made:
        dialect = connection.dialect
        compiled: Any = self._make_it(connection).compile(
            dialect=dialect, column_keys=self._columns
        )
        binds = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup or compiled.binds
        ]
        made = _Made(str(compiled), binds, is_positional=bool(compiled.positional))
        self._made[dialect.name] = made
        return made


@dataclass(frozen=True, slots=True)
class _Made:
    statement: str
    binds: list[tuple[str, Callable[[Any], Any] | None]]
    """The parameters in order, and what turns a value into what the driver takes; None: it takes it as it is."""
    is_positional: bool


def could_be_id(text: str) -> bool:
    """Whether a text can be a public id at all: what else people type may not even be storable text."""
    return text.isascii() and text.isalnum()
