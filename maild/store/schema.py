"""The tables of mail.  Only `maild.store` sees them.

Every row of a tenant carries `account_id`.  Times are UTC, addresses canonical, inner ids integers that rise with
arrival; what the interface names has a ULID.  `migrations/` makes exactly this; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    text,
)

from maild.model.envelope import Door
from maild.model.states import State
from maild.store.metadata import metadata, ref, row_id
from maild.store.types import BigId, Json, UtcDateTime, one_of

messages = Table(
    "messages",
    metadata,
    row_id(),
    ref("account_id", "accounts.id"),
    Column("digest", Text, nullable=False),  # sha256 of the bytes, hex
    Column("size", Integer, nullable=False),
    Column("message_id_header", Text),  # without brackets; None when missing or malformed
    Column(
        "content_key", Text, nullable=False
    ),  # Message-ID, From, Date, what deciding goes by, and the body, in one digest (D6)
    Column("from_norm", Text),  # the strict From; None while unread or unclear
    Column(
        "from_shown", Text, nullable=False, server_default=""
    ),  # every From mailbox as written, for lists
    Column("from_name", Text, nullable=False, server_default=""),
    Column("subject", Text, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("erased_at", UtcDateTime),
    Column("thread_id", BigId),  # messages.id of its conversation's first; None: not looked for yet
    Index("ix_messages_thread_id", "thread_id"),
    Index("ix_messages_account_id_message_id_header", "account_id", "message_id_header"),
    Index("ix_messages_account_id_content_key", "account_id", "content_key"),
    Index("ix_messages_account_id_digest", "account_id", "digest"),
)

bodies = Table(
    "bodies",
    metadata,
    Column("account_id", BigId, ForeignKey("accounts.id"), primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("bytes", LargeBinary),  # None: in the content-addressed file of that digest
)

arrivals = Table(
    "arrivals",
    metadata,
    row_id(),
    ref("account_id", "accounts.id"),
    ref("message_id", "messages.id"),
    Column("at", UtcDateTime, nullable=False),
    Column("door", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("helo", Text, nullable=False),
    Column("tls", Boolean, nullable=False),
    Column("mail_from", Text, nullable=False),
    Column("recipients", Json, nullable=False),  # of this account, as the peer wrote them
    Column("digest", Text, nullable=False),
    Column("authenticated_for", Json, nullable=False),  # the listener's domains at that moment (I3)
    Column(
        "trusted_results", Text
    ),  # topmost Authentication-Results of an authserv-id the listener trusts
    Column("source_id", BigId),  # sources.id, if it was collected there
    Column(
        "origin", Text
    ),  # what told the recipient of a collected mail; None: the envelope, or the source
    Column(
        "whole_size", Integer
    ),  # on the server, of a mail that was too large to be taken whole (D12)
    Column("signed_in_user_id", BigId),  # users.id, who signed in at the door (SMTP AUTH)
    Column("spf", Json),  # what SPF said of peer and envelope sender; recorded, never proof (I3)
    Column("drop_user_id", BigId),  # users.id, whose drop address was its envelope recipient (U7)
    Column("spam_mark", Text),  # the field by which the listener's upstream called it spam
    Column(
        "left_unread", Boolean
    ),  # whether an import is to leave it unread (D13); None: it was not imported
    Column(
        "retry_key", Text, nullable=False
    ),  # not unique: a machine's nightly mail has the same one each night
    Column("retries", Integer, nullable=False, server_default="0"),
    Column("last_retry_at", UtcDateTime),
    Index("ix_arrivals_retry_key_at", "retry_key", "at"),
    Index("ix_arrivals_message_id", "message_id"),
    CheckConstraint(one_of("door", Door), name="door"),
)

readings = Table(
    "readings",
    metadata,
    Column("message_id", BigId, ForeignKey("messages.id"), primary_key=True),
    Column("parser_version", Integer, nullable=False),
    Column(
        "letter", LargeBinary, nullable=False
    ),  # without HTML, which is read from the body when asked for
)

recipients = Table(
    "recipients",
    metadata,
    row_id(),
    ref("message_id", "messages.id"),
    Column(
        "kind",
        Text,
        nullable=False,
    ),
    Column("norm", Text, nullable=False),
    UniqueConstraint("message_id", "kind", "norm"),
    Index("ix_recipients_norm_message_id", "norm", "message_id"),
    CheckConstraint(one_of("kind", ("to", "cc", "envelope", "delivered", "source")), name="kind"),
)

deliveries = Table(
    "deliveries",
    metadata,
    row_id(),
    Column("ulid", Text, nullable=False, unique=True),
    ref("account_id", "accounts.id"),
    ref("message_id", "messages.id"),
    ref("inbox_id", "inboxes.id"),
    Column("state", Text, nullable=False),
    Column("reason", Text),  # a code of model/reason.py; None only while RECEIVED
    Column("facts", Json, nullable=False),  # what fills the reason's sentence
    Column("beside", Json, nullable=False),  # marks: SAME_ID_OTHER_CONTENT, PARSE_DEGRADED
    Column(
        "direction",
        Text,
        nullable=False,
    ),
    ref("sender_user_id", "users.id", nullable=True),  # the one resolved user (I1)
    ref("binding_id", "addresses.id", nullable=True),  # by which address (U12)
    Column("sender_literal", Text),  # the address as it stood in the mail
    ref("claimed_user_id", "users.id", nullable=True),  # named by From, not proven
    Column("evidence", Json, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime),  # when a worker may take it (again); None: nothing to do
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lease", Text),  # who works on it, until due_at
    Column("version", Integer, nullable=False, server_default="1"),
    UniqueConstraint("message_id", "inbox_id"),
    Index(
        "ix_deliveries_due_at",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index("ix_deliveries_account_id_received_at", "account_id", "received_at", "id"),
    Index("ix_deliveries_account_id_state_received_at", "account_id", "state", "received_at", "id"),
    Index(
        "ix_deliveries_account_id_reason_received_at", "account_id", "reason", "received_at", "id"
    ),
    Index("ix_deliveries_inbox_id_received_at", "inbox_id", "received_at", "id"),
    CheckConstraint(one_of("state", State), name="state"),
    CheckConstraint(one_of("direction", ("in", "out")), name="direction"),
)

entries = Table(
    "entries",
    metadata,
    Column("delivery_id", BigId, ForeignKey("deliveries.id"), primary_key=True),
    ref("account_id", "accounts.id"),
    ref("owner_id", "users.id"),
    Column("unread", Boolean, nullable=False),
    Column(
        "unread_cause", Json
    ),  # who made it unread and when; None: it came in unread, or is read
    ref("status_id", "statuses.id", nullable=True),
    Column("received_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Index(
        "ix_entries_owner_id_received_at",
        "owner_id",
        "received_at",
        "delivery_id",
    ),
    Index("ix_entries_account_id_owner_id_status_id", "account_id", "owner_id", "status_id"),
    Index(
        "ix_entries_unread_of_account",
        "account_id",
        "owner_id",
        "status_id",
        sqlite_where=text("unread"),
        postgresql_where=text("unread"),
    ),
    Index("ix_entries_owner_id_status_id", "owner_id", "status_id", "delivery_id"),
    Index(
        "ix_entries_unread",
        "owner_id",
        "received_at",
        "delivery_id",
        sqlite_where=text("unread"),
        postgresql_where=text("unread"),
    ),
)

IS_UNREAD: ColumnElement[bool] = literal_column("entries.unread")
"""In the words of the partial indexes: SQLite uses one only for what it says itself, and `unread = 1` is not that."""

statuses = Table(
    "statuses",
    metadata,
    row_id(),
    ref("account_id", "accounts.id"),
    Column("name", Text, nullable=False),
    Column("rank", Integer, nullable=False),
    # Work on a mail that has it is done; an answer from the client re-opens that mail (M7).
    Column("closes", Boolean, nullable=False, server_default=false()),
    # What a mail gets that is re-opened; of none, the account's first.
    Column("reopens", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("account_id", "name"),
)

transfers = Table(
    "transfers",
    metadata,
    row_id(),
    ref("delivery_id", "deliveries.id"),
    ref("from_user_id", "users.id"),
    ref("to_user_id", "users.id"),
    ref("by_user_id", "users.id", nullable=True),  # None: the operator
    Column("at", UtcDateTime, nullable=False),
    Column("note", Text, nullable=False),
    Column("was_unread", Boolean, nullable=False),
    Column("became_unread", Boolean, nullable=False),
    Column("change_id", Text, nullable=False),  # groups the transfers of one act
    Column("undoes", Text),  # the act that this one took back; None: an act of its own
    Index("ix_transfers_delivery_id", "delivery_id"),
    Index("ix_transfers_change_id", "change_id"),
    Index("ix_transfers_undoes", "undoes"),
    Index("ix_transfers_by_user_id_id", "by_user_id", "id"),
)

notes = Table(
    "notes",
    metadata,
    row_id(),
    ref("delivery_id", "deliveries.id"),
    ref("by_user_id", "users.id", nullable=True),
    Column("at", UtcDateTime, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_notes_delivery_id", "delivery_id"),
)

rulings = Table(
    "rulings",
    metadata,
    row_id(),
    ref("account_id", "accounts.id"),
    ref("delivery_id", "deliveries.id"),
    Column("question", Text, nullable=False),
    Column("answer", Json, nullable=False),
    Column("change_id", Text, nullable=False),  # the act that it belongs to, for undo
    Column("undoes", Text),  # the act that this one took back; None: an act of its own
    ref("by_user_id", "users.id", nullable=True),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_rulings_delivery_id", "delivery_id"),
    Index("ix_rulings_change_id", "change_id"),
    Index("ix_rulings_undoes", "undoes"),
    Index("ix_rulings_by_user_id_id", "by_user_id", "id"),
)

standing_rulings = Table(
    "standing_rulings",
    metadata,
    # What a person asked to be remembered for the next mail of the account (E2).
    row_id(),
    ref("account_id", "accounts.id"),
    Column("question", Text, nullable=False),
    Column("subject", Text, nullable=False),  # what it is about: a canonical address or a domain
    Column("answer", Json, nullable=False),
    ref("by_user_id", "users.id", nullable=True),
    Column("at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Index(
        "uq_standing_rulings_in_force",
        "account_id",
        "question",
        "subject",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
)

filings = Table(
    "filings",
    metadata,
    row_id(),
    ref("account_id", "accounts.id"),
    ref("delivery_id", "deliveries.id"),
    ref("client_id", "clients.id"),
    Column("how", Text, nullable=False),  # a FILED_… code
    Column("fact", Text, nullable=False),  # why, as a clause
    ref("by_user_id", "users.id", nullable=True),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("delivery_id", "client_id"),
    Index("ix_filings_client_id_delivery_id", "client_id", "delivery_id"),
)

traces = Table(
    "traces",
    metadata,
    Column("delivery_id", BigId, ForeignKey("deliveries.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("steps", Json, nullable=False),
)

events = Table(
    "events",
    metadata,
    row_id(),
    Column("at", UtcDateTime, nullable=False),
    ref("account_id", "accounts.id", nullable=True),
    ref("actor_id", "users.id", nullable=True),  # None: maild itself or the operator
    Column("kind", Text, nullable=False),
    ref("delivery_id", "deliveries.id", nullable=True),
    Column("subject", Json, nullable=False),  # ids and codes; never addresses or subjects
    Column(
        "position", BigId
    ),  # PostgreSQL: its place in the feed, given after its commit (store/feed.py); SQLite: its id is that
    Index("ix_events_delivery_id", "delivery_id"),
    Index("ix_events_account_id_id", "account_id", "id"),
    Index(
        "ix_events_account_id_position",
        "account_id",
        "position",
        sqlite_where=text("position IS NOT NULL"),
        postgresql_where=text("position IS NOT NULL"),
    ),
    Index(
        "ix_events_without_position",
        "id",
        sqlite_where=text("position IS NOT NULL"),  # nowhere: SQLite gives none
        postgresql_where=text("position IS NULL"),
    ),
)
