"""What a process of a daemon has whatever it does, and what it asks of the part that does it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from maild.core.app import App
from maild.daemon.plan import Plan
from maild.settings import Settings


@dataclass(frozen=True, slots=True)
class Frame:
    """One process of a running installation, as its part sees it."""

    settings: Settings
    plan: Plan
    app: App
    scheduler: AsyncIOScheduler
    stack: ExitStack
    """Closed at the end, after the part was stopped, on a thread."""
    locks: Sequence[int]
    """Descriptors of the roles' locks that this process holds."""
    over: asyncio.Event
    """Set when the process is to end."""


class Part(Protocol):
    """The doors, or what works behind them."""

    async def start(self) -> None:
        """Open everything.  May raise ListenerError and ListenError."""

    async def stop(self) -> None:
        """End in good order: who was promised something has it."""

    def check(self) -> None:
        """Raise StoreDownError when what is written here is in doubt."""
