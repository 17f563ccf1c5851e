"""The tables.  Only `maild.store` sees them.

Every row of a tenant carries `account_id`.  Times are UTC, addresses canonical, inner ids integers that rise with
arrival; what the interface names has a ULID.  `migrations/` makes exactly this; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from maild.model.envelope import Door
from maild.model.people import AddressKind, InboxKind, MemberState, NameKind, Role
from maild.model.states import State
from maild.store.types import BigId, Json, UtcDateTime, one_of

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", BigId, primary_key=True)


def _ref(name: str, target: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigId, ForeignKey(target), nullable=nullable)


# --- People and directory -------------------------------------------------------------------------------------------

names = Table(
    "names",
    metadata,
    # The registry behind U1 and U4: a user's live address, an inbox, or a drop address; each name once.
    Column("norm", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("ref", BigId, nullable=False),  # addresses.id, inboxes.id or drop_addresses.id by kind
    Column("skeleton", Text),  # what it looks like (U2): only ever warned of, never matched
    Index("ix_names_skeleton", "skeleton"),
    CheckConstraint(one_of("kind", NameKind), name="kind"),
)

accounts = Table(
    "accounts",
    metadata,
    _id(),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("settings", Json, nullable=False),
    _ref("default_owner_id", "users.id", nullable=True),  # last link of every owner chain
    Column("created_at", UtcDateTime, nullable=False),
)

users = Table(
    "users",
    metadata,
    _id(),
    Column("ulid", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column(
        "kind",
        Text,
        nullable=False,
    ),
    Column("disabled_at", UtcDateTime),  # None: active
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint(one_of("kind", ("person", "communal")), name="kind"),
)

addresses = Table(
    "addresses",
    metadata,
    _id(),
    _ref("user_id", "users.id"),
    Column("norm", Text, nullable=False),
    Column("base", Text, nullable=False),  # norm without its +tag (U6)
    Column("shown", Text, nullable=False),  # as it was typed
    Column("kind", Text, nullable=False),
    Column("verified_at", UtcDateTime),  # None: does not resolve yet (U5)
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime),  # None: live, and then in `names`
    Index("ix_addresses_norm", "norm"),
    Index("ix_addresses_base", "base"),
    Index("ix_addresses_user_id", "user_id"),
    Index(
        "uq_addresses_live_primary",
        "user_id",
        unique=True,
        sqlite_where=text("kind = 'primary' AND valid_to IS NULL"),
        postgresql_where=text("kind = 'primary' AND valid_to IS NULL"),
    ),
    CheckConstraint(one_of("kind", AddressKind), name="kind"),
)

logins = Table(
    "logins",
    metadata,
    _id(),
    _ref("user_id", "users.id"),
    Column("username", Text, nullable=False, unique=True),  # canonical spelling
    Column("password_hash", Text),  # argon2id; None: no password yet
    Column("created_at", UtcDateTime, nullable=False),
)

memberships = Table(
    "memberships",
    metadata,
    _id(),
    Column("ulid", Text, nullable=False, unique=True),
    _ref("account_id", "accounts.id"),
    _ref("user_id", "users.id"),
    Column("role", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("account_id", "user_id"),
    Index("ix_memberships_user_id", "user_id"),
    CheckConstraint(one_of("role", Role), name="role"),
    CheckConstraint(one_of("state", MemberState), name="state"),
)

inboxes = Table(
    "inboxes",
    metadata,
    _id(),
    _ref("account_id", "accounts.id"),
    Column("norm", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column(
        "mode",
        Text,
        nullable=False,
    ),
    Column(
        "sender_policy",
        Text,
        nullable=False,
    ),
    Column(
        "unknown_policy",
        Text,
        nullable=False,
    ),
    Column("max_size", Integer),  # octets; None: the listener's limit alone
    _ref("communal_user_id", "users.id", nullable=True),  # None: distributed, or not yet named (M9)
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("communal_user_id"),
    CheckConstraint(one_of("kind", InboxKind), name="kind"),
    CheckConstraint(one_of("mode", ("distributed", "communal")), name="mode"),
    CheckConstraint(one_of("sender_policy", ("require", "record")), name="sender_policy"),
    CheckConstraint(one_of("unknown_policy", ("hold", "share", "refuse")), name="unknown_policy"),
)

inbox_keys = Table(
    "inbox_keys",
    metadata,
    # What opens an inbox's HTTP door: at most one key each, of which only the digest is kept.
    Column("inbox_id", BigId, ForeignKey("inboxes.id"), primary_key=True),
    _ref("account_id", "accounts.id"),
    Column("digest", Text, nullable=False, unique=True),  # sha256 of the key, hex
    Column("created_at", UtcDateTime, nullable=False),
)

owner_chain = Table(
    "owner_chain",
    metadata,
    _ref("inbox_id", "inboxes.id"),
    Column("rank", Integer, nullable=False),  # 0 is the distributor, then the substitutes
    _ref("user_id", "users.id"),
    UniqueConstraint("inbox_id", "rank"),
    UniqueConstraint("inbox_id", "user_id"),
)

communal_members = Table(
    "communal_members",
    metadata,
    # Who opens a communal inbox from their own login (M9).
    Column("inbox_id", BigId, ForeignKey("inboxes.id"), primary_key=True),
    Column("user_id", BigId, ForeignKey("users.id"), primary_key=True),
    Column("since", UtcDateTime, nullable=False),
)

clients = Table(
    "clients",
    metadata,
    _id(),
    Column("ulid", Text, nullable=False, unique=True),
    _ref("account_id", "accounts.id"),
    Column("name", Text, nullable=False),
    Column("external_key", Text),  # the company's own CRM id
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("account_id", "external_key"),
    Index("ix_clients_account_id_name", "account_id", "name"),
)

contacts = Table(
    "contacts",
    metadata,
    _id(),
    _ref("account_id", "accounts.id"),
    _ref("client_id", "clients.id"),
    Column("norm", Text, nullable=False),
    UniqueConstraint("client_id", "norm"),
    Index("ix_contacts_account_id_norm", "account_id", "norm"),
)

client_domains = Table(
    "client_domains",
    metadata,
    _id(),
    _ref("account_id", "accounts.id"),
    _ref("client_id", "clients.id"),
    Column("domain", Text, nullable=False),
    UniqueConstraint("client_id", "domain"),
    Index("ix_client_domains_account_id_domain", "account_id", "domain"),
)

# --- Mail -----------------------------------------------------------------------------------------------------------

messages = Table(
    "messages",
    metadata,
    _id(),
    _ref("account_id", "accounts.id"),
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
    _id(),
    _ref("account_id", "accounts.id"),
    _ref("message_id", "messages.id"),
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
    Column("drop_user_id", BigId),  # users.id, whose drop address was its envelope recipient (U7)
    Column("spam_mark", Text),  # the field by which the listener's upstream called it spam
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
    _id(),
    _ref("message_id", "messages.id"),
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
    _id(),
    Column("ulid", Text, nullable=False, unique=True),
    _ref("account_id", "accounts.id"),
    _ref("message_id", "messages.id"),
    _ref("inbox_id", "inboxes.id"),
    Column("state", Text, nullable=False),
    Column("reason", Text),  # a code of model/reason.py; None only while RECEIVED
    Column("facts", Json, nullable=False),  # what fills the reason's sentence
    Column("beside", Json, nullable=False),  # marks: SAME_ID_OTHER_CONTENT, PARSE_DEGRADED
    Column(
        "direction",
        Text,
        nullable=False,
    ),
    _ref("sender_user_id", "users.id", nullable=True),  # the one resolved user (I1)
    _ref("binding_id", "addresses.id", nullable=True),  # by which address (U12)
    Column("sender_literal", Text),  # the address as it stood in the mail
    _ref("claimed_user_id", "users.id", nullable=True),  # named by From, not proven
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
    _ref("account_id", "accounts.id"),
    _ref("owner_id", "users.id"),
    Column("unread", Boolean, nullable=False),
    Column(
        "unread_cause", Json
    ),  # who made it unread and when; None: it came in unread, or is read
    _ref("status_id", "statuses.id", nullable=True),
    Column("received_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Index(
        "ix_entries_owner_id_received_at",
        "owner_id",
        "received_at",
        "delivery_id",
    ),
    Index("ix_entries_owner_id_status_id", "owner_id", "status_id", "delivery_id"),
    Index(
        "ix_entries_unread",
        "owner_id",
        "delivery_id",
        sqlite_where=text("unread"),
        postgresql_where=text("unread"),
    ),
)

statuses = Table(
    "statuses",
    metadata,
    _id(),
    _ref("account_id", "accounts.id"),
    Column("name", Text, nullable=False),
    Column("rank", Integer, nullable=False),
    UniqueConstraint("account_id", "name"),
)

transfers = Table(
    "transfers",
    metadata,
    _id(),
    _ref("delivery_id", "deliveries.id"),
    _ref("from_user_id", "users.id"),
    _ref("to_user_id", "users.id"),
    _ref("by_user_id", "users.id", nullable=True),  # None: the operator
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
    _id(),
    _ref("delivery_id", "deliveries.id"),
    _ref("by_user_id", "users.id", nullable=True),
    Column("at", UtcDateTime, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_notes_delivery_id", "delivery_id"),
)

rulings = Table(
    "rulings",
    metadata,
    _id(),
    _ref("account_id", "accounts.id"),
    _ref("delivery_id", "deliveries.id"),
    Column("question", Text, nullable=False),
    Column("answer", Json, nullable=False),
    Column("change_id", Text, nullable=False),  # the act that it belongs to, for undo
    Column("undoes", Text),  # the act that this one took back; None: an act of its own
    _ref("by_user_id", "users.id", nullable=True),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_rulings_delivery_id", "delivery_id"),
    Index("ix_rulings_change_id", "change_id"),
    Index("ix_rulings_undoes", "undoes"),
    Index("ix_rulings_by_user_id_id", "by_user_id", "id"),
)

filings = Table(
    "filings",
    metadata,
    _id(),
    _ref("account_id", "accounts.id"),
    _ref("delivery_id", "deliveries.id"),
    _ref("client_id", "clients.id"),
    Column("how", Text, nullable=False),  # a FILED_… code
    Column("fact", Text, nullable=False),  # why, as a clause
    _ref("by_user_id", "users.id", nullable=True),
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
    _id(),
    Column("at", UtcDateTime, nullable=False),
    _ref("account_id", "accounts.id", nullable=True),
    _ref("actor_id", "users.id", nullable=True),  # None: maild itself or the operator
    Column("kind", Text, nullable=False),
    _ref("delivery_id", "deliveries.id", nullable=True),
    Column("subject", Json, nullable=False),  # ids and codes; never addresses or subjects
    Index("ix_events_delivery_id", "delivery_id"),
    Index("ix_events_account_id_id", "account_id", "id"),
)
