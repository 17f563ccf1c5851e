"""A request's body on its way into the spool: chunk by chunk, with an end to every wait."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from maild.core.door_faults import disk_failure
from maild.core.given_bytes import GivenBytes
from maild.core.raw import Spool
from maild.doors.http.facts import HttpFacts
from maild.model.reason import Answer, Reason


class PeerGoneError(ConnectionError):
    """The peer left before the end of its mail."""


class Body:
    """The body of one request."""

    def __init__(self, request: Request) -> None:
        """Read nothing yet."""
        self._request = request
        self.is_read = False
        """Whether it came to its end."""
        self.is_being_read = False

    async def piece(self) -> bytes:
        """Return what has come; empty perhaps.  Raises PeerGoneError."""
        self.is_being_read = True
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            raise PeerGoneError
        self.is_read = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    @property
    def waits_for_us(self) -> bool:
        """Whether the peer sends its body only when we ask for it (RFC 9110 10.1.1)."""
        expects = self._request.headers.get("expect", "").lower()
        return expects == "100-continue" and not self.is_being_read

    async def drain(self, at_most: int, seconds: float) -> None:
        """Read up to so many octets of a mail that was refused: many peers listen only when they have said all."""
        left = at_most
        try:
            async with asyncio.timeout(seconds):
                while not self.is_read and not self.waits_for_us and left > 0:
                    left -= len(await self.piece())
        except (TimeoutError, PeerGoneError):
            return


class Readings:
    """The bodies that are being read at the moment; the end of the door ends them."""

    def __init__(self, facts: HttpFacts) -> None:
        """Begin with none."""
        self._facts = facts
        self._running: set[asyncio.Timeout] = set()
        self.is_stopping = False

    def stop(self) -> None:
        """End all waiting for bytes."""
        self.is_stopping = True
        now = asyncio.get_running_loop().time()
        for limit in self._running:
            if not limit.expired():
                limit.reschedule(now)

    async def read(self, body: Body, spool: Spool, limit: int) -> Answer | None:
        """Read a body to its end into the spool; return why that failed, if it did.  Raises PeerGoneError."""
        try:
            async with asyncio.timeout(self._facts.data_timeout) as total:
                self._running.add(total)
                try:
                    return await self._read(body, spool, limit)
                finally:
                    self._running.discard(total)
        except TimeoutError:
            if self.is_stopping:
                return Answer(Reason.SHUTTING_DOWN)
            return Answer(Reason.TOO_SLOW, {"seconds": f"{self._facts.data_timeout:g}"})

    async def _read(self, body: Body, spool: Spool, limit: int) -> Answer | None:
        given = GivenBytes()
        while not body.is_read:
            try:
                async with asyncio.timeout(self._facts.idle_timeout):
                    piece = await body.piece()
            except TimeoutError:
                return Answer(Reason.TOO_SLOW, {"seconds": f"{self._facts.idle_timeout:g}"})
            if (failure := await _put(spool, given.feed(piece), limit)) is not None:
                return failure
        return await _put(spool, given.end(), limit)


async def _put(spool: Spool, piece: bytes, limit: int) -> Answer | None:
    """Write into the spool, on a thread where it is a file: a disk that hangs must not hang every peer.

    Cancelled, it waits for the thread first: else the file would be closed while the thread writes to it.
    """
    if not spool.is_spooled:
        return _write(spool, piece, limit)
    loop = asyncio.get_running_loop()
    writing = loop.run_in_executor(None, _write, spool, piece, limit)
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        raise


def _write(spool: Spool, piece: bytes, limit: int) -> Answer | None:
    try:
        spool.write(piece)
    except OSError as error:
        return disk_failure(error)
    if spool.size > limit:
        return Answer(Reason.TOO_LARGE, {"size": f"over {limit}", "limit": limit})
    return None
