"""The threads that decide: woken by the acceptor, and once a second by the schedule, because polling is the truth.

Two of them: one for mails that were never tried, which gives a reading little time, and one for those that died of that
or of anything else.  So two hundred mails that break their readers delay the next good one by seconds (D11).
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from maild.core.app import App
from maild.core.decide import BATCH, Lane, Reader, Round, decide_round, take_back
from maild.store.engine import StoreDownError

REST_AFTER_FAULT_S = 2.0
"""Pause after a fault, so that a broken store is not hammered."""
GRACE_S = 5.0
"""How long the batch in hand may take at the end before its reading is given up."""
GATHER_S = 0.1
"""How long to wait for company after being woken: nobody sees so short a time, and a batch costs little more than one."""
QUICK_S = 1.5
"""Time to read a mail that was never tried; the tries after that have `limits.reading_time`."""
CAREFUL_ROUNDS = 4
"""Rounds without a slow mail before whole batches are taken again."""

_PROCESSORS = os.cpu_count() or 1
_NOTHING = b"Subject: warm\r\n\r\n"

_log = logging.getLogger("maild.decide")


class ClosableReader(Reader, Protocol):
    """A reader that can be told to give up what it reads."""

    def close(self) -> None:
        """Make every reading end at once with ReaderClosedError."""


class Decider:
    """One thread that works rounds until it is stopped."""

    def __init__(self, name: str, reader: ClosableReader, work: Callable[[], bool]) -> None:
        """`work` works one round and says whether there is likely to be more; it reads by `reader`."""
        self._reader = reader
        self._work = work
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self.is_busy = False
        """Whether there was more than a round's work when it last looked."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there may be work.  Cheap; from any thread."""
        self._awake.set()

    def stop(self, grace: float = GRACE_S) -> None:
        """Finish the batch in hand, then end.

        What is not read within the grace is given back unread: the next start reads it, and nobody waits for a bomb.
        """
        self._stopping.set()
        self._awake.set()
        self._thread.join(grace)
        if self._thread.is_alive():
            self._reader.close()
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.wait()
            self._stopping.wait(GATHER_S)
            self._awake.clear()
            try:
                while not self._stopping.is_set() and self._work():
                    self.is_busy = True
            except StoreDownError as error:
                _log.warning("store_down error=%s", error)
                self._stopping.wait(REST_AFTER_FAULT_S)
            except Exception:  # noqa: BLE001 - the thread must not die: a fault is told, the work is tried again
                _log.exception("decider_fault")
                self._stopping.wait(REST_AFTER_FAULT_S)
            self.is_busy = False


class _Worker:
    """Works one round at a time.  What the store kept it from giving back is due as soon as the store is there again."""

    def __init__(self, app: App, reader: Reader) -> None:
        """Keep the reader, which nobody else uses."""
        self._app = app
        self._reader = reader
        self._name = app.ids()
        self._was_down = False

    def _round(self, lane: Lane, limit: int = BATCH) -> Round:
        try:
            if self._was_down:
                take_back(self._app, self._name)
                self._was_down = False
            return decide_round(self._app, self._reader, lane, limit=limit, worker=self._name)
        except StoreDownError:
            self._was_down = True
            raise


class FreshLane(_Worker):
    """Rounds over what was never tried: whole batches, until a mail is slow; then few, the newest and the oldest in turn."""

    def __init__(self, app: App, reader: Reader) -> None:
        """Start without a worry."""
        super().__init__(app, reader)
        self._is_warm = False
        self._careful = 0
        """Rounds that are still to be worked with care."""
        self._lane = Lane.OLDEST
        """Whose turn it is among them."""

    def work(self) -> bool:
        """Work one round; return whether there is likely to be more."""
        if not self._is_warm:
            self._warm_up()
        if not self._careful:
            found = self._round(Lane.FRESH)
            self._careful = CAREFUL_ROUNDS if found.was_slow else 0
            return found.was_slow or found.taken == BATCH
        self._lane = Lane.NEWEST if self._lane is Lane.OLDEST else Lane.OLDEST
        found = self._round(self._lane, _PROCESSORS)
        self._careful = CAREFUL_ROUNDS if found.was_slow else self._careful - 1
        return found.taken > 0

    def _warm_up(self) -> None:
        """Start the reading processes before the first claim: a claim counts as an attempt and must not wait for them."""
        self._is_warm = True
        try:
            deque(self._reader.read_many([_NOTHING] * (2 * _PROCESSORS)), maxlen=0)
        except OSError as error:
            # Out of processes or memory for now; it goes on without head start.
            _log.warning("warm_up_failed error=%s", error.strerror)


class AgainLane(_Worker):
    """Rounds over what was tried before, each mail with the time that the operator allows."""

    def work(self) -> bool:
        """Work one round; return whether there is likely to be more."""
        return self._round(Lane.AGAIN).taken == BATCH
