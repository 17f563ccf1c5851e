"""The same mail by several ways is one; what only looks alike is not (D6)."""

from __future__ import annotations

import pytest

from tests.core.company import Post
from tests.sources.site import INBOX, Collector, Mailbox, letter

TRACES = (
    "Return-Path: <anna@rossi.example>",
    f"Delivered-To: {INBOX}",
    "Received: from mx.rossi.example by mail.acme.example; Fri, 20 Nov 2026 10:00:01 +0000",
)
"""What a server writes on top of a mail that it takes."""


def doors(here: Collector) -> list[str]:
    """By which doors the only mail came."""
    [mail] = here.mails()
    return [one["door"] for one in here.explain(mail)["arrivals"]]


@pytest.mark.parametrize("kind", ["imap", "pop"])
def test_D6_a_mail_by_smtp_and_then_by_polling_is_one_with_two_arrivals(
    here: Collector, box: Mailbox, kind: str
) -> None:
    Post(here.app).send(letter("both"))
    box.fill([letter("both", *TRACES)])
    here.add("box", box, kind)
    assert here.poll("box").stored == 1
    assert doors(here) == ["smtp", kind]
    here.assert_nothing_again("box")


@pytest.mark.parametrize("kind", ["imap", "pop"])
def test_D6_a_mail_by_polling_and_then_by_smtp_is_one_with_two_arrivals(
    here: Collector, box: Mailbox, kind: str
) -> None:
    box.fill([letter("both", *TRACES)])
    here.add("box", box, kind)
    here.poll("box")
    Post(here.app).send(letter("both"))
    assert doors(here) == [kind, "smtp"]


def test_D6_a_mail_in_two_mailboxes_is_one_and_explain_names_both_sources(
    here: Collector, box: Mailbox, second_box: Mailbox
) -> None:
    for name, each, kind in (("first", box, "imap"), ("second", second_box, "pop")):
        each.send("both")
        here.add(name, each, kind)
        here.poll(name)
    [mail] = here.mails()
    assert [one["source"] for one in here.explain(mail)["arrivals"]] == ["first", "second"]


@pytest.mark.parametrize("kind", ["imap", "pop"])
def test_D6_two_copies_of_a_nightly_mail_without_message_id_are_two_mails(
    here: Collector, box: Mailbox, kind: str
) -> None:
    box.fill([letter("backup OK", message_id=False)] * 2)
    here.add("box", box, kind)
    assert here.poll("box").stored == 2
    assert here.subjects() == ["backup OK"] * 2
    here.assert_nothing_again("box")


@pytest.mark.parametrize("kind", ["imap", "pop"])
def test_D6_a_nightly_mail_without_message_id_comes_in_each_night(
    here: Collector, box: Mailbox, kind: str
) -> None:
    here.add("box", box, kind)
    for _ in range(3):
        box.fill([letter("backup OK", message_id=False)])
        assert here.poll("box").stored == 1
    assert here.subjects() == ["backup OK"] * 3


def test_D6_two_copies_of_a_mail_with_message_id_are_one_with_two_arrivals(
    here: Collector, box: Mailbox
) -> None:
    box.send("twice", "twice")
    here.add("box", box)
    assert here.poll("box").stored == 2
    assert doors(here) == ["imap", "imap"]
    here.assert_nothing_again("box")
