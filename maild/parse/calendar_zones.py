"""Time zones that a calendar file brings: each file has its own, and none costs more than its years (RFC 5545 3.6.5).

Loads icalendar; whoever has no calendar does not import this.
"""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import Any

from icalendar.timezone import tzp
from icalendar.timezone.zoneinfo import ZONEINFO
from typing_extensions import override

_CHANGES_MAX = 50
"""Of one zone: what it was in each of its times."""
_RULES_MAX = 6
_FIRST_YEAR = 1600
"""Outlook's zones begin in 1601."""
_FIELDS = {
    "FREQ": re.compile("YEARLY"),
    "INTERVAL": re.compile("1"),
    "WKST": re.compile("[A-Z]{2}"),
    "UNTIL": re.compile("[0-9]{8}(T[0-9]{6}Z?)?"),
    "BYMONTH": re.compile("[1-9]|1[0-2]"),
    "BYDAY": re.compile("([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)"),
    "BYMONTHDAY": re.compile("(-?([1-9]|1[0-9]|2[0-8])(,|$)){1,7}"),
}
"""What real zones say.  No month lacks such a day: a rule for one that never comes is followed for eight thousand years."""


def forget_zones() -> None:
    """Forget the zones of all files before: by its name alone, one mail's would decide the time of another's."""
    tzp.use(_Zones())


class _Zones(ZONEINFO):
    """What the library knows by name, and what a file brings, if it is followed year by year."""

    @override
    def create_timezone(self, tz: Any) -> tzinfo | None:  # type: ignore[override]  # its caller takes None
        """Return None for what is no zone of this world: its times are told as they stand, beside its name."""
        changes = tz.subcomponents
        rules = [rule for one in changes if (rule := one.get("RRULE")) is not None]
        if (
            len(changes) > _CHANGES_MAX
            or len(rules) > _RULES_MAX
            or any("EXRULE" in one or one.DTSTART.year < _FIRST_YEAR for one in changes)
            or not all(map(_is_yearly, rules))
        ):
            return None
        return super().create_timezone(tz)


def _is_yearly(rule: Any) -> bool:
    """Whether a rule comes once in a year, or nearly so; a list of rules does not."""
    if isinstance(rule, list):
        return False
    fields = dict(one.partition("=")[::2] for one in rule.to_ical().decode().split(";"))
    if not all(name in _FIELDS and _FIELDS[name].fullmatch(said) for name, said in fields.items()):
        return False
    day = fields.get("BYDAY", "")
    # Within a month, or the fifth Monday of some days would never come either.
    return (
        "FREQ" in fields
        and ("BYMONTH" in fields or not fields.keys() & {"BYDAY", "BYMONTHDAY"})
        and not ("BYMONTHDAY" in fields and len(day) > 2)
    )
