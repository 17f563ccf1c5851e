"""Accepting one mail in a process of its own, with or without a daemon beside it (D1: the pipe).

The synchronous sister of the daemon's intake.  Nothing here raises for a fault of ours: such a fault is an Answer.
"""

from __future__ import annotations

import logging

from maild.core.accept import recipient
from maild.core.acceptor import accept_all
from maild.core.app import App
from maild.core.raw import Raw, Spool
from maild.core.room import Room
from maild.core.share import Incoming
from maild.model.envelope import Envelope
from maild.model.reason import Answer, Reason
from maild.store.engine import StoreDownError

_log = logging.getLogger("maild.accept")


class DirectIntake:
    """Writes to the store by itself; workers of a daemon find the mail by their next look."""

    def __init__(self, app: App, reserve: int) -> None:
        """`reserve` is how many octets stay free on the disk of the bodies."""
        self._app = app
        self._room = Room(app, reserve)

    def room(self, size: int) -> Answer | None:
        """Return DISK_FULL when the reserve and half as much again as the mail would not stay free."""
        return self._room.refusal(size)

    def spool(self) -> Spool:
        """Return a place for a mail's bytes."""
        return Spool(self._app.store.bodies.tmp, self._app.store.inline_max)

    def recipient(self, address: str, size: int | None = None) -> Answer:
        """Say whether maild answers for the address, and takes mail of that size there."""
        try:
            return recipient(self._app, address, size)[0]
        except StoreDownError as error:
            _log.error("store_down error=%s", error)
            return Answer(Reason.STORE_DOWN)

    def accept(self, envelope: Envelope, raw: Raw) -> list[Answer]:
        """Store one mail; answer for each of its recipients, after it is durable.  Takes the spool file over."""
        [answers] = accept_all(self._app, [Incoming(envelope, raw)])
        return answers
