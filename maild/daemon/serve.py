"""`maild serve`: one process of a daemon, with the roles that were asked for.

The order of the end is the promise: doors stop taking, sessions past their dot are answered, the last commit is made,
the batch in hand is settled.  A kill at any moment loses nothing; it only makes the next start do the rest.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
from contextlib import ExitStack, suppress

import uvloop
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from maild.core.app import App, open_app
from maild.daemon.locks import RoleLock
from maild.daemon.notify import notify
from maild.daemon.part import Frame, Part
from maild.daemon.plan import Plan
from maild.model.reason import EX_TEMPFAIL
from maild.settings import Settings
from maild.store.engine import sqlite_file

CLOSING_S = 10.0
"""How long closing may take at the end: a database that hangs keeps the threads that ask it."""

_log = logging.getLogger("maild.daemon")


def serve(settings: Settings, plan: Plan) -> None:
    """Run until SIGTERM or SIGINT.

    Raises RoleTakenError, ConfigError, SchemaError, DurabilityError, StoreDownError, ListenerError and ListenError before
    anything is open; at the end StoreDownError when the disk failed under the database, which is to be opened anew.
    """
    if plan.beneath == "acceptor":
        _serve_acceptor(settings)
    else:
        uvloop.run(Daemon(settings, plan).run())


def _serve_acceptor(settings: Settings) -> None:
    """Be the acceptor of the doors whose socket is our stdin, until they close it."""
    from maild.daemon.acceptor import accept_for_doors  # noqa: PLC0415 - as in `parts_of`

    # The doors end us, when the last of their mails is answered for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    app = open_app(settings)
    _spare_the_collector()
    try:
        with socket.socket(fileno=0) as wire, suppress(ConnectionError):
            accept_for_doors(app, wire)
    finally:
        app.store.close()


def _spare_the_collector() -> None:
    """Have the collector leave alone what stands by now: it lives as long as the process, and there is much of it.

    Going over it again and again was a tenth of the work of taking and of deciding a mail.
    """
    gc.collect()
    gc.freeze()


def parts_of(frame: Frame) -> list[Part]:
    """Return what the plan asks of this process.

    Each process of a daemon imports what it does and no more: it starts sooner, and holds less memory.
    """
    parts: list[Part] = []
    if frame.plan.is_front:
        from maild.daemon.front import Front  # noqa: PLC0415

        return [Front(frame)]
    if "workers" in frame.plan.roles:
        from maild.daemon.work import Work  # noqa: PLC0415

        parts.append(Work(frame))
    if "pollers" in frame.plan.roles:
        from maild.daemon.pollers import Collecting  # noqa: PLC0415

        parts.append(Collecting(frame))
    return parts


class Daemon:
    """One process of a running installation."""

    def __init__(self, settings: Settings, plan: Plan) -> None:
        """Keep the plan; `run` carries it out."""
        self._settings = settings
        self._plan = plan
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Open everything, wait for the end, close everything."""
        with ExitStack() as stack:
            app = open_app(self._settings)
            stack.callback(app.store.close)
            locks = () if self._plan.beneath else self._take_locks(stack)
            scheduler = self._schedule(app)
            stack.callback(scheduler.shutdown, wait=False)
            parts = parts_of(
                Frame(self._settings, self._plan, app, scheduler, stack, locks, self._over)
            )
            for part in parts:
                await part.start()
            _spare_the_collector()
            self._obey_signals()
            self._tell_ready()
            await self._over.wait()
            notify("STOPPING=1")
            _log.info("stopping")
            for part in parts:
                await part.stop()
            await self._close(stack)
            app.store.database.check()
            for part in parts:
                part.check()
        _log.info("stopped")

    async def _close(self, stack: ExitStack) -> None:
        """Close everything, but do not wait for ever for threads that wait for a database which does not answer."""
        try:
            async with asyncio.timeout(CLOSING_S):
                await asyncio.get_running_loop().run_in_executor(None, stack.close)
        except TimeoutError:
            _log.error("store_hangs seconds=%d", CLOSING_S)
            os._exit(EX_TEMPFAIL)

    def _take_locks(self, stack: ExitStack) -> tuple[int, ...]:
        """Hold each role on an embedded database; several nodes may share another one."""
        file = sqlite_file(self._settings.database)
        if file is None:
            return ()
        locks = [
            RoleLock(file.absolute().parent, role) for role in self._plan.roles if role != "pollers"
        ]
        for lock in locks:
            stack.callback(lock.release)
        return tuple(lock.descriptor for lock in locks)

    def _schedule(self, app: App) -> AsyncIOScheduler:
        """Start what comes round: sweeping what crashes left."""
        scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        scheduler.add_job(lambda: app.store.bodies.sweep_spool(app.clock()), "interval", hours=1)
        scheduler.start()
        return scheduler

    def _tell_ready(self) -> None:
        if self._plan.beneath:
            _log.info("%s_ready pid=%d", self._plan.beneath, os.getpid())
            return
        notify("READY=1")
        _log.info("ready pid=%d roles=%s", os.getpid(), ",".join(self._plan.roles))

    def _obey_signals(self) -> None:
        loop = asyncio.get_running_loop()

        def end() -> None:
            if self._over.is_set():
                os._exit(1)  # The second signal: at once, and still nothing is lost.
            self._over.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
