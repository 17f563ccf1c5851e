"""The table of changes of people that an operator can take back: of an e-mail address, swaps, merges (U11, U13)."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, Text, text

from maild.store.metadata import metadata, ref, row_id
from maild.store.types import Json, UtcDateTime, one_of

people_changes = Table(
    "people_changes",
    metadata,
    row_id(),
    Column("ulid", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    ref("user_id", "users.id"),
    ref("other_id", "users.id", nullable=True),  # of a swap or merge
    ref("by_user_id", "users.id", nullable=True),  # None: the operator
    Column("reason", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("plan", Json, nullable=False),  # as it was shown; ids, no secrets
    Column("kept", Json),  # what stood before; None once it can no longer be taken back
    Column("undo_until", UtcDateTime, nullable=False),
    Column("undone_at", UtcDateTime),
    Index("ix_people_changes_user_id", "user_id"),
    Index("ix_people_changes_other_id", "other_id"),
    Index(
        "ix_people_changes_undo_until",
        "undo_until",
        sqlite_where=text("kept IS NOT NULL"),
        postgresql_where=text("kept IS NOT NULL"),
    ),
    CheckConstraint(one_of("kind", ("rename", "swap", "merge")), name="kind"),
)
