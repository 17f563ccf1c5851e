"""The role `workers`: mails are decided, what is in the outbox is sent, what is over is forgotten."""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import timedelta

from maild import failpoint
from maild.core.app import App
from maild.core.clients_sweeping import sweep
from maild.core.decide import release_workers
from maild.core.erasing import retain, sweep_bodies
from maild.core.forgetting import forget_ended
from maild.core.indexing import ROUND, index_round
from maild.core.quoting import join_old
from maild.core.undo_change import forget_changes
from maild.core.webhook_rounds import forget_dead_posts
from maild.daemon.deciders import QUICK_S, AgainLane, Decider, FreshLane
from maild.daemon.digest import EVERY_S, Digests
from maild.daemon.directories import EVERY_S as EVERY_DIRECTORY_S, Directories
from maild.daemon.notices import Notices
from maild.daemon.outbox import OutboxWorker
from maild.daemon.part import Frame
from maild.daemon.webhooks import EVERY_S as EVERY_HOOK_S, Webhooks
from maild.daemon.workers import obey_doors
from maild.parse.pool import ReaderPool
from maild.store.engine import StoreDownError
from maild.threads import do

INDEX_S = 1
"""How often search is told of mails that were settled since."""
RETAIN_H = 12
RETAIN_FIRST = timedelta(minutes=10)
"""When what is kept for a time is looked through: often enough for days to count, and not while a start is under way."""
SWEEP_S = 2
"""How often is looked whether clients came that mails had waited for."""

_log = logging.getLogger("maild.clients")


def _keep_house(app: App) -> None:
    """Erase what accounts do not keep any longer, and what crashes left of bodies."""
    try:
        retain(app)
        sweep_bodies(app)
    except StoreDownError as error:
        _log.warning("store_down error=%s", error)


class Work:
    """Implements `maild.daemon.part.Part`."""

    def __init__(self, frame: Frame) -> None:
        """Start nothing yet."""
        self._frame = frame
        self._deciders: tuple[Decider, ...] = ()
        """For fresh mails, and for those that are tried again."""
        self._outbox = OutboxWorker(frame.app, frame.settings)
        self._webhooks = Webhooks(frame.app)

    async def start(self) -> None:
        """Begin to work, with what was left undone first."""
        frame = self._frame
        self._start_deciders()
        self._start_outbox()
        frame.scheduler.add_job(
            forget_changes, "interval", args=(frame.app,), hours=1, next_run_time=frame.app.clock()
        )
        frame.scheduler.add_job(forget_ended, "interval", args=(frame.app,), hours=1)
        frame.scheduler.add_job(forget_dead_posts, "interval", args=(frame.app,), hours=1)
        first = frame.app.clock() + RETAIN_FIRST
        frame.scheduler.add_job(
            _keep_house, "interval", args=(frame.app,), hours=RETAIN_H, next_run_time=first
        )
        frame.scheduler.add_job(self._sweep, "interval", seconds=SWEEP_S)
        frame.scheduler.add_job(self._join_old)
        frame.scheduler.add_job(self._index, "interval", seconds=INDEX_S)
        frame.scheduler.add_job(Directories(frame.app).tick, "interval", seconds=EVERY_DIRECTORY_S)
        self._webhooks.start()
        frame.scheduler.add_job(self._webhooks.tick, "interval", seconds=EVERY_HOOK_S)
        if frame.plan.beneath:
            obey_doors(self._wake)

    async def stop(self) -> None:
        """End the sending in good order.  The deciders settle the batch in hand when the stack is closed."""
        await asyncio.gather(self._outbox.stop(), self._webhooks.stop())

    def check(self) -> None:
        """Raise StoreDownError when the disk failed under the database."""
        self._frame.app.store.database.check()

    def _start_deciders(self) -> None:
        frame, app = self._frame, self._frame.app
        if app.store.database.is_sqlite:
            # We hold the workers' lock: every other worker is dead.  A command that decides in place may be alive.
            failpoint.reached("start.before_release")
            release_workers(app)
            failpoint.reached("start.after_release")
        seconds = frame.settings.limits.reading_time
        processes = frame.settings.workers.processes or os.cpu_count() or 1
        quick = ReaderPool(processes, seconds=min(QUICK_S, seconds))
        patient = ReaderPool(1, seconds=seconds)
        self._deciders = (
            Decider("fresh", quick, FreshLane(app, quick).work),
            Decider("again", patient, AgainLane(app, patient).work),
        )
        for pool, decider in zip((quick, patient), self._deciders, strict=True):
            frame.stack.callback(pool.close)
            decider.start()
            frame.stack.callback(decider.stop)
        self._wake()
        frame.scheduler.add_job(self._wake, "interval", seconds=1)
        frame.scheduler.add_job(self._end_in_doubt, "interval", seconds=1)

    def _start_outbox(self) -> None:
        frame, now = self._frame, self._frame.app.clock()
        self._outbox.start()
        frame.scheduler.add_job(self._outbox.wake, "interval", seconds=1, next_run_time=now)
        if frame.settings.relay.host:
            digests = Digests(frame.app, frame.settings.digest)
            frame.scheduler.add_job(digests.tick, "interval", seconds=EVERY_S, next_run_time=now)
        # Without a relay, too: what nobody will be told is forgotten.
        notices = Notices(frame.app)
        frame.scheduler.add_job(notices.tick, "interval", seconds=EVERY_S, next_run_time=now)

    def _wake(self) -> None:
        for decider in self._deciders:
            decider.wake()

    async def _sweep(self) -> None:
        """File what waited for clients that came, where the account says so (I4)."""
        try:
            while await do(sweep, self._frame.app):
                self._wake()
        except StoreDownError as error:
            _log.warning("store_down error=%s", error)

    async def _join_old(self) -> None:
        """Put mails into conversations that came in under a version which knew none (M14); what is left waits for the next start."""
        after: int | None = 0
        try:
            while after is not None:
                after = await do(join_old, self._frame.app, after)
        except StoreDownError as error:
            _log.warning("store_down error=%s", error)

    async def _index(self) -> None:
        """Let search know what was settled since, round after round, and stop between two when all ends (M6).

        As long as fresh mails wait for a second round it is one of these each time: both take turns at one interpreter,
        and a mail that is not filed is waited for more than one that is not found by its words yet.
        """
        try:
            while not self._frame.over.is_set() and await do(index_round, self._frame.app) == ROUND:
                if self._deciders[0].is_busy:
                    break
        except StoreDownError as error:
            _log.warning("store_down error=%s", error)

    async def _end_in_doubt(self) -> None:
        if self._frame.app.store.database.is_doubtful:
            self._frame.over.set()
