"""One request, one mail: the key, then the format, then the bytes, then the commit, and only then 202 (D1).

The order is the promise: whoever has no key learns nothing, not even whether an inbox exists; nothing is read for
which there is no room; nothing is stored of a mail that did not come to its end.
"""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maild import failpoint
from maild.core.door_faults import disk_full, internal_error
from maild.core.raw import Spool
from maild.doors.http.answers import response_to
from maild.doors.http.body import Body, PeerGoneError, Readings
from maild.doors.http.facts import MIB, HttpFacts, Inside
from maild.doors.http.requests import declared_size, key_of, sender_of, wrong_format
from maild.model.clock import Clock
from maild.model.envelope import Door, Envelope
from maild.model.reason import Answer, Reason

_STRANGERS_MAX = MIB
"""Octets that a peer without a key may send before it hears so."""


class Mailroom:
    """The application behind the door; `asgi` is what a server runs."""

    def __init__(self, inside: Inside, facts: HttpFacts, clock: Clock) -> None:
        """Keep the plan."""
        self._inside = inside
        self._facts = facts
        self._clock = clock
        self._readings = Readings(facts)
        self._commits: set[asyncio.Task[Answer]] = set()
        self.asgi = Starlette(
            routes=[Route("/in/{address:path}", self._take, methods=["POST"])],
            exception_handlers={HTTPException: self._no_page},
        )
        self.asgi.router.redirect_slashes = False

    def stop(self) -> None:
        """Take nothing more: who is still sending hears 503, who has sent all is answered."""
        self._readings.stop()

    async def wait_for_commits(self, grace: float) -> int:
        """Wait for what is being stored; return how many commits are still not done."""
        if not self._commits:
            return 0
        _, late = await asyncio.wait(self._commits, timeout=grace)
        return len(late)

    async def _no_page(self, request: Request, error: Exception) -> Response:
        is_method = isinstance(error, HTTPException) and error.status_code == 405
        reason = Reason.METHOD_NOT_ALLOWED if is_method else Reason.NO_SUCH_PAGE
        return await self._refuse(Body(request), Answer(reason), _STRANGERS_MAX)

    async def _take(self, request: Request) -> Response:
        body = Body(request)
        drained = _STRANGERS_MAX
        try:
            answer, own_limit = await self._opened(request)
            if answer.is_accepted:
                limit = min(self._facts.max_size, own_limit or self._facts.max_size)
                drained = 2 * limit
                answer = await self._receive(request, body, limit)
                failpoint.reached("http.before_answer")
        except PeerGoneError:
            return Response(status_code=400)  # Nobody hears it.
        except Exception as error:  # noqa: BLE001 - whatever was not foreseen is temporary
            answer = internal_error("http_failed", error)
        if answer.reason is Reason.TOO_SLOW:
            drained = 0
        return await self._refuse(body, answer, drained)

    async def _refuse(self, body: Body, answer: Answer, drained: int) -> Response:
        """Answer, after a bounded rest of the body, so that the peer listens."""
        if not self._readings.is_stopping:
            await body.drain(drained, self._facts.refused_timeout)
        return response_to(answer, closes=not body.is_read)

    async def _opened(self, request: Request) -> tuple[Answer, int | None]:
        if self._readings.is_stopping:
            return Answer(Reason.SHUTTING_DOWN), None
        return await self._inside.opens(request.path_params["address"], key_of(request))

    async def _receive(self, request: Request, body: Body, limit: int) -> Answer:
        """Receive a mail from somebody who may send one."""
        sender = sender_of(request)
        if isinstance(sender, Answer):
            return sender
        if (wrong := wrong_format(request) or self._no_room(request, limit)) is not None:
            return wrong
        envelope = Envelope(
            door=Door.HTTP,
            mail_from=sender,
            recipients=(request.path_params["address"],),
            peer="unix" if request.client is None else request.client.host,
            received_at=self._clock(),
        )
        spool = self._inside.spool()
        try:
            failure = await self._readings.read(body, spool, limit)
            failpoint.reached("http.body_read")
        except BaseException:
            spool.abandon()
            raise
        if failure is None and not spool.size:
            failure = Answer(Reason.EMPTY_MAIL)
        if failure is not None:
            spool.abandon()
            return failure
        return await asyncio.shield(self._commit(envelope, spool))

    def _no_room(self, request: Request, limit: int) -> Answer | None:
        declared = declared_size(request)
        if declared is not None and declared > limit:
            return Answer(Reason.TOO_LARGE, {"size": declared, "limit": limit})
        return self._inside.room(declared or 0)

    def _commit(self, envelope: Envelope, spool: Spool) -> asyncio.Task[Answer]:
        """Have a mail stored by a task of the door's: whatever becomes of the connection, it is carried out."""
        task = asyncio.get_running_loop().create_task(self._store(envelope, spool))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        return task

    async def _store(self, envelope: Envelope, spool: Spool) -> Answer:
        try:
            if spool.is_spooled:
                raw = await asyncio.get_running_loop().run_in_executor(None, spool.finish)
            else:
                raw = spool.finish()
            [answer] = await self._inside.accept(envelope, raw)
        except OSError as error:
            return disk_full(error) or internal_error("commit_failed", error)
        except Exception as error:  # noqa: BLE001 - whatever was not foreseen is temporary
            return internal_error("commit_failed", error)
        # The inbox went away while its mail came: that, too, is nobody's to learn.
        return Answer(Reason.NO_SUCH_INBOX) if answer.reason is Reason.NO_SUCH_RECIPIENT else answer
