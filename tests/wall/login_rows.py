"""Use cases about logins, tokens, and what only the operator does."""

from __future__ import annotations

from maild.core import (
    change_email,
    identities,
    logins,
    merging,
    outbox,
    resets,
    second_step,
    sessions,
    tokens,
    undo_change,
    unmerging,
)
from maild.core.change_email import EmailRequest
from tests.wall.rows import (
    ADMIN,
    NONE,
    PASSWORD,
    Row,
)

_LOGINS = [
    Row(
        logins.show_logins,
        "user",
        lambda app, by, it, at: logins.show_logins(app, it, by=by),
        colleagues=ADMIN,
    ),
    Row(
        logins.add_own_login,
        "user",
        lambda app, by, it, at: logins.add_own_login(
            app, it, "a-second-name", PASSWORD, account=at or "acme", by=by
        ),
        colleagues=NONE,
    ),
    Row(
        identities.detach_identity,
        "user",
        lambda app, by, it, at: identities.detach_identity(
            app, it, "https://issuer.example", "subject", by=by
        ),
        colleagues=ADMIN,
        may_hear="NOT_FOUND",
    ),
    Row(
        resets.send_link,
        "user",
        lambda app, by, it, at: resets.send_link(app, it, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        second_step.begin_second_step,
        "user",
        lambda app, by, it, at: second_step.begin_second_step(app, it, account=at, by=by),
        colleagues=NONE,
    ),
    Row(
        second_step.confirm_second_step,
        "user",
        lambda app, by, it, at: second_step.confirm_second_step(
            app, it, "123456", account=at, by=by
        ),
        colleagues=NONE,
    ),
    Row(
        second_step.end_second_step,
        "user",
        lambda app, by, it, at: second_step.end_second_step(app, it, account=at, by=by),
        colleagues=ADMIN,
    ),
    Row(
        sessions.list_sessions,
        "user",
        lambda app, by, it, at: sessions.list_sessions(app, it, by=by),
        colleagues=ADMIN,
    ),
    Row(
        sessions.end_sessions,
        "user",
        lambda app, by, it, at: sessions.end_sessions(app, it, by=by),
        colleagues=ADMIN,
    ),
    Row(
        sessions.end_sessions,
        "session",
        lambda app, by, it, at: sessions.end_sessions(app, "jan@acme.example", it, by=by),
        own=ADMIN,
        colleagues=ADMIN,
        may_hear="NOT_FOUND",
        note="one",
    ),
    Row(
        tokens.make_token,
        "user",
        lambda app, by, it, at: tokens.make_token(app, it, "name", account=at, by=by),
        colleagues=NONE,
    ),
    Row(
        tokens.list_tokens,
        "user",
        lambda app, by, it, at: tokens.list_tokens(app, it, by=by),
        colleagues=ADMIN,
    ),
    Row(
        tokens.list_tokens,
        "none",
        lambda app, by, it, at: tokens.list_tokens(app, by=by),
        own=NONE,
        note="everybody's",
    ),
    Row(
        tokens.revoke_token,
        "token",
        lambda app, by, it, at: tokens.revoke_token(app, it, by=by),
        colleagues=ADMIN,
        refused="NOT_FOUND",
    ),
    Row(
        outbox.list_errands,
        "none",
        lambda app, by, it, at: outbox.list_errands(app, by=by),
        own=NONE,
    ),
    Row(
        outbox.retry_errands,
        "errand",
        lambda app, by, it, at: outbox.retry_errands(app, [it], by=by),
        own=NONE,
        colleagues=NONE,
    ),
]

_CHANGES = [
    Row(
        function,
        kind,
        look,
        own=NONE,
        colleagues=NONE,
        refused="OPERATOR_ONLY",
    )
    for function, kind, look in (
        (
            change_email.plan_change,
            "user",
            lambda app, by, it, at: change_email.plan_change(
                app, EmailRequest(old=it, new="new@acme.example"), by=by
            ),
        ),
        (
            change_email.change_email,
            "user",
            lambda app, by, it, at: change_email.change_email(
                app,
                EmailRequest(old=it, new="new@acme.example"),
                reason="Married",
                digest="0",
                by=by,
            ),
        ),
        (
            merging.plan_merging,
            "user",
            lambda app, by, it, at: merging.plan_merging(app, it, "jan@acme.example", by=by),
        ),
        (
            merging.merge_users,
            "user",
            lambda app, by, it, at: merging.merge_users(
                app, it, "jan@acme.example", digest="0", by=by
            ),
        ),
        (
            undo_change.list_changes,
            "none",
            lambda app, by, it, at: undo_change.list_changes(app, by=by),
        ),
        (
            undo_change.undo_change,
            "change",
            lambda app, by, it, at: undo_change.undo_change(app, it, by=by),
        ),
        (
            unmerging.unmerge,
            "change",
            lambda app, by, it, at: unmerging.unmerge(app, it, by=by),
        ),
    )
]


ROWS = [*_LOGINS, *_CHANGES]
