"""Column types that behave the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine
from typing_extensions import override

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

BigId = BigInteger().with_variant(Integer, "sqlite")
"""A row's inner id: rises with arrival (SQLite makes only INTEGER keys an alias of the row id)."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, kept as whole microseconds since 1970 so that both databases order and compare alike.

    Refuses naive values: an hour that depends on a machine's zone is not an instant.
    """

    impl = BigInteger
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone was about to be stored")
        return (value - _EPOCH) // _MICROSECOND

    @override
    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + value * _MICROSECOND


_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_load = json.JSONDecoder().decode
# `json.dumps` makes an encoder at each call that asks for anything but the defaults; a list reads hundreds of documents.


class Json(TypeDecorator[Any]):
    """An opaque document: what is asked for in queries gets a column of its own."""

    impl = Text
    cache_ok = True

    @override
    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else _dump(value)

    @override
    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        # A list has a hundred documents, many of which say nothing.
        match value:
            case None:
                return None
            case "{}":
                return {}
            case "[]":
                return []
            case _:
                return _load(value)


class Listed(TypeDecorator[Collection[Any]]):
    """Several values of a type in one parameter: an array, or a document of JSON where there are no arrays."""

    impl = Text
    cache_ok = True

    def __init__(self, one: TypeEngine[Any]) -> None:
        """`one` is the type of each."""
        super().__init__()
        self.one = one

    @override
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.ARRAY(self.one))
        return dialect.type_descriptor(Text())

    @override
    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return None if value is None else list(value)
        return _dump(list(value))


def one_of(column: str, words: type[StrEnum] | tuple[str, ...]) -> str:
    """Return the text of a CHECK that keeps a text column to an enumeration's words."""
    listed = ", ".join(f"'{word}'" for word in words)
    return f"{column} IN ({listed})"
