"""Taking acts back: by whom, how far, where it goes on, and what is as it was (M1-M4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait as wait_for
from typing import Any

import pytest

from maild.core import rulings
from maild.core.accounts import set_account
from maild.core.app import OPERATOR, Actor, App
from maild.core.doctor import examine
from maild.core.giving import GivenMany, give_found
from maild.core.inboxes import inbox_members
from maild.core.leaving import remove_member
from maild.core.lists import Wanted
from maild.core.mailbox import give, newest_change, set_unread, take, undo
from maild.core.people import add_communal_user, set_active
from maild.model.reason import Reason, RefusedError
from maild.store.engine import CollisionError, StoreDownError
from maild.store.handing import HandingRows, History, Move
from maild.store.mailbox import EntryRow
from tests.core.company import CRM, EVA, JAN, LEA, READER, Post, a_company
from tests.core.firm import INFO, refusal
from tests.core.mailboxes import fill

ALL = Wanted(account="acme")


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def lies(app: App, ulid: str) -> EntryRow:
    with app.store.read() as tx:
        row = tx.mailbox.entry(ulid)
    assert row is not None
    return row


def cause(app: App, ulid: str) -> str | None:
    because = lies(app, ulid).unread_cause
    return None if because is None else because["by"]


def takes(post: Post, change_id: str, user: int | None) -> tuple[set[str], set[str]]:
    """Take an act back; return what moved and what did not."""
    done = undo(post.app, READER, by=Actor(user), change_id=change_id)
    return {*done.moved}, {*done.unchanged}


# --- where it goes on ---------------------------------------------------------------------------------------------------


def test_M4_an_undo_that_was_stopped_goes_on_with_the_same_act_and_no_older_one(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.core.mailbox.PORTION", 2)
    older = fill(post.app, 1, LEA)
    before = give(post.app, older, to=EVA, by=Actor(LEA))
    fill(post.app, 5, LEA)
    many = give_found(post.app, Wanted(owner="lea@acme.example"), to=JAN, by=Actor(LEA))
    first = undo(post.app, READER, by=Actor(LEA), change_id=many.id, go_on=lambda done, of: False)
    assert (len(first.moved), first.stopped) == (2, "It was stopped after 2 of 5 mails.")
    for who in (Actor(LEA), OPERATOR):
        assert newest_change(post.app, 1, by=who) == many.id
    then = undo(post.app, READER, by=Actor(LEA), change_id=many.id)
    assert ({*then.moved, *first.moved}, then.stopped) == ({*many.moved}, None)
    assert newest_change(post.app, 1, by=Actor(LEA)) == before.id


def test_M4_an_act_of_which_the_rest_cannot_be_taken_back_is_not_the_newest_for_ever(
    post: Post,
) -> None:
    older = give(post.app, fill(post.app, 1, LEA), to=EVA, by=OPERATOR)
    of_lea, of_eva = fill(post.app, 1, LEA) + fill(post.app, 1, EVA)
    newer = give(post.app, [of_lea, of_eva], to=JAN, by=OPERATOR)
    undo(post.app, READER, by=OPERATOR, change_id=older.id)
    remove_member(post.app, "eva@acme.example", by=OPERATOR)
    again = give(post.app, fill(post.app, 1, LEA), to=JAN, by=OPERATOR)
    assert takes(post, newer.id, None) == ({of_lea}, {of_eva})
    undo(post.app, READER, by=OPERATOR, change_id=again.id)
    with refusal(Reason.NOTHING_TO_UNDO):
        newest_change(post.app, 1, by=OPERATOR)


def test_M4_an_act_whose_rest_goes_to_nobody_who_reads_is_not_the_newest_for_ever(
    post: Post,
) -> None:
    older = give(post.app, fill(post.app, 1, LEA), to=EVA, by=Actor(LEA))
    mails = [*fill(post.app, 1, LEA), *fill(post.app, 1, EVA)]
    mixed = give(post.app, mails, to=JAN, by=Actor(LEA))
    set_active(post.app, "eva@acme.example", active=False, by=OPERATOR)
    moved, unchanged = takes(post, mixed.id, LEA)
    assert (moved, unchanged) == ({mails[0]}, {mails[1]})
    assert newest_change(post.app, 1, by=Actor(LEA)) == older.id


def broken_at(
    monkeypatch: pytest.MonkeyPatch, number: int, error: StoreDownError
) -> Callable[[], int]:
    """Have the store fail at one of its moves; return what counts them."""
    real, moves = HandingRows.move, list[int]()

    def move(self: HandingRows, some: Sequence[Move], history: History) -> list[Move]:
        moves.append(len(some))
        done = real(self, some, history)
        if len(moves) == number:
            raise error
        return done

    monkeypatch.setattr(HandingRows, "move", move)
    return lambda: len(moves)


def given_in_twos(post: Post, monkeypatch: pytest.MonkeyPatch) -> GivenMany:
    monkeypatch.setattr("maild.core.giving.PORTION", 2)
    return give_found(post.app, ALL, to=JAN, by=Actor(LEA))


def test_M4_a_database_that_fails_halfway_leaves_word_of_what_was_done(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(post.app, 5, LEA)
    broken_at(monkeypatch, 2, StoreDownError("database is locked"))
    done = given_in_twos(post, monkeypatch)
    assert (len(done.moved), done.unchanged) == (2, ())
    assert done.stopped == "The database did not take more of them (database is locked)."
    rest = give_found(post.app, ALL, to=JAN, by=Actor(LEA))
    assert (len(rest.moved), rest.stopped) == (3, None)
    assert takes(post, done.id, LEA) == ({*done.moved}, set())


def test_M4_who_collides_with_somebody_tries_once_more(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = fill(post.app, 5, LEA)
    moves = broken_at(monkeypatch, 2, CollisionError("deadlock"))
    done = given_in_twos(post, monkeypatch)
    assert (sorted(done.moved), done.unchanged, done.stopped) == (sorted(some), (), None)
    assert moves() == 4


def test_M4_a_database_that_fails_at_once_is_told_as_ever(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(post.app, 5, LEA)
    broken_at(monkeypatch, 1, StoreDownError("database is locked"))
    with pytest.raises(StoreDownError):
        given_in_twos(post, monkeypatch)


def test_M4_an_undo_in_which_the_database_fails_says_how_far_it_came(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = give(post.app, fill(post.app, 5, LEA), to=JAN, by=Actor(LEA))
    monkeypatch.setattr("maild.core.mailbox.PORTION", 2)
    broken_at(monkeypatch, 2, StoreDownError("database is locked"))
    back = undo(post.app, READER, by=Actor(LEA), change_id=done.id)
    assert len(back.moved) == 2
    assert back.stopped is not None
    assert newest_change(post.app, 1, by=Actor(LEA)) == done.id


# --- by whom ------------------------------------------------------------------------------------------------------------


def test_M4_a_member_takes_back_the_own_gift_of_mail_that_is_now_out_of_reach(post: Post) -> None:
    shared, private = fill(post.app, 2, EVA), fill(post.app, 1, EVA, inbox=CRM)
    done = give_found(post.app, ALL, to=JAN, by=Actor(EVA))
    assert takes(post, done.id, EVA) == ({*shared, *private}, set())
    assert {lies(post.app, one).owner_id for one in shared + private} == {EVA}


def test_M4_what_somebody_moved_since_stays_and_the_rest_of_the_own_act_goes_back(
    post: Post,
) -> None:
    set_account(post.app, "acme", {"all_received": "no"}, by=OPERATOR)
    first, second = fill(post.app, 2, EVA)
    done = give(post.app, [first, second], to=JAN, by=Actor(EVA))
    give(post.app, [second], to=LEA, by=Actor(JAN))
    assert takes(post, done.id, EVA) == ({first}, {second})


def test_M4_a_member_takes_back_the_own_dismissal(post: Post) -> None:
    post.send(post.mail())
    post.decide()
    set_account(post.app, "acme", {"all_received": "no"}, by=OPERATOR)
    ulid = str(post.lies()[-1]["ulid"])
    give(post.app, [ulid], to=EVA, by=OPERATOR)
    done = rulings.dismiss(post.app, READER, [ulid], by=Actor(EVA))
    assert takes(post, done.id, EVA) == ({ulid}, set())
    assert lies(post.app, ulid).owner_id == EVA


def test_M5_nobody_else_takes_back_what_is_out_of_their_reach(post: Post) -> None:
    some = fill(post.app, 1, LEA) + fill(post.app, 1, LEA, inbox=CRM)
    done = give(post.app, some, to=JAN, by=Actor(LEA))
    with refusal(Reason.NOT_ALLOWED):
        undo(post.app, READER, by=Actor(EVA), change_id=done.id)
    assert {lies(post.app, one).owner_id for one in some} == {JAN}


def test_M4_who_is_no_member_any_more_takes_nothing_back(post: Post) -> None:
    done = give(post.app, fill(post.app, 1, EVA, inbox=CRM), to=JAN, by=Actor(EVA))
    remove_member(post.app, "eva@acme.example", by=OPERATOR)
    with refusal(Reason.NOT_FOUND):
        undo(post.app, READER, by=Actor(EVA), change_id=done.id)


# --- to whom ------------------------------------------------------------------------------------------------------------


def test_M1_undo_puts_nothing_into_a_mailbox_that_nobody_opens(post: Post) -> None:
    add_communal_user(post.app, inbox=INFO, name="Front desk", by=OPERATOR)
    inbox_members(post.app, INFO, add=["eva@acme.example"], by=OPERATOR)
    post.send(post.mail(), INFO)
    post.decide()
    ulid = str(post.lies()[0]["ulid"])
    taken = take(post.app, ulid, by=Actor(EVA))
    inbox_members(post.app, INFO, remove=["eva@acme.example"], by=OPERATOR)
    assert takes(post, taken.id, LEA) == (set(), {ulid})
    assert lies(post.app, ulid).owner_id == EVA


def test_M1_who_leaves_while_their_mail_comes_back_waits_and_has_it(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    [ulid] = fill(post.app, 1, EVA)
    done = give(post.app, [ulid], to=JAN, by=Actor(LEA))
    real, leaving = HandingRows.move, list[Future[Any]]()

    with ThreadPoolExecutor(1) as threads:

        def move(self: HandingRows, some: Sequence[Move], history: History) -> list[Move]:
            leaving.append(threads.submit(remove_member, post.app, "eva@acme.example", by=OPERATOR))
            wait_for(leaving, 1)
            return real(self, some, history)

        monkeypatch.setattr(HandingRows, "move", move)
        assert takes(post, done.id, LEA) == ({ulid}, set())
        with pytest.raises(RefusedError, match="Eva has 1 mail"):
            leaving[0].result(20)
    assert not examine(post.app).broken


# --- what is as it was --------------------------------------------------------------------------------------------------


def test_M2_a_mail_that_comes_back_unread_has_its_cause_again(post: Post) -> None:
    [ulid] = fill(post.app, 1, LEA)
    give(post.app, [ulid], to=EVA, by=Actor(LEA))
    was = lies(post.app, ulid).unread_cause
    assert was is not None
    takes(post, give(post.app, [ulid], to=JAN, by=OPERATOR).id, None)
    assert (lies(post.app, ulid).owner_id, lies(post.app, ulid).unread_cause) == (EVA, was)


def test_M2_a_mail_that_its_owner_had_read_meanwhile_is_unread_for_no_others_cause(
    post: Post,
) -> None:
    [ulid] = fill(post.app, 1, LEA)
    give(post.app, [ulid], to=EVA, by=Actor(LEA))
    for unread in (False, True):
        set_unread(post.app, [ulid], unread=unread, by=Actor(EVA))
    takes(post, give(post.app, [ulid], to=JAN, by=OPERATOR).id, None)
    assert (lies(post.app, ulid).unread, cause(post.app, ulid)) == (True, None)
