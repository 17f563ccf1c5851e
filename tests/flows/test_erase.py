"""Erasing as the operator does it; a real Dovecot has nothing that would be fetched again (D5, product H)."""

from __future__ import annotations

import pytest

from maild.testing.dovecot import Dovecot
from maild.testing.installation import Installation
from tests.flows.test_sources import COUNT, add, dovecot, mails, place, refused

__all__ = ["dovecot", "place"]

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_D5_nothing_that_was_erased_is_fetched_again(place: Installation, dovecot: Dovecot) -> None:
    add(place, dovecot, "imap", "--since", "all")
    assert place.here("source", "poll", "box")["stored"] == COUNT
    place.start()
    assert len(mails(place)) == COUNT
    counted = place.here("erase", "--inbox", "info@acme.example")
    assert (counted["found"], counted["erased"]) == (COUNT, 0)
    assert {mail["state"] for mail in mails(place)} != {"erased"}
    assert place.here("erase", "--inbox", "info@acme.example", "--yes")["erased"] == COUNT
    place.stop()
    assert place.here("source", "poll", "box")["stored"] == 0
    assert place.here("source", "prove", "box")["would_fetch"] == 0
    dovecot.lose_uids("info@acme.example")
    assert place.here("source", "prove", "box")["would_fetch"] == 0
    figures = place.here("source", "poll", "box")
    assert (figures["stored"], figures["renumbered"]["matched"]) == (0, COUNT)
    found = mails(place)
    assert ({mail["state"] for mail in found}, len(found)) == ({"erased"}, COUNT)
    shown = place.here("mail", "show", found[0]["id"])
    assert (shown["subject"], shown["text"], shown["from"], shown["to"]) == ("", None, "", [])
    assert "erased" in refused(place, "mail", "show", found[0]["id"], "--raw")
    assert place.here("explain", found[0]["id"])
    assert place.here("mail", "history", found[0]["id"])
    assert place.here("doctor")["broken"] == []


def test_H_a_retention_says_how_many_go_and_waits_for_a_word(
    place: Installation, dovecot: Dovecot
) -> None:
    assert place.here("account", "set", "acme", "retention=3y")["settings"]["retention"] == "3y"
    assert "no age" in refused(place, "erase", "--older-than", "soon")
    assert "Say which" in refused(place, "erase")


def test_D13_what_lay_in_a_mailbox_before_its_source_began_is_imported(
    place: Installation, dovecot: Dovecot
) -> None:
    add(place, dovecot, "imap", "--since", "none")
    assert place.here("source", "poll", "box")["stored"] == 0
    new = b"Message-ID: <new@x>\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\nnew\r\n"
    dovecot.fill("info@acme.example", [new])
    assert place.here("source", "poll", "box")["stored"] == 1
    words = ("import", "--source", "box", "--inbox", "info@acme.example")
    assert place.here(*words, "--dry-run")["new"] == COUNT
    some = place.here(*words, "--since", "2001-01-01", "--limit", "5")
    assert (some["new"], some["known"]) == (COUNT, 1)
    again = place.here(*words)
    assert (again["new"], again["known"], again["failed"]) == (0, COUNT + 1, 0)
    assert place.here(*words, "--since", "2099-01-01")["older"] == COUNT + 1
    place.start()
    found = mails(place)
    assert len(found) == COUNT + 1
    assert [mail["unread"] for mail in found].count(True) == 1
    place.stop()
    assert place.here("source", "prove", "box")["would_fetch"] == 0
    assert "Name files" in refused(place, "import", "--inbox", "info@acme.example")
    assert place.here("doctor")["broken"] == []
