"""Whether the disk has room for one more mail: asked at MAIL and before DATA, so looked up twice a second at most."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from maild.core.app import App
from maild.model.reason import Answer, Reason

LOOK_AGAIN = timedelta(milliseconds=500)
"""How long a look at the disk counts.  What comes in meanwhile meets the reserve; a disk that is full says so itself."""

_log = logging.getLogger("maild.accept")


class Room:
    """Says DISK_FULL before a mail would eat into the reserve (D2)."""

    def __init__(self, app: App, reserve: int) -> None:
        """`reserve` is how many octets stay free on the disk of the bodies."""
        self._app = app
        self._reserve = reserve
        self._free = 0
        self._looked_at: datetime | None = None

    def refusal(self, size: int) -> Answer | None:
        """Return DISK_FULL when a mail of `size` octets, and half as much again, would not leave the reserve free."""
        now = self._app.clock()
        if self._looked_at is None or not timedelta() <= now - self._looked_at < LOOK_AGAIN:
            try:
                self._free = self._app.store.bodies.free()
            except OSError as error:
                _log.error("disk_unreadable error=%s", error.strerror)
                return Answer(Reason.STORE_DOWN)
            self._looked_at = now
        return Answer(Reason.DISK_FULL) if self._free < self._reserve + size * 3 // 2 else None
