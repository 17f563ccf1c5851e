"""What an invitation says: when, where, who asks (RFC 5545, RFC 5546).  For a card beside the mail; nothing is answered.

A count of lines and octets comes before the library, which builds a tree of all that it is given.  Rules of repetition
are named and never unrolled; of a time zone that the file brings, `calendar_zones` follows what changes once a year.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from maild.model.plain_text import storable
from maild.model.shown import Event
from maild.parse.charsets import decode

OCTETS_MAX = 256 * 1024
LINES_MAX = 5_000
EVENTS_MAX = 5
"""Events of one file that are shown."""
_TEXT_MAX = 500
_LAST_YEAR = 2200
"""Zones are followed year by year up to the event; later than this nobody has one."""
_KINDS = ("VEVENT", "VTODO")
"""Components that have a time and a summary (RFC 5545 3.6); the others are lists and zones."""


def read_calendar(raw: bytes, label: str = "") -> tuple[Event, ...]:
    """Return the first events of a calendar file; none where it is none, or has more than anybody reads.  Never raises."""
    if len(raw) > OCTETS_MAX or raw.count(b"\n") + raw.count(b"\r") > 2 * LINES_MAX:
        return ()
    # Loaded when first needed: half a second, and hardly any mail needs it.
    from icalendar import Calendar  # noqa: PLC0415

    from maild.parse.calendar_zones import forget_zones  # noqa: PLC0415

    forget_zones()
    try:
        calendars = Calendar.from_ical(decode(raw, label or "utf-8")[0], multiple=True)
        return tuple(_events(calendars))
    except Exception:  # noqa: BLE001 - whatever a library says of a file that is none: there is no card then
        return ()


def _events(calendars: list[Any]) -> list[Event]:
    found: list[Event] = []
    for calendar in calendars:
        method = _text(calendar, "METHOD").upper()
        for component in calendar.walk():
            if component.name in _KINDS and len(found) < EVENTS_MAX:
                found.append(_event(component, method))
    return found


def _event(component: Any, method: str) -> Event:
    starts, is_whole_day, zone = _moment(component, "DTSTART")
    return Event(
        method=method,
        summary=_text(component, "SUMMARY"),
        starts=starts,
        ends=_end(component),
        whole_day=is_whole_day,
        zone=zone,
        where=_text(component, "LOCATION"),
        organizer=_person(component.get("ORGANIZER")),
        attendees=len(_many(component.get("ATTENDEE"))),
        status=_text(component, "STATUS").upper(),
        repeats="RRULE" in component or "RDATE" in component,
        uid=_text(component, "UID"),
    )


def _moment(component: Any, name: str) -> tuple[str, bool, str]:
    """Return a moment in UTC, or a day, or a time of wherever one is; whether it is a day; and the zone it was written in."""
    field = component.get(name)
    at = _read(field)
    if isinstance(at, datetime):
        zone = _short(str(field.params.get("TZID", "")))
        if at.tzinfo is None or at.year > _LAST_YEAR:
            return at.replace(tzinfo=None).isoformat(), False, zone
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), False, zone or "UTC"
    if isinstance(at, date):
        return at.isoformat(), True, ""
    return "", False, ""


def _read(field: Any) -> Any:
    """Return what a field says; None where there is none, or one that cannot be read."""
    try:
        return getattr(field, "dt", None)
    except ValueError:  # Of a field that is broken, the library says so here.
        return None


def _end(component: Any) -> str:
    """Return the end that is written, or that follows from how long it lasts (RFC 5545 3.6.1)."""
    written = _moment(component, "DTEND")[0] or _moment(component, "DUE")[0]
    start = _read(component.get("DTSTART"))
    lasts = _read(component.get("DURATION"))
    if written or not isinstance(start, datetime) or not isinstance(lasts, timedelta):
        return written
    end = start + lasts
    return (
        end.replace(tzinfo=None).isoformat()
        if end.tzinfo is None or end.year > _LAST_YEAR
        else end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )


def _person(field: Any) -> str:
    if not field:
        return ""
    address = str(_many(field)[0])
    name = str(getattr(_many(field)[0], "params", {}).get("CN", ""))
    if address[:7].lower() == "mailto:":
        address = address[7:]
    return _short(f"{name} <{address}>" if name and name != address else address)


def _many(field: Any) -> list[Any]:
    if field is None:
        return []
    return field if isinstance(field, list) else [field]


def _text(component: Any, name: str) -> str:
    field = component.get(name)
    return _short(str(_many(field)[0])) if field is not None else ""


def _short(text: str) -> str:
    return storable(" ".join(text[: 4 * _TEXT_MAX].split()))[:_TEXT_MAX]
