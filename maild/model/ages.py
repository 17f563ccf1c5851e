"""How long something is kept, as people write it: 3y, 18mo, 6w, 90d, or off."""

from __future__ import annotations

import re
from datetime import timedelta

_AGE = re.compile(r"([1-9][0-9]{0,4})(d|w|mo|y)", re.ASCII)
_DAYS = {"d": 1, "w": 7, "mo": 30, "y": 365}
OFF = "off"


def age_of(text: str) -> timedelta | None:
    """Return the age; None: for ever.  A month has 30 days, a year 365.  Raises ValueError."""
    word = text.strip().casefold()
    if word in {OFF, "none", ""}:
        return None
    found = _AGE.fullmatch(word)
    if found is None or int(found[1]) * _DAYS[found[2]] > 36_500:
        raise ValueError(f"{text[:20]} is no age")
    return timedelta(days=int(found[1]) * _DAYS[found[2]])
