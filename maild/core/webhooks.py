"""Webhooks: receivers that hear what happens in an account, as its admins keep them (G).

Only admins of the account see or change them: what is sent names all its mails, and a URL may hold a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maild.core.app import Actor, App
from maild.core.feed import feed_end, place_events
from maild.core.seal import SealError, seal
from maild.core.standing import home, note, require_admin
from maild.core.webhook_steps import (
    bound_to,
    new_secret,
    opened_secrets,
    paused,
    probe_of,
    reachable,
    sealing_key,
    secrets_of,
)
from maild.core.webhook_views import (
    BACKLOG_MAX,
    BacklogSkipped,
    HookMade,
    HookView,
    PostView,
    hook_views,
    post_view,
)
from maild.model.plain_text import short
from maild.model.public_event import EVENT_TYPES
from maild.model.reason import Reason, RefusedError
from maild.model.webhook import (
    GIVE_UP_AFTER,
    OLD_SECRET_LIFE,
    TEST,
    HookState,
    PauseWhy,
    PostState,
    checked_kinds,
    is_heard,
)
from maild.store.accounts import AccountRow
from maild.store.store import Tx
from maild.store.webhooks import HookRow

HOOKS_MAX = 20
"""Webhooks of one account: every event goes to each of them."""
POSTS_PAGE = 100
_CURSOR_DIGITS = 18
OLD_SECRETS_MAX = 5
"""Secrets that sign beside the newest one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a webhook's events go, and what signs them.  Never shown."""

    url: str
    secrets: tuple[str, ...] = field(repr=False)
    account: str


def add_webhook(
    app: App, url: str, *, events: Sequence[str] = (), account: str | None = None, by: Actor
) -> HookMade:
    """Add a webhook; it hears of what happens from now on.  Its secret is returned this once.

    Commits one transaction.  Raises RefusedError (INVALID_VALUE, NOT_ALLOWED, CONFLICT where there are too many or no
    secret_key, account's).
    """
    place, kinds = reachable(app, url), checked_kinds(events, EVENT_TYPES)
    end = feed_end(app, account=account, by=by)
    with app.store.write() as tx:
        where = _own(tx, account, by, hold=True)
        if len(tx.webhooks.of_account(where.id)) >= HOOKS_MAX:
            raise RefusedError(
                Reason.CONFLICT,
                why=f"{where.name} has {HOOKS_MAX} webhooks, which is as many as there can be; remove one.",
            )
        secret, ulid = new_secret(), app.ids()
        tx.webhooks.add(
            {
                "ulid": ulid,
                "account_id": where.id,
                "url": place,
                "kinds": kinds,
                "secret": seal(sealing_key(app), secret, bound_to(where.slug, ulid)),
                "by_user_id": by.user_id,
                "created_at": app.clock(),
                "position": int(end),
                "state": HookState.ACTIVE,
            }
        )
        note(tx, app, by, "webhook.added", where.id, webhook=ulid)
        return HookMade(webhook=_shown(tx, app, where, ulid), secret=secret)


def list_webhooks(app: App, *, account: str | None = None, by: Actor) -> list[HookView]:
    """Return an account's webhooks, the oldest first.  Reads only.  Raises RefusedError (NOT_ALLOWED, account's)."""
    place_events(app)
    with app.store.read() as tx:
        where = _own(tx, account, by)
        return hook_views(tx, app, tx.webhooks.of_account(where.id))


def show_webhook(app: App, hook_id: str, *, account: str | None = None, by: Actor) -> HookView:
    """Return a webhook.  Reads only.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, account's)."""
    place_events(app)
    with app.store.read() as tx:
        where = _own(tx, account, by)
        return hook_views(tx, app, [_found(tx, where, hook_id)])[0]


def change_webhook(
    app: App,
    hook_id: str,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    account: str | None = None,
    by: Actor,
) -> HookView:
    """Change where a webhook points, or what it hears of; a new URL is tried at once.

    What waits goes to the new URL, too; what it hears of no more does not wait any longer.  Commits one transaction.
    Raises RefusedError.
    """
    values: dict[str, Any] = {}
    if url is not None:
        values |= {"url": reachable(app, url), "fails": 0, "failing_since": None}
        values["rest_until"] = None
    kinds = None if events is None else checked_kinds(events, EVENT_TYPES)
    if kinds is not None:
        values["kinds"] = kinds

    def change(tx: Tx, hook: HookRow) -> None:
        tx.webhooks.change(hook.id, values)
        if kinds is not None:
            waiting = tx.webhooks.kinds_waiting(hook.id) - {TEST}
            unheard = {kind for kind in waiting if not is_heard(kinds, kind)}
            tx.webhooks.drop_kinds(hook.id, unheard)

    return _changed(app, hook_id, change, "webhook.changed", account, by)


