"""Where time and identity come from; everything below `daemon` is handed these."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from ulid import ULID

Clock = Callable[[], datetime]
Ids = Callable[[], str]


def system_clock() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


def new_ulid() -> str:
    """Return a fresh ULID: 26 characters that sort by the time of their making."""
    return str(ULID.from_timestamp(time.time()))
