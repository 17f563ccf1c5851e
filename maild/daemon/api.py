"""The API within a daemon, made when it is first asked for, or a while after the start.

It and its libraries are half of what the process of the doors would import, and mail need not wait for them.  It has a
store of its own, and few threads: whatever it is asked, the doors keep their connections to the database.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from maild.core.app import open_app
from maild.core.door_faults import internal_error
from maild.doors.http.answers import response_to
from maild.model.reason import Answer, Reason
from maild.parse.pool import ReaderPool
from maild.settings import Settings
from maild.store.engine import StoreDownError
from maild.threads import do

WARM_S = 10.0
"""So long after the start it is made, if nobody asked before: the first to ask need not wait for it then."""

_log = logging.getLogger("maild.daemon")


class Served(Protocol):
    """What is served, once it is made."""

    @property
    def asgi(self) -> ASGIApp:
        """What is asked."""

    def check(self) -> None:
        """Raise StoreDownError when its database must be opened anew."""

    def stop(self) -> None:
        """Take no further request."""

    def close(self) -> None:
        """Close everything; it waits for what has begun."""


class LateApi:
    """An ASGI application that makes another one on a thread when it is needed.  `stop` once, `close` once."""

    def __init__(self, make: Callable[[], Served], warm_s: float = WARM_S) -> None:
        """Start nothing yet; `make` may raise, and is tried again for who asks next."""
        self._make = make
        self._warm_s = warm_s
        self._timer: asyncio.TimerHandle | None = None
        self._making: asyncio.Task[Served] | None = None
        self._made: Served | None = None
        self._is_stopping = False

    def start(self) -> None:
        """Have it made in a while.  Called within the loop."""
        self._timer = asyncio.get_running_loop().call_later(self._warm_s, self._begin)

    async def make(self) -> None:
        """Have it made now.  Raises what making it raises."""
        await self._begin()

    def _begin(self) -> asyncio.Task[Served]:
        """Return the task that makes it, a new one where the last has failed."""
        if self._making is None:
            self._making = asyncio.get_running_loop().create_task(do(self._make))
            self._making.add_done_callback(self._end)
        return self._making

    def _end(self, making: asyncio.Task[Served]) -> None:
        self._making = None
        if making.cancelled():
            return
        error = making.exception()
        if error is not None:
            _log.warning("api_not_made error=%s", error)
            return
        self._made = making.result()
        if self._is_stopping:
            self._made.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; until it can be made, each hears 503."""
        try:
            served = await self._served()
        except StoreDownError:
            await self._refuse(Answer(Reason.STORE_DOWN), scope, receive, send)
        except Exception as error:  # noqa: BLE001 - whatever it is, this peer is answered and the next one tries anew
            await self._refuse(internal_error("api_failed", error), scope, receive, send)
        else:
            if served is None:
                await self._refuse(Answer(Reason.SHUTTING_DOWN), scope, receive, send)
            else:
                await served.asgi(scope, receive, send)

    async def _served(self) -> Served | None:
        """Return what is served; None if there will be nothing any more.  Raises what making it raises."""
        if self._made is not None:
            return self._made
        # A peer that hangs up meanwhile takes it from nobody else.
        return None if self._is_stopping else await asyncio.shield(self._begin())

    @staticmethod
    async def _refuse(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        await response_to(answer, closes=True)(scope, receive, send)

    def check(self) -> None:
        """Raise StoreDownError when the disk failed under it: the process is to end, and to be started again."""
        if self._made is not None:
            self._made.check()

    def stop(self) -> None:
        """Take no further request."""
        self._is_stopping = True
        if self._timer is not None:
            self._timer.cancel()
        if self._made is not None:
            self._made.stop()

    async def wait(self) -> None:
        """Wait until nothing is being made any more."""
        if self._making is not None:
            await asyncio.wait([self._making])

    def close(self) -> None:
        """Close what was made."""
        if self._made is not None:
            self._made.close()


class ApiInside:
    """The API, with a store and a reader of its own.  Made on a thread: it opens the database.  `close` once."""

    def __init__(self, settings: Settings) -> None:
        """Open the database.  Raises as `open_app`, and ConfigError for a provider's secret."""
        # Only who serves HTTP needs it: the other processes of a daemon are spared its memory.
        from maild.faces.api.application import Api  # noqa: PLC0415
        from maild.oauth.oidc import provider_of  # noqa: PLC0415

        self._app = open_app(settings)
        self._reader = ReaderPool(1, seconds=settings.limits.reading_time)
        providers = {
            one.name: provider_of(one, self._app.clock, os.environ) for one in settings.oidc
        }
        self._api = Api(self._app, self._reader, providers=providers, proxies=settings.web.proxies)
        self.asgi: ASGIApp = self._api.asgi

    def check(self) -> None:
        """Raise StoreDownError when its database must be opened anew."""
        self._app.store.database.check()

    def stop(self) -> None:
        """Take no further request."""
        self._api.stop()

    def close(self) -> None:
        """Close everything; it waits for what has begun."""
        self._reader.close()
        self._api.close()
        self._app.store.close()
