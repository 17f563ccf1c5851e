"""What the first run takes is what the admin chose, also when it is cut off (D3, D8)."""

from __future__ import annotations

import calendar
import os

import pytest

from maild.core.app import OPERATOR
from maild.core.sources import note_round, show_source, source_row, sources_to_poll
from maild.doors.imap.round import HEADS
from tests.crash.cutter import Cut, Cutter
from tests.sources.site import Collector, Mailbox, letter

KINDS = pytest.mark.parametrize("kind", ["imap", "pop"])


@KINDS
def test_D3_all_takes_what_lies_there_and_what_comes(
    here: Collector, box: Mailbox, kind: str
) -> None:
    box.send("old")
    here.add("box", box, kind, since="all")
    here.poll("box")
    box.send("new")
    here.poll("box")
    assert here.subjects() == ["new", "old"]


@KINDS
def test_D3_none_takes_only_what_comes_from_now_on(
    here: Collector, box: Mailbox, kind: str
) -> None:
    box.send("old-1", "old-2")
    here.add("box", box, kind, since="none")
    assert here.poll("box").skipped == 2
    box.send("new")
    here.poll("box")
    assert here.subjects() == ["new"]


@KINDS
def test_D3_none_on_an_empty_box_takes_the_first_mail_that_comes(
    here: Collector, box: Mailbox, kind: str
) -> None:
    here.add("box", box, kind, since="none")
    assert here.poll("box").listed == 0
    box.send("first")
    here.poll("box")
    assert here.subjects() == ["first"]


@KINDS
def test_D3_a_date_takes_what_is_from_that_day_on(here: Collector, box: Mailbox, kind: str) -> None:
    # IMAP goes by when the server received it, POP by what the mail says.
    box.fill([dated("before", 19), dated("that-day", 20), dated("after", 21)])
    if kind == "imap":
        received(box, {"before": 19, "that-day": 20, "after": 21})
    here.add("box", box, kind, since="2026-11-20")
    assert here.poll("box").skipped == 1
    here.assert_nothing_again("box")
    assert here.subjects() == ["after", "that-day"]


def dated(key: str, day: int) -> bytes:
    return letter(key).replace(b"20 Nov 2026", f"{day} Nov 2026".encode())


def received(box: Mailbox, days: dict[str, int]) -> None:
    """Have the server say that it received them at noon of these days of November 2026."""
    new = box.dovecot.folder / "mail" / box.user / "new"
    for path in new.iterdir():
        subject = path.read_text().partition("Subject: ")[2].partition("\n")[0]
        noon = calendar.timegm((2026, 11, days[subject], 12, 0, 0))
        os.utime(path, (noon, noon))


@KINDS
def test_D8_a_source_without_a_choice_is_not_polled_and_fetches_nothing(
    here: Collector, box: Mailbox, kind: str
) -> None:
    box.send("old")
    here.add("box", box, kind, since=None)
    view = show_source(here.app, "box", by=OPERATOR)
    assert (view.state, view.conditions) == ("PAUSED", ("WAITING_FOR_APPROVAL",))
    assert sources_to_poll(here.app) == []
    counts = here.test("box")
    assert (counts.listed, counts.known) == (1, 0)
    assert here.mails() == []


@KINDS
def test_D8_what_came_while_nobody_had_chosen_counts_as_old(
    here: Collector, box: Mailbox, kind: str
) -> None:
    here.add("box", box, kind, since=None)
    here.test("box")
    box.send("meanwhile")
    here.set("box", since="none")
    here.poll("box")
    box.send("new")
    here.poll("box")
    assert here.subjects() == ["new"]


@pytest.mark.slow
def test_D5_a_first_listing_that_was_cut_off_still_tells_old_from_new(
    here: Collector, box: Mailbox
) -> None:
    count = HEADS + 100
    box.send(*(f"old-{number}" for number in range(count)))
    with Cutter(box.dovecot.imap) as cutter:
        here.add_at("box", cutter.port, box.user, "imap", since="none")
        # Three requests make the first portion, which is entered; the fourth is never asked.
        cutter.set(Cut(says="client", words=b"UID FETCH", passing=4))
        assert "broke" in here.trouble("box")
        assert show_source(here.app, "box", by=OPERATOR).copies == {"skipped": HEADS}
        box.send("new-1", "new-2")
        here.poll("box")
        assert here.subjects() == ["new-1", "new-2"]
        assert show_source(here.app, "box", by=OPERATOR).copies["skipped"] == count


@pytest.mark.slow
def test_D5_a_first_listing_that_was_cut_off_begins_again_under_new_numbers(
    here: Collector, box: Mailbox
) -> None:
    box.send(*(f"old-{number}" for number in range(HEADS + 100)))
    with Cutter(box.dovecot.imap) as cutter:
        here.add_at("box", cutter.port, box.user, "imap", since="none")
        cutter.set(Cut(says="client", words=b"UID FETCH", passing=4))
        assert "broke" in here.trouble("box")
        box.dovecot.lose_uids(box.user)
        here.poll("box")
        box.send("new")
        here.poll("box")
    assert here.subjects() == ["new"]


def test_D9_a_source_that_is_another_now_is_not_OK_because_the_former_was(
    here: Collector, box: Mailbox
) -> None:
    here.add("box", box)
    source = source_row(here.app, "box", by=OPERATOR)
    note_round(here.app, source, {"last_try_at": here.app.clock()})
    assert here.set("box", every="2h").source.state == "OK"
    assert here.set("box", host="localhost").source.state == "CONNECTING"
