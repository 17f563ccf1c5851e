"""The tables of webhooks: receivers, and the few events that wait for one (G).  Only `maild.store` sees them.

A hook has a place in the account's events (`position`): what lies before it was taken, or has a row of its own in
`webhook_posts`; what lies behind it needs none.  So an outage of an hour costs a handful of rows, however much happens.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, Text, text

from maild.model.webhook import HookState, PauseWhy, PostState
from maild.store.metadata import metadata, ref, row_id
from maild.store.types import BigId, Json, UtcDateTime, one_of

webhooks = Table(
    "webhooks",
    metadata,
    row_id(),
    Column("ulid", Text, nullable=False, unique=True),
    ref("account_id", "accounts.id"),
    Column("url", Text, nullable=False),  # its path may be a secret: shown to admins, never logged
    Column("kinds", Json, nullable=False),  # what it hears of; none: everything
    Column("secret", Text, nullable=False),  # sealed, for this hook of this account
    Column("old_secret", Text),  # those before, each sealed, between spaces; sign beside it
    Column("old_secret_until", UtcDateTime),
    ref("by_user_id", "users.id", nullable=True),  # who added it; None: the operator
    Column("created_at", UtcDateTime, nullable=False),
    Column("position", BigId, nullable=False),  # in the feed; set by the worker, and by a replay
    Column("state", Text, nullable=False),
    Column("paused_why", Text),
    Column("paused_at", UtcDateTime),
    # The worker's: under a lease, until when; whoever changes the hook takes the lease away.
    Column("lease", Text),
    Column("lease_until", UtcDateTime),
    Column("fails", Integer, nullable=False, server_default="0"),  # in a row, of the receiver
    Column("failing_since", UtcDateTime),
    Column("rest_until", UtcDateTime),  # until when the receiver is left alone
    Column("last_taken_at", UtcDateTime),
    Column("last_error", Text),  # in words; nothing that the receiver said beyond its status
    Column("last_error_at", UtcDateTime),
    Index("ix_webhooks_account_id", "account_id"),
    CheckConstraint(one_of("state", HookState), name="state"),
    CheckConstraint(one_of("paused_why", PauseWhy), name="paused_why"),
    CheckConstraint("(state = 'paused') = (paused_why IS NOT NULL)", name="paused"),
)

webhook_posts = Table(
    "webhook_posts",
    metadata,
    row_id(),  # rises in the order of the feed: events of one mail go in this order
    ref("webhook_id", "webhooks.id"),
    Column("event_id", Text, nullable=False),  # the webhook-id, the same at each try
    Column("position", BigId),  # the event's in the feed; None: a test, which no feed has
    Column("mail", Text),  # the public id of the mail that it is about; None: of none
    Column("kind", Text, nullable=False),
    Column("event", Json, nullable=False),  # what is sent, so that each try sends the same
    Column("state", Text, nullable=False),
    Column("due_at", UtcDateTime),  # None: dead
    Column("give_up_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Index("uq_webhook_posts_event", "webhook_id", "event_id", unique=True),
    Index(
        "ix_webhook_posts_due",
        "webhook_id",
        "due_at",
        "id",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index(
        "ix_webhook_posts_mail",
        "webhook_id",
        "mail",
        "id",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    CheckConstraint(one_of("state", PostState), name="state"),
    CheckConstraint("(state = 'waiting') = (due_at IS NOT NULL)", name="due"),
)
