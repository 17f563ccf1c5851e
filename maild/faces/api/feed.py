"""`/events`: what happened in an account, in order: page by page with a cursor, or as a stream (WHATWG server-sent events)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header
from starlette.responses import Response, StreamingResponse

from maild.core import feed
from maild.core.app import Actor, App
from maild.core.feed import FeedPage
from maild.faces.api.calls import Asked
from maild.faces.api.parts import part
from maild.faces.api.problems import COMMON
from maild.faces.api.streaming import Following
from maild.faces.api.words import LINE_MAX, Account, After, Limit

routes = part("events", "/events")

STREAM = "/events/stream"
NOW = "now"
EVENT_STREAM = "text/event-stream"
LastEventId = Annotated[
    str | None,
    Header(
        description="The id of the last event that was heard: the stream goes on behind it.",
        max_length=LINE_MAX,
    ),
]


def _cursor(app: App, account: str | None, after: str | None, by: Actor) -> str | None:
    return feed.feed_end(app, account=account, by=by) if after == NOW else after


@routes.get("", response_model=FeedPage)
async def list_events(
    call: Asked, account: Account = None, after: After = None, limit: Limit = 100
) -> Response:
    """List what happened behind a cursor, oldest first; `after=now` tells the cursor of this moment and no events."""

    def act(app: App, by: Actor) -> FeedPage:
        cursor = _cursor(app, account, after, by)
        return feed.events_after(app, account=account, cursor=cursor, limit=limit, by=by)

    return await call.answer(act)


@routes.get(
    "/stream",
    response_class=Response,
    responses={200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}}},
)
async def stream(
    call: Asked, account: Account = None, after: After = None, last_event_id: LastEventId = None
) -> Response:
    """Follow what happens, from now on or behind a cursor; it ends with the token, and when the daemon stops."""
    begin = last_event_id or after or NOW

    def first(app: App, by: Actor) -> FeedPage:
        cursor = _cursor(app, account, begin, by)
        return feed.events_after(app, account=account, cursor=cursor, by=by)

    # What is wrong is said before the stream begins.
    page = await call.do(first)
    following = Following(call, account, page)
    headers = {**COMMON, "Content-Type": EVENT_STREAM, "X-Accel-Buffering": "no"}
    return StreamingResponse(following.lines(), headers=headers)
