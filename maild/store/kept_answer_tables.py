"""Answers of the API that are kept for who asks the same again.  Only `maild.store` sees them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint

from maild.store.metadata import metadata, row_id
from maild.store.types import UtcDateTime

kept_answers = Table(
    "kept_answers",
    metadata,
    row_id(),
    Column("holder", Text, nullable=False),  # the digest of the token or session that asked
    Column("key", Text, nullable=False),  # its Idempotency-Key
    Column("request", Text, nullable=False),  # a digest of what was asked
    Column("begun_at", UtcDateTime, nullable=False),
    Column("status", Integer),  # None: it is being done, or whoever did it died
    Column("answer", Text),  # sealed with the asker's own secret, which is not here
    UniqueConstraint("holder", "key"),
    Index("ix_kept_answers_begun_at", "begun_at"),
)
