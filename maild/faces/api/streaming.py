"""Streams of events: each holds a connection and nothing else; one look in a second for all of them says that there is news.

A stream asks core again for whatever it tells, with the token as it is then: what was revoked hears nothing more.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from maild.core import feed
from maild.core.app import Actor, App
from maild.core.feed import FeedPage
from maild.faces.documents import document
from maild.model.public_event import PublicEvent
from maild.model.reason import Reason, RefusedError

if TYPE_CHECKING:
    from maild.faces.api.calls import Call

LOOK_S = 1.0
"""How soon a stream hears of a commit, at the latest."""
HEARTBEAT_S = 15.0
"""How often something is said, so that no proxy takes the line for dead."""
RECHECK_S = 5.0
"""How soon a stream ends whose token was revoked, where nothing happens."""
RETRY_MS = 2000
"""How long a browser waits before it connects again."""

_log = logging.getLogger("maild.api")


class Pulse:
    """Looks whether something happened, while there are streams.  Lives in one loop; `stop` from any thread."""

    def __init__(self, mark: Callable[[], Awaitable[int]]) -> None:
        """`mark` returns a number that rises with each event."""
        self._mark = mark
        self.seen = 0
        """What `mark` returned last."""
        self._waiting: set[asyncio.Future[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_stopping = False

    async def wait(self, seen: int, seconds: float) -> None:
        """Return when the mark is not this one any more, or after so many seconds; at once when the daemon stops."""
        if self.is_stopping or self.seen != seen:
            return
        self._loop = asyncio.get_running_loop()
        waiting = self._loop.create_future()
        self._waiting.add(waiting)
        if self._looking is None or self._looking.done():
            self._looking = self._loop.create_task(self._look())
        try:
            await asyncio.wait([waiting], timeout=seconds)
        finally:
            self._waiting.discard(waiting)

    async def _look(self) -> None:
        """Look each second; end a while after the last stream."""
        while self._waiting and not self.is_stopping:
            await asyncio.sleep(LOOK_S)
            with suppress(RefusedError):  # A store that is down is looked at again in a second.
                mark = await self._mark()
                if mark != self.seen:
                    self.seen = mark
                    self._wake()

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def stop(self) -> None:
        """Let every stream end."""
        self.is_stopping = True
        if self._loop is not None:
            with suppress(RuntimeError):  # The loop is closed: so is every stream.
                self._loop.call_soon_threadsafe(self._wake)


class Following:
    """One stream behind a cursor."""

    def __init__(self, call: Call, account: str | None, first: FeedPage) -> None:
        """Begin with a page that was read already."""
        self._call = call
        self._pulse = call.inside.pulse
        self._account = account
        self._page = first
        self._seen = -1
        """The mark before the page was read: what commits in between is not slept through."""
        self._has_read = False
        """Whether the last page was read, and no busy store kept it back."""

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the stream's lines until it ends."""
        yield f"retry: {RETRY_MS}\n\n".encode()
        loop = asyncio.get_running_loop()
        spoken = loop.time()
        told = ""
        while not self._pulse.is_stopping:
            for event in self._page.events:
                yield line_of(event)
                told, spoken = event.id, loop.time()
            if told != self._page.next:
                # No event, but where to go on: a line that breaks before the first event loses none either.
                yield f"id: {self._page.next}\n\n".encode()
                told, spoken = self._page.next, loop.time()
            if not self._page.more:
                await self._pulse.wait(self._seen, RECHECK_S)
            if loop.time() - spoken >= HEARTBEAT_S:
                yield b": still here\n\n"
                spoken = loop.time()
            if not await self._read_on():
                return

    async def _read_on(self) -> bool:
        """Read the next page; False: the stream is over."""
        cursor = self._page.next
        is_quiet = self._has_read and self._seen == self._pulse.seen and not self._page.more
        self._seen = self._pulse.seen
        self._has_read = False

        def act(app: App, by: Actor) -> FeedPage:
            if is_quiet:
                # Nothing happened anywhere: that the token still opens is all there is to ask.
                return FeedPage(events=[], next=cursor, more=False)
            return feed.events_after(app, account=self._account, cursor=cursor, by=by)

        try:
            self._page = await self._call.do_again(act)
        except RefusedError as refused:
            if refused.reason in {Reason.BUSY, Reason.STORE_DOWN}:
                self._page = FeedPage(events=[], next=cursor, more=False)
                return True
            _log.info("stream_ended reason=%s", refused.reason.code)
            return False
        self._has_read = True
        return True


def line_of(event: PublicEvent) -> bytes:
    """Return an event as a stream says it; JSON has no line break of its own."""
    said = json.dumps(document(event))
    return f"id: {event.id}\nevent: {event.type}\ndata: {said}\n\n".encode()
