"""Inserting many rows by few statements.

One statement for each row costs little by itself, but the driver lets go of Python's one lock at each, and the event loop's
thread then keeps it for as long as it has work: a commit of fifty mails waited three hundred times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table

PORTIONS = (64, 16, 4, 1)
"""Rows of one statement: few sizes, so that the driver keeps every statement prepared."""

_Processor = Callable[[Any], Any]


def insert_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    keeps_known: bool = False,
) -> None:
    """Insert rows, which all have the same columns; with `keeps_known` those that are there already stay."""
    if not rows:
        return
    columns = tuple(rows[0])
    processors = _processors(table, columns, connection.dialect)
    for portion in _portions(rows):
        values = tuple(
            row[name] if processor is None else processor(row[name])
            for row in portion
            for name, processor in processors
        )
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        statement = _statement(table, columns, len(portion), mark, keeps_known=keeps_known)
        connection.exec_driver_sql(statement, values)


def _portions(rows: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    start = 0
    while start < len(rows):
        size = next(portion for portion in PORTIONS if portion <= len(rows) - start)
        yield rows[start : start + size]
        start += size


@lru_cache(maxsize=256)
def _statement(
    table: Table, columns: tuple[str, ...], rows: int, mark: str, *, keeps_known: bool
) -> str:
    """Every name comes from the schema; every value is a parameter."""
    row = f"({', '.join([mark] * len(columns))})"
    into = f"{table.name} ({', '.join(columns)})"
    end = " ON CONFLICT DO NOTHING" if keeps_known else ""
    return f"INSERT INTO {into} VALUES {', '.join([row] * rows)}{end}"


@lru_cache(maxsize=64)
def _processors(
    table: Table, columns: tuple[str, ...], dialect: Dialect
) -> list[tuple[str, _Processor | None]]:
    return [
        (name, table.c[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in columns
    ]
