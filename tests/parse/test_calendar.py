"""Invitations: what a card says of them (M13), and what it says of those that are no such thing (T6)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings, strategies as st

from maild.parse.calendar import EVENTS_MAX, read_calendar

ZONE = """BEGIN:VTIMEZONE
TZID:Own zone
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0200
TZOFFSETTO:+0200
END:STANDARD
END:VTIMEZONE
"""


def calendar(event: str, method: str = "REQUEST", zone: str = "") -> bytes:
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:{method}\n{zone}BEGIN:VEVENT\n{event}END:VEVENT\nEND:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


MEETING = """UID:1@x
SUMMARY:Baubesprechung\\, Rossi
DTSTART;TZID=Europe/Berlin:20261120T100000
DTEND;TZID=Europe/Berlin:20261120T113000
LOCATION:Büro 3
ORGANIZER;CN=Anna Rossi:mailto:anna@rossi.example
ATTENDEE:mailto:a@acme.example
ATTENDEE;CN=B:mailto:b@acme.example
RRULE:FREQ=SECONDLY;COUNT=999999999
STATUS:CONFIRMED
"""


def test_M13_a_card_says_what_when_where_and_who() -> None:
    [event] = read_calendar(calendar(MEETING))
    assert event.method == "REQUEST"
    assert event.summary == "Baubesprechung, Rossi"
    assert (event.starts, event.ends) == ("2026-11-20T09:00:00Z", "2026-11-20T10:30:00Z")
    assert (event.zone, event.whole_day, event.repeats) == ("Europe/Berlin", False, True)
    assert event.where == "Büro 3"
    assert event.organizer == "Anna Rossi <anna@rossi.example>"
    assert (event.attendees, event.status, event.uid) == (2, "CONFIRMED", "1@x")


@pytest.mark.parametrize(
    ("event", "zone", "starts", "ends"),
    [
        ("DTSTART:20261120T100000Z\nDURATION:PT90M\n", "", "2026-11-20T10:00:00Z", "2026-11-20T11:30:00Z"),
        ("DTSTART;VALUE=DATE:20261120\nDTEND;VALUE=DATE:20261121\n", "", "2026-11-20", "2026-11-21"),
        ("DTSTART:20261120T100000\n", "", "2026-11-20T10:00:00", ""),
        ("DTSTART;TZID=W. Europe Standard Time:20261120T100000\n", "", "2026-11-20T09:00:00Z", ""),
        ("DTSTART;TZID=Own zone:20261120T100000\n", ZONE, "2026-11-20T08:00:00Z", ""),
        ("SUMMARY:No time\n", "", "", ""),
        ("DTSTART:nonsense\n", "", "", ""),
    ],
)  # fmt: skip
def test_M13_times_are_told_in_utc_by_the_zone_they_were_written_in(
    event: str, zone: str, starts: str, ends: str
) -> None:
    [found] = read_calendar(calendar(event, zone=zone))
    assert (found.starts, found.ends) == (starts, ends)


def zone(rule: str = "", offset: str = "+0200", started: str = "19700101T000000") -> str:
    return ZONE.replace("TZOFFSETTO:+0200\n", f"TZOFFSETTO:{offset}\n{rule}").replace(
        "19700101T000000", started
    )


OWN = "DTSTART;TZID=Own zone:{year}1120T100000\nDTEND;TZID=Own zone:{year}1120T110000\n"


def test_R15_a_zone_is_that_of_its_own_file_whatever_was_read_before() -> None:
    """By its name alone, one mail's zone would decide the time of another's, also of another account's."""
    own = OWN.format(year=2026)
    for offset, starts in (("+0900", "01"), ("-0500", "15"), ("+0900", "01")):
        [event] = read_calendar(calendar(own, zone=zone(offset=offset)))
        assert event.starts == f"2026-11-20T{starts}:00:00Z"
    [event] = read_calendar(calendar(own))
    assert event.starts == "2026-11-20T10:00:00"


NEW_YORK = """BEGIN:VTIMEZONE
TZID:Own zone
BEGIN:STANDARD
DTSTART:16010101T020000
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=1SU;BYMONTH=11
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:-0500
TZOFFSETTO:-0400
RRULE:FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=8,9,10,11,12,13,14;BYDAY=SU
END:DAYLIGHT
END:VTIMEZONE
"""


