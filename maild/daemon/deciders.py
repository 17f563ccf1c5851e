"""The thread that decides: woken by the acceptor, and once a second by the schedule, because polling is the truth."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from typing import Protocol

from maild.core.app import App
from maild.core.decide import BATCH, Reader, decide_due
from maild.store.engine import StoreDownError

REST_AFTER_FAULT_S = 2.0
"""Pause after a fault, so that a broken store is not hammered."""

GRACE_S = 5.0
"""How long the batch in hand may take at the end before its reading is given up."""

_PROCESSORS = os.cpu_count() or 1
_NOTHING = b"Subject: warm\r\n\r\n"

_log = logging.getLogger("maild.decide")


class ClosableReader(Reader, Protocol):
    """A reader that can be told to give up what it reads."""

    def close(self) -> None:
        """Make every reading end at once with ReaderClosedError."""


class Decider:
    """Decides whatever is due until it is stopped."""

    def __init__(self, app: App, reader: ClosableReader) -> None:
        """Prepare; `start` begins."""
        self._app = app
        self._reader = reader
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="decider", daemon=True)

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

    def _warm_up(self) -> None:
        """Start the reading processes before the first claim: a claim counts as an attempt and must not wait for them."""
        try:
            deque(self._reader.read_many([_NOTHING] * (2 * _PROCESSORS)), maxlen=0)
        except OSError as error:
            # Out of processes or memory for now; it goes on without head start.
            _log.warning("warm_up_failed error=%s", error.strerror)

    def _run(self) -> None:
        self._warm_up()
        while not self._stopping.is_set():
            self._awake.wait()
            self._awake.clear()
            try:
                while not self._stopping.is_set() and decide_due(self._app, self._reader) == BATCH:
                    pass
            except StoreDownError as error:
                _log.warning("store_down error=%s", error)
                self._stopping.wait(REST_AFTER_FAULT_S)
            except Exception:  # noqa: BLE001 - the thread must not die: a fault is told, the work is tried again
                _log.exception("decider_fault")
                self._stopping.wait(REST_AFTER_FAULT_S)
