"""The tables of people and directory: accounts, users, addresses, logins, inboxes, clients.

`names` is the registry behind U1 and U4.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from maild.model.people import AddressKind, InboxKind, MemberState, NameKind, Role
from maild.store.metadata import metadata, ref, row_id
from maild.store.types import BigId, Json, UtcDateTime, one_of

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
    row_id(),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("settings", Json, nullable=False),
    ref("default_owner_id", "users.id", nullable=True),  # last link of every owner chain
    Column("created_at", UtcDateTime, nullable=False),
)

users = Table(
    "users",
    metadata,
    row_id(),
    Column("ulid", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column(
        "kind",
        Text,
        nullable=False,
    ),
    Column("disabled_at", UtcDateTime),  # None: active
    Column("created_at", UtcDateTime, nullable=False),
    Column("merged_into_id", BigId),  # users.id: the person that this one turned out to be
    Column("digest_off_at", UtcDateTime),  # they do not want the daily digest (U14)
    Column("notices_off_at", UtcDateTime),  # they are not told of mail that they are given (M12)
    Column("outcome_off_at", UtcDateTime),  # they are not told what became of their forwards (M12)
    Column("digest_paused_at", UtcDateTime),  # their mailbox was full; None: it goes
    CheckConstraint(one_of("kind", ("person", "communal")), name="kind"),
)

addresses = Table(
    "addresses",
    metadata,
    row_id(),
    ref("user_id", "users.id"),
    Column("norm", Text, nullable=False),
    Column("base", Text, nullable=False),  # norm without its +tag (U6)
    Column("shown", Text, nullable=False),  # as it was typed
    Column("kind", Text, nullable=False),
    Column("verified_at", UtcDateTime),  # None: does not resolve yet (U5)
    Column("valid_from", UtcDateTime, nullable=False),
    Column("valid_to", UtcDateTime),  # None: live, and then in `names`
    Column("resting_until", UtcDateTime),  # given up, but still in `names`: nobody may have it yet
    Column("primary_until", UtcDateTime),  # since when it is no primary; None: it is, or never was
    Column("delivers_to", Text),  # the physical inbox that it ends in, where somebody said so (U14)
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

verifications = Table(
    "verifications",
    metadata,
    # Links that were mailed to an address, so that its owner says it is theirs (U5).
    row_id(),
    ref("address_id", "addresses.id"),
    Column("digest", Text, nullable=False, unique=True),  # sha256 of the secret in the link, hex
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("ix_verifications_address_id", "address_id"),
)

logins = Table(
    "logins",
    metadata,
    row_id(),
    ref("user_id", "users.id"),
    ref("account_id", "accounts.id", nullable=True),  # None: the general one, for all accounts (U9)
    Column("username", Text, nullable=False, unique=True),  # canonical spelling
    Column("password_hash", Text),  # argon2id; None: no password yet
    Column("totp", Text),  # the sealed secret; None: no second factor
    Column(
        "totp_step", BigId
    ),  # the newest step that was used: no code counts twice (RFC 6238 5.2)
    Column("terms_version", Text),  # of the terms of service that were accepted
    Column("terms_at", UtcDateTime),
    Column("suspended_at", UtcDateTime),  # its person signs up again (U11)
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("user_id", "account_id"),
    Index(
        "uq_logins_general",
        "user_id",
        unique=True,
        sqlite_where=text("account_id IS NULL"),
        postgresql_where=text("account_id IS NULL"),
    ),
)

memberships = Table(
    "memberships",
    metadata,
    row_id(),
    Column("ulid", Text, nullable=False, unique=True),
    ref("account_id", "accounts.id"),
    ref("user_id", "users.id"),
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
    row_id(),
    ref("account_id", "accounts.id"),
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
    ref("communal_user_id", "users.id", nullable=True),  # None: distributed, or not yet named (M9)
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
    ref("account_id", "accounts.id"),
    Column("digest", Text, nullable=False, unique=True),  # sha256 of the key, hex
    Column("created_at", UtcDateTime, nullable=False),
)

owner_chain = Table(
    "owner_chain",
    metadata,
    ref("inbox_id", "inboxes.id"),
    Column("rank", Integer, nullable=False),  # 0 is the distributor, then the substitutes
    ref("user_id", "users.id"),
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
    row_id(),
    Column("ulid", Text, nullable=False, unique=True),
    ref("account_id", "accounts.id"),
    Column("name", Text, nullable=False),
    Column("external_key", Text),  # the company's own CRM id
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("account_id", "external_key"),
    Index("ix_clients_account_id_name", "account_id", "name"),
)

contacts = Table(
    "contacts",
    metadata,
    row_id(),
    ref("account_id", "accounts.id"),
    ref("client_id", "clients.id"),
    Column("norm", Text, nullable=False),
    # Whether a list (an import, a directory) put it there: only such a one is taken away by a later list without it.
    Column("listed", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("client_id", "norm"),
    Index("ix_contacts_account_id_norm", "account_id", "norm"),
)

client_domains = Table(
    "client_domains",
    metadata,
    row_id(),
    ref("account_id", "accounts.id"),
    ref("client_id", "clients.id"),
    Column("domain", Text, nullable=False),
    Column("listed", Boolean, nullable=False, server_default=false()),  # as with contacts
    UniqueConstraint("client_id", "domain"),
    Index("ix_client_domains_account_id_domain", "account_id", "domain"),
)
