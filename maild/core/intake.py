"""What a door for mail needs from the inside; the daemon provides it, tests may fake it."""

from __future__ import annotations

from typing import Protocol

from maild.core.raw import Raw, Spool
from maild.model.envelope import Envelope
from maild.model.reason import Answer


class Intake(Protocol):
    """The inside, as a door sees it.  None of these raises for a fault of ours: such a fault is an Answer."""

    def room(self, size: int) -> Answer | None:
        """Return DISK_FULL when a mail of `size` octets would eat into the reserve, else None."""

    def spool(self) -> Spool:
        """Return a place for a mail's bytes."""

    async def recipient(self, address: str, size: int | None) -> tuple[Answer, int | None]:
        """Say whether maild answers for the address, and the inbox's own size limit if it has one (octets)."""

    async def sign_in(self, name: str, secret: str, peer: str) -> int | Answer:
        """Return the user that a name and a password, or token, are of; or why the peer may not sign in."""

    async def accept(self, envelope: Envelope, raw: Raw) -> list[Answer]:
        """Store one mail; answer for each of `envelope.recipients`, in their order, after it is durable.

        The spool file is the callee's from here on.  Cancelling the caller does not cancel the act.
        """
