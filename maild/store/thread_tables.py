"""The tables of conversations and of who opened which mail (M14, M9).

A thread has no row of its own: it is named by the message that began it, and `messages.thread_id` points there.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table

from maild.store.metadata import metadata
from maild.store.types import BigId, UtcDateTime

thread_links = Table(
    "thread_links",
    metadata,
    Column("account_id", BigId, ForeignKey("accounts.id"), primary_key=True),
    Column(
        "print", BigId, primary_key=True
    ),  # of a Message-ID that a mail has or quotes, whether or not that one ever came in
    Column("thread_id", BigId, nullable=False),  # messages.id of the thread's first message
    Index("ix_thread_links_thread_id", "thread_id"),
)

reader_marks = Table(
    "reader_marks",
    metadata,
    Column("delivery_id", BigId, ForeignKey("deliveries.id"), primary_key=True),
    Column("reader_id", BigId, ForeignKey("users.id"), primary_key=True),
    Column("at", UtcDateTime, nullable=False),  # when it was opened first
)
