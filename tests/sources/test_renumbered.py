"""A server that has numbered everything anew, or is another one: known mails are found again, and only news come in (D5)."""

from __future__ import annotations

import pytest

from maild.core.app import OPERATOR
from maild.core.sources import show_source
from maild.testing.dovecot import Dovecot
from tests.sources.site import FULL, Collector, Mailbox, letter

COUNT = 5000 if FULL else 200
FEW = 30
KINDS = pytest.mark.parametrize("kind", ["imap", "pop"])
WORK = "Work"


def keys(count: int, name: str = "old") -> list[str]:
    return [f"{name}-{number}" for number in range(count)]


def collected(
    here: Collector, box: Mailbox, kind: str, count: int = FEW, folder: str = "", since: str = "all"
) -> None:
    """Let a mailbox be collected whole."""
    box.send(*keys(count), folder=folder)
    here.add("box", box, kind, folder=folder, since=since)
    assert here.poll("box").stored == (count if since == "all" else 0)


@pytest.mark.slow
@KINDS
def test_D5_three_mails_that_came_with_new_numbers_for_all_are_exactly_what_is_fetched(
    here: Collector, box: Mailbox, kind: str
) -> None:
    collected(here, box, kind, COUNT)
    box.dovecot.lose_uids(box.user)
    box.send(*keys(3, "new"))
    proven = here.prove("box")
    assert (proven.would_fetch, proven.again, proven.known) == (3, 0, COUNT)
    figures = here.poll("box")
    assert figures.stored == 3
    assert figures.renumbered["matched"] == COUNT
    assert figures.renumbered["new"] == 3
    here.assert_nothing_again("box")
    assert here.subjects() == sorted(keys(COUNT) + keys(3, "new"))


@KINDS
def test_D5_mails_that_the_first_run_left_out_stay_out_under_new_numbers(
    here: Collector, box: Mailbox, kind: str
) -> None:
    collected(here, box, kind, since="none")
    box.dovecot.lose_uids(box.user)
    box.send("new")
    here.poll("box")
    assert here.subjects() == ["new"]


