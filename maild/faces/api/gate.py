"""In front of every route: the token, the size, and the time; whatever else happens becomes a problem document.

Nothing of a request is read for who has no token, but for the few paths that are open to all, and there not much.  A body
is whole, or the route never sees it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maild.core.app import Actor, App
from maild.faces.api.holding import SAFE, Opens, secret_of
from maild.faces.api.once import Asked, Once, key_of
from maild.faces.api.problems import refusal_of, response_to
from maild.faces.api.rates import Rates
from maild.faces.api.work import Limits, Threads
from maild.model.plain_text import no_line
from maild.model.reason import Reason, RefusedError

_WAITING_MAX = 200
"""Requests that wait for a place, of all pages."""


class PeerGoneError(ConnectionError):
    """The peer left before the end of its request."""


class Gate:
    """The application as a server runs it."""

    def __init__(
        self, inside: ASGIApp, app: App, opens: Opens, threads: Threads, limits: Limits
    ) -> None:
        """`inside` is what has the routes."""
        self._inside = inside
        self._app = app
        self._opens = opens
        self._threads = threads
        self._limits = limits
        self._in_hand = Places(limits.most, limits.most_each)
        """By the person, whatever tokens they have; the operator's by the token, and all that need none are one."""
        self._reading = Places(limits.reading, limits.most_each)
        """Whose bodies are still to come: these keep nobody else from asking."""
        self._rates = Rates("token", limits.per_second, limits.burst)
        many = limits.tokens_worth
        self._persons = Rates("person", limits.per_second * many, limits.burst * many)
        self._once = Once(inside, app, threads)
        self._streams = Places(limits.streams, limits.streams_each)
        """Those that stay for long: they keep nobody else from asking."""
        self.is_stream: Callable[[Request], bool] = lambda request: False
        self.is_open: Callable[[Request], bool] = lambda request: False
        """Says which requests need no token."""
        self.open_as: Callable[[Request], str] = lambda request: ""
        """Says among which of those that need no token such a request counts: those of one name leave room to others."""
        self.only_reads: Callable[[Request], bool] = lambda request: request.method in SAFE
        """Says which requests change nothing."""
        self.is_stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        began = False

        request = Request(scope, receive)

        async def sent(message: Message) -> None:
            nonlocal began
            began = True
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_encoded(told)]
            await send(message)

        told: dict[str, str] = {}
        body = Body(request, self._limits)
        try:
            await self._pass(request, body, sent, told)
        except PeerGoneError:
            return  # Nobody hears it.
        except Exception as error:  # noqa: BLE001 - whatever was not foreseen is temporary, and never shown
            if began:
                return  # Its route has answered for it.
            refused = refusal_of(error)
            if refused.reason is not Reason.BODY_TOO_SLOW:
                await body.drain()
            response = response_to(refused, closes=not body.is_read)
            await response(scope, receive, sent)

    async def _pass(self, request: Request, body: Body, send: Send, told: dict[str, str]) -> None:
        """Let a request through; `told` is what its answer says beside."""
        if self.is_stopping:
            raise RefusedError(Reason.SHUTTING_DOWN)
        if self.is_open(request):
            # Before it has a place: bodies that drip keep nobody else from signing in.
            whole = await body.whole(self._limits.open_body_max)
            whose = self.open_as(request)
            if whose:
                # A page asks for all its pictures at once: to be refused one is to see none there.
                await self._in_hand.wait(whose, self._limits.ticket_patience)
            with self._in_hand.take(whose):
                await self._answer(request, whole, send)
            return
        whose = secret_of(request)
        if not whose:  # Nothing is to be looked up, and nobody who has a token waits for it.
            raise RefusedError(Reason.TOKEN_REFUSED)
        actor = await self._admitted(request, whose, told)
        person = _person_of(actor, whose)
        request.scope.setdefault("state", {}).update(actor=actor, person=person)
        whole = await self._whole(body, person)
        places = self._streams if self.is_stream(request) else self._in_hand
        with places.take(person):
            key = None if self.only_reads(request) else key_of(request)
            if key is None:
                await self._answer(request, whole, send)
                return
            _require_plain(request)
            asked = Asked(whose=whose, person=person, key=key, body=whole)
            await self._once.answer(request, _replay(whole, request.receive), send, asked)

    async def _admitted(self, request: Request, whose: str, told: dict[str, str]) -> Actor:
        """Return who asks.  Raises RefusedError for who asks too often, or may not ask this."""
        allowance = self._rates.take(whose)
        told |= allowance.header()
        if allowance.is_over:
            raise RefusedError(Reason.TOO_MANY_REQUESTS, seconds=allowance.seconds)
        actor = await self._threads.do(lambda: self._opened(whose), whose)
        if actor.only_reads and not self.only_reads(request):
            raise RefusedError(
                Reason.NOT_ALLOWED,
                why="This token only reads: what changes something asks for one that writes.",
            )
        in_all = self._persons.take(_person_of(actor, whose))
        if in_all.is_over:
            told |= in_all.header()
            raise RefusedError(Reason.TOO_MANY_REQUESTS, seconds=in_all.seconds)
        return actor

    async def _whole(self, body: Body, person: str) -> bytes:
        """Return the body of who has a token; while it comes it takes no place of those who have said all."""
        if not body.is_to_come:
            return await body.whole(self._limits.body_max)
        with self._reading.take(person):
            return await body.whole(self._limits.body_max)

    async def _answer(self, request: Request, body: bytes, send: Send) -> None:
        _require_plain(request)
        await self._inside(request.scope, _replay(body, request.receive), send)

    def _opened(self, secret: str) -> Actor:
        try:
            return self._opens(self._app, secret)
        except Exception as error:
            raise refusal_of(error) from error


