"""Polling: one supervised task a source, which never ends by itself (D9).

Each second the table of sources is read: what is new is started, what is gone or paused is stopped, what was changed is
started anew, whoever asks for a round gets it.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from maild.core.app import App
from maild.core.sources import sources_to_poll
from maild.daemon.lines import Lines
from maild.daemon.part import Frame
from maild.daemon.polled import Means, Polled
from maild.daemon.rounds import Rounds
from maild.daemon.workers import obey_doors
from maild.settings import Settings
from maild.store.engine import StoreDownError
from maild.threads import do

_log = logging.getLogger("maild.poll")


class Pollers:
    """Keeps a task for each source that is to be polled."""

    def __init__(self, app: App, settings: Settings) -> None:
        """Start nothing yet."""
        lines = Lines(app, settings)
        self._means = Means(
            app=app,
            lines=lines,
            rounds=Rounds(app, lines),
            lease=timedelta(seconds=settings.sources.lease),
            slots=asyncio.Semaphore(settings.sources.concurrency),
        )
        self._tasks: dict[int, Polled] = {}

    async def tick(self) -> None:
        """Start and stop tasks so that they fit what admins want."""
        try:
            wanted = {source.id: source for source in await do(sources_to_poll, self._means.app)}
        except StoreDownError as error:
            _log.warning("store_down error=%s", error)
            return
        for source_id, polled in list(self._tasks.items()):
            source = wanted.get(source_id)
            if source is None or source.version != polled.source.version:
                del self._tasks[source_id]
                await polled.stop()
            elif source.asked_at is not None and source.asked_at != polled.source.asked_at:
                polled.ask(source)
        for source_id, source in wanted.items():
            if source_id not in self._tasks:
                self._tasks[source_id] = Polled(self._means, source)

    async def stop(self) -> None:
        """End every task in good order: the mails in hand are stored, lines are closed, leases given up."""
        tasks, self._tasks = list(self._tasks.values()), {}
        ends = await asyncio.gather(*(polled.stop() for polled in tasks), return_exceptions=True)
        for error in ends:
            if isinstance(error, Exception):
                _log.error("source_ended_badly", exc_info=error)
        self._means.lines.close()


class Collecting:
    """The role `pollers`.  Implements `maild.daemon.part.Part`."""

    def __init__(self, frame: Frame) -> None:
        """Start nothing yet."""
        self._frame = frame
        self._pollers = Pollers(frame.app, frame.settings)

    async def start(self) -> None:
        """Begin to look after the sources."""
        self._frame.scheduler.add_job(
            self._pollers.tick, "interval", seconds=1, next_run_time=self._frame.app.clock()
        )
        if self._frame.plan.beneath:
            obey_doors(lambda: None)

    async def stop(self) -> None:
        """End every task in good order."""
        await self._pollers.stop()

    def check(self) -> None:
        """Raise StoreDownError when the disk failed under the database."""
        self._frame.app.store.database.check()
