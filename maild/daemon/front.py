"""The process that peers talk to: the doors, what is served over HTTP, and beneath them acceptor, workers and pollers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from apscheduler.job import Job

from maild.core.sources import is_polling_asked
from maild.daemon.acceptor import Acceptor
from maild.daemon.child import Child
from maild.daemon.intake import DaemonIntake
from maild.daemon.listeners import listener_facts
from maild.daemon.part import Frame
from maild.daemon.workers import Beneath, Workers
from maild.doors.smtp.listener import Listener
from maild.store.engine import StoreDownError

if TYPE_CHECKING:
    from maild.daemon.web import Web

GRACE_S = 25.0
"""How long sessions past their dot may take to be answered at the end."""
UP_S = 30.0
"""How long the acceptor may take to start before we are ready without it; the doors answer 451 meanwhile."""

_log = logging.getLogger("maild.daemon")


class Front:
    """Implements `maild.daemon.part.Part`."""

    def __init__(self, frame: Frame) -> None:
        """Start nothing yet."""
        self._frame = frame
        self._web: Web | None = None
        self._listeners: Sequence[Listener | Web] = ()
        self._beneath: Sequence[Child] = ()
        self._pollers: Child | None = None
        self._looking: Job | None = None

    async def start(self) -> None:
        """Start what is beneath, open the doors, and wait for the acceptor."""
        acceptor = self._start_beneath()
        await self._open(acceptor)
        self._frame.scheduler.add_job(self._end_in_doubt, "interval", seconds=1)
        if self._pollers is not None:
            self._look_for_sources()
        await acceptor.up(UP_S)

    async def stop(self) -> None:
        """Answer who is past the dot, then end what is beneath."""
        self._look_no_more()
        await asyncio.gather(*(listener.stop(GRACE_S) for listener in self._listeners))
        for child in self._beneath:
            await child.stop()

    def check(self) -> None:
        """Only the API writes in this process."""
        if self._web is not None:
            self._web.check()

    def _start_beneath(self) -> Acceptor:
        plan = self._frame.plan
        command = [*plan.command, "--beneath"]
        workers = Workers([*command, "workers"], self._frame.locks)
        has_workers = "workers" in plan.roles
        acceptor = Acceptor([*command, "acceptor"], workers.wake if has_workers else lambda: None)
        beneath: list[Child] = [acceptor]
        if "pollers" in plan.roles:
            self._pollers = Beneath("pollers", [*command, "pollers"])
            beneath.append(self._pollers)
        if has_workers:
            beneath.append(workers)
        for child in beneath:
            if child is not self._pollers:
                child.start()
        # They are stopped in this order.
        self._beneath = beneath
        return acceptor

    def _look_for_sources(self) -> None:
        """Whoever has no source is spared the process of the pollers, and the time to start it."""
        asking = ThreadPoolExecutor(1, thread_name_prefix="sources")
        self._frame.stack.callback(asking.shutdown)
        self._looking = self._frame.scheduler.add_job(
            self._collect_once_asked,
            "interval",
            args=(asking,),
            seconds=1,
            next_run_time=self._frame.app.clock(),
        )

    async def _collect_once_asked(self, asking: ThreadPoolExecutor) -> None:
        try:
            is_asked = await asyncio.get_running_loop().run_in_executor(
                asking, is_polling_asked, self._frame.app
            )
        except StoreDownError as error:
            _log.warning("store_down error=%s", error)
            return
        if is_asked and self._looking is not None and self._pollers is not None:
            self._look_no_more()
            self._pollers.start()

    def _look_no_more(self) -> None:
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.remove()

    async def _open(self, acceptor: Acceptor) -> None:
        settings, app = self._frame.settings, self._frame.app
        intake = DaemonIntake(app, acceptor, settings.store.reserve)
        self._frame.stack.callback(intake.close)
        listeners: list[Listener | Web] = []
        if "doors" in self._frame.plan.roles:
            listeners += [Listener(facts, app.clock) for facts in listener_facts(settings)]
        if "web" in self._frame.plan.roles and settings.web.bind is not None:
            # Whoever serves no HTTP is spared its memory, and the time to import it.
            from maild.daemon.web import Web  # noqa: PLC0415

            self._web = Web(settings, app)
            self._frame.stack.callback(self._web.close)
            listeners.append(self._web)
        opened: list[Listener | Web] = []
        try:
            for listener in listeners:
                await listener.start(intake)
                opened.append(listener)
                _log.info("listening name=%s address=%s", listener.name, listener.address)
        except BaseException:
            await asyncio.gather(*(listener.stop(0) for listener in opened))
            raise
        self._listeners = opened

    async def _end_in_doubt(self) -> None:
        """End when the disk failed under what is written here; the next start opens the database anew."""
        try:
            self.check()
        except StoreDownError:
            self._frame.over.set()
