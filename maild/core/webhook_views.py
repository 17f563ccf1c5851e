"""What admins see of webhooks: how each stands, and the events that its receiver did not take (G)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from maild.core.app import App
from maild.model.webhook import HookState, PauseWhy, PostState
from maild.store.store import Tx
from maild.store.webhooks import HookRow, PostRow

BACKLOG_MAX = 100_000
"""To which the backlog is counted; whatever is more is shown as this."""

_PAUSED = {
    PauseWhy.BY_HAND: "paused by an admin",
    PauseWhy.GONE: "paused: the receiver answered 410 Gone, which says that it wants nothing more",
    PauseWhy.SILENT: "paused: the receiver took nothing for three days",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HookView:
    """A webhook as the interface shows it; never its secret."""

    id: str
    account: str
    url: str
    events: list[str]
    """What it hears of; empty: everything."""
    state: HookState
    paused_because: str | None
    paused_at: datetime | None
    backlog: int
    """Events of the account that were not looked at yet, whether it hears of them or not; 100,000 at most."""
    waiting: int
    """Events that were begun, and are tried again."""
    dead: int
    """Events that were given up; a replay tries them again."""
    is_failing: bool
    """Whether the receiver counts as down: it is left alone, and asked now and then."""
    last_taken_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    next_try_at: datetime | None
    """None: nothing waits, or it is paused."""
    old_secret_until: datetime | None
    """Until when the secrets before this one sign, too."""
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HookMade:
    """A webhook, and its new secret for this one time."""

    webhook: HookView
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogSkipped:
    """A webhook that goes on behind its backlog."""

    webhook: HookView
    skipped: int
    """Events of the account that it will never be sent, whether it hears of them or not; 100,000 at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostView:
    """An event that a receiver did not take yet."""

    id: str
    """Its webhook-id."""
    type: str
    mail: str | None
    state: PostState
    attempts: int
    last_error: str | None
    next_try_at: datetime | None
    give_up_at: datetime
    cursor: str
    """What a list goes on behind, whatever has become of the event meanwhile."""


def hook_views(tx: Tx, app: App, hooks: Sequence[HookRow]) -> list[HookView]:
    """Return webhooks as the interface shows them."""
    counts = tx.webhooks.counts([hook.id for hook in hooks])
    return [_view(tx, app, hook, counts) for hook in hooks]


def _view(tx: Tx, app: App, hook: HookRow, counts: dict[tuple[int, PostState], int]) -> HookView:
    until = hook.old_secret_until
    return HookView(
        id=hook.ulid,
        account=hook.account,
        url=hook.url,
        events=hook.kinds,
        state=hook.state,
        paused_because=None if hook.paused_why is None else _PAUSED[hook.paused_why],
        paused_at=hook.paused_at,
        backlog=tx.webhooks.behind(hook.account_id, hook.position, most=BACKLOG_MAX),
        waiting=counts.get((hook.id, PostState.WAITING), 0),
        dead=counts.get((hook.id, PostState.DEAD), 0),
        is_failing=hook.fails > 0,
        last_taken_at=hook.last_taken_at,
        last_error=hook.last_error,
        last_error_at=hook.last_error_at,
        next_try_at=_next_try(tx, hook),
        old_secret_until=None if until is None or until <= app.clock() else until,
        created_at=hook.created_at,
    )


def _next_try(tx: Tx, hook: HookRow) -> datetime | None:
    if hook.state is not HookState.ACTIVE:
        return None
    due = tx.webhooks.next_due(hook.id)
    times = [at for at in (due, hook.rest_until) if at is not None]
    return max(times, default=None)


def post_view(row: PostRow) -> PostView:
    """Return an event as the interface shows it."""
    return PostView(
        id=row.event_id,
        type=row.kind,
        mail=row.mail,
        state=row.state,
        attempts=row.attempts,
        last_error=row.last_error,
        next_try_at=row.due_at,
        give_up_at=row.give_up_at,
        cursor=str(row.id),
    )
