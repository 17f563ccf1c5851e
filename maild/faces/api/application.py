"""The API as one application: routes, refusals, and the gate in front.

`/api/v1` is stable: what it answers today, it answers tomorrow; what breaks that becomes `/api/v2`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cache
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import override

import maild
from maild.core.app import App
from maild.core.feed import feed_mark
from maild.core.opening import Shower
from maild.core.showing import Showing
from maild.faces.api import (
    absences,
    accounts,
    acting,
    addresses,
    answering,
    changes,
    clients,
    content,
    feed,
    keeping,
    letters,
    login,
    mails,
    mails_giving,
    members,
    own,
    places,
    profiles,
    providers as oidc,
    rules,
    sources,
    users,
    webhooks,
    writing,
)
from maild.faces.api.calls import Inside
from maild.faces.api.gate import Gate
from maild.faces.api.holding import COOKIE, SAFE, Opens, actor_of
from maild.faces.api.once import KEY_MAX
from maild.faces.api.parts import PREFIX, REFUSALS
from maild.faces.api.problems import (
    COMMON,
    PROBLEM,
    on_invalid,
    on_no_route,
    on_refused,
    refusal_of,
)
from maild.faces.api.streaming import Pulse
from maild.faces.api.work import Limits, Threads
from maild.model.reason import RefusedError
from maild.oauth.oidc import Provider
from maild.threads import do

DOCUMENT = f"{PREFIX}/openapi.json"
OPEN_THREADS = 2
"""Acts at a time for who has no token."""
STREAM_THREADS = 2
"""Looks at a time for all streams of events: they take nobody's place who asks for something."""
_OPEN = f"{PREFIX}/login"
"""Here is what a person does who has no token yet."""
_QUESTION = re.compile(
    r"/mails/(search|matching|[^/]+/tickets)|/rules/try|/changes/(email|merge)/plan|/inboxes/.+/mode/plan",
    re.ASCII | re.DOTALL,
)
"""What is asked with POST and changes nothing."""
_ROUTES = (
    login,
    oidc,
    accounts,
    own,
    addresses,
    members,
    mails_giving,
    acting,
    mails,
    content,
    feed,
    sources,
    keeping,
    profiles,
    rules,
    letters,
    writing,
    absences,
    answering,
    places,
    webhooks,
    changes,
    clients,
    users,
)
"""`users` comes last: a path of its own below an e-mail address must be tried before the address's."""


_SESSION = "Session"
_COOKIE = {
    "type": "apiKey",
    "in": "cookie",
    "name": COOKIE,
    "description": "A page's session; what changes something must come from a page of this host.",
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A request that is sent again with its key is done once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_MAX, "pattern": "^[!-~]+$"},
}


class _Routes(FastAPI):
    """The routes, and a document that says of refusals what they are."""

    @override
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            found = super().openapi()
            found["components"]["securitySchemes"][_SESSION] = _COOKIE
            for path, methods in found["paths"].items():
                for method, operation in methods.items():
                    for status in REFUSALS:
                        content = operation["responses"][status]["content"]
                        content[PROBLEM] = content.pop("application/json")
                    _say_what_all_take(path.removeprefix(PREFIX), method, operation)
        return super().openapi()


def _say_what_all_take(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add what no route says itself: the gate takes it for all of them."""
    asked = operation.setdefault("parameters", [])
    if method == "get" and any(one["name"].lower() == "if-none-match" for one in asked):
        operation["responses"]["304"] = {"description": "It is as the asker has it already."}
    if "security" in operation:
        operation["security"].append({_SESSION: []})
        if method == "post" and not _QUESTION.fullmatch(path):
            asked.append(_KEY)
    if not asked:
        del operation["parameters"]


def routes() -> FastAPI:
    """Return the routes, with nothing behind them yet."""
    app = _Routes(
        title="maild",
        version=maild.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for part in _ROUTES:
        app.router.routes.extend(part.routes.routes)
    app.add_exception_handler(RefusedError, on_refused)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_no_route)
    app.add_exception_handler(Exception, on_refused)
    app.state.methods_at = _methods_at
    return app


def _methods_at(path: str) -> list[str]:
    """Return every method that a path is asked with; the router itself tells those of one route alone."""
    routes = [route for part in _ROUTES for route in part.routes.routes if isinstance(route, Route)]
    # The first is the one that is meant: behind it an address matches whatever has slashes.
    meant = next((route.path for route in routes if route.path_regex.match(path)), None)
    return sorted(
        {method for route in routes if route.path == meant for method in route.methods or ()}
    )


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of all routes."""
    return routes().openapi()


class Api:
    """The API of a running daemon.  `close` once."""

    def __init__(
        self,
        app: App,
        reader: Shower,
        *,
        providers: Mapping[str, Provider] | None = None,
        proxies: tuple[IPv4Network | IPv6Network, ...] = (),
        opens: Opens = actor_of,
        limits: Limits | None = None,
    ) -> None:
        """Start nothing yet."""
        limits = limits or Limits()
        self._threads = Threads(limits)
        self._open_threads = Threads(replace(limits, threads=OPEN_THREADS, most=limits.most_each))
        self._stream_threads = Threads(
            replace(
                limits,
                threads=STREAM_THREADS,
                most=limits.streams + 1,
                most_each=limits.streams_each,
            )
        )
        self._pulse = Pulse(lambda: self._stream_threads.do(lambda: _mark(app)))
        inner = routes()
        inner.router.routes.append(Route(DOCUMENT, _document_of(inner), methods=["GET"]))
        inner.state.inside = Inside(
            app=app,
            reader=reader,
            showing=Showing(reader),
            opens=opens,
            pulse=self._pulse,
            threads=self._threads,
            open_threads=self._open_threads,
            stream_threads=self._stream_threads,
            providers=providers or {},
            proxies=proxies,
        )
        self.asgi = Gate(inner, app, opens, self._threads, limits)
        self.asgi.is_open = _is_open
        self.asgi.open_as = content.open_as
        self.asgi.is_stream = _is_stream
        self.asgi.only_reads = only_reads

    def stop(self) -> None:
        """Take no further request; those in hand are answered, and streams end."""
        self.asgi.is_stopping = True
        self._pulse.stop()

    def close(self) -> None:
        """End the threads."""
        self._threads.close()
        self._open_threads.close()
        self._stream_threads.close()


def _document_of(inner: FastAPI) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers with the document of the routes: written once, when it is first asked for."""

    @cache
    def written() -> bytes:
        return json.dumps(inner.openapi()).encode()

    async def document(request: Request) -> Response:
        # Half a second of work: on a thread, because mail comes in beside it.
        return Response(await do(written), 200, COMMON, "application/json")

    return document


def _mark(app: App) -> int:
    try:
        return feed_mark(app)
    except Exception as error:
        raise refusal_of(error) from error


def _is_stream(request: Request) -> bool:
    return bool(request.scope["path"] == PREFIX + feed.STREAM)


def only_reads(request: Request) -> bool:
    """Whether a request changes nothing, whatever it asks: by its method, or because its question is too long for a path."""
    path: str = request.scope["path"].removeprefix(PREFIX)
    return request.method in SAFE or (
        request.method == "POST" and _QUESTION.fullmatch(path) is not None
    )


def _is_open(request: Request) -> bool:
    path: str = request.scope["path"]
    return path in {DOCUMENT, _OPEN} or path.startswith(f"{_OPEN}/") or content.is_open(request)
