"""`web.bind`: what is served over HTTP.  In this version the door for mail, and nothing else."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from maild.core.app import App
from maild.core.inbox_keys import open_inbox
from maild.core.intake import Intake
from maild.core.raw import Raw, Spool
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

    async def accept(self, envelope: Envelope, raw: Raw) -> list[Answer]:
        """As every door's."""
        return await self._intake.accept(envelope, raw)

    def close(self) -> None:
        """End the look-up threads."""
        self._lookups.shutdown()


class Web:
    """The HTTP door of a running daemon.  `start` once, `stop` once; without `web.bind` it stays closed."""

    def __init__(self, settings: Settings, app: App) -> None:
        """Keep the plan."""
        self._bind = settings.web.bind
        self._app = app
        self._door = HttpDoor(http_facts(settings), app.clock)
        self._intake: WebIntake | None = None
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
        await self._door.start(self._intake, sockets)
        self.address = str(bind)

    async def stop(self, grace: float) -> None:
        """Close the door: who has sent a whole mail is answered within `grace` seconds."""
        if self._intake is None:
            return
        await self._door.stop(grace)
        self._intake.close()
        if isinstance(self._bind, UnixSocket):
            self._bind.path.unlink(missing_ok=True)


def http_facts(settings: Settings) -> HttpFacts:
    """Return the limits of the door: mail may be as large as at the listener that takes the largest."""
    sizes = [listener.max_size for listener in settings.listener]
    return HttpFacts(max_size=max(sizes)) if sizes else HttpFacts()
