"""Giving and taking back by the thousand, and what who reads meanwhile sees (M1-M5)."""

from __future__ import annotations

import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select

from maild.core import mailbox
from maild.core.app import OPERATOR, Actor, App
from maild.core.giving import GivenMany, find_to_give, give_found
from maild.core.indexing import index_all
from maild.core.lists import Wanted, list_mails
from maild.core.mailbox import add_note, give, set_status, set_unread, take, undo
from maild.core.people import set_active
from maild.model.reason import Reason, RefusedError
from maild.model.states import State
from maild.store import schema
from maild.store.list_walks import Filter
from maild.store.store import Store
from tests.core.company import EVA, JAN, LEA, READER, Post, a_company
from tests.core.conftest import Frozen
from tests.core.firm import refusal
from tests.core.mailboxes import fill

FULL = bool(os.environ.get("MAILD_TEST_FULL"))
ALL = Wanted(account="acme")
MANY = 1200
"""More than two portions."""


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def lying(app: App) -> Counter[tuple[str, bool]]:
    """Return how many mails each mailbox has, by unread."""
    with app.store.read() as tx:
        rows = tx.connection.execute(select(schema.entries.c.owner_id, schema.entries.c.unread))
        return Counter((row.owner_id, bool(row.unread)) for row in rows)


def place(app: App, ulid: str) -> tuple[int | None, bool | None]:
    with app.store.read() as tx:
        row = tx.mailbox.entry(ulid)
    assert row is not None
    return row.owner_id, row.unread


def table(app: App, name: str) -> int:
    return Post(app).table(name)


# --- by search ----------------------------------------------------------------------------------------------------------


def test_M4_all_that_a_search_finds_is_given_as_one_act_and_one_undo_takes_all_back(
    post: Post,
) -> None:
    unread = fill(post.app, MANY - 200, LEA)
    read = fill(post.app, 200, LEA, unread=False)
    portions: dict[int, int] = {}
    done = give_found(
        post.app,
        ALL,
        to=JAN,
        by=Actor(LEA),
        note="for you",
        go_on=lambda at, of: portions.setdefault(at, of) == of,
    )
    assert portions == {500: MANY, 1000: MANY, MANY: MANY}
    assert (done.found, len(done.moved), done.unchanged) == (MANY, MANY, ())
    assert (done.more, done.stopped) == (False, None)
    assert lying(post.app) == {(JAN, True): MANY}
    with post.app.store.read() as tx:
        of_one = tx.mailbox.transfers_of_change(done.id)
        [page] = [list_mails(post.app, Wanted(owner="jan@acme.example", limit=1), by=OPERATOR)]
    assert len(of_one) == MANY
    assert {one.note for one in of_one} == {"for you"}
    assert page.mails[0]["unread_because"] == "Lea gave it to you, 09:42"
    assert table(post.app, "events") == MANY
    back = undo(post.app, READER, by=OPERATOR, change_id=done.id)
    assert (len(back.moved), back.unchanged) == (MANY, ())
    assert lying(post.app) == {(LEA, True): len(unread), (LEA, False): len(read)}


def test_M4_history_has_an_acts_mails_in_their_order_whether_they_are_read_or_not(
    post: Post,
) -> None:
    some = [*fill(post.app, 2, EVA), *fill(post.app, 2, EVA, unread=False), *fill(post.app, 1, EVA)]
    order = [some[one] for one in (4, 2, 0, 3, 1)]
    done = give(post.app, order, to=LEA, by=Actor(LEA))
    assert list(done.moved) == order
    with post.app.store.read() as tx:
        ids = {row.id: ulid for ulid in order if (row := tx.mailbox.entry(ulid))}
        lines = tx.mailbox.transfers_of_change(done.id)
    assert [ids[one.delivery_id] for one in lines] == order
    assert [one.became_unread for one in lines] == [True, False, True, False, True]
    assert list(undo(post.app, READER, by=Actor(LEA), change_id=done.id).moved) == order
    assert [place(post.app, one) for one in some] == [
        (EVA, unread) for unread in (True, True, False, False, True)
    ]


def test_M4_undo_skips_and_lists_what_somebody_changed_since(post: Post) -> None:
    some = fill(post.app, 6, LEA)
    done = give_found(post.app, ALL, to=JAN, by=Actor(LEA))
    take(post.app, some[2], by=Actor(EVA))
    for user in (
        EVA,
        JAN,
    ):  # Away and back: it lies where the act put it, but by somebody's later word.
        give(post.app, [some[4]], to=user, by=OPERATOR)
    back = undo(post.app, READER, by=Actor(LEA), change_id=done.id)
    assert set(back.moved) == {*some} - {some[2], some[4]}
    assert set(back.unchanged) == {some[2], some[4]}
    assert place(post.app, some[2]) == (EVA, True)
    assert place(post.app, some[4]) == (JAN, True)


