"""`maild webhook …`: programs that hear what happens in an account."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.group import group
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.output import fields, printable, table
from maild.faces.documents import made_webhook
from maild.model.webhook import PostState

if TYPE_CHECKING:
    from maild.core.webhook_views import HookView
    from maild.core.webhooks import Target

app = group("Programs that hear what happens in an account: signed events by HTTP.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The webhook's id.")]
Events = Annotated[
    str | None,
    typer.Option(
        "--events", metavar="TYPE,…", help="As mail.filed,mail.held or mail.*; `all` is everything."
    ),
]


@app.command("add")
def add(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the receiver listens.")],
    *,
    events: Events = None,
) -> None:
    """Add a webhook for what happens from now on; its secret is shown this once."""
    from maild.core.webhooks import add_webhook

    cli = of(ctx)
    made = add_webhook(
        cli.app, url, events=_named(events) or (), account=cli.account_slug, by=cli.by
    )
    cli.emit(made_webhook(made), made.secret)
    hook_id = made.webhook.id
    cli.say(
        f"The webhook {hook_id}. Its secret is not shown again; the receiver verifies signatures with it.\n"
        f"Try it: maild webhook test {hook_id}"
    )


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List webhooks, and how each stands."""
    from maild.core.webhooks import list_webhooks

    cli = of(ctx)
    hooks = list_webhooks(cli.app, account=cli.account_slug, by=cli.by)
    rows = [
        (
            hook.id,
            hook.state,
            ",".join(hook.events) or "(all)",
            hook.backlog,
            hook.waiting,
            hook.dead,
            hook.last_taken_at,
            hook.next_try_at,
            hook.url,
        )
        for hook in hooks
    ]
    header = (
        "ID",
        "STATE",
        "EVENTS",
        "BACKLOG",
        "WAITING",
        "DEAD",
        "LAST TAKEN",
        "NEXT TRY",
        "URL",
    )
    cli.emit(hooks, table(header, rows))


@app.command("show")
def show(
    ctx: typer.Context,
    hook_id: Id,
    *,
    dead: Annotated[
        bool, typer.Option("--dead", help="The events that were given up, the oldest 100.")
    ] = False,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="The events that are tried again, the oldest 100.")
    ] = False,
    after: Annotated[
        str | None,
        typer.Option(metavar="CURSOR", help="Go on behind this one: the last CURSOR of a list."),
    ] = None,
) -> None:
    """Show how a webhook stands, or the events that its receiver did not take."""
    from maild.core.webhooks import list_posts, show_webhook

    cli = of(ctx)
    if not (dead or waiting):
        _told(cli, show_webhook(cli.app, hook_id, account=cli.account_slug, by=cli.by))
        return
    state = PostState.DEAD if dead else PostState.WAITING
    posts = list_posts(cli.app, hook_id, state, after=after, account=cli.account_slug, by=cli.by)
    rows = [
        (
            one.id,
            one.type,
            one.mail,
            one.attempts,
            one.next_try_at,
            one.last_error,
            one.cursor,
        )
        for one in posts
    ]
    cli.emit(
        posts, table(("EVENT", "TYPE", "MAIL", "TRIES", "NEXT TRY", "LAST ERROR", "CURSOR"), rows)
    )


@app.command("set")
def set_(
    ctx: typer.Context,
    hook_id: Id,
    *,
    url: Annotated[str | None, typer.Option(metavar="URL")] = None,
    events: Events = None,
) -> None:
    """Change where a webhook points, or what it hears of."""
    from maild.core.webhooks import change_webhook

    cli = of(ctx)
    if url is None and events is None:
        raise WrongUsageError("Say what is to be changed: --url URL or --events TYPE,….")
    hook = change_webhook(
        cli.app, hook_id, url=url, events=_named(events), account=cli.account_slug, by=cli.by
    )
    _told(cli, hook)


@app.command("pause")
def pause(ctx: typer.Context, hook_id: Id) -> None:
    """Send nothing until it is resumed; nothing is lost."""
    from maild.core.webhooks import pause_webhook

    cli = of(ctx)
    _told(cli, pause_webhook(cli.app, hook_id, account=cli.account_slug, by=cli.by))


@app.command("resume")
def resume(ctx: typer.Context, hook_id: Id) -> None:
    """Go on where it stopped."""
    from maild.core.webhooks import resume_webhook

    cli = of(ctx)
    _told(cli, resume_webhook(cli.app, hook_id, account=cli.account_slug, by=cli.by))