@KINDS
def test_D5_too_few_known_mails_hold_the_source_and_ask(
    here: Collector, box: Mailbox, kind: str
) -> None:
    collected(here, box, kind)
    swap_half(box)
    assert here.poll("box").stored == 0
    held = show_source(here.app, "box", by=OPERATOR).held
    assert held is not None
    assert (held["listed"], held["matched"], held["new"]) == (FEW, FEW // 2, FEW // 2)
    assert here.subjects() == sorted(keys(FEW))


@KINDS
def test_D5_a_held_source_goes_on_when_a_person_says_that_it_is_the_same_mailbox(
    here: Collector, box: Mailbox, kind: str
) -> None:
    collected(here, box, kind)
    swap_half(box)
    here.poll("box")
    figures = here.poll("box", may_renumber=True)
    assert figures.stored == FEW // 2
    assert show_source(here.app, "box", by=OPERATOR).held is None
    here.assert_nothing_again("box")
    assert here.subjects() == sorted(keys(FEW) + keys(FEW // 2, "other"))


def swap_half(box: Mailbox) -> None:
    """Have other mails in the place of half of them, and new numbers for all."""
    left = keys(FEW)[FEW // 2 :]
    box.dovecot.doveadm("expunge", "-u", box.user, "mailbox", "INBOX", "ALL")
    box.dovecot.lose_uids(box.user)
    box.send(*left, *keys(FEW // 2, "other"))


def test_D5_a_folder_that_was_renamed_and_renamed_back_is_known(
    here: Collector, box: Mailbox
) -> None:
    box.create(WORK)
    collected(here, box, "imap", folder=WORK)
    box.rename(WORK, "Away")
    assert "no folder Work" in here.trouble("box")
    box.rename("Away", WORK)
    here.assert_nothing_again("box")


@pytest.mark.parametrize("count", [5, FEW])
def test_D5_a_folder_that_was_renamed_for_good_is_known_by_its_new_name(
    here: Collector, box: Mailbox, count: int
) -> None:
    box.create(WORK)
    collected(here, box, "imap", count, folder=WORK)
    box.rename(WORK, "Done")
    here.set("box", folder="Done")
    box.send("new", folder="Done")
    proven = here.prove("box")
    assert (proven.would_fetch, proven.again) == (1, 0)
    assert here.poll("box").stored == 1
    here.assert_nothing_again("box")
    assert here.subjects() == sorted([*keys(count), "new"])


def test_D5_what_came_before_the_first_round_under_a_folders_new_name_is_not_left_out(
    here: Collector, box: Mailbox
) -> None:
    box.create(WORK)
    collected(here, box, "imap", folder=WORK, since="none")
    box.rename(WORK, "Done")
    here.set("box", folder="Done")
    box.send("new", folder="Done")
    here.poll("box")
    assert here.subjects() == ["new"]


def test_D3_another_folder_begins_as_since_says(here: Collector, box: Mailbox) -> None:
    box.create(WORK)
    collected(here, box, "imap", since="none")
    box.send(*keys(5, "work"), folder=WORK)
    here.set("box", folder=WORK)
    here.poll("box")
    box.send("new", folder=WORK)
    here.poll("box")
    assert here.subjects() == ["new"]


@pytest.mark.parametrize("count", [5, FEW])
@KINDS
def test_D5_a_mailbox_that_moved_to_another_host_is_known_there(
    here: Collector, box: Mailbox, other_dovecot: Dovecot, kind: str, count: int
) -> None:
    collected(here, box, kind, count)
    moved = Mailbox(other_dovecot, box.user)
    moved.send(*keys(count), "new")
    move(here, moved, kind)
    figures = here.poll("box")
    assert (figures.stored, figures.renumbered["matched"]) == (1, count)
    here.assert_nothing_again("box")
    assert here.subjects() == sorted([*keys(count), "new"])


def test_D5_another_host_that_has_the_same_uidvalidity_is_compared_all_the_same(
    here: Collector, box: Mailbox, other_dovecot: Dovecot
) -> None:
    moved = Mailbox(other_dovecot, box.user)
    moved.send("new")
    for each in (box, moved):
        words = ("-u", each.user, "--uid-validity", "4711", "INBOX")
        each.dovecot.doveadm("mailbox", "update", *words)
    moved.subjects()  # The new mail has the first number there.
    moved.send(*keys(FEW))
    collected(here, box, "imap")
    move(here, moved, "imap")
    assert here.poll("box").stored == 1
    assert here.subjects() == sorted([*keys(FEW), "new"])


def move(here: Collector, to: Mailbox, kind: str) -> None:
    # The same host under another name: T16 alone asks for a new secret then, and this one is read from a file.
    port = to.dovecot.imap if kind == "imap" else to.dovecot.pop
    here.set("box", host="localhost", port=str(port))


@KINDS
def test_D5_equal_mails_under_new_numbers_are_told_apart_by_how_many_there_are(
    here: Collector, box: Mailbox, kind: str
) -> None:
    box.fill([letter("nightly", message_id=False)] * 3)
    box.send(*keys(5))
    here.add("box", box, kind)
    assert here.poll("box").stored == 8
    box.dovecot.lose_uids(box.user)
    box.fill([letter("nightly", message_id=False)])
    here.poll("box")
    here.assert_nothing_again("box")
    assert here.subjects() == sorted([*keys(5), *["nightly"] * 4])


@KINDS
def test_D5_a_mailbox_that_is_empty_while_it_is_restored_brings_nothing_again(
    here: Collector, box: Mailbox, kind: str
) -> None:
    collected(here, box, kind)
    box.dovecot.doveadm("expunge", "-u", box.user, "mailbox", "INBOX", "ALL")
    box.dovecot.lose_uids(box.user)
    assert here.poll("box").listed == 0
    box.send(*keys(FEW))
    assert here.poll("box").stored == 0
    here.assert_nothing_again("box")
