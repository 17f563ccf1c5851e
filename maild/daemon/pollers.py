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
from maild.daemon.polled import Means, Polled
from maild.daemon.rounds import Rounds
from maild.doors.imap.storing import do
from maild.settings import Settings
from maild.store.engine import StoreDownError

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
        await asyncio.gather(*(polled.stop() for polled in tasks))
        self._means.lines.close()
