"""What happens on the server after storing (D3, D4): exactly what the source says, to exactly our mails."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maild.testing.dovecot import Dovecot
from tests.sources.site import Clock, Collector, Mailbox

KINDS = pytest.mark.parametrize("kind", ["imap", "pop"])
KEYS = ["one", "three", "two"]
TARGET = "Taken/Möbel & more"
SEEN = ("mailbox", "INBOX", "SEEN")


@pytest.fixture(params=["MOVE", "no MOVE"])
def any_box(request: pytest.FixtureRequest, box: Mailbox, other_dovecot: Dovecot) -> Mailbox:
    """A mailbox on a server with MOVE, and one on a server without."""
    return box if request.param == "MOVE" else Mailbox(other_dovecot, box.user)


def others(box: Mailbox) -> None:
    """Let a person mark a mail of theirs for deletion, before maild comes."""
    box.send("theirs")
    box.flag("\\Deleted")


# -- \Seen has no say ----------------------------------------------------------------------------------------------------


@KINDS
def test_D3_mail_that_another_client_has_read_before_each_poll_arrives_once(
    here: Collector, box: Mailbox, kind: str
) -> None:
    here.add("box", box, kind)
    for number in range(5):
        box.send(f"mail-{number}")
        box.flag("\\Seen")
        assert here.poll("box", is_full=number % 2 == 0).stored == 1
    here.assert_nothing_again("box")
    assert here.subjects() == [f"mail-{number}" for number in range(5)]


@KINDS
def test_D3_keeping_leaves_every_flag_as_it_was(here: Collector, box: Mailbox, kind: str) -> None:
    box.send("read", "flagged", "fresh")
    box.flag("\\Seen", "mailbox", "INBOX", "subject", "read")
    box.flag("\\Flagged", "mailbox", "INBOX", "subject", "flagged")
    here.add("box", box, kind, after="keep")
    assert here.poll("box").stored == 3
    here.poll("box")
    if kind == "imap":
        assert box.subjects("INBOX", "SEEN") == ["read"]
    assert box.subjects("INBOX", "FLAGGED") == ["flagged"]
    assert box.subjects("INBOX", "DELETED") == []
    assert box.count() == 3


# -- each policy ---------------------------------------------------------------------------------------------------------


def test_D3_seen_marks_what_was_stored_and_leaves_it(here: Collector, box: Mailbox) -> None:
    box.send(*KEYS)
    here.add("box", box, after="seen")
    assert here.poll("box").acted == len(KEYS)
    assert box.subjects("INBOX", "SEEN") == KEYS
    here.assert_nothing_again("box")


@KINDS
def test_D4_delete_takes_what_was_stored_off_the_server(
    here: Collector, box: Mailbox, kind: str
) -> None:
    box.send(*KEYS)
    here.add("box", box, kind, after="delete")
    assert here.poll("box").acted == len(KEYS)
    assert box.subjects() == []
    assert here.subjects() == KEYS


@KINDS
def test_D4_delete_after_days_counts_them_from_storing(
    here: Collector, box: Mailbox, kind: str, clock: Clock
) -> None:
    box.send("early")
    here.add("box", box, kind, after="delete:14d")
    here.poll("box")
    clock.advance(timedelta(days=10))
    box.send("late")
    here.poll("box")
    clock.advance(timedelta(days=3, hours=23))
    here.poll("box")
    assert box.subjects() == ["early", "late"]
    clock.advance(timedelta(hours=2))
    assert here.poll("box").acted == 1
    assert box.subjects() == ["late"]
    clock.advance(timedelta(days=10))
    here.poll("box")
    assert box.subjects() == []
    assert here.subjects() == ["early", "late"]


def test_D3_move_puts_each_mail_into_its_folder_once(here: Collector, any_box: Mailbox) -> None:
    any_box.create(TARGET)
    any_box.send(*KEYS)
    here.add("box", any_box, after=f"move:{TARGET}")
    assert here.poll("box").acted == len(KEYS)
    assert any_box.subjects() == []
    assert any_box.subjects(TARGET) == KEYS
    here.assert_nothing_again("box")
    assert here.subjects() == KEYS


# -- what is not ours ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", ["delete", f"move:{TARGET}"])
def test_D3_what_somebody_else_marked_for_deletion_is_never_expunged(
    here: Collector, any_box: Mailbox, after: str
) -> None:
    any_box.create(TARGET)
    others(any_box)
    here.add("box", any_box, after=after, since="none")
    here.poll("box")
    any_box.send(*KEYS)
    assert here.poll("box").acted == len(KEYS)
    assert any_box.subjects() == ["theirs"]
    assert any_box.subjects("INBOX", "DELETED") == ["theirs"]


@KINDS
def test_D4_what_was_left_out_at_the_first_run_is_not_deleted(
    here: Collector, box: Mailbox, kind: str
) -> None:
    box.send("old")
    here.add("box", box, kind, after="delete", since="none")
    here.poll("box")
    box.send("new")
    here.poll("box")
    assert box.subjects() == ["old"]


# -- what cannot be done -------------------------------------------------------------------------------------------------


def test_D3_a_folder_to_move_to_that_is_not_there_is_named_and_nothing_is_lost(
    here: Collector, any_box: Mailbox
) -> None:
    any_box.send(*KEYS)
    here.add("box", any_box, after="move:Nowhere")
    assert "(move:Nowhere); is the folder there?" in here.trouble("box")
    assert any_box.subjects() == KEYS
    assert here.subjects() == KEYS
    here.prove("box")


def test_D3_a_move_that_failed_is_done_when_the_folder_is_there(
    here: Collector, any_box: Mailbox
) -> None:
    any_box.send(*KEYS)
    here.add("box", any_box, after="move:Later")
    here.trouble("box")
    any_box.create("Later")
    assert here.poll("box").acted == len(KEYS)
    assert any_box.subjects("Later") == KEYS
    here.assert_nothing_again("box")


def test_D9_a_source_that_cannot_move_goes_on_taking_what_comes(
    here: Collector, any_box: Mailbox
) -> None:
    any_box.send("first")
    here.add("box", any_box, after="move:Nowhere")
    here.trouble("box")
    any_box.send("second")
    here.trouble("box")
    assert here.subjects() == ["first", "second"]