def test_M4_what_somebody_moves_while_it_runs_is_left_alone_and_listed(post: Post) -> None:
    some = fill(post.app, 700, LEA)

    def meanwhile(done: int, of: int) -> bool:
        if done == mailbox.PORTION:
            give(post.app, some[:2], to=EVA, by=OPERATOR)  # The oldest come last.
        return True

    done = give_found(post.app, ALL, to=JAN, by=OPERATOR, go_on=meanwhile)
    assert set(done.unchanged) == set(some[:2])
    assert len(done.moved) == 698
    assert lying(post.app) == {(JAN, True): 698, (EVA, True): 2}


def test_M4_it_ends_after_the_portion_and_the_same_again_goes_on(post: Post) -> None:
    fill(post.app, MANY, LEA)
    first = give_found(post.app, ALL, to=JAN, by=OPERATOR, go_on=lambda done, of: False)
    assert len(first.moved) == mailbox.PORTION
    assert first.stopped == "It was stopped after 500 of 1200 mails."
    then = give_found(post.app, ALL, to=JAN, by=OPERATOR)
    assert (then.found, len(then.moved), then.stopped) == (700, 700, None)
    assert not {*first.moved} & {*then.moved}


def test_M4_one_act_takes_so_many_and_says_that_there_are_more(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.core.giving.GIVEN_MAX", 5)
    some = fill(post.app, 7, LEA)
    assert find_to_give(post.app, ALL, to=JAN, by=OPERATOR).more
    done = give_found(post.app, ALL, to=JAN, by=OPERATOR)
    assert (done.found, done.more, set(done.moved)) == (5, True, set(some[2:]))
    rest = give_found(post.app, ALL, to=JAN, by=OPERATOR)
    assert (rest.found, rest.more, set(rest.moved)) == (2, False, set(some[:2]))


def test_M4_counting_before_it_moves_nothing(post: Post) -> None:
    fill(post.app, 3, LEA)
    fill(post.app, 2, JAN)
    found = find_to_give(post.app, ALL, to=JAN, by=OPERATOR)
    assert (found.found, found.more) == (3, False)
    assert lying(post.app) == {(LEA, True): 3, (JAN, True): 2}


def test_M4_only_mails_that_lie_in_a_mailbox_and_match_are_given(post: Post) -> None:
    fill(post.app, 3, LEA, unread=False)
    wanted = fill(post.app, 2, LEA)
    fill(post.app, 2, EVA)
    only = Wanted(owner="lea@acme.example", unread=True, state=State.UNFILED)
    done = give_found(post.app, only, to=JAN, by=OPERATOR)
    assert set(done.moved) == set(wanted)
    assert lying(post.app) == {(LEA, False): 3, (EVA, True): 2, (JAN, True): 2}


def test_M5_a_member_gives_by_search_what_is_the_own_or_in_all_received_and_no_more(
    post: Post,
) -> None:
    own = fill(post.app, 2, EVA, inbox=1)
    hidden = fill(post.app, 2, LEA, inbox=1)
    shared = fill(post.app, 2, LEA)
    done = give_found(post.app, ALL, to=JAN, by=Actor(EVA))
    assert set(done.moved) == {*own, *shared}
    assert {place(post.app, one) for one in hidden} == {(LEA, True)}


def test_M4_a_receiver_who_cannot_read_it_is_refused_before_anything_moves(post: Post) -> None:
    fill(post.app, 2, LEA)
    with refusal(Reason.NOT_FOUND):
        give_found(post.app, ALL, to=99, by=OPERATOR)
    with refusal(Reason.INVALID_VALUE):
        give_found(post.app, ALL, to=JAN, by=OPERATOR, note="x" * 10_001)
    assert lying(post.app) == {(LEA, True): 2}


def test_M4_a_receiver_who_goes_while_it_runs_stops_it_and_what_was_given_stays(
    post: Post,
) -> None:
    fill(post.app, 700, LEA)

    def leaves(done: int, of: int) -> bool:
        set_active(post.app, "jan@acme.example", active=False, by=OPERATOR)
        return True

    done = give_found(post.app, ALL, to=JAN, by=OPERATOR, go_on=leaves)
    assert len(done.moved) == mailbox.PORTION
    assert done.stopped is not None
    assert done.stopped.startswith("Jan cannot own mail here")


def test_M4_an_act_costs_the_same_number_of_statements_however_many_mails(post: Post) -> None:
    counted: Counter[str] = Counter()
    for engine in {post.app.store.database.writer, post.app.store.database._readers}:
        event.listen(
            engine,
            "before_cursor_execute",
            lambda *arguments: counted.update([str(arguments[2]).split()[0]]),
        )
    costs: list[int] = []
    for count in (3, 300):
        some = fill(post.app, count, LEA)
        counted.clear()
        change = give(post.app, some, to=JAN, by=Actor(LEA))
        undo(post.app, READER, by=Actor(LEA), change_id=change.id)
        costs.append(counted.total())
    assert costs[0] == costs[1]


# --- who comes too late -------------------------------------------------------------------------------------------------


def test_M1_who_comes_too_late_hears_who_gave_it_to_whom_and_when_in_which_zone(
    post: Post, clock: Frozen
) -> None:
    [ulid] = fill(post.app, 1, LEA)
    give(post.app, [ulid], to=EVA, by=Actor(LEA))
    clock.advance(timedelta(minutes=5))
    with pytest.raises(RefusedError) as late:
        take(post.app, ulid, by=Actor(JAN), seen_version=1)
    assert str(late.value) == "Lea already gave this to Eva at 09:42 UTC."
    clock.advance(timedelta(days=1))
    with pytest.raises(RefusedError) as later:
        take(post.app, ulid, by=Actor(JAN), seen_version=1)
    assert str(later.value) == "Lea already gave this to Eva at 2026-11-20 09:42 UTC."


# --- unread -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unread", [False, True])
def test_M2_nothing_but_a_gift_touches_anybodys_unread(post: Post, unread: bool) -> None:
    [ulid] = fill(post.app, 1, LEA, unread=unread)
    add_note(post.app, ulid, "Call them", by=Actor(JAN))
    set_status(post.app, [ulid], "Waiting", by=Actor(JAN))
    assert place(post.app, ulid) == (LEA, unread)
    take(post.app, ulid, by=Actor(EVA))
    assert place(post.app, ulid) == (EVA, unread)
    give(post.app, [ulid], to=EVA, by=Actor(EVA))
    assert place(post.app, ulid) == (EVA, unread)
    with refusal(Reason.NOT_ALLOWED):
        set_unread(post.app, [ulid], unread=not unread, by=Actor(JAN))
    give(post.app, [ulid], to=JAN, by=Actor(EVA))
    assert place(post.app, ulid) == (JAN, True)


# --- while others read --------------------------------------------------------------------------------------------------


def look(app: App, some: list[str]) -> None:
    """Read the two lists at one moment, and All Received, as pages do."""
    with app.store.read() as tx:
        ours, theirs = (
            [row["ulid"] for row in tx.lists.page(Filter(account_id=1, owner_id=owner))]
            for owner in (LEA, JAN)
        )
    assert not {*ours} & {*theirs}
    assert {*ours, *theirs} == {*some}
    listed = list_mails(app, Wanted(all_received=True), by=Actor(EVA)).mails
    assert [mail["id"] for mail in listed] == some[::-1]
    assert {mail["owner"] for mail in listed} <= {"lea@acme.example", "jan@acme.example"}


def test_M1_no_reader_ever_sees_a_mail_in_both_mailboxes_or_in_neither(
    post: Post, tmp_path: Path
) -> None:
    readers, moves, mails_ = (20, 1000, 40) if FULL else (6, 60, 12)
    some = fill(post.app, mails_, LEA)
    is_over = threading.Event()
    looked = Counter[str]()

    def read(number: int) -> None:
        """Poll, each on connections of its own, as people on several nodes do."""
        url = post.app.store.database.url.render_as_string(hide_password=False)
        with closing(Store(url, tmp_path / f"bodies-{number}")) as store:
            while not is_over.is_set():
                look(replace(post.app, store=store), some)
                looked.update(["both"])
                is_over.wait(0.01)

    with ThreadPoolExecutor(readers) as threads:
        reading = [threads.submit(read, number) for number in range(readers)]
        try:
            for number in range(moves):
                to = (JAN, LEA)[number // mails_ % 2]
                give(post.app, [some[number % mails_]], to=to, by=OPERATOR)
        finally:
            is_over.set()
        for one in reading:
            one.result(60)
    assert looked["both"] >= readers


def test_M1_two_who_give_the_same_mails_by_search_at_once_each_move_a_mail_once(
    post: Post,
) -> None:
    some = fill(post.app, 900, LEA)
    start = threading.Barrier(2)

    def all_to(user: int) -> GivenMany:
        start.wait(20)
        return give_found(post.app, Wanted(owner="lea@acme.example"), to=user, by=OPERATOR)

    with ThreadPoolExecutor(2) as threads:
        jans, evas = threads.map(all_to, (JAN, EVA))
    assert not {*jans.moved} & {*evas.moved}
    assert {*jans.moved, *evas.moved} == {*some}
    assert lying(post.app) == {
        key: count
        for key, count in (((JAN, True), len(jans.moved)), ((EVA, True), len(evas.moved)))
        if count
    }


def test_M4_M6_a_word_of_the_text_finds_what_is_given(post: Post) -> None:
    post.send(post.mail(body="The offer"))
    post.send(post.mail(body="An invoice"))
    post.decide()
    index_all(post.app)
    wanted = Wanted(account="acme", search="offer is:unread")
    assert find_to_give(post.app, wanted, to=JAN, by=OPERATOR).found == 1
    done = give_found(post.app, wanted, to=JAN, by=OPERATOR)
    assert [row["ulid"] for row in post.lies() if row["owner_id"] == JAN] == list(done.moved)
