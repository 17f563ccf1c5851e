"""`maild serve`: the doors, with acceptor and workers in processes beneath, or the roles that were asked for.

The order of the end is the promise: doors stop taking, sessions past their dot are answered, the last commit is made,
the batch in hand is settled.  A kill at any moment loses nothing; it only makes the next start do the rest.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import uvloop
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from maild import failpoint
from maild.core.app import App, open_app
from maild.daemon.acceptor import Acceptor, accept_for_doors
from maild.daemon.child import Child
from maild.daemon.deciders import QUICK_S, AgainLane, Decider, FreshLane
from maild.daemon.intake import DaemonIntake
from maild.daemon.listeners import listener_facts
from maild.daemon.locks import RoleLock
from maild.daemon.notify import notify
from maild.daemon.outbox import OutboxWorker
from maild.daemon.pollers import Pollers
from maild.daemon.web import Web
from maild.daemon.workers import Beneath, Workers
from maild.doors.smtp.listener import Listener
from maild.model.reason import EX_TEMPFAIL
from maild.parse.pool import ReaderPool
from maild.settings import Settings
from maild.store.engine import sqlite_file

ROLES = ("doors", "workers", "pollers")
"""What this version can run; web follows."""
GRACE_S = 25.0
"""How long sessions past their dot may take to be answered at the end."""

CLOSING_S = 10.0
"""How long closing may take after that: a database that hangs keeps the threads that ask it."""

_log = logging.getLogger("maild.daemon")


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process of a daemon does."""

    roles: Sequence[str] = ROLES
    command: Sequence[str] = ()
    """Starts this program's `serve` again, with the same settings, for what runs beneath."""
    beneath: str = ""
    """What this process does beneath the doors, `acceptor` or `workers`: its stdin is theirs, and so is its role's lock."""


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
    # The doors end us, when the last of their mails is answered for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    app = open_app(settings)
    try:
        with socket.socket(fileno=0) as wire, suppress(ConnectionError):
            accept_for_doors(app, wire)
    finally:
        app.store.close()


