"""What a session gathers, and what it and its listener need from each other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from aiosmtpd.smtp import Envelope as LibraryEnvelope

from maild.core.intake import Intake
from maild.core.raw import Spool
from maild.doors.smtp import paths
from maild.doors.smtp.facts import ListenerFacts
from maild.model.clock import Clock
from maild.model.envelope import Envelope
from maild.model.reason import Answer


@dataclass(frozen=True, slots=True)
class Recipient:
    """One that was accepted."""

    path: str
    limit: int | None
    """The inbox's own size limit, if it has one."""


class Transaction(LibraryEnvelope):
    """One mail transaction, from MAIL to its end (RFC 5321 3.3)."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.mail: paths.MailArgument | None = None
        self.accepted: list[Recipient] = []


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end."""

    name: str
    """The IP address, or `unix`."""
    network: str | None = None
    """What the limit per address counts; None: exempt from it."""
    is_relay: bool = False
    """Whether the operator named it: the limit on unknown recipients is not for it."""


class Guest(Protocol):
    """What a listener needs from a session."""

    peer: Peer

    @property
    def handler(self) -> asyncio.Task[None] | None:
        """The task that talks with the peer."""

    def go_down(self) -> None:
        """End in good order."""

    def abort(self) -> None:
        """End at once."""


class Host(Protocol):
    """What a session needs from its listener."""

    facts: ListenerFacts
    clock: Clock
    intake: Intake

    def admit(self, session: Guest, peername: object) -> str | None:
        """Count the session in, and tell it who its peer is; or return the reply that refuses it."""

    def forget(self, session: Guest) -> None:
        """Count it out."""

    def commit(self, envelope: Envelope, spool: Spool) -> asyncio.Task[list[Answer]]:
        """Have a mail stored by a task that outlives the session."""
