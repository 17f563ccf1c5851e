"""The tables of what brings clients in: the directory that an account follows, and looks through its waiting mails.

Belongs to `schema`; apart because it is read for another reason.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, Text

from maild.store.metadata import metadata, row_id
from maild.store.types import BigId, Json, UtcDateTime

directories = Table(
    "directories",
    metadata,
    row_id(),
    Column("account_id", BigId, ForeignKey("accounts.id"), nullable=False, unique=True),
    Column("plug", Text, nullable=False),  # the name of its entry point
    Column("options", Json, nullable=False),  # what the operator gave the plug; never a secret
    Column("every_s", Integer, nullable=False),
    Column("cursor", Text),  # how far its changes were taken; None: from the beginning
    Column(
        "due_at", UtcDateTime, nullable=False
    ),  # when it is asked next, or may be by somebody else
    Column("lease", Text),
    Column("fail_count", Integer, nullable=False, server_default="0"),
    Column("last_ok_at", UtcDateTime),
    Column("last_error", Text),  # None once it succeeds
    Column("refused", Integer, nullable=False, server_default="0"),  # its entries that were refused
    Column("last_refusal", Text),
    Column("created_at", UtcDateTime, nullable=False),
)

sweeps = Table(
    "sweeps",
    metadata,
    # An account whose waiting mails are looked through for the clients that came; one look at a time.
    Column("account_id", BigId, ForeignKey("accounts.id"), primary_key=True, autoincrement=False),
    Column("after", BigId, nullable=False),  # the mails up to this one were looked at
)
