"""Reading is linear in the size of a mail, whatever stands in it (T6).

A mail is grown: hypothesis chooses a place in it (a field, the parts, a text, HTML …), what is written there again
and again, and what stands before and behind that.  Growth is measured, never speed, in two ways:

* calls: `sys.setprofile` counts every call of a Python or C function while mails of three sizes are read.  This is
  exact and the same on every machine, and it finds loops of ours that look back.
* processor time at the largest size that is looked at in that place (64 KiB of a field, 2 MB of HTML …; a body is
  35 MiB with MAILD_TEST_FULL and less otherwise) against a quarter of it: it finds what is hidden in one call, a regular expression
  that backtracks or an HTML parser that walks up its tree.  Linear gives 4 and quadratic 16; more than 9, seen three
  times in a row by the quickest of two readings each, fails.  What takes less than 50 ms at that size cannot hurt.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from contextlib import suppress
from types import FrameType

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from maild.model.letter import UnreadableError
from maild.parse import read_letter
from maild.testing.growth import PLACES, Growing

pytestmark = pytest.mark.slow

FULL = bool(os.environ.get("MAILD_TEST_FULL"))
BODY_MAX = 35 * 1024 * 1024 if FULL else 1024 * 1024
EXAMPLES = 3_000 if FULL else 20
# Shrinking would measure the worst mail some hundred times.
PHASES = (Phase.explicit, Phase.generate)
CALLS_AT = 60 * 1024
CALLS_FLOOR = 20_000
CALLS_TIMES = 6
SECONDS_FLOOR = 0.05
TIMES_MAX = 9.0
"""For four times the size.  In between lie n log n, caches that no longer hold, and a busy machine."""

KNOWN = {
    # As long as a field may be: what names the charset is cut off, and only semicolons are left.
    "a field of semicolons": Growing(
        place="Content-Type", first=b"/", again=b";", last=b"; charset=utf-8"
    ),
    "HTML whose end tags match nothing": Growing(place="HTML", again=b"<span></x>"),
    "HTML blocks and end tags that match nothing": Growing(place="HTML", again=b"<div></x>"),
    "HTML elements that are closed in the wrong order": Growing(
        place="HTML", again=b"<span><div></span></div>"
    ),
    "HTML lists that are closed inside of table cells": Growing(
        place="HTML", again=b"<ul><table><td></ul></td></table>"
    ),
    "HTML tags put together behind a comment": Growing(
        place="HTML", first=b"<<!---->a ", again=b"x@@=1 ", last=b">x"
    ),
    "a forwarded page of one tag with many attributes": Growing(
        place="forwarded HTML", first=b"<a ", again=b"x@@ ", last=b">x"
    ),
    "a forwarded page whose formats are opened again": Growing(
        place="forwarded HTML",
        first=b"<div>" + b"".join(b"<b id=%d>" % at for at in range(490)) + b"</div>",
        again=b"<p>x</p>",
    ),
    "a forwarded page of links in links": Growing(
        place="forwarded HTML", again=b"<a href='mailto:x'><table><tr><td>"
    ),
    "a forwarded page of what is hidden": Growing(
        place="forwarded HTML", again=b"<span hidden><p></span>"
    ),
    "boundaries that are none": Growing(place="parts", again=b"--b@@\r\n"),
    "one dash after the other": Growing(place="parts", again=b"--"),
    "parts in parts": Growing(
        place="parts", again=b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    ),
    "header lines of an original, without end": Growing(
        place="forwarded text", again=b"From: a@x.test\r\n"
    ),
    "lines of an original that say nothing": Growing(place="text", again=b"X-a: y\r\n"),
    "separators of originals": Growing(
        place="forwarded text", again=b"-----Original Message-----\r\n"
    ),
    "separators that name a sender": Growing(
        place="forwarded text", again=b"----- Forwarded message from a@@ -----\r\n"
    ),
    "separators that go on behind a sender": Growing(
        place="forwarded text", again=b"----- Forwarded message from a -- "
    ),
    "lines that close an original": Growing(
        place="forwarded text",
        first=b"----- Forwarded Message -----\r\nFrom: a@x.test\r\nTo: b@x.test\r\nSubject: x\r\n\r\n",
        again=b"----- End forwarded message -----\r\n",
    ),
    "labels glued behind a separator": Growing(
        place="forwarded text", first=b"----- Forwarded Message ----- ", again=b"From: a@x.test "
    ),
    "links glued behind a separator": Growing(
        place="forwarded text", first=b"----- Forwarded Message ----- From: ", again=b"mailto:"
    ),
    "attributions broken over lines": Growing(
        place="forwarded text", again=b"On 7 May 2025 a@x.test wrote\r\nat 9:31\r\n"
    ),
    "an original indented below an attribution": Growing(
        place="forwarded text",
        first=b'On 7 May 2025 at 9:31, "A" <a@x.test> wrote:\r\n\r\n',
        again=b"    \t a\r\n",
    ),
    "quotes round a name in an attribution": Growing(
        place="forwarded text", again=b'On 7 May 2025, "" "" "" "" <a@x.test> wrote:\r\n'
    ),
    "names torn from their addresses": Growing(
        place="forwarded text",
        first=b"From: a@x.test\r\nDate: 7 May 2025\r\nSubject: x\r\nTo: b@x.test, C\r\n",
        again=b"D <d@@@x.test>, C\r\n",
    ),
    "commas in a list that goes on": Growing(
        place="forwarded text",
        first=b"From: a@x.test\r\nDate: 7 May 2025\r\nSubject: x\r\nTo: b@x.test",
        again=b",",
        last=b"C\r\nD <d@x.test>\r\n",
    ),
    "signs of quotation": Growing(place="forwarded text", again=b"> "),
    "quoted header lines": Growing(place="answered text", again=b"> To: a@b, \r\n"),
    "folds": Growing(place="fields", first=b"X: y\r\n", again=b" z\r\n"),
    "the same field again": Growing(place="fields", again=b"To: a@b\r\n"),
    "pieces of RFC 2231": Growing(place="Content-Type", again=b"; name*@@=a"),
    "dates": Growing(place="Date", again=b"1 Jan 2026 "),
    "recipients that were not reached": Growing(
        place="text of a bounce", again=b"<bo@@@x.test>: 550 nobody\r\n"
    ),
    "header lines of a mail that came back, never enough": Growing(
        place="text of a bounce", again=b"From: a@b\r\nX\r\n"
    ),
    "header lines of a mail that came back, folded": Growing(
        place="text of a bounce", first=b"From: a@b\r\n", again=b" x\r\n"
    ),
    "codes that are none": Growing(place="text of a bounce", again=b"5.1."),
    "one letter of an address after the other": Growing(place="text of a bounce", again=b"a@"),
    "groups of a report": Growing(
        place="fields of a bounce", again=b"\r\nFinal-Recipient: rfc822; a@@@b\r\nStatus: 5.0.0\r\n"
    ),
    "bounces in bounces": Growing(
        place="fields of a bounce",
        again=b"\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.0.0\r\n",
    ),
    "addresses of Exim": Growing(place="X-Failed-Recipients", again=b"a@@@b, "),
    "encoded words in names": Growing(place="To", again=b"=?utf-8?q?a?= <a@b>, "),
}


def read(raw: bytes) -> None:
    with suppress(UnreadableError):
        read_letter(raw)


def calls(raw: bytes) -> int:
    count = 0

    def tell(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(tell)
    try:
        read(raw)
    finally:
        sys.setprofile(before)
    return count


def seconds(raw: bytes, times: int) -> float:
    """Return the processor time of the quickest of some readings."""
    quickest = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(times):
            started = time.process_time()
            read(raw)
            quickest = min(quickest, time.process_time() - started)
    finally:
        gc.enable()
    return quickest


def is_linear_in_calls(mail: Growing) -> bool:
    """Whether not both fourfold steps in size take far more than four times the calls: one alone may pass a limit."""
    most = min(PLACES[mail.place].most, CALLS_AT)
    many = calls(mail.mail(most))
    if many < CALLS_FLOOR:
        return True
    some = calls(mail.mail(most // 4))
    return many < CALLS_TIMES * some or some < CALLS_TIMES * calls(mail.mail(most // 16))


def growth_of_time(mail: Growing) -> float:
    """Return how many times the time four times the size takes, the least of three measurements if it is too much."""
    most = min(PLACES[mail.place].most, BODY_MAX)
    large = mail.mail(most)
    if seconds(large, 1) < SECONDS_FLOOR:
        return 1.0
    small = mail.mail(most // 4)
    least = float("inf")
    for _ in range(3):
        least = min(least, seconds(large, 2) / max(seconds(small, 2), 0.001))
        if least <= TIMES_MAX:
            break
    return least


@pytest.mark.parametrize("name", KNOWN)
def test_T6_reading_grows_no_faster_than_the_mail(name: str) -> None:
    assert is_linear_in_calls(KNOWN[name])
    assert growth_of_time(KNOWN[name]) <= TIMES_MAX


@st.composite
def growing(draw: st.DrawFn) -> Growing:
    name = draw(st.sampled_from(sorted(PLACES)))
    words = st.lists(st.sampled_from(PLACES[name].words), max_size=3).map(b"".join)
    again = draw(
        st.lists(st.sampled_from(PLACES[name].words), min_size=1, max_size=5).map(b"".join)
    )
    return Growing(place=name, first=draw(words), again=again, last=draw(words))


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES
)
@given(growing())
def test_T6_whatever_is_repeated_reading_is_linear_in_calls(mail: Growing) -> None:
    assert is_linear_in_calls(mail)


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES
)
@given(growing())
def test_T6_whatever_is_repeated_reading_is_linear_in_time(mail: Growing) -> None:
    assert growth_of_time(mail) <= TIMES_MAX
