"""The tables of writing: who may write as an inbox, templates, and mails that people wrote here (M8).

Only `maild.store` sees them.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from maild.model.writing import Act, RecipientKind, ReportFate
from maild.store.metadata import metadata, ref, row_id
from maild.store.types import BigId, UtcDateTime, one_of

send_rights = Table(
    "send_rights",
    metadata,
    # Members who may write as a shared inbox, beside those who may by what they are.
    Column("inbox_id", BigId, ForeignKey("inboxes.id"), primary_key=True),
    Column("user_id", BigId, ForeignKey("users.id"), primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Index("ix_send_rights_user_id", "user_id"),
)

templates = Table(
    "templates",
    metadata,
    row_id(),
    Column("ulid", Text, nullable=False, unique=True),
    ref("account_id", "accounts.id"),
    ref("user_id", "users.id", nullable=True),  # whose alone it is; None: everybody's
    Column("name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    ref("inbox_id", "inboxes.id", nullable=True),  # the set sender
    ref("status_id", "statuses.id", nullable=True),  # what the answered mail gets
    ref("by_user_id", "users.id", nullable=True),  # who added it; None: the operator
    Column("at", UtcDateTime, nullable=False),
    Index(
        "uq_templates_shared",
        "account_id",
        "name",
        unique=True,
        sqlite_where=text("user_id IS NULL"),
        postgresql_where=text("user_id IS NULL"),
    ),
    Index(
        "uq_templates_private",
        "account_id",
        "user_id",
        "name",
        unique=True,
        sqlite_where=text("user_id IS NOT NULL"),
        postgresql_where=text("user_id IS NOT NULL"),
    ),
    Index("ix_templates_status_id", "status_id"),
)

outgoing = Table(
    "outgoing",
    metadata,
    # A mail that somebody wrote here; its bytes are the message's, and are sent exactly so.
    row_id(),
    ref("account_id", "accounts.id"),
    Column("message_id", BigId, ForeignKey("messages.id"), nullable=False, unique=True),
    Column("delivery_id", BigId, ForeignKey("deliveries.id"), nullable=False, unique=True),
    ref("author_id", "users.id"),
    ref("answers_id", "deliveries.id", nullable=True),  # the mail that it answers, or passes on
    Column("act", Text, nullable=False),
    Column("sender", Text, nullable=False),  # as whom: canonical
    Column("mail_from", Text, nullable=False),  # the envelope sender: reports come back here
    Column("needs_utf8", Boolean, nullable=False),  # only a relay with SMTPUTF8 takes it (RFC 6531)
    Column("at", UtcDateTime, nullable=False),
    Index("ix_outgoing_answers_id", "answers_id"),
    CheckConstraint(one_of("act", Act), name="act"),
)

outgoing_recipients = Table(
    "outgoing_recipients",
    metadata,
    # One errand each: what becomes of the mail is each recipient's own.
    row_id(),
    ref("outgoing_id", "outgoing.id"),
    Column("errand", Text, nullable=False, unique=True),  # outbox.ulid
    Column("norm", Text, nullable=False),
    Column("shown", Text, nullable=False),  # as it goes over the wire: some servers tell A from a
    Column("kind", Text, nullable=False),
    Column("said", Text),  # what the relay answered when it took it
    Column("report", Text),  # what a report said of it since; None: nothing
    Column("report_code", Text),  # RFC 3463; None: it named none
    Column("reported_at", UtcDateTime),
    ref("report_id", "deliveries.id", nullable=True),  # the report
    UniqueConstraint("outgoing_id", "norm"),
    CheckConstraint(one_of("kind", RecipientKind), name="kind"),
    CheckConstraint(one_of("report", ReportFate), name="report"),
)