def pause_webhook(app: App, hook_id: str, *, account: str | None = None, by: Actor) -> HookView:
    """Send nothing more until it is resumed; nothing is lost meanwhile.  Safe to repeat.

    Commits one transaction.  Raises RefusedError.
    """

    def pause(tx: Tx, hook: HookRow) -> None:
        if hook.state is HookState.ACTIVE:
            tx.webhooks.change(hook.id, paused(PauseWhy.BY_HAND, app.clock()))

    return _changed(app, hook_id, pause, "webhook.paused", account, by)


def resume_webhook(app: App, hook_id: str, *, account: str | None = None, by: Actor) -> HookView:
    """Go on where it stopped, at once; what waits has its three days from now.  Safe to repeat.

    Commits one transaction.  Raises RefusedError.
    """

    def resume(tx: Tx, hook: HookRow) -> None:
        now = app.clock()
        tx.webhooks.change(hook.id, _FRESH)
        tx.webhooks.revive(hook.id, PostState.WAITING, now=now, give_up_at=now + GIVE_UP_AFTER)

    return _changed(app, hook_id, resume, "webhook.resumed", account, by)


def rotate_webhook_secret(
    app: App, hook_id: str, *, account: str | None = None, by: Actor
) -> HookMade:
    """Give a webhook a new secret, returned this once; the ones before sign beside it for a day.

    Commits one transaction; repeated, it makes another one, and what signed goes on for a day: whoever missed an answer
    still has a secret that fits.  Raises RefusedError (as `add_webhook`; CONFLICT when too many sign).
    """
    secret = new_secret()

    def rotate(tx: Tx, hook: HookRow) -> None:
        key = sealing_key(app)
        sealed = seal(key, secret, bound_to(hook.account, hook.ulid))
        old = list(opened_secrets(key, app, hook))
        if len(old) > OLD_SECRETS_MAX:
            raise RefusedError(
                Reason.CONFLICT,
                why=f"{OLD_SECRETS_MAX} secrets from before sign until {hook.old_secret_until:%Y-%m-%d %H:%M} UTC; rotate then.",
            )
        until = app.clock() + OLD_SECRET_LIFE
        tx.webhooks.alter(
            hook.id,
            {"secret": sealed, "old_secret": " ".join(old) or None, "old_secret_until": until},
        )

    view = _changed(app, hook_id, rotate, "webhook.rotated", account, by)
    return HookMade(webhook=view, secret=secret)


def remove_webhook(app: App, hook_id: str, *, account: str | None = None, by: Actor) -> HookView:
    """Remove a webhook, and what waits for it.  Commits one transaction.  Raises RefusedError."""
    with app.store.write() as tx:
        where = _own(tx, account, by, hold=True)
        hook = _found(tx, where, hook_id, hold=True)
        [view] = hook_views(tx, app, [hook])
        tx.webhooks.remove(hook.id)
        note(tx, app, by, "webhook.removed", where.id, webhook=hook.ulid)
        return view


def replay_webhook(
    app: App,
    hook_id: str,
    *,
    since: datetime | None = None,
    account: str | None = None,
    by: Actor,
) -> HookView:
    """Send events again: all since a time, or, without one, those that were given up.  The webhook-ids stay the same.

    What was not sent yet is sent, too, also from before that time.  Commits one transaction.  Raises RefusedError.
    """
    place_events(app)

    def replay(tx: Tx, hook: HookRow) -> None:
        now = app.clock()
        if since is None:
            tx.webhooks.revive(hook.id, PostState.DEAD, now=now, give_up_at=now + GIVE_UP_AFTER)
            tx.webhooks.change(hook.id, {"rest_until": None})
            return
        newest = tx.feed.end(hook.account_id)
        found = tx.webhooks.position_at(hook.account_id, since, newest)
        position = min(hook.position, found)
        tx.webhooks.change(hook.id, {"position": position, "rest_until": None})
        tx.webhooks.drop_behind(hook.id, position)

    return _changed(app, hook_id, replay, "webhook.replayed", account, by)


