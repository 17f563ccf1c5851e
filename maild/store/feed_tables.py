"""What gives events their places in the feed.  Only `maild.store` sees it."""

from __future__ import annotations

from sqlalchemy import Column, Table

from maild.store.metadata import metadata, row_id
from maild.store.types import BigId

event_positions = Table(
    "event_positions",
    metadata,
    # One row, which is held by whoever gives positions; SQLite needs none, it has one writer.
    row_id(),
    Column("last", BigId, nullable=False),
)