@pytest.mark.parametrize(("day", "starts"), [("1031", "14"), ("1101", "15"), ("0307", "15"), ("0308", "14")])  # fmt: skip
def test_M13_a_zone_changes_on_the_day_of_each_year_that_it_says(day: str, starts: str) -> None:
    event = f"DTSTART;TZID=Own zone:2026{day}T100000\n"
    [found] = read_calendar(calendar(event, zone=NEW_YORK))
    assert found.starts == f"2026-{day[:2]}-{day[2:]}T{starts}:00:00Z"


@pytest.mark.parametrize(
    "rule",
    [
        "RRULE:FREQ=SECONDLY\n",
        "RR\n ULE:FREQ=MINUTELY\n",
        "RRULE:FREQ=DAILY\n",
        "RRULE:FREQ=YEARLY;BYHOUR=1,2,3,4\n",
        "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\n",
        "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=1;BYDAY=5MO\n",
        "RRULE:FREQ=YEARLY;INTERVAL=7;BYMONTH=2\n",
        "RRULE:FREQ=YEARLY\nRRULE:FREQ=SECONDLY\n",
        "EXRULE:FREQ=SECONDLY\n",
    ],
)
def test_T6_a_zone_whose_rule_is_no_zones_is_left_out_and_its_times_stand_as_written(
    rule: str,
) -> None:
    began = time.process_time()
    [found] = read_calendar(calendar(OWN.format(year=2026), zone=zone(rule)))
    assert (found.starts, found.zone) == ("2026-11-20T10:00:00", "Own zone")
    assert time.process_time() - began < 2


def test_T6_zones_of_all_years_are_soon_followed() -> None:
    change = "BEGIN:STANDARD\nDTSTART:{since}0101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nRRULE:FREQ=YEARLY\nEND:STANDARD\n"
    began = time.process_time()
    for count, since, year in (
        (6, 1601, 2199),
        (7, 1601, 2199),
        (800, 1601, 2199),
        (6, "0002", 2199),
        (6, 1601, 9998),
    ):
        changes = change.replace("{since}", str(since)) * count
        bomb = f"BEGIN:VTIMEZONE\nTZID:Own zone\n{changes}END:VTIMEZONE\n"
        [found] = read_calendar(calendar(OWN.format(year=year), zone=bomb))
        assert found.starts[:4] == str(year)
    assert time.process_time() - began < 4


def test_M13_a_cancelled_meeting_says_so() -> None:
    [found] = read_calendar(calendar("SUMMARY:x\nSTATUS:CANCELLED\n", "CANCEL"))
    assert (found.method, found.status) == ("CANCEL", "CANCELLED")


def test_T6_what_is_too_much_or_none_has_no_card() -> None:
    bombs = [
        b"",
        b"\0" * 1000,
        b"BEGIN:VCALENDAR",
        b"BEGIN:VCALENDAR\r\n" * 4_000,
        b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 4_900,
        calendar("SUMMARY:" + "x" * 300_000 + "\n"),
        calendar("SUMMARY:x\n" * 20_000),
        calendar("DTSTART;TZID=" + "x" * 200_000 + ":20261120T100000\n"),
        calendar("ATTENDEE;CN=" + ";CN=" * 40_000 + ":mailto:x\n"),
        calendar("SUMMARY:" + "\\" * 200_000 + "\n"),
        calendar('X;A="' * 40_000 + "\n"),
    ]
    for bomb in bombs:
        began = time.process_time()
        assert len(read_calendar(bomb)) <= EVENTS_MAX
        assert time.process_time() - began < 8


def test_T6_a_card_shows_few_events_and_short_texts() -> None:
    many = (
        b"BEGIN:VCALENDAR\r\n"
        + b"BEGIN:VEVENT\r\nSUMMARY:x\r\nEND:VEVENT\r\n" * 100
        + b"END:VCALENDAR\r\n"
    )
    assert len(read_calendar(many)) == EVENTS_MAX
    [long] = read_calendar(calendar("SUMMARY:" + "é\u202e" * 5_000 + "\n"))
    assert len(long.summary) <= 500


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_T6_any_text_is_some_events_or_none(text: str) -> None:
    read_calendar(text.encode("utf-8", "replace"))
    read_calendar(calendar(text + "\n"))
