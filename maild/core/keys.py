"""KEY=VALUE settings in the database: known keys only, each with a type and a sentence."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from maild.model.ages import OFF, age_of
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError

_YES, _NO = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})


def nearest_key(key: str, known: Iterable[str]) -> RefusedError:
    """Return the refusal of an unknown key, with the right one if it is near."""
    names = list(known)
    near = difflib.get_close_matches(key[:100], names, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    return RefusedError(
        Reason.INVALID_VALUE,
        what="A key",
        value=short(key),
        why=f"there are {', '.join(names)}.{meant}",
    )


def word_among(key: str, words: tuple[str, ...]) -> Callable[[str], str]:
    """Return a reader that takes one of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise RefusedError(
                Reason.INVALID_VALUE,
                what=key,
                value=short(text),
                why=f"it is one of {', '.join(words)}",
            )
        return text

    return read


def yes_or_no(key: str) -> Callable[[str], bool]:
    """Return a reader that takes true or false."""

    def read(text: str) -> bool:
        word = text.strip().casefold()
        if word not in _YES | _NO:
            raise RefusedError(
                Reason.INVALID_VALUE, what=key, value=short(text), why="it is true or false"
            )
        return word in _YES

    return read


def off_or_age(key: str) -> Callable[[str], str]:
    """Return a reader that takes off, or how long something is kept, as 3y."""

    def read(text: str) -> str:
        try:
            return OFF if age_of(text) is None else text.strip().casefold()
        except ValueError:
            raise RefusedError(
                Reason.INVALID_VALUE,
                what=key,
                value=short(text),
                why="it is off, or an age as 90d, 6w, 18mo or 3y, at most 100 years",
            ) from None

    return read


_HOUR = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


def off_or_time(key: str) -> Callable[[str], str]:
    """Return a reader that takes off, or a time of day as HH:MM."""

    def read(text: str) -> str:
        word = text.strip().casefold()
        if word in _NO:
            return "off"
        if _HOUR.fullmatch(word) is None:
            raise RefusedError(
                Reason.INVALID_VALUE,
                what=key,
                value=short(text),
                why="it is off, or a time as HH:MM",
            )
        return word

    return read


def time_zone(key: str) -> Callable[[str], str]:
    """Return a reader that takes the name of a time zone, as Europe/Vienna."""

    def read(text: str) -> str:
        word = text.strip()
        try:
            return ZoneInfo(word).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise RefusedError(
                Reason.INVALID_VALUE,
                what=key,
                value=short(text),
                why="it is the name of a time zone, as UTC or Europe/Vienna",
            ) from None

    return read
