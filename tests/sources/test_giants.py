"""A mail that is too large comes as its header, once, and stays on the server (D12)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maild.core.app import OPERATOR
from maild.core.inboxes import show_inbox
from maild.core.repairs import Asked, repair
from maild.core.sources import show_source
from maild.model.reason import RefusedError
from tests.core.company import READER
from tests.sources.site import INBOX, Collector, Mailbox, letter

KINDS = pytest.mark.parametrize("kind", ["imap", "pop"])
MOST = 20_000
GIANT = letter("giant", body="x" * 60 + "\r\n" + ("y" * 70 + "\r\n") * 1000)


@pytest.fixture
def small(here: Collector) -> Collector:
    """It takes mails of up to MOST octets."""
    return here.with_settings(max_size=MOST)


def polled(here: Collector, box: Mailbox, kind: str, **more: str) -> None:
    box.fill([GIANT, letter("small")])
    here.add("box", box, kind, **more)
    figures = here.poll("box")
    assert (figures.stored, figures.headers) == (1, 1)


@KINDS
def test_D12_a_giant_mail_is_its_header_with_reason_and_whole_size(
    small: Collector, box: Mailbox, kind: str
) -> None:
    polled(small, box, kind)
    [giant] = [one for one in small.mails() if one["subject"] == "giant"]
    assert (giant["state"], giant["reason"]) == ("unfiled", "TOO_LARGE")
    said = small.explain(giant)
    shown = str(said["reason_text"])
    size = len(GIANT)
    assert any(text in shown for text in (str(size), f"{size / 1000:.0f}", f"{size / 1024:.0f}")), (
        shown
    )
    assert small.subjects() == ["giant", "small"]


@KINDS
def test_D12_a_giant_mail_is_not_fetched_at_the_next_polls(
    small: Collector, box: Mailbox, kind: str
) -> None:
    polled(small, box, kind)
    for _ in range(3):
        small.assert_nothing_again("box")
    assert len(small.mails()) == 2


@KINDS
def test_D12_a_giant_mail_is_known_when_everything_has_new_numbers(
    small: Collector, box: Mailbox, kind: str
) -> None:
    polled(small, box, kind)
    box.send(*(f"more-{number}" for number in range(4)))
    small.poll("box")
    box.dovecot.lose_uids(box.user)
    assert small.poll("box").headers == 0
    assert show_source(small.app, "box", by=OPERATOR).copies == {"stored": 5, "header_only": 1}


@KINDS
@pytest.mark.parametrize("is_late", [False, True], ids=["from the start", "set later"])
def test_D12_deleting_never_takes_a_giant_whose_header_alone_is_here(
    small: Collector, box: Mailbox, kind: str, is_late: bool
) -> None:
    polled(small, box, kind, after="keep" if is_late else "delete")
    if is_late:
        small.set("box", after="delete")
        small.poll("box")
    assert box.subjects() == ["giant"]


def test_D12_moving_leaves_a_giant_where_it_is(small: Collector, box: Mailbox) -> None:
    box.create("Taken")
    polled(small, box, "imap", after="move:Taken")
    assert box.subjects() == ["giant"]
    assert box.subjects("Taken") == ["small"]


@KINDS
def test_D12_the_inboxs_own_limit_makes_a_giant_too(
    here: Collector, box: Mailbox, kind: str
) -> None:
    polled(here, box, kind, inbox="small@acme.example")
    here.assert_nothing_again("box")
    assert {one["reason"] for one in here.mails() if one["subject"] == "giant"} == {"TOO_LARGE"}


@KINDS
def test_E2_a_giant_mail_is_fetched_whole_by_its_repair_once_the_limit_is_raised(
    small: Collector, here: Collector, box: Mailbox, kind: str
) -> None:
    polled(small, box, kind)
    [giant] = [one for one in small.mails() if one["subject"] == "giant"]
    tight, wide = (replace(here.app, fetch_max=most) for most in (MOST, 10 * len(GIANT)))
    with pytest.raises(RefusedError, match=r"Raise sources\.max_size"):
        repair(tight, READER, giant["ulid"], Asked(action="fetch"), by=OPERATOR)
    asked = Asked(action="fetch", value="1MiB")
    with pytest.raises(RefusedError, match=r"Raise sources\.max_size"):
        repair(tight, READER, giant["ulid"], asked, by=OPERATOR)
    assert show_inbox(here.app, INBOX, by=OPERATOR).max_size is None
    assert "box" in repair(wide, READER, giant["ulid"], asked, by=OPERATOR).text
    assert show_inbox(here.app, INBOX, by=OPERATOR).max_size == 1024 * 1024
    assert here.poll("box").stored == 1
    fates = [(one["state"], one["reason"]) for one in here.mails() if one["subject"] == "giant"]
    assert fates == [("ignored", "DISMISSED"), ("filed", "FILED_CONTACT")]
