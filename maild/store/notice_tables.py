"""The table of what people are still to be told (M12).  Only `maild.store` sees it."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text

from maild.store.metadata import metadata, ref, row_id
from maild.store.types import UtcDateTime

owed_notices = Table(
    "owed_notices",
    metadata,
    # A mail became somebody's by another one's act, and they have not been told; the row goes when they are.
    row_id(),
    ref("account_id", "accounts.id"),
    ref("user_id", "users.id"),
    ref("delivery_id", "deliveries.id"),
    ref("by_user_id", "users.id", nullable=True),  # None: the operator
    Column("note", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_owed_notices_at", "at"),
    Index("ix_owed_notices_user_id", "user_id", "account_id", "id"),
)