class Daemon:
    """One process of a running installation."""

    def __init__(self, settings: Settings, plan: Plan) -> None:
        """Keep the plan; `run` carries it out."""
        self._settings = settings
        self._plan = plan
        self._roles = plan.roles
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Open everything, wait for the end, close everything."""
        with ExitStack() as stack:
            app = open_app(self._settings)
            stack.callback(app.store.close)
            locks = [] if self._plan.beneath else self._take_locks(stack)
            scheduler = self._schedule(app)
            stack.callback(scheduler.shutdown, wait=False)
            listeners: list[Listener | Web] = []
            beneath: tuple[Child, ...] = ()
            tasks: list[Pollers | OutboxWorker] = []
            if "doors" not in self._roles and "workers" in self._roles:
                self._start_deciders(app, scheduler, stack)
                tasks.append(self._start_outbox(app, scheduler))
            if "doors" not in self._roles and "pollers" in self._roles:
                tasks.append(self._start_pollers(app, scheduler))
            if "doors" in self._roles:
                acceptor, *others = self._start_beneath(locks)
                beneath = (acceptor, *others)
                listeners = await self._open_doors(app, acceptor, stack)
            self._obey_signals()
            self._tell_ready()
            await self._stop.wait()
            notify("STOPPING=1")
            _log.info("stopping")
            await asyncio.gather(*(listener.stop(GRACE_S) for listener in listeners))
            for task in tasks:
                await task.stop()
            for child in beneath:
                await child.stop()
            await self._close(stack)
            app.store.database.check()
        _log.info("stopped")

    async def _close(self, stack: ExitStack) -> None:
        """Close everything, but do not wait for ever for threads that wait for a database which does not answer."""
        try:
            async with asyncio.timeout(CLOSING_S):
                await asyncio.get_running_loop().run_in_executor(None, stack.close)
        except TimeoutError:
            _log.error("store_hangs seconds=%d", CLOSING_S)
            os._exit(EX_TEMPFAIL)

    def _take_locks(self, stack: ExitStack) -> list[int]:
        """Hold each role on an embedded database; several nodes may share another one."""
        file = sqlite_file(self._settings.database)
        if file is None:
            return []
        locks = [
            RoleLock(file.absolute().parent, role) for role in self._roles if role != "pollers"
        ]
        for lock in locks:
            stack.callback(lock.release)
        return [lock.descriptor for lock in locks]

    def _tell_ready(self) -> None:
        if self._plan.beneath:
            _log.info("workers_ready pid=%d", os.getpid())
            return
        notify("READY=1")
        _log.info("ready pid=%d roles=%s", os.getpid(), ",".join(self._roles))

    def _start_deciders(self, app: App, scheduler: AsyncIOScheduler, stack: ExitStack) -> None:
        if app.store.database.is_sqlite:
            # We hold the workers' lock: whoever had leases is dead.
            failpoint.reached("start.before_release")
            with app.store.write() as tx:
                tx.deliveries.release(lease=None, now=app.clock())
            failpoint.reached("start.after_release")
        seconds = self._settings.limits.reading_time
        processes = self._settings.workers.processes or os.cpu_count() or 1
        quick = ReaderPool(processes, seconds=min(QUICK_S, seconds))
        patient = ReaderPool(1, seconds=seconds)
        deciders = (
            Decider("fresh", quick, FreshLane(app, quick).work),
            Decider("again", patient, AgainLane(app, patient).work),
        )
        for pool, decider in zip((quick, patient), deciders, strict=True):
            stack.callback(pool.close)
            decider.start()
            stack.callback(decider.stop)

        def wake() -> None:
            for decider in deciders:
                decider.wake()

        async def end_in_doubt() -> None:
            if app.store.database.is_doubtful:
                self._stop.set()

        wake()
        scheduler.add_job(wake, "interval", seconds=1)
        scheduler.add_job(end_in_doubt, "interval", seconds=1)
        if self._plan.beneath:
            threading.Thread(target=_obey_stdin, args=(wake,), daemon=True).start()

    def _start_outbox(self, app: App, scheduler: AsyncIOScheduler) -> OutboxWorker:
        outbox = OutboxWorker(app, self._settings)
        outbox.start()
        scheduler.add_job(outbox.wake, "interval", seconds=1, next_run_time=app.clock())
        return outbox

    def _schedule(self, app: App) -> AsyncIOScheduler:
        """Start what comes round: sweeping what crashes left."""
        scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        scheduler.add_job(lambda: app.store.bodies.sweep_spool(app.clock()), "interval", hours=1)
        scheduler.start()
        return scheduler

    def _start_beneath(self, locks: Sequence[int]) -> tuple[Acceptor, *tuple[Child, ...]]:
        """Start what the doors have beneath them; it is to be stopped in this order."""
        command = [*self._plan.command, "--beneath"]
        workers = Workers([*command, "workers"], locks)
        has_workers = "workers" in self._roles
        acceptor = Acceptor([*command, "acceptor"], workers.wake if has_workers else lambda: None)
        others: list[Child] = []
        if "pollers" in self._roles:
            others.append(Beneath("pollers", [*command, "pollers"]))
        if has_workers:
            others.append(workers)
        for child in (acceptor, *others):
            child.start()
        return (acceptor, *others)

    def _start_pollers(self, app: App, scheduler: AsyncIOScheduler) -> Pollers:
        pollers = Pollers(app, self._settings)
        scheduler.add_job(pollers.tick, "interval", seconds=1, next_run_time=app.clock())
        if self._plan.beneath:
            threading.Thread(target=_obey_stdin, args=(lambda: None,), daemon=True).start()
        return pollers

    async def _open_doors(
        self, app: App, acceptor: Acceptor, stack: ExitStack
    ) -> list[Listener | Web]:
        intake = DaemonIntake(app, acceptor, self._settings.store.reserve)
        stack.callback(intake.close)
        listeners: list[Listener | Web] = [
            Listener(facts, app.clock) for facts in listener_facts(self._settings)
        ]
        listeners.append(Web(self._settings, app))
        opened: list[Listener | Web] = []
        try:
            for listener in listeners:
                await listener.start(intake)
                opened.append(listener)
                if listener.address:
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


def _obey_stdin(wake: Callable[[], None]) -> None:
    """Wake the workers at each octet; at its end the doors are gone, and whatever is in hand the next start does."""
    while os.read(0, 4096):
        wake()
    os._exit(1)
