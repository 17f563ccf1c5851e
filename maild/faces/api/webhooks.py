"""`/webhooks`: who hears what happens in an account (G)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from maild.core import webhooks
from maild.core.app import Actor, App
from maild.core.webhook_views import HookView
from maild.core.webhooks import POSTS_PAGE
from maild.faces.api.calls import Asked, Told
from maild.faces.api.parts import part
from maild.faces.api.shapes import MadeWebhook, WebhookPosts, Webhooks
from maild.faces.api.words import LINE_MAX, Account, Asking, Id, Line
from maild.faces.documents import made_webhook
from maild.model.reason import Reason, RefusedError
from maild.model.webhook import KINDS_MAX, URL_MAX, PostState

routes = part("webhooks", "/webhooks")

Kinds = Annotated[list[Line], Field(max_length=KINDS_MAX)]
Url = Annotated[Line, Field(max_length=URL_MAX)]


class NewWebhook(Asking):
    """A receiver to be added."""

    url: Url
    events: Kinds = Field(default_factory=list)
    """As mail.filed or mail.*; empty: everything."""


class WebhookChanges(Asking):
    """What is to be changed of a webhook; what is left out stays."""

    url: Url | None = None
    events: Kinds | None = None
    state: Literal["active", "paused"] | None = None


class Replay(Asking):
    """What is to be sent again: all since a time, or what was given up; or that the backlog is skipped, which loses it."""

    since: AwareDatetime | None = None
    dead: bool = False
    skip: bool = False


@routes.get("", response_model=Webhooks)
async def list_webhooks(call: Asked, account: Account = None) -> Response:
    """List an account's webhooks, and how each stands."""
    return await call.answer(
        lambda app, by: {"webhooks": webhooks.list_webhooks(app, account=account, by=by)}
    )


@routes.post("", status_code=201, response_model=MadeWebhook)
async def add_webhook(call: Asked, new: NewWebhook, account: Account = None) -> Response:
    """Add a webhook for what happens from now on; its secret is told this once."""
    return await call.answer(
        lambda app, by: Told(
            made_webhook(
                webhooks.add_webhook(app, new.url, events=new.events, account=account, by=by)
            ),
            201,
        )
    )


@routes.get("/{webhook_id}", response_model=HookView)
async def show_webhook(call: Asked, webhook_id: Id, account: Account = None) -> Response:
    """Show how a webhook stands."""
    return await call.answer(
        lambda app, by: webhooks.show_webhook(app, webhook_id, account=account, by=by)
    )


@routes.patch("/{webhook_id}", response_model=HookView)
async def change_webhook(
    call: Asked, webhook_id: Id, changes: WebhookChanges, account: Account = None
) -> Response:
    """Change where a webhook points or what it hears of, or pause it, or let it go on: one of these."""
    has_more = changes.url is not None or changes.events is not None
    if (changes.state is None) is not has_more:
        raise RefusedError(
            Reason.INVALID_REQUEST, why="body: it has either `state`, or `url` and `events`"
        )

    def change(app: App, by: Actor) -> HookView:
        match changes.state:
            case "active":
                return webhooks.resume_webhook(app, webhook_id, account=account, by=by)
            case "paused":
                return webhooks.pause_webhook(app, webhook_id, account=account, by=by)
            case None:
                return webhooks.change_webhook(
                    app,
                    webhook_id,
                    url=changes.url,
                    events=changes.events,
                    account=account,
                    by=by,
                )

    return await call.answer(change)


@routes.delete("/{webhook_id}", response_model=HookView)
async def remove_webhook(call: Asked, webhook_id: Id, account: Account = None) -> Response:
    """Remove a webhook, and what waits for it."""
    return await call.answer(
        lambda app, by: webhooks.remove_webhook(app, webhook_id, account=account, by=by)
    )


@routes.post("/{webhook_id}/secret", status_code=201, response_model=MadeWebhook)
async def rotate_secret(call: Asked, webhook_id: Id, account: Account = None) -> Response:
    """Make a new secret, told this once; the ones before sign beside it for a day."""
    return await call.answer(
        lambda app, by: Told(
            made_webhook(webhooks.rotate_webhook_secret(app, webhook_id, account=account, by=by)),
            201,
        )
    )


@routes.post("/{webhook_id}/test", status_code=202, response_model=HookView)
async def try_webhook(call: Asked, webhook_id: Id, account: Account = None) -> Response:
    """Have one event of the type webhook.test sent soon; `last_taken_at` and `last_error` tell how it went."""
    return await call.answer(
        lambda app, by: Told(webhooks.try_webhook(app, webhook_id, account=account, by=by), 202)
    )


@routes.post("/{webhook_id}/replay", status_code=202, response_model=HookView)
async def replay_webhook(
    call: Asked, webhook_id: Id, replay: Replay, account: Account = None
) -> Response:
    """Send events again, each with the webhook-id that it had; or skip those that were not looked at yet."""
    if sum((replay.since is not None, replay.dead, replay.skip)) != 1:
        raise RefusedError(
            Reason.INVALID_REQUEST, why="body: it has one of `since`, `dead` and `skip`"
        )

    def act(app: App, by: Actor) -> HookView:
        if replay.skip:
            return webhooks.skip_webhook_backlog(app, webhook_id, account=account, by=by).webhook
        return webhooks.replay_webhook(app, webhook_id, since=replay.since, account=account, by=by)

    return await call.answer(lambda app, by: Told(act(app, by), 202))


@routes.get("/{webhook_id}/events", response_model=WebhookPosts)
async def list_posts(
    call: Asked,
    webhook_id: Id,
    state: PostState = PostState.DEAD,
    after: Annotated[
        str | None, Query(description="The `next` of the page before.", max_length=LINE_MAX)
    ] = None,
    limit: Annotated[int, Query(description="How many at most.", ge=1, le=POSTS_PAGE)] = POSTS_PAGE,
    account: Account = None,
) -> Response:
    """List the events that were given up, or are tried again, the oldest first."""

    def page(app: App, by: Actor) -> dict[str, Any]:
        found = webhooks.list_posts(
            app, webhook_id, state, after=after, limit=limit, account=account, by=by
        )
        return {"events": found, "next": found[-1].cursor if len(found) == limit else None}

    return await call.answer(page)
