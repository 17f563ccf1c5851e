"""The bytes between 354 and the dot: found, unstuffed, looked at and put into the spool, chunk by chunk.

Only CRLF.CRLF ends a mail (RFC 5321 4.1.1.4), and `.` CRLF right after 354; every smuggling form (CVE-2024-27305) is
content.  Never holds more than a chunk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from maild.core.door_faults import disk_failure, internal_error
from maild.core.dots import DotStream
from maild.core.raw import Spool
from maild.doors.smtp import narrow
from maild.model.reason import Answer, Reason

CHUNK = 192 * 1024
"""The most that is taken at a time.  Each is a hand-over to a thread and back once the mail is on the disk."""

_log = logging.getLogger("maild.doors")


class FloodError(Exception):
    """The peer sent far more than the limit and goes on."""


class PeerGoneError(ConnectionError):
    """The peer left before the dot."""


class DoorReader(asyncio.StreamReader):
    """A stream that takes bytes back, and can change to TLS."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop reading from the socket when twice the limit lies here; one reading more makes a chunk."""
        super().__init__(limit=(CHUNK - narrow.OCTETS) // 2, loop=loop)
        self._buffer: bytearray

    def unread(self, piece: bytes) -> None:
        """Put bytes back to be read next."""
        self._buffer[:0] = piece

    def restart(self) -> None:
        """Forget what came in clear before TLS (RFC 3207 4.2, CVE-2024-34083)."""
        self._buffer.clear()

    def attach(self, transport: asyncio.Transport) -> None:
        """Read from another transport from here on."""
        self._transport = transport


class Tub:
    """Where the bytes go: into the spool, until something speaks against it; from then on nowhere."""

    def __init__(self, spool: Callable[[], Spool], limit: int) -> None:
        """Take up to `limit` octets."""
        self._limit = limit
        self.failure: Answer | None = None
        """Why the mail is not kept."""
        self.spool: Spool | None = None
        try:
            self.spool = spool()
        except Exception as error:  # noqa: BLE001 - as in `write`
            self._fail(_spool_failure(error))

    @property
    def is_on_disk(self) -> bool:
        """Whether writing is the disk's work: then it is not the event loop's."""
        return self.spool is not None and self.spool.is_spooled

    def write(self, piece: bytes, *, is_crlf: bool = False) -> None:
        """Take the next bytes of the mail; `is_crlf` when every line end in them is known to be CRLF, and whole.

        Raises nothing: the rest of the mail would be obeyed as commands.
        """
        if self.spool is None:
            return
        try:
            self.spool.write(piece, is_crlf=is_crlf)
        except Exception as error:  # noqa: BLE001 - unforeseen; what is left of the mail must not be read as commands
            self._fail(_spool_failure(error))
        else:
            if self.spool.size > self._limit:
                self._fail(Answer(Reason.TOO_LARGE))

    def _fail(self, failure: Answer) -> None:
        self.failure = failure
        self.abandon()

    def abandon(self) -> None:
        """Forget everything.  Safe to repeat."""
        spool, self.spool = self.spool, None
        if spool is not None:
            try:
                spool.abandon()
            except OSError as error:
                _log.error("spool_not_removed error=%s", error.strerror)

    def hand_over(self) -> Spool:
        """Give the spool away; `abandon` does nothing from here on."""
        spool, self.spool = self.spool, None
        if spool is None:
            raise RuntimeError("there is no spool to hand over")
        return spool


def _spool_failure(error: Exception) -> Answer:
    if isinstance(error, OSError):
        return disk_failure(error)
    return internal_error("spool_failed", error)


async def receive(
    reader: DoorReader, tub: Tub, at_most: int, before_chunk: Callable[[int], None]
) -> DotStream:
    """Read a mail to its dot into the tub; what follows the dot is left in the reader.

    Before it waits for a chunk it tells `before_chunk` how many octets the one before had.

    Raises FloodError beyond `at_most` octets and PeerGoneError when the peer leaves.
    """
    dots = DotStream()
    octets = 0
    while dots.rest is None:
        before_chunk(octets)
        octets = await _receive_chunk(reader, dots, tub)
        if dots.size > at_most:
            raise FloodError
    reader.unread(dots.rest)
    return dots


async def _receive_chunk(reader: DoorReader, dots: DotStream, tub: Tub) -> int:
    """Put a chunk into the tub and return its octets; who waits for the next holds nothing of it."""
    chunk = await reader.read(CHUNK)
    if not chunk:
        raise PeerGoneError
    take = partial(_take, dots, tub, chunk)
    if tub.is_on_disk:
        await _on_a_thread(take)
    else:
        take()
    return len(chunk)


def _take(dots: DotStream, tub: Tub, chunk: bytes) -> None:
    piece = dots.feed(chunk)
    tub.write(piece, is_crlf=not dots.has_odd_bytes)


async def _on_a_thread(act: Callable[[], None]) -> None:
    """Do it on a thread: a disk that hangs must not hang every peer.  Cancelled, it waits for the thread first.

    Else the file would be closed, and its descriptor given to another one, while the thread writes to it.
    """
    doing = asyncio.get_running_loop().run_in_executor(None, act)
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        while not doing.done():
            # A session is told more than once: when it hangs up, and when the connection is gone.
            with suppress(asyncio.CancelledError):
                await asyncio.wait([doing])
        raise
