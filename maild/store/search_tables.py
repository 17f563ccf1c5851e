"""The tables of search.  Only `maild.store` sees them.

`search_words` holds the tokens of `maild.model.indexed`, a row a delivery.  It is no part of the metadata, because it is
another thing on each database: an FTS5 table on SQLite, a table with a tsvector and its GIN index on PostgreSQL.  Its
number is a place in time (`place_of`), so that an index walked backwards is a list, newest first.  A migration makes it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    case,
    column,
    table,
    text,
    type_coerce,
)

from maild.store.metadata import metadata, ref, row_id
from maild.store.types import BigId, Json, UtcDateTime

ID_BITS = 31
"""Bits of a place that are the delivery's id; the seconds since 1970 stand before them."""
ID_MASK = (1 << ID_BITS) - 1
SECONDS_MAX = (1 << 32) - 1
"""Of a place, which is a number of 63 bits: somebody may ask for what was received before the year 9999."""

search_words = table("search_words", column("rowid"), column("words"))
"""SQLite gives every table a `rowid`; on PostgreSQL it is a column of that name."""

search_queue = Table(
    "search_queue",
    metadata,
    # Deliveries that are to be indexed (again): written in the transaction that changes what search knows of them.
    Column("delivery_id", BigId, ForeignKey("deliveries.id"), primary_key=True),
    # How often that was said: whoever indexed what was there before leaves the row to the next round.
    Column("times", Integer, nullable=False, server_default="1"),
    # Up to which of these times it was indexed.  A row stays when it is done: were it counted from 1 again, a slow node
    # would take what is asked now for what it read before.
    Column("done", Integer, nullable=False, server_default="0"),
    # Why it could not be indexed; None: it could, or waits.
    Column("fault", Text),
    Index(
        "ix_search_queue_due",
        "delivery_id",
        sqlite_where=text("done < times"),
        postgresql_where=text("done < times"),
    ),
    Index(
        "ix_search_queue_fault",
        "delivery_id",
        sqlite_where=text("fault IS NOT NULL"),
        postgresql_where=text("fault IS NOT NULL"),
    ),
)

address_book = Table(
    "address_book",
    metadata,
    # Each address that a mail of the account was from or to, and each domain (whose `local` is empty), once.
    row_id(),
    ref("account_id", "accounts.id"),
    Column("domain", Text, nullable=False),
    Column("local", Text, nullable=False),
    UniqueConstraint("account_id", "domain", "local"),
)

profiles = Table(
    "profiles",
    metadata,
    # Saved searches (M6).
    row_id(),
    Column("ulid", Text, nullable=False, unique=True),
    ref("account_id", "accounts.id"),
    ref("user_id", "users.id", nullable=True),  # whose it is; None: the operator's
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),  # case folded: by which it is found
    Column("terms", Json, nullable=False),  # the query, with ids of what it names
    Column("is_shared", Boolean, nullable=False),  # everybody of the account sees it
    Column("is_pinned", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Index("uq_profiles_own", "account_id", "user_id", "name_key", unique=True),
    Index(
        "uq_profiles_operators",
        "account_id",
        "name_key",
        unique=True,
        sqlite_where=text("user_id IS NULL"),
        postgresql_where=text("user_id IS NULL"),
    ),
    CheckConstraint("name <> ''", name="name"),
)


def place_column(
    received_at: ColumnElement[datetime], delivery_id: ColumnElement[int]
) -> ColumnElement[int]:
    """Return `place_of` for a statement."""
    since_1970 = type_coerce(received_at, BigInteger)
    seconds = case((since_1970 < 0, 0), else_=since_1970 // 1_000_000)
    return seconds.bitwise_lshift(ID_BITS).bitwise_or(delivery_id)


def place_of(received_at: datetime, delivery_id: int) -> int:
    """Return a delivery's number in `search_words`: by the second, then by its id."""
    return min(max(0, int(received_at.timestamp())), SECONDS_MAX) << ID_BITS | delivery_id
