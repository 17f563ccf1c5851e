"""What the HTTP door needs: its limits, from the settings, and the inside, from the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from maild.core.intake import Intake
from maild.model.reason import Answer

MIB = 1024 * 1024


class Inside(Intake, Protocol):
    """The inside, as this door sees it.  Like Intake, it never raises for a fault of ours."""

    async def opens(self, address: str, key: str) -> tuple[Answer, int | None]:
        """Say whether the key opens the inbox that the address reaches, and the inbox's own size limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFacts:
    """The limits of the door.  Set once by the daemon, never changed."""

    max_size: int = 35 * MIB
    """Largest mail in octets, where the inbox does not say less."""
    max_connections: int = 200
    """Connections at a time; more hear 503."""
    head_max: int = 16 * 1024
    """Octets of a request line and its header."""
    head_timeout: float = 30.0
    """Seconds for a request line and its header, and for what is still sent after an answer."""
    idle_timeout: float = 60.0
    """Seconds that a peer may be silent within a mail."""
    data_timeout: float = 900.0
    """Seconds that one mail may take."""
    refused_timeout: float = 10.0
    """Seconds that a peer may go on sending a mail that is refused, before it hears so."""
