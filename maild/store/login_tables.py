"""The tables of signing in: links, identities, sessions, tokens (U10).

Of what opens something only a digest is kept, worth nothing to who reads the database.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, Text, UniqueConstraint

from maild.model.scope import Scope
from maild.store.metadata import metadata, ref, row_id
from maild.store.types import UtcDateTime, one_of

login_links = Table(
    "login_links",
    metadata,
    # Mailed to a login's person: a new password, or signing up again.
    row_id(),
    ref("login_id", "logins.id"),
    Column("kind", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("ix_login_links_login_id", "login_id"),
    CheckConstraint(one_of("kind", ("reset", "sign_up")), name="kind"),
)

identities = Table(
    "identities",
    metadata,
    # Who somebody is to an OIDC provider: by issuer and subject, never by the address it asserts.
    row_id(),
    ref("login_id", "logins.id"),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("address", Text, nullable=False),  # what the provider asserted as verified, canonical
    Column("created_at", UtcDateTime, nullable=False),
    Column("suspended_at", UtcDateTime),
    UniqueConstraint("issuer", "subject"),
    Index("ix_identities_login_id", "login_id"),
)

sessions = Table(
    "sessions",
    metadata,
    row_id(),
    ref("login_id", "logins.id"),
    Column("digest", Text, nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("peer", Text, nullable=False),
    Column("agent", Text, nullable=False),  # the browser's own name
    Index("ix_sessions_login_id", "login_id"),
    Index("ix_sessions_expires_at", "expires_at"),
)

tokens = Table(
    "tokens",
    metadata,
    # What opens the API in somebody's name.
    row_id(),
    Column("ulid", Text, nullable=False, unique=True),
    Column("digest", Text, nullable=False, unique=True),
    ref("user_id", "users.id", nullable=True),  # None: the operator's
    ref("account_id", "accounts.id", nullable=True),  # None: every account of that user
    Column("name", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    ref("maker_id", "tokens.id", nullable=True),  # the token that made it, and ends it with itself
    Column("scope", Text, nullable=False, server_default=Scope.WRITE.value),
    Index("ix_tokens_user_id", "user_id"),
    Index("ix_tokens_maker_id", "maker_id"),
    CheckConstraint(one_of("scope", Scope), name="scope"),
)

throttles = Table(
    "throttles",
    metadata,
    # How often something was tried within a while, by what is to be slowed down.
    Column("key", Text, primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Column("count", Integer, nullable=False),
)
