"""Rounds on a line that stays open: the mailbox is not opened anew, and nothing is missed or doubled (D3, D5)."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from maild.doors.imap.ask import Ask
from maild.doors.imap.session import Session
from tests.sources.site import Collector, Mailbox

pytestmark = pytest.mark.real


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the commands that servers were given."""
    given: list[str] = []
    do = Session.do

    async def heard(self: Session, name: str, *words: str, prefix: str = "", room: int = 0) -> Ask:
        given.append(name)
        return await do(self, name, *words, prefix=prefix, room=room)

    monkeypatch.setattr(Session, "do", heard)
    return given


def test_a_mailbox_is_opened_once_and_asked_for_news(
    here: Collector, box: Mailbox, commands: list[str]
) -> None:
    """A server reads all of a mailbox to open it; with 50,000 mails that would be every round's price."""
    box.send("one", "two")
    here.add("acme", box)

    def another(key: str) -> Callable[[], None]:
        return lambda: box.send(key)

    done = here.poll_on_a_line("acme", lambda: None, another("three"), another("four"))

    assert [(figures.listed, figures.new) for figures in done] == [(2, 2), (2, 0), (3, 1), (4, 1)]
    assert commands.count("SELECT") == 1
    assert here.subjects() == ["four", "one", "three", "two"]
    here.assert_nothing_again("acme")


def test_what_others_do_meanwhile_neither_hides_nor_doubles_a_mail(
    here: Collector, box: Mailbox
) -> None:
    box.send("one", "two", "three")
    here.add("acme", box)

    def others() -> None:
        box.dovecot.doveadm("expunge", "-u", box.user, "mailbox", "INBOX", "subject", "two")
        box.send("four")
        box.flag("\\Seen")

    done = here.poll_on_a_line("acme", others, lambda: None)

    assert [(figures.listed, figures.new) for figures in done] == [(3, 3), (3, 1), (3, 0)]
    assert here.subjects() == ["four", "one", "three", "two"]
    here.assert_nothing_again("acme")


def test_a_mailbox_that_is_made_anew_under_the_line_is_seen_for_what_it_is(
    here: Collector, box: Mailbox
) -> None:
    box.create("Work")
    box.send("one", "two", folder="Work")
    here.add("acme", box, folder="Work")

    def anew() -> None:
        time.sleep(1.1)  # Dovecot tells a folder from the one before it by a time in seconds.
        box.dovecot.doveadm("mailbox", "delete", "-u", box.user, "Work")
        box.create("Work")
        box.send("one", "two", "three", folder="Work")

    here.poll_on_a_line("acme", anew, lambda: None)

    assert here.subjects() == ["one", "three", "two"]
    here.assert_nothing_again("acme")


def test_numbers_that_are_lost_under_the_line_are_noticed(here: Collector, box: Mailbox) -> None:
    """The line goes on with what it had, or ends; either way what comes afterwards comes, and once."""
    box.send("one", "two")
    here.add("acme", box)

    def lost() -> None:
        box.dovecot.lose_uids(box.user)
        box.send("three")

    here.poll_on_a_line("acme", lost, lambda: box.send("four"))
    here.poll("acme")

    assert here.subjects() == ["four", "one", "three", "two"]
    here.assert_nothing_again("acme")
