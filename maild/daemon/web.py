"""`web.bind`: what is served over HTTP: the door for mail, and beside it the API."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from maild.core.app import App
from maild.core.inbox_keys import open_inbox
from maild.core.intake import Intake
from maild.core.raw import Raw, Spool
from maild.daemon.api import ApiInside, LateApi
from maild.daemon.intake import PATIENCE_S
from maild.daemon.listeners import inherited
from maild.doors.http.door import HttpDoor
from maild.doors.http.facts import HttpFacts
from maild.doors.smtp.sockets import listening
from maild.model.envelope import Envelope
from maild.model.reason import Answer, Reason
from maild.model.written import FdSocket, UnixSocket
from maild.settings import Settings
from maild.store.engine import StoreDownError

LOOKUPS = 2
"""Threads that look keys up."""

_log = logging.getLogger("maild.accept")


class WebIntake:
    """Implements `maild.doors.http.facts.Inside` over the intake of every door."""

    def __init__(self, app: App, intake: Intake) -> None:
        """Share the intake; only keys are this door's own."""
        self._app = app
        self._intake = intake
        self._lookups = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="key")

    async def opens(self, address: str, key: str) -> tuple[Answer, int | None]:
        """Ask for the inbox and its key, on a thread: a store that hangs must not hang the loop."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await loop.run_in_executor(
                    self._lookups, open_inbox, self._app, address, key
                )
        except TimeoutError:
            _log.error("store_slow seconds=%d", PATIENCE_S)
            return Answer(Reason.STORE_DOWN), None
        except StoreDownError as error:
            _log.error("store_down error=%s", error)
            return Answer(Reason.STORE_DOWN), None

    def room(self, size: int) -> Answer | None:
        """As every door's."""
        return self._intake.room(size)

    def spool(self) -> Spool:
        """As every door's."""
        return self._intake.spool()

    async def recipient(self, address: str, size: int | None) -> tuple[Answer, int | None]:
        """As every door's."""
        return await self._intake.recipient(address, size)

    async def sign_in(self, name: str, secret: str, peer: str) -> int | Answer:
        """As every door's."""
        return await self._intake.sign_in(name, secret, peer)

    async def accept(self, envelope: Envelope, raw: Raw) -> list[Answer]:
        """As every door's."""
        return await self._intake.accept(envelope, raw)

    def close(self) -> None:
        """End the look-up threads."""
        self._lookups.shutdown()


class Web:
    """The HTTP door of a running daemon, where `web.bind` is set.  `start` once, `stop` once, `close` once."""

    def __init__(self, settings: Settings, app: App) -> None:
        """Keep the plan."""
        self._bind = settings.web.bind
        self._has_providers = bool(settings.oidc)
        self._app = app
        self._door = HttpDoor(http_facts(settings), app.clock)
        self._intake: WebIntake | None = None
        self._api = LateApi(partial(ApiInside, settings))
        self.name = "http"
        self.address = ""
        """Where it listens; empty while it is closed."""

    async def start(self, intake: Intake) -> None:
        """Open the door.  Raises ListenError and ListenerError."""
        bind = self._bind
        if bind is None:
            return
        place = inherited("web", bind) if isinstance(bind, FdSocket) else bind
        # A resolver or a stale socket's peer may take its time.
        sockets = await asyncio.get_running_loop().run_in_executor(None, listening, place)
        self._intake = WebIntake(self._app, intake)
        self._door.beside["/api/"] = self._api
        self._api.start()
        if self._has_providers:
            # What is wrong with one of them is said at the start, and not to who wants to sign in.
            await self._api.make()
        await self._door.start(self._intake, sockets)
        self.address = str(bind)

    def check(self) -> None:
        """Raise StoreDownError when the disk failed under the API: the process is to end, and to be started again."""
        self._api.check()

    async def stop(self, grace: float) -> None:
        """Close the door: who has sent a whole mail or request is answered within `grace` seconds."""
        if self._intake is None:
            return
        self._api.stop()
        await self._door.stop(grace)
        await self._api.wait()
        if isinstance(self._bind, UnixSocket):
            self._bind.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close what the door and the API have; it waits for what has begun, and so is no call for a loop."""
        if self._intake is not None:
            self._intake.close()
        self._api.close()


def http_facts(settings: Settings) -> HttpFacts:
    """Return the limits of the door: mail may be as large as at the listener that takes the largest."""
    sizes = [listener.max_size for listener in settings.listener]
    return HttpFacts(max_size=max(sizes)) if sizes else HttpFacts()
