"""The door itself: uvicorn on sockets that the daemon opened, inside its loop, with an end to every connection.

uvicorn waits for ever for a request's header and takes any number of connections; `_Connection` does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Generator

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from maild.doors.http.answers import raw_response
from maild.doors.http.facts import HttpFacts, Inside
from maild.doors.http.mailroom import Mailroom
from maild.model.clock import Clock
from maild.model.reason import Answer, Reason

REFUSED_S = 1.0
"""How long a peer that has no place may take to hear it."""

_log = logging.getLogger("maild.doors")


class HttpDoor:
    """A door for mail.  `start` once, `stop` once."""

    def __init__(self, facts: HttpFacts, clock: Clock) -> None:
        """Keep the plan; `start` opens the door."""
        self._facts = facts
        self._clock = clock
        self.beside: dict[str, ASGIApp] = {}
        """What else is served by the same sockets, by the beginning of its paths; its connections are counted, too."""
        self._mailroom: Mailroom | None = None
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, inside: Inside, sockets: list[socket.socket]) -> None:
        """Open the door on these sockets, which are its own from here on."""
        logging.getLogger("uvicorn").setLevel(logging.ERROR)  # What peers do wrong is no news.
        self._mailroom = Mailroom(inside, self._facts, self._clock)
        self._server = _Server(_config(self._application(self._mailroom), self._facts))
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets))
        opening = asyncio.get_running_loop().create_task(self._server.is_open.wait())
        await asyncio.wait({self._task, opening}, return_when=asyncio.FIRST_COMPLETED)
        opening.cancel()
        if self._task.done():
            await self._task

    def _application(self, mailroom: Mailroom) -> ASGIApp:
        async def by_path(scope: Scope, receive: Receive, send: Send) -> None:
            found = (app for start, app in self.beside.items() if scope["path"].startswith(start))
            await next(found, mailroom.asgi)(scope, receive, send)

        return by_path if self.beside else mailroom.asgi

    async def stop(self, grace: float) -> None:
        """Close the door: who is still sending hears 503, who has sent all is answered within `grace` seconds."""
        if self._server is None or self._mailroom is None or self._task is None:
            return
        self._mailroom.stop()
        # Whole seconds in uvicorn's signature; it hands them to asyncio, which takes parts of them.
        self._server.config.timeout_graceful_shutdown = max(1, round(grace))
        self._server.should_exit = True
        await self._task
        late = await self._mailroom.wait_for_commits(grace)
        if late:
            _log.error("door_stopped_unanswered listener=http tasks=%d", late)
        for connection in list(self._server.server_state.connections):
            if isinstance(connection, _Connection):
                connection.abort()
        await asyncio.sleep(0)


def _config(application: ASGIApp, facts: HttpFacts) -> uvicorn.Config:
    class Connection(_Connection):
        limits = facts

    return uvicorn.Config(
        application,
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=facts.head_max,
    )


class _Server(uvicorn.Server):
    """A server whose end is the daemon's to say."""

    def __init__(self, config: uvicorn.Config) -> None:
        """Keep the plan."""
        super().__init__(config)
        self.is_open = asyncio.Event()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_open.set()

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Connection(H11Protocol):
    """A connection that is counted, and whose silence ends."""

    limits: HttpFacts
    _deadline: asyncio.TimerHandle | None = None
    _reading_deadline: asyncio.TimerHandle | None = None
    _is_refused = False

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) <= self.limits.max_connections:
            self._wait_for_a_request()
            return
        _log.warning("too_many_connections listener=http")
        self._is_refused = True
        transport.write(raw_response(Answer(Reason.BUSY)))
        self._deadline = self.loop.call_later(REFUSED_S, transport.close)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if not self._is_refused:
            super().data_received(data)

    @override
    def handle_events(self) -> None:
        super().handle_events()
        if self.transport.is_closing():
            return
        # There is no cycle before the first request.
        if getattr(self.cycle, "response_complete", True):
            self._wait_for_a_request()
        else:
            self._stop_waiting()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait_for_a_request()  # Nobody waits for ever until a last answer is read.

    @override
    def pause_writing(self) -> None:
        """The peer does not read what it asked for: it may take as long as for a request."""
        super().pause_writing()
        if self._reading_deadline is None:
            seconds = self.limits.head_timeout
            self._reading_deadline = self.loop.call_later(seconds, self.transport.abort)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading_deadline is not None:
            self._reading_deadline.cancel()
            self._reading_deadline = None

    @override
    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.abort()
            return
        why = "this is no HTTP/1.1 request, or its header is too long"
        self.transport.write(raw_response(Answer(Reason.BAD_REQUEST, {"why": why})))
        self.transport.close()

    def abort(self) -> None:
        """Break the connection off."""
        self.transport.abort()

    def _wait_for_a_request(self) -> None:
        """A request's header, and what is still sent after an answer, must come to an end."""
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.limits.head_timeout, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
