"""Core's synchronous calls on a few threads, with an end to every wait: a store that hangs must not hang the loop.

Never more at a time than is said here, in all and for one person: what is too much hears so at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from maild.model.reason import Reason, RefusedError

T = TypeVar("T")

_log = logging.getLogger("maild.api")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much the API takes at a time.  Set once by the daemon, never changed."""

    threads: int = 4
    """Acts at a time: each is Python in the process of the doors."""
    most: int = 64
    """Requests in hand, those that wait for a thread among them; more hear 503."""
    most_each: int = 16
    """Of these, for one person, with whatever tokens; of the operator's for one token."""
    reading: int = 256
    """Requests whose bodies are still to come; of one person `most_each`."""
    ticket_patience: float = 10.0
    """Seconds that a picture of a page waits for its turn, before it hears 503."""
    per_second: float = 20.0
    """How often one token may ask, for ever."""
    burst: int = 600
    """And how often at once."""
    tokens_worth: int = 4
    """So many times as often one person may ask, with all of their tokens and sessions."""
    streams: int = 200
    """Streams of events at a time."""
    streams_each: int = 10
    """Of these, for one person."""
    body_max: int = 1024 * 1024
    """Octets of a request's body."""
    open_body_max: int = 64 * 1024
    """Of one from somebody who needs no token."""
    idle_timeout: float = 10.0
    """Seconds that a peer may be silent within a body."""
    body_timeout: float = 60.0
    """Seconds that a body may take."""
    refused_timeout: float = 5.0
    """Seconds that a peer may go on sending what is refused, before it hears so."""
    patience: float = 20.0
    """Seconds that an act may take before its asker hears 503; it goes on, and may end well."""


class Threads:
    """Carries acts out.  `close` once; it waits for what has begun."""

    def __init__(self, limits: Limits) -> None:
        """Start no thread yet."""
        self._limits = limits
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="api")
        self._begun: Counter[str] = Counter()

    async def do(self, act: Callable[[], T], whose: str = "") -> T:
        """Do this on a thread; `whose` says for whom.

        Raises RefusedError BUSY where too much is in hand, STORE_DOWN after the patience, and whatever the act raises.
        """
        if self._begun.total() >= self._limits.most or (
            whose and self._begun[whose] >= self._limits.most_each
        ):
            raise RefusedError(Reason.BUSY)
        return await self.finish(act, whose)

    async def finish(self, act: Callable[[], T], whose: str = "") -> T:
        """Do what ends something that was begun, however much else is in hand.  Raises as `do`, but never BUSY."""
        doing = self._pool.submit(act)
        self._begun[whose] += 1
        loop = asyncio.get_running_loop()
        doing.add_done_callback(lambda _: loop.call_soon_threadsafe(self._ended, whose))
        return await self._outcome(doing)

    async def _outcome(self, doing: Future[T]) -> T:
        try:
            async with asyncio.timeout(self._limits.patience):
                return await asyncio.wrap_future(doing)
        except TimeoutError:
            _log.error("store_slow seconds=%g", self._limits.patience)
            raise RefusedError(Reason.STORE_DOWN) from None

    def _ended(self, whose: str) -> None:
        self._begun[whose] -= 1
        if not self._begun[whose]:
            del self._begun[whose]

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)
