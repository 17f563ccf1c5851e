"""POP servers that lack what others have, or take it back (D4): one copy of each mail, none lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from maild.core.app import OPERATOR
from maild.core.sources import show_source
from maild.testing.pop_server import NAME, SECRET, PopMail, PopServer
from maild.testing.scripted_pop import SCRIPTS, scripted
from tests.sources.site import FULL, Clock, Collector, Mailbox, letter

KEYS = ["one", "three", "two"]
MANY = 1050 if FULL else 250
"""More than one session takes where mails are deleted."""


def mails(keys: Sequence[str]) -> list[bytes]:
    return [letter(key, body=key * number) for number, key in enumerate(keys, 1)]


def connect(here: Collector, server: PopServer, **more: object) -> None:
    options = {"ref": here.secret_file(SECRET, "pop-pw")}
    here.add_at("box", server.port, NAME, "pop", options=options, **more)


def replace_by(server: PopServer, *letters: bytes) -> None:
    """Have other mails in the place of all that lie there; a number is what the script makes an id of."""
    server.mails = [PopMail(octets, f"late-{number}") for number, octets in enumerate(letters)]


# -- what tells mails apart ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", ["no-uidl", "uidl-duplicate"])
def test_D4_a_server_whose_ids_are_missing_or_all_the_same_gives_each_mail_once(
    here: Collector, script: str
) -> None:
    with scripted(script, mails(KEYS)) as server:
        connect(here, server)
        assert here.poll("box").stored == len(KEYS)
        here.assert_nothing_again("box")
        server.mails.append(PopMail(letter("new"), "uid-new"))
        assert here.poll("box").stored == 1
        here.assert_nothing_again("box")
    assert here.subjects() == sorted([*KEYS, "new"])


def test_D4_without_uidl_two_equal_mails_are_two(here: Collector) -> None:
    with scripted("no-uidl", [letter("nightly", message_id=False)] * 2) as server:
        connect(here, server)
        assert here.poll("box").stored == 2
        here.assert_nothing_again("box")


@pytest.mark.parametrize("after", ["keep", "delete:14d"])
def test_D4_a_server_with_nothing_that_tells_its_mails_apart_is_refused_in_words(
    here: Collector, after: str
) -> None:
    with scripted("no-capa-uidl-top", mails(KEYS)) as server:
        connect(here, server, after=after)
        assert "neither UIDL nor TOP" in here.trouble("box")
        assert server.deleted == []
    assert here.mails() == []


def test_D4_a_server_with_nothing_that_tells_its_mails_apart_can_be_emptied(
    here: Collector,
) -> None:
    keys = [f"mail-{number}" for number in range(MANY)]
    with scripted("no-capa-uidl-top", mails(keys)) as server:
        connect(here, server, after="delete")
        assert here.poll("box").stored == MANY
        assert (len(server.deleted), server.mails) == (MANY, [])
        server.mails.append(PopMail(letter("new"), ""))
        assert here.poll("box").stored == 1
    assert here.subjects() == sorted([*keys, "new"])


def test_D4_what_a_broken_QUIT_leaves_is_known_again_by_its_bytes_and_goes(here: Collector) -> None:
    nightly = letter("nightly", message_id=False)
    with scripted("no-capa-uidl-top", [*mails(KEYS), nightly, nightly]) as server:
        connect(here, server, after="delete")
        whole = server.peer
        server.peer = type("LosesQuit", (whole,), {"do_quit": lambda peer, _: peer.lose()})
        here.trouble("box")
        server.peer = whole
        assert len(server.mails) == 5
        assert here.prove("box").would_fetch == 0
        assert here.poll("box").stored == 0
        assert server.mails == []
    assert len(here.subjects()) == 5


def test_D6_the_same_bytes_after_the_first_were_deleted_are_a_new_mail(
    here: Collector, clock: Clock
) -> None:
    nightly = letter("nightly", message_id=False)
    with scripted("no-capa-uidl-top", [nightly]) as server:
        connect(here, server, after="delete")
        here.poll("box")
        server.mails.append(PopMail(nightly, ""))
        clock.advance(timedelta(days=1))
        assert here.poll("box").stored == 1
    assert len(here.subjects()) == 2


def test_D4_an_id_that_now_names_another_mail_brings_that_mail(here: Collector) -> None:
    with scripted("uidl-reused", mails(KEYS)) as server:
        connect(here, server)
        here.poll("box")
        replace_by(server, letter("another", body="of another length"))
        assert here.poll("box").reused == 1
        here.assert_nothing_again("box")
    assert here.subjects() == sorted([*KEYS, "another"])


def test_D4_an_id_that_now_names_another_mail_deletes_nothing_in_that_session(
    here: Collector,
) -> None:
    with scripted("uidl-reused", mails(KEYS)) as server:
        connect(here, server)
        here.poll("box")
        here.set("box", after="delete")
        replace_by(server, letter("another", body="of another length"))
        here.poll("box")
        assert server.deleted == []
    assert "another" in here.subjects()


@pytest.mark.parametrize("count", [8, 30])
def test_D5_ids_that_are_new_in_each_session_bring_nothing_again(
    here: Collector, count: int
) -> None:
    keys = [f"mail-{number}" for number in range(count)]
    with scripted("uidl-new-each-session", mails(keys)) as server:
        connect(here, server)
        assert here.poll("box").stored == count
        for _ in range(3):
            here.assert_nothing_again("box")
    assert here.subjects() == sorted(keys)


def test_D5_a_listing_that_is_empty_once_brings_nothing_again(here: Collector) -> None:
    with scripted("empty-once", mails(KEYS)) as server:
        connect(here, server)
        assert [here.poll("box").stored for _ in range(3)] == [len(KEYS), 0, 0]
    assert here.subjects() == KEYS


def test_D5_a_listing_that_is_empty_once_loses_nothing_that_was_not_fetched_yet(
    here: Collector,
) -> None:
    with scripted("retr-refuses", mails(KEYS)) as server:
        connect(here, server)
        assert here.poll("box").failed == len(KEYS)
        server.peer = SCRIPTS["empty-once"]
        assert here.poll("box").listed == 0
        assert here.poll("box").stored == len(KEYS)
    assert here.subjects() == KEYS


# -- deleting ------------------------------------------------------------------------------------------------------------


def test_D4_deleting_many_takes_several_sessions_and_takes_them_all(
    here: Collector, box: Mailbox
) -> None:
    keys = [f"mail-{number}" for number in range(MANY)]
    box.send(*keys)
    here.add("box", box, "pop", after="delete")
    figures = here.poll("box")
    assert (figures.stored, figures.acted) == (MANY, MANY)
    assert box.count() == 0
    assert len(here.mails()) == MANY


def test_D4_a_session_that_deletes_takes_no_more_than_two_hundred(here: Collector) -> None:
    keys = [f"mail-{number}" for number in range(MANY)]
    with scripted("behaves", mails(keys)) as server:
        connect(here, server, after="delete")
        here.poll("box")
        assert server.commands.count("quit") == server.sessions == -(-MANY // 200)
        assert len(server.deleted) == MANY


def test_D4_a_quit_that_never_arrived_deletes_at_the_next_round(here: Collector) -> None:
    with scripted("loses-line-at-quit", mails(KEYS)) as server:
        connect(here, server, after="delete")
        assert here.trouble("box")
        assert server.deleted == []
        server.peer = SCRIPTS["behaves"]
        assert here.poll("box").stored == 0
        assert len(server.deleted) == len(KEYS)
    assert here.subjects() == KEYS


def test_D4_a_quit_whose_answer_was_lost_counts_when_the_mails_are_gone(here: Collector) -> None:
    with scripted("quit-done-unanswered", mails(KEYS)) as server:
        connect(here, server, after="delete")
        assert here.trouble("box")
        assert len(server.deleted) == len(KEYS)
        server.peer = SCRIPTS["behaves"]
        here.assert_nothing_again("box")
    assert here.still_to_act("box") == 0
    assert here.subjects() == KEYS


def test_D4_a_server_that_deletes_nothing_keeps_its_mails_and_they_come_once(
    here: Collector,
) -> None:
    with scripted("dele-refuses", mails(KEYS)) as server:
        connect(here, server, after="delete")
        for _ in range(3):
            here.trouble("box")
        assert len(server.mails) == len(KEYS)
    assert here.subjects() == KEYS
    assert show_source(here.app, "box", by=OPERATOR).copies == {"stored": len(KEYS)}
