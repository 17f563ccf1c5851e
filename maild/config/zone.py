"""The time zone that an operator named, as the system knows it."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from maild.config.problem import ConfigError


def zone_of(name: str) -> tzinfo:
    """Return the zone by whose clock digests are sent.  Raises ConfigError where the system knows none of that name."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):
        raise ConfigError([f"digest.timezone: this system knows no time zone {name}"]) from None
