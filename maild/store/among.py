"""Many numbers or ids in a query, sent as one parameter: its text is the same however many there are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    bindparam,
    func,
    literal,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import Grouping
from sqlalchemy.sql.operators import is_comparison
from sqlalchemy.sql.visitors import InternalTraversal
from typing_extensions import override

from maild.store.types import Listed

T = TypeVar("T", bound="int | str")


class _Among(ColumnElement[bool]):
    inherit_cache = True
    type = Boolean()
    _traverse_internals = [  # noqa: RUF012 - as SQLAlchemy has it
        ("column", InternalTraversal.dp_clauseelement),
        ("sent", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, column: ColumnElement[Any], sent: ColumnElement[Any]) -> None:
        self.column = column
        self.sent = sent

    @property
    @override
    def _from_objects(self) -> list[FromClause]:
        return self.column._from_objects  # noqa: SLF001 - what SQLAlchemy asks of its own

    @override
    def self_group(self, against: Any = None) -> ColumnElement[Any]:
        # Beside AND and OR, SQLAlchemy would append `= 1` for SQLite, which then finds no index for it.
        is_compared = against is not None and is_comparison(against)
        return Grouping(self) if is_compared else self


@compiles(_Among, "sqlite")
def _among_of_json(element: _Among, compiler: Any, **kw: Any) -> str:
    column, sent = (compiler.process(one, **kw) for one in (element.column, element.sent))
    return f"{column} IN (SELECT value FROM json_each({sent}))"  # noqa: S608 - no value is in it


@compiles(_Among, "postgresql")
def _among_of_array(element: _Among, compiler: Any, **kw: Any) -> str:
    column, sent = (compiler.process(one, **kw) for one in (element.column, element.sent))
    return f"{column} = ANY ({sent})"


def among(column: ColumnElement[T], values: Collection[T] | str) -> ColumnElement[bool]:
    """Return that a column is one of many numbers or ids, which are sent as one parameter; a text is that one's name.

    SQLAlchemy writes an IN list anew for each statement: for 500 values that takes as long as SQLite takes for the rows.
    And PostgreSQL makes a plan anew for each text: it takes longer than a list's rows.
    """
    listed = Listed(column.type)
    if isinstance(values, str):
        return _Among(column, bindparam(values, type_=listed))
    return _Among(column, literal(values, listed))


def in_order(
    connection: Connection, values: Sequence[int]
) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """Return columns of rows that a query takes from numbers, sent as one parameter: the number, and its place among them."""
    sent = literal(values, Listed(BigInteger()))
    if connection.dialect.name == "postgresql":
        rows = func.unnest(sent).table_valued("value", with_ordinality="place").render_derived()
        return rows.c.value, rows.c.place
    rows = func.json_each(sent).table_valued("value", "key")
    return rows.c.value, rows.c.key
