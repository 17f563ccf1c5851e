"""Use cases about webhooks: admins of the account alone, because a URL may hold a secret."""

from __future__ import annotations

from datetime import UTC, datetime

from maild.core import webhooks
from tests.wall.rows import ADMIN, Row, asked_at

URL = "https://crm.example/hook"

ROWS = [
    Row(
        webhooks.list_webhooks,
        "none",
        lambda app, by, it, at: webhooks.list_webhooks(app, account=at, by=by),
        own=ADMIN,
    ),
    Row(
        webhooks.add_webhook,
        "none",
        lambda app, by, it, at: webhooks.add_webhook(app, URL, account=at, by=by).webhook,
        own=ADMIN,
    ),
    *(
        Row(function, "webhook", asked_at(function), own=ADMIN, colleagues=ADMIN)
        for function in (
            webhooks.show_webhook,
            webhooks.pause_webhook,
            webhooks.resume_webhook,
            webhooks.rotate_webhook_secret,
            webhooks.remove_webhook,
            webhooks.replay_webhook,
            webhooks.skip_webhook_backlog,
            webhooks.try_webhook,
            webhooks.list_posts,
            webhooks.target_of,
        )
    ),
    Row(
        webhooks.change_webhook,
        "webhook",
        lambda app, by, it, at: webhooks.change_webhook(app, it, url=URL, account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        webhooks.replay_webhook,
        "webhook",
        lambda app, by, it, at: webhooks.replay_webhook(
            app, it, since=datetime(2026, 1, 1, tzinfo=UTC), account=at, by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
        note="since",
    ),
]
