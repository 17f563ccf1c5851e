"""The table of an account's rules (M11).  Only `maild.store` sees it."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, text

from maild.store.metadata import metadata, ref, row_id
from maild.store.types import UtcDateTime

rules = Table(
    "rules",
    metadata,
    row_id(),
    Column("ulid", Text, nullable=False, unique=True),
    ref("account_id", "accounts.id"),
    Column("name", Text, nullable=False),
    Column("rank", Integer, nullable=False),  # in which order they are heard
    Column("conditions", Text, nullable=False),  # as model/rule_text.py writes them
    # By number: what a person or client is called may change, and an address may change hands (U11).
    ref("owner_id", "users.id", nullable=True),
    ref("status_id", "statuses.id", nullable=True),
    ref("client_id", "clients.id", nullable=True),
    Column("unread", Boolean),  # None: the rule does not say
    Column("stops", Boolean, nullable=False),
    Column("is_on", Boolean, nullable=False),
    ref("by_user_id", "users.id", nullable=True),  # who added it; None: the operator
    Column("at", UtcDateTime, nullable=False),
    Column("removed_at", UtcDateTime),  # it stays, because histories name it
    Index(
        "uq_rules_there",
        "account_id",
        "name",
        unique=True,
        sqlite_where=text("removed_at IS NULL"),
        postgresql_where=text("removed_at IS NULL"),
    ),
    Index("ix_rules_status_id", "status_id"),
)
