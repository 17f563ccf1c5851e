"""The tables of who is away, who stood in, and who is answering.  Only `maild.store` sees them."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text

from maild.store.metadata import metadata, ref, row_id
from maild.store.types import BigId, UtcDateTime

absences = Table(
    "absences",
    metadata,
    # Somebody is away from one account for a while, and somebody else stands in (M10).
    row_id(),
    Column("ulid", Text, nullable=False, unique=True),
    ref("account_id", "accounts.id"),
    ref("user_id", "users.id"),
    ref("substitute_id", "users.id"),
    Column("begins", UtcDateTime, nullable=False),
    Column("ends", UtcDateTime, nullable=False),  # the first moment back; sooner if they return so
    ref("by_user_id", "users.id", nullable=True),  # who said so; None: the operator
    Column("at", UtcDateTime, nullable=False),
    Index("ix_absences_account_id_ends", "account_id", "ends"),
    Index("ix_absences_user_id", "user_id", "account_id"),
    CheckConstraint("begins < ends", name="order"),
)

stand_ins = Table(
    "stand_ins",
    metadata,
    # What came to somebody in the place of who was away: the list that waits for their return.
    Column("delivery_id", BigId, ForeignKey("deliveries.id"), primary_key=True),
    ref("absence_id", "absences.id"),
    ref("user_id", "users.id"),  # to whom it came
    Index("ix_stand_ins_absence_id", "absence_id", "delivery_id"),
)

answering = Table(
    "answering",
    metadata,
    # Who is writing an answer, for as long as they say so every few minutes (M9).  It blocks nobody.
    Column("delivery_id", BigId, ForeignKey("deliveries.id"), primary_key=True),
    ref("user_id", "users.id"),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)
