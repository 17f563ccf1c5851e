"""Errands in rows: queued with the caller's commit, one worker each, tried again, given up, and tried anew."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from maild.core.app import OPERATOR, Actor, App
from maild.core.letters import Posted, post
from maild.core.outbox import (
    LEASE,
    errand_counts,
    give_back,
    keep_hand,
    list_errands,
    note_fate,
    release_errands,
    retry_errands,
)
from maild.model.errand import (
    GIVE_UP_AFTER,
    LONGEST_REST,
    TRIES_MAX,
    Done,
    ErrandState,
    Later,
    Never,
    rest_after,
)
from maild.model.reason import Reason, RefusedError
from tests.outbox.conftest import Frozen
from tests.outbox.post import a_notice, queue, queue_many, state, take, the_errand


def test_an_errand_of_a_transaction_that_fails_was_never_queued(app: App) -> None:
    def half_an_act() -> None:
        with app.store.write() as tx:
            post(tx, app, a_notice(), key="k")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_an_act()
    assert errand_counts(app) == {}


def test_the_same_errand_is_never_queued_twice_not_even_when_it_is_done(app: App) -> None:
    first = queue(app)
    hand = take(app)
    assert note_fate(app, hand, hand.errands[0], Done())
    again = queue(app)
    assert isinstance(first, Posted)
    assert first.is_new
    assert again == Posted(first.errand, is_new=False)
    assert errand_counts(app) == {ErrandState.DONE: 1}


def test_what_one_worker_has_in_hand_no_other_one_gets(app: App) -> None:
    queue_many(app, 3)
    mine, others = take(app, limit=2), take(app)
    assert [len(mine.errands), len(others.errands)] == [2, 1]
    assert take(app).errands == ()


def test_workers_that_take_at_the_same_moment_share_and_double_nothing(app: App) -> None:
    queue_many(app, 40)
    taken: list[str] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait(10)
        while hand := take(app, limit=3).errands:
            taken.extend(errand.key for errand in hand)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == sorted(f"k{number}" for number in range(40))


def test_a_worker_that_fell_silent_loses_its_errand_and_writes_nothing_any_more(
    app: App, clock: Frozen
) -> None:
    queue(app)
    silent = take(app)
    clock.advance(LEASE)
    other = take(app)
    assert [errand.attempts for errand in other.errands] == [2]
    assert not note_fate(app, silent, silent.errands[0], Never("late"))
    assert note_fate(app, other, other.errands[0], Done())
    assert state(app) is ErrandState.DONE


def test_a_worker_that_lives_keeps_what_it_has_in_hand(app: App, clock: Frozen) -> None:
    queue(app)
    hand = take(app)
    clock.advance(LEASE / 2)
    assert keep_hand(app, hand)
    clock.advance(LEASE / 2)
    assert take(app).errands == ()


def test_a_lease_that_went_to_another_cannot_be_kept(app: App, clock: Frozen) -> None:
    queue(app)
    hand = take(app)
    clock.advance(LEASE)
    take(app)
    assert not keep_hand(app, hand)


def test_a_start_takes_the_leases_of_the_dead_back_and_the_try_counts(app: App) -> None:
    queue(app)
    take(app)
    release_errands(app)
    assert [errand.attempts for errand in take(app).errands] == [2]


def test_what_was_not_begun_is_given_back_at_once_and_was_no_try(app: App) -> None:
    queue(app)
    hand = take(app)
    give_back(app, hand, hand.errands, "the relay was away")
    assert the_errand(app).last_error == "the relay was away"
    assert [errand.attempts for errand in take(app).errands] == [1]


def test_what_failed_for_now_is_tried_later_and_not_before(app: App, clock: Frozen) -> None:
    queue(app)
    hand = take(app)
    note_fate(app, hand, hand.errands[0], Later("451 greylisted"))
    found = the_errand(app)
    assert (found.state, found.last_error) == (ErrandState.WAITING, "451 greylisted")
    assert found.due_at is not None
    clock.now = found.due_at - timedelta(seconds=1)
    assert take(app).errands == ()
    clock.now = found.due_at
    assert len(take(app).errands) == 1


def test_what_was_refused_for_good_is_never_tried_again(app: App, clock: Frozen) -> None:
    queue(app)
    hand = take(app)
    note_fate(app, hand, hand.errands[0], Never("550 no such user"))
    clock.advance(timedelta(days=1))
    assert take(app).errands == ()
    assert (state(app), the_errand(app).last_error) == (ErrandState.DEAD, "550 no such user")


def test_what_could_not_be_done_in_time_is_given_up_and_says_why(app: App, clock: Frozen) -> None:
    queue(app)
    hand = take(app)
    note_fate(app, hand, hand.errands[0], Later("451 not now"))
    clock.advance(GIVE_UP_AFTER)
    assert take(app).errands == ()
    assert state(app) is ErrandState.DEAD
    assert "451 not now" in str(the_errand(app).last_error)


def test_an_errand_that_ends_every_worker_is_given_up(app: App) -> None:
    queue(app)
    for _ in range(TRIES_MAX):
        assert len(take(app).errands) == 1
        release_errands(app)
    assert take(app).errands == ()
    assert state(app) is ErrandState.DEAD


def test_of_a_mail_that_went_only_who_and_what_about_is_kept(app: App) -> None:
    queue(app, notice=a_notice(text="https://crm.example/reset?token=secret"))
    hand = take(app)
    note_fate(app, hand, hand.errands[0], Done())
    assert the_errand(app).payload == {"to": "eva@world.example", "subject": "Hello"}


def test_the_rest_doubles_to_an_hour_and_is_not_the_same_for_all() -> None:
    rests = [rest_after(attempts, "ULID") for attempts in (1, 3, 5, 7, 20, 300)]
    assert rests[0] < timedelta(seconds=80)
    assert rests[0] < rests[1] < rests[2]
    assert max(rests) <= LONGEST_REST * 1.25
    assert len({rest_after(5, f"ULID{number}") for number in range(50)}) > 30


def test_a_dead_errand_is_tried_anew_when_the_operator_says_so(app: App, clock: Frozen) -> None:
    queue(app)
    hand = take(app)
    note_fate(app, hand, hand.errands[0], Never("550 full"))
    clock.advance(GIVE_UP_AFTER)
    [view] = retry_errands(app, [the_errand(app).ulid], by=OPERATOR)
    assert (view.state, view.attempts) == (ErrandState.WAITING, 0)
    assert [errand.attempts for errand in take(app).errands] == [1]


def test_a_done_errand_is_not_done_twice(app: App) -> None:
    queue(app)
    hand = take(app)
    note_fate(app, hand, hand.errands[0], Done())
    with pytest.raises(RefusedError) as refused:
        retry_errands(app, [the_errand(app).ulid], by=OPERATOR)
    assert refused.value.reason is Reason.CONFLICT


def test_one_unknown_errand_among_many_changes_none(app: App) -> None:
    queue(app)
    hand = take(app)
    note_fate(app, hand, hand.errands[0], Never("550"))
    for wrong in ("nonsense", "\0", "é"):
        with pytest.raises(RefusedError) as refused:
            retry_errands(app, [the_errand(app).ulid, wrong], by=OPERATOR)
        assert refused.value.reason is Reason.NOT_FOUND
    assert state(app) is ErrandState.DEAD


def test_retrying_what_a_worker_has_in_hand_does_not_give_it_to_a_second_one(app: App) -> None:
    queue(app)
    take(app)
    [view] = retry_errands(app, [the_errand(app).ulid], by=OPERATOR)
    assert view.is_in_hand
    assert take(app).errands == ()


def test_the_list_tells_errands_by_state_and_never_what_a_mail_says(app: App) -> None:
    queue(app, "dead", a_notice(text="the secret link"))
    hand = take(app)
    note_fate(app, hand, hand.errands[0], Never("550"))
    queue(app, "waiting")
    assert [one.state for one in list_errands(app, by=OPERATOR)] == ["waiting", "dead"]
    [dead] = list_errands(app, ErrandState.DEAD, by=OPERATOR)
    assert dead.to == "eva@world.example"
    assert "secret" not in repr(dead)


def test_nobody_but_the_operator_sees_or_retries_errands(app: App) -> None:
    with pytest.raises(RefusedError) as refused:
        list_errands(app, by=Actor(7))
    assert refused.value.reason is Reason.NOT_ALLOWED
    with pytest.raises(RefusedError) as refused:
        retry_errands(app, [], by=Actor(7))
    assert refused.value.reason is Reason.NOT_ALLOWED
