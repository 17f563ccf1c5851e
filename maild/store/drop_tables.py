"""The table of drop addresses (U7)."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Text, text

from maild.store.metadata import metadata
from maild.store.types import BigId, UtcDateTime

drop_addresses = Table(
    "drop_addresses",
    metadata,
    # A membership's secret tag.  What it is lies here sealed; what finds it is a keyed digest, worth nothing to a thief.
    Column("id", BigId, primary_key=True),
    Column("membership_id", BigId, ForeignKey("memberships.id"), nullable=False),
    Column("lookup", Text, nullable=False, unique=True),
    Column("sealed", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("dead_at", UtcDateTime),  # rotated; refused by its own words for a while
    Index(
        "ix_drop_addresses_live",
        "membership_id",
        unique=True,
        sqlite_where=text("dead_at IS NULL"),
        postgresql_where=text("dead_at IS NULL"),
    ),
)