def skip_webhook_backlog(
    app: App, hook_id: str, *, account: str | None = None, by: Actor
) -> BacklogSkipped:
    """Never send what was not looked at yet; what waits already is tried on.  Commits one transaction.  Raises RefusedError."""
    place_events(app)
    skipped = 0

    def skip(tx: Tx, hook: HookRow) -> None:
        nonlocal skipped
        skipped = tx.webhooks.behind(hook.account_id, hook.position, most=BACKLOG_MAX)
        newest = tx.feed.end(hook.account_id)
        tx.webhooks.change(hook.id, {"position": newest, "rest_until": None})

    view = _changed(app, hook_id, skip, "webhook.skipped", account, by)
    return BacklogSkipped(webhook=view, skipped=skipped)


def try_webhook(app: App, hook_id: str, *, account: str | None = None, by: Actor) -> HookView:
    """Have one event of the type `webhook.test` sent soon, once; the webhook's view tells how it went.

    Commits one transaction.  Raises RefusedError (CONFLICT for one that is paused).
    """

    def queue(tx: Tx, hook: HookRow) -> None:
        if hook.state is not HookState.ACTIVE:
            raise RefusedError(Reason.CONFLICT, why="The webhook is paused: resume it first.")
        now, ulid = app.clock(), app.ids()
        row: dict[str, Any] = {
            "event_id": f"test_{ulid}",
            "position": None,
            "mail": None,
            "kind": TEST,
            "event": probe_of(hook.account, now),
            "state": PostState.WAITING,
            "due_at": now,
            "give_up_at": now,
            "attempts": 0,
            "last_error": None,
        }
        tx.webhooks.add_posts(hook.id, [row])
        tx.webhooks.alter(hook.id, {"rest_until": None})

    return _changed(app, hook_id, queue, "webhook.tested", account, by)


def list_posts(  # noqa: PLR0913 - a page of a list, by its name
    app: App,
    hook_id: str,
    state: PostState = PostState.DEAD,
    *,
    after: str | None = None,
    limit: int = POSTS_PAGE,
    account: str | None = None,
    by: Actor,
) -> list[PostView]:
    """Return events that wait or were given up, the oldest first; `after` is the cursor of the last one of the page before.

    Reads only.  Raises RefusedError (INVALID_VALUE for what is no cursor).
    """
    start = 0 if after is None else _number(after)
    with app.store.read() as tx:
        where = _own(tx, account, by)
        hook = _found(tx, where, hook_id)
        rows = tx.webhooks.posts(hook.id, state, after=start, limit=max(1, min(limit, POSTS_PAGE)))
        return [post_view(row) for row in rows]


def target_of(app: App, hook_id: str, *, account: str | None = None, by: Actor) -> Target:
    """Return where a webhook points and what signs, for a test by hand.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        where = _own(tx, account, by)
        hook = _found(tx, where, hook_id)
        try:
            return Target(url=hook.url, secrets=secrets_of(app, hook), account=where.slug)
        except SealError as error:
            raise RefusedError(Reason.CONFLICT, why=f"The secret does not open: {error}.") from None


_FRESH = {
    "state": HookState.ACTIVE,
    "paused_why": None,
    "paused_at": None,
    "fails": 0,
    "failing_since": None,
    "rest_until": None,
}


def _own(tx: Tx, account: str | None, by: Actor, *, hold: bool = False) -> AccountRow:
    where = home(tx, account, by, hold=hold)
    require_admin(tx, where, by)
    return where


def _found(tx: Tx, where: AccountRow, hook_id: str, *, hold: bool = False) -> HookRow:
    found = tx.webhooks.by_ulid(where.id, hook_id, hold=hold)
    if found is None:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="webhook",
            value=short(hook_id),
            hint="`maild webhook list` shows them.",
        )
    return found


def _number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _CURSOR_DIGITS):
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The cursor",
            value=short(cursor),
            why="take the `cursor` of the last event of the page before",
        )
    return int(cursor)


def _shown(tx: Tx, app: App, where: AccountRow, ulid: str) -> HookView:
    return hook_views(tx, app, [_found(tx, where, ulid)])[0]


def _changed(
    app: App,
    hook_id: str,
    change: Callable[[Tx, HookRow], None],
    kind: str,
    account: str | None,
    by: Actor,
) -> HookView:
    with app.store.write() as tx:
        where = _own(tx, account, by, hold=True)
        hook = _found(tx, where, hook_id, hold=True)
        change(tx, hook)
        note(tx, app, by, kind, where.id, webhook=hook.ulid)
        return _shown(tx, app, where, hook.ulid)
