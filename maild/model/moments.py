"""Days and moments as people write them in a search: a day is one in UTC, unless an offset stands behind it.  Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})?", re.ASCII)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment on, up to another one and without it."""

    start: datetime
    end: datetime


def read_span(text: str) -> Span:
    """Return the time that a day or a moment names; a moment is as long as it is written: a minute, or a second.

    Raises ValueError.
    """
    text = text.upper()
    try:
        if day := _DAY.fullmatch(text):
            start = datetime.fromisoformat(f"{day[1]}T00:00{day[2] or 'Z'}")
            return Span(start.astimezone(UTC), (start + timedelta(days=1)).astimezone(UTC))
        if moment := _MOMENT.fullmatch(text):
            start = datetime.fromisoformat(text if moment[2] else f"{text}Z")
            length = timedelta(seconds=1) if moment[1] else timedelta(minutes=1)
            return Span(start.astimezone(UTC), (start + length).astimezone(UTC))
    except (ValueError, OverflowError):
        raise ValueError("there is no such date") from None
    raise ValueError("a date is written 2026-11-01, or 2026-11-01T09:30, with an offset as +01:00")