def _person_of(actor: Actor, secret: str) -> str:
    """Return whom a request is counted for: a person, with all of their tokens and sessions; of the operator each token."""
    return f"token:{secret}" if actor.user_id is None else f"user:{actor.user_id}"


class Places:
    """How many requests are in hand, in all and for each of those who ask."""

    def __init__(self, most: int, most_each: int) -> None:
        """Nobody has a place yet."""
        self._most = most
        self._most_each = most_each
        self._taken: Counter[str] = Counter()
        self._freed = asyncio.Event()
        self._waiting = 0

    def _is_full(self, whose: str) -> bool:
        return self._taken.total() >= self._most or self._taken[whose] >= self._most_each

    async def wait(self, whose: str, seconds: float) -> None:
        """Return when there is a place, after so many seconds, or at once where too many wait."""
        if self._waiting >= _WAITING_MAX:
            return
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                while self._is_full(whose):
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            return
        finally:
            self._waiting -= 1

    @contextmanager
    def take(self, whose: str) -> Generator[None]:
        """Take a place for a while.  Raises RefusedError BUSY where there is none."""
        if self._is_full(whose):
            raise RefusedError(Reason.BUSY)
        self._taken[whose] += 1
        try:
            yield
        finally:
            self._taken[whose] -= 1
            if not self._taken[whose]:
                del self._taken[whose]
            self._freed.set()


class Body:
    """The body of one request."""

    def __init__(self, request: Request, limits: Limits) -> None:
        """Read nothing yet."""
        self._receive = request.receive
        self._declared = request.headers.get("content-length", "")
        self._limits = limits
        self.is_to_come = self._declared not in {"", "0"} or "transfer-encoding" in request.headers
        """Whether the request says that it has one."""
        self.is_read = False
        """Whether it came to its end."""

    async def whole(self, most: int) -> bytes:
        """Return all of it, up to so many octets.  Raises PeerGoneError, and RefusedError BODY_TOO_LARGE, BODY_TOO_SLOW."""
        declared = self._declared
        if (
            declared.isascii()
            and declared.isdigit()
            and len(declared) < 20
            and int(declared) > most
        ):
            raise RefusedError(Reason.BODY_TOO_LARGE, limit=most)
        pieces = bytearray()
        seconds = self._limits.body_timeout
        try:
            async with asyncio.timeout(seconds):
                while not self.is_read:
                    pieces += await self._piece()
                    if len(pieces) > most:
                        raise RefusedError(Reason.BODY_TOO_LARGE, limit=most)
        except TimeoutError:
            raise RefusedError(Reason.BODY_TOO_SLOW, seconds=f"{seconds:g}") from None
        return bytes(pieces)

    async def _piece(self) -> bytes:
        seconds = self._limits.idle_timeout
        try:
            async with asyncio.timeout(seconds):
                message = await self._receive()
        except TimeoutError:
            raise RefusedError(Reason.BODY_TOO_SLOW, seconds=f"{seconds:g}") from None
        if message["type"] == "http.disconnect":
            raise PeerGoneError
        self.is_read = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    async def drain(self) -> None:
        """Read what may be left of a request that was refused: many peers listen only when they have said all."""
        left = self._limits.body_max
        with suppress(TimeoutError, PeerGoneError, RefusedError):
            async with asyncio.timeout(self._limits.refused_timeout):
                while not self.is_read and left > 0:
                    left -= len(await self._piece())


def _require_plain(request: Request) -> None:
    """Refuse what no address, id or word of ours has in it, and no database takes."""
    for text in (
        request.scope["path"],
        *request.query_params.keys(),
        *request.query_params.values(),
    ):
        why = no_line(text)
        if why is not None:
            raise RefusedError(Reason.INVALID_REQUEST, why=f"of its path or query, {why}")


def _encoded(header: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), text.encode()) for name, text in header.items()]


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand a body over that was read."""
    rest = [body]

    async def replayed() -> Message:
        if rest:
            return {"type": "http.request", "body": rest.pop(), "more_body": False}
        return await receive()

    return replayed
