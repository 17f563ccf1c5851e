"""What a route works with: who asks, and an act of core to be done in that one's name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Security
from fastapi.security import HTTPBearer
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from maild.core.app import Actor, App
from maild.core.opening import Shower
from maild.core.showing import Showing
from maild.faces.api.files import Content, attachment
from maild.faces.api.holding import Opens, peer_of, secret_of
from maild.faces.api.problems import COMMON, refusal_of
from maild.faces.api.streaming import Pulse
from maild.faces.api.work import Threads
from maild.faces.documents import document
from maild.model.reason import Reason, RefusedError
from maild.oauth.oidc import Provider

T = TypeVar("T")
Act = Callable[[App, Actor], Any]
"""What a route asks of core: one call, in the name of whose token it is."""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer whose status is not 200, or that says more in its header."""

    value: Any
    """None: there is no body."""
    status: int
    header: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Octets:
    """An answer that is no JSON."""

    content: bytes | Iterator[bytes]
    """Pieces are taken as they are sent; those after the first cannot be refused any more."""
    type: str
    header: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What is behind the routes.  Set once by the daemon."""

    app: App
    reader: Shower
    """Reads mails that an act decides again."""
    showing: Showing
    """Shows mails as pages."""
    threads: Threads
    open_threads: Threads
    """For who has no token: signing in is slow, and providers are slower."""
    providers: Mapping[str, Provider]
    """By their short names."""
    stream_threads: Threads
    """For streams of events."""
    opens: Opens
    """Says who acts by a secret, for what takes long."""
    pulse: Pulse
    """Wakes the streams of events."""
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Who is believed when it says for whom it asks."""


class Call:
    """One request, and who asks."""

    def __init__(self, request: Request, inside: Inside) -> None:
        """Take who asks from the gate."""
        self.inside = inside
        self.peer = peer_of(request, inside.proxies)
        self.agent = request.headers.get("user-agent", "")
        self.secret = secret_of(request)
        """The token, or a session's; never to be told."""
        self.person: str = getattr(request.state, "person", "")
        """For whom it counts, as the gate says; empty for who needs no token."""
        self._actor: Actor | None = getattr(request.state, "actor", None)

    @property
    def actor(self) -> Actor:
        """Who asks.  Raises RefusedError TOKEN_REFUSED where that is nobody."""
        if self._actor is None:
            raise RefusedError(Reason.TOKEN_REFUSED)
        return self._actor

    async def answer(self, act: Act) -> Response:
        """Do an act of core on a thread, and answer with its document.  Raises RefusedError."""
        actor = self.actor
        return await self.open_answer(lambda app: act(app, actor))

    async def open_answer(self, act: Callable[[App], Any], *, open_as: str = "") -> Response:
        """Do an act that needs nobody's token; `open_as` where it is none of those that sign somebody in."""

        def done() -> Response:
            try:
                return _response(act(self.inside.app))
            except Exception as error:
                raise refusal_of(error) from error

        if self._actor is None and not open_as:
            return await self.inside.open_threads.do(done)
        return await self.inside.threads.do(done, open_as or self.person)

    async def do(self, act: Callable[[App, Actor], T]) -> T:
        """Do an act of core on a thread, and return what it returns.  Raises RefusedError."""
        actor = self.actor

        def done() -> T:
            try:
                return act(self.inside.app, actor)
            except Exception as error:
                raise refusal_of(error) from error

        return await self.inside.threads.do(done, self.person)

    async def do_again(self, act: Callable[[App, Actor], T]) -> T:
        """Do an act of a stream, in the name of whom the token opens by now.  Raises RefusedError TOKEN_REFUSED, and as `do`."""

        def done() -> T:
            try:
                return act(self.inside.app, self.inside.opens(self.inside.app, self.secret))
            except Exception as error:
                raise refusal_of(error) from error

        return await self.inside.stream_threads.do(done, self.person)

    async def bytes_of(
        self, act: Callable[[App, Actor], bytes | Path], name: str, kind: str
    ) -> Response:
        """Do an act of core that returns bytes, and hand them over as a file.  Raises RefusedError."""
        return attachment(await self.do(lambda app, by: Content(act(app, by))), name, kind)


def _response(value: Any) -> Response:
    """Return a document as a response; written here, on the thread, because it may be long."""
    if value is None:
        return Response(status_code=204, headers=COMMON)
    if isinstance(value, Octets):
        headers = {**COMMON, **value.header}
        if isinstance(value.content, bytes):
            return Response(value.content, 200, headers, value.type)
        return StreamingResponse(value.content, 200, headers, value.type)
    told = value if isinstance(value, Told) else Told(value, 200)
    headers = {**COMMON, **told.header}
    if told.value is None:
        return Response(status_code=told.status, headers=headers)
    # ASCII: a subject may hold half a surrogate pair, which no encoding takes.
    text = json.dumps(document(told.value), default=str)
    return Response(text, told.status, headers, "application/json")


def _call(request: Request) -> Call:
    return Call(request, request.app.state.inside)


async def call_of(
    request: Request, token: Annotated[Any, Security(HTTPBearer(auto_error=False))]
) -> Call:
    """Return the call that a route answers; the gate has let its token through."""
    return _call(request)


async def open_call_of(request: Request) -> Call:
    """Return the call of a route that needs no token."""
    return _call(request)


Asked = Annotated[Call, Depends(call_of)]
OpenAsked = Annotated[Call, Depends(open_call_of)]
