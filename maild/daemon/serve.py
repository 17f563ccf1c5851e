"""`maild serve`: everything in one process, or the roles that were asked for.

The order of the end is the promise: doors stop taking, sessions past their dot are answered, the last commit is made,
the batch in hand is settled.  A kill at any moment loses nothing; it only makes the next start do the rest.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from maild.core.acceptor import Acceptor
from maild.core.app import App, open_app
from maild.daemon.deciders import Decider
from maild.daemon.intake import DaemonIntake
from maild.daemon.listeners import listener_facts
from maild.daemon.locks import RoleLock
from maild.daemon.notify import notify
from maild.doors.smtp.listener import Listener
from maild.parse.pool import ReaderPool
from maild.settings import Settings
from maild.store.engine import sqlite_file

ROLES = ("doors", "workers")
"""What this version can run; pollers and web follow."""
GRACE_S = 25.0
"""How long sessions past their dot may take to be answered at the end."""

_log = logging.getLogger("maild.daemon")


def serve(
    settings: Settings, roles: Sequence[str] = ROLES, ready: Callable[[], None] = lambda: None
) -> None:
    """Run until SIGTERM or SIGINT.  `ready` is called when every door is open.

    Raises RoleTakenError, ConfigError, SchemaError, DurabilityError, StoreDownError, ListenerError and ListenError before anything is open.
    """
    uvloop.run(Daemon(settings, roles).run())


class Daemon:
    """One running installation."""

    def __init__(self, settings: Settings, roles: Sequence[str]) -> None:
        """Keep the plan; `run` carries it out."""
        self._settings = settings
        self._roles = roles
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Open everything, wait for the end, close everything."""
        with ExitStack() as stack:
            app = open_app(self._settings)
            stack.callback(app.store.close)
            for role in self._roles:
                stack.callback(_lock(self._settings, role))
            decider = self._start_decider(app, stack) if "workers" in self._roles else None
            scheduler = self._schedule(app, decider)
            stack.callback(scheduler.shutdown, wait=False)
            listeners: list[Listener] = []
            if "doors" in self._roles:
                listeners = await self._open_doors(app, decider, stack)
            self._obey_signals()
            notify("READY=1")
            _log.info("ready pid=%d roles=%s", os.getpid(), ",".join(self._roles))
            await self._stop.wait()
            notify("STOPPING=1")
            _log.info("stopping")
            await asyncio.gather(*(listener.stop(GRACE_S) for listener in listeners))
            await asyncio.get_running_loop().run_in_executor(None, stack.close)
        _log.info("stopped")

    def _start_decider(self, app: App, stack: ExitStack) -> Decider:
        pool = ReaderPool(
            self._settings.workers.processes or os.cpu_count() or 1,
            seconds=self._settings.limits.reading_time,
        )
        stack.callback(pool.close)
        decider = Decider(app, pool)
        if app.store.database.is_sqlite:
            # We hold the workers' lock: whoever had leases is dead.
            with app.store.write() as tx:
                tx.deliveries.release(lease=None, now=app.clock())
        decider.start()
        stack.callback(decider.stop)
        decider.wake()
        return decider

    def _schedule(self, app: App, decider: Decider | None) -> AsyncIOScheduler:
        """Start what comes round: looking for due work, and sweeping what crashes left."""
        scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        if decider is not None:
            scheduler.add_job(decider.wake, "interval", seconds=1)
        scheduler.add_job(lambda: app.store.bodies.sweep_spool(app.clock()), "interval", hours=1)
        scheduler.start()
        return scheduler

    async def _open_doors(
        self, app: App, decider: Decider | None, stack: ExitStack
    ) -> list[Listener]:
        acceptor = Acceptor(app, decider.wake if decider is not None else lambda: None)
        acceptor.start()
        stack.callback(acceptor.stop)
        intake = DaemonIntake(app, acceptor, self._settings.store.reserve)
        stack.callback(intake.close)
        listeners = [Listener(facts, app.clock) for facts in listener_facts(self._settings)]
        opened: list[Listener] = []
        try:
            for listener in listeners:
                await listener.start(intake)
                opened.append(listener)
                _log.info("listening name=%s address=%s", listener.name, listener.address)
        except BaseException:
            await asyncio.gather(*(listener.stop(0) for listener in opened))
            raise
        return listeners

    def _obey_signals(self) -> None:
        loop = asyncio.get_running_loop()

        def end() -> None:
            if self._stop.is_set():
                os._exit(1)  # The second signal: at once, and still nothing is lost.
            self._stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)


def _lock(settings: Settings, role: str) -> Callable[[], None]:
    """Hold the role on an embedded database; several nodes may share another one."""
    file = sqlite_file(settings.database)
    if file is None:
        return lambda: None
    return RoleLock(Path(file).absolute().parent, role).release