@app.command("rotate")
def rotate(ctx: typer.Context, hook_id: Id) -> None:
    """Make a new secret, shown this once; the ones before sign beside it for a day."""
    from maild.core.webhooks import rotate_webhook_secret

    cli = of(ctx)
    made = rotate_webhook_secret(cli.app, hook_id, account=cli.account_slug, by=cli.by)
    cli.emit(made_webhook(made), made.secret)
    cli.say(
        "For a day events are signed with the secrets from before, too: give the receiver the new secret meanwhile."
    )


@app.command("remove")
def remove(ctx: typer.Context, hook_id: Id) -> None:
    """Remove a webhook, and what waits for it."""
    from maild.core.webhooks import remove_webhook

    cli = of(ctx)
    hook = remove_webhook(cli.app, hook_id, account=cli.account_slug, by=cli.by)
    cli.emit(hook, f"The webhook {hook.id} is gone.")


@app.command("replay")
def replay(
    ctx: typer.Context,
    hook_id: Id,
    *,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="All since then: 2026-11-22T08:00 (UTC); `now` skips the backlog, which is lost.",
        ),
    ] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Those that were given up.")] = False,
) -> None:
    """Send events again, each with the webhook-id that it had."""
    from maild.core.webhooks import replay_webhook, skip_webhook_backlog

    cli = of(ctx)
    if dead is (since is not None):
        raise WrongUsageError("Say which: --since TIME or --dead.")
    if since == "now":
        gone = skip_webhook_backlog(cli.app, hook_id, account=cli.account_slug, by=cli.by)
        cli.say(f"Events that were not looked at yet and are skipped: {gone.skipped}.")
        _told(cli, gone.webhook)
        return
    at = None if since is None else _time(since)
    _told(cli, replay_webhook(cli.app, hook_id, since=at, account=cli.account_slug, by=cli.by))


@app.command("test")
def test(
    ctx: typer.Context,
    receiver: Annotated[str, typer.Argument(metavar="URL|ID", help="A URL, or a webhook's id.")],
) -> None:
    """Send one event of the type webhook.test now, and say how it went; exit 1 when it was not taken.

    To a URL it is signed with a secret that nobody has: only whether something listens there is seen.
    """
    from maild.core.webhook_steps import new_secret
    from maild.core.webhooks import Target, target_of

    cli = of(ctx)
    if "://" in receiver:
        from maild.core.webhook_steps import reachable

        target = Target(url=reachable(cli.app, receiver), secrets=(new_secret(),), account="test")
    else:
        target = target_of(cli.app, receiver, account=cli.account_slug, by=cli.by)
    said = asyncio.run(_tried(cli, target))
    cli.emit(said, fields((key, said[key]) for key in ("addresses", "taken", "why")))
    cli.exit = 0 if said["taken"] else 1


async def _tried(cli: Context, target: Target) -> dict[str, Any]:
    from maild.core.webhook_steps import probe_of
    from maild.model.webhook import Taken
    from maild.plugs.receiver import Receiver, UnreachableError, signed

    now = cli.app.clock()
    body, headers = signed(
        f"test_{cli.app.ids()}", probe_of(target.account, now), target.secrets, now
    )
    addresses: list[str] = []
    try:
        line = Receiver(target.url, ssl.create_default_context(), allowed=cli.app.hook_networks)
        addresses = await line.addresses()
        async with line:
            fate = await line.post(body, headers, now)
    except UnreachableError as error:
        return {"addresses": addresses, "taken": False, "why": str(error)}
    why = None if isinstance(fate, Taken) else fate.why
    return {"addresses": addresses, "taken": why is None, "why": why}


def _named(events: str | None) -> list[str] | None:
    """Return the types that are listed; `all` is no list, which is everything."""
    if events is None:
        return None
    return [] if events.strip() == "all" else events.split(",")


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUsageError(
            f"“{printable(text[:40])}” is no time: write 2026-11-22T08:00 (UTC), or now."
        ) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _told(cli: Context, hook: HookView) -> None:
    said = fields(
        (
            ("id", hook.id),
            ("url", hook.url),
            ("events", hook.events or "(all)"),
            ("state", hook.paused_because or hook.state),
            ("backlog", hook.backlog),
            ("waiting", hook.waiting),
            ("dead", hook.dead),
            ("last taken", hook.last_taken_at),
            ("last error", hook.last_error),
            ("last error at", hook.last_error_at),
            ("next try", hook.next_try_at),
            ("old secret until", hook.old_secret_until),
        )
    )
    cli.emit(hook, said)
