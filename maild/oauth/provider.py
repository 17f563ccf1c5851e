"""Handing out access tokens: kept in memory only, renewed before they end, asked for once at a time.

Never logs, and shows no token in `repr`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from maild.core.remote import RemoteError, Trouble

WAIT_S = 60.0
"""What a caller waits at most; the request itself has limits of its own."""
_THREADS = ThreadPoolExecutor(8, thread_name_prefix="token")
"""Apart from the threads of the database: a token service that hangs shall hold up nothing else."""


class SetupError(Exception):
    """A sign-in is not set up rightly; its text is a sentence for the admin, with nothing secret."""


class ExtraMissingError(SetupError):
    """A library that this sign-in needs is not installed."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token service gave."""

    token: str = field(repr=False)
    life: float
    """Seconds that the token lives from now."""
    refresh_token: str | None = field(default=None, repr=False)
    """The next refresh token; None: the old one stays."""


class TokenProvider(Protocol):
    """Gives access tokens for one source."""

    async def get(self, min_ttl: float = 0.0) -> str:
        """Return a token that lives at least so many seconds, if the service gives such.

        Raises RemoteError (SIGN_IN_AGAIN, REFUSED_LOGIN, LOGIN_LATER, BROKEN_PROTOCOL), SetupError, and what `keep`
        raises.  Safe to repeat; callers at the same time share one request.
        """
        ...

    def discard(self, token: str) -> None:
        """Take note that a server did not accept the token, so that the next is a new one."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    token: str = field(repr=False)
    renew_at: float
    ends_at: float


class Renewing:
    """A TokenProvider around a blocking request, which runs on a thread."""

    def __init__(
        self,
        fetch: Callable[[], Grant],
        *,
        clock: Callable[[], float] = time.monotonic,
        wait_s: float = WAIT_S,
    ) -> None:
        """`fetch` asks the service once."""
        self._fetch = fetch
        self._clock = clock
        self._wait_s = wait_s
        self._held: _Held | None = None
        self._flight: asyncio.Task[_Held] | None = None

    async def get(self, min_ttl: float = 0.0) -> str:
        """See TokenProvider."""
        held = self._held
        if held is not None and self._clock() < min(held.renew_at, held.ends_at - min_ttl):
            return held.token
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._renewed())
            self._flight.add_done_callback(_seen)
        try:
            # A caller who leaves does not take the answer from the others, nor a rotated refresh token from `keep`.
            async with asyncio.timeout(self._wait_s):
                return (await asyncio.shield(self._flight)).token
        except TimeoutError:
            error = RemoteError(Trouble.LOGIN_LATER, "the token service gave no answer in time")
        except RemoteError as refused:
            error = refused
        if (
            error.trouble is Trouble.LOGIN_LATER
            and held is not None
            and held is self._held
            and self._clock() < held.ends_at - min_ttl
        ):
            # It is renewed long before its end, just so that a service that is down does not matter.
            return held.token
        raise error

    def discard(self, token: str) -> None:
        """See TokenProvider."""
        if self._held is not None and self._held.token == token:
            self._held = None

    async def _renewed(self) -> _Held:
        asked_at = self._clock()
        grant = await asyncio.get_running_loop().run_in_executor(_THREADS, self._fetch)
        # Its life counts from the question: how long the answer was on its way is not known.
        ends_at = asked_at + grant.life
        self._held = _Held(grant.token, asked_at + _renew_after(grant.life), ends_at)
        return self._held


def _renew_after(life: float) -> float:
    """Return after how many seconds of its life a token is renewed: at 80 %, or with 5 minutes left; at half, if short."""
    return max(life / 2, min(life * 0.8, life - 300))


def _seen(flight: asyncio.Task[_Held]) -> None:
    """Look at the outcome: if all who wait have left, nobody else does, and asyncio would complain."""
    if not flight.cancelled():
        flight.exception()
