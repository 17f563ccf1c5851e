"""The table of errands: what is to be done in the world once a transaction has committed.

Belongs to `schema`; apart because it is read for another reason.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, text

from maild.model.errand import ErrandState, Topic
from maild.store.metadata import metadata
from maild.store.types import BigId, Json, UtcDateTime, one_of

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("ulid", Text, nullable=False, unique=True),
    # What it is about, said by who queues it: the same errand is never queued twice, also when it is long done.
    Column("key", Text, nullable=False, unique=True),
    Column("topic", Text, nullable=False),
    Column("account_id", BigId, ForeignKey("accounts.id")),  # None: the installation's own
    Column("payload", Json, nullable=False),  # what the topic's worker needs; less when it is done
    Column("state", Text, nullable=False),
    # When it is tried next; while it is leased, when somebody else may take it.  None: never again.
    Column("due_at", UtcDateTime),
    Column("give_up_at", UtcDateTime, nullable=False),  # from then on it is not tried any more
    Column("attempts", Integer, nullable=False, server_default="0"),  # counted before the work
    Column("lease", Text),
    Column("last_error", Text),  # why it is not done yet; nothing secret
    Column("created_at", UtcDateTime, nullable=False),
    Column("done_at", UtcDateTime),
    Index(
        "ix_outbox_due",
        "due_at",
        "id",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    CheckConstraint(one_of("topic", Topic), name="topic"),
    CheckConstraint(one_of("state", ErrandState), name="state"),
    CheckConstraint("(state = 'waiting') = (due_at IS NOT NULL)", name="due"),
    CheckConstraint("(state = 'done') = (done_at IS NOT NULL)", name="done"),
    CheckConstraint("state = 'waiting' OR lease IS NULL", name="lease"),
)
