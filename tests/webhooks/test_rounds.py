"""What goes to a receiver, in which order, and what comes of it (G): at least once, and ordered for each mail."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maild.core.app import OPERATOR, App
from maild.core.outbox import list_errands
from maild.core.people import set_user
from maild.core.webhook_posts import Post
from maild.core.webhook_rounds import (
    DEAD_KEPT,
    LEASE,
    REFUSED_IN_A_ROW,
    WAITING_MAX,
    forget_dead_posts,
    hooks_with_work,
    note_round,
    still_ours,
    take_round,
)
from maild.core.webhooks import (
    list_posts,
    pause_webhook,
    replay_webhook,
    resume_webhook,
    rotate_webhook_secret,
    try_webhook,
)
from maild.model.webhook import (
    GIVE_UP_AFTER,
    LONGEST_SILENCE,
    TEST,
    Down,
    Gone,
    HookState,
    PostFate,
    PostState,
    Refused,
    Taken,
)
from tests.core.conftest import Frozen
from tests.webhooks.crm import Crm, takes

HOUR = timedelta(hours=1)


def test_G_everything_that_happens_comes_once_and_in_order(crm: Crm) -> None:
    crm.hook()
    [first, second] = crm.mails(2)
    crm.work()
    kinds = [(one.kind, one.mail) for one in crm.taken]
    for mail in (first, second):
        assert [kind for kind, of in kinds if of == mail] == ["mail.received", "mail.filed"]
    assert crm.repeats() == 0
    assert (crm.view.backlog, crm.view.waiting) == (0, 0)
    assert crm.view.last_taken_at == crm.clock()


def test_G_what_is_sent_has_ids_and_codes_and_nothing_of_a_mail(crm: Crm) -> None:
    crm.hook("mail.filed")
    [mail] = crm.mails(1)
    crm.work()
    [one] = crm.taken
    assert set(one.event) == {"type", "timestamp", "data"}
    assert one.event["type"] == "mail.filed"
    assert set(one.event["data"]) == {"id", "schema", "account", "actor", "mail", "detail"}
    assert one.event["data"]["mail"] == mail
    assert "@" not in str(one.event)


def test_G_a_webhook_hears_of_what_it_names_alone_and_of_what_happens_after_it(crm: Crm) -> None:
    crm.mails(1)
    crm.hook("mail.held", "mail.noted")
    [mail] = crm.mails(1)
    crm.happen([mail])
    crm.work()
    assert [(one.kind, one.mail) for one in crm.taken] == [("mail.noted", mail)]
    assert crm.view.backlog == 0


class TestOrder:
    def test_G_an_event_waits_for_the_earlier_one_of_its_mail_and_other_mails_go_on(
        self, crm: Crm
    ) -> None:
        [ill, well] = crm.mails(2)
        crm.hook()
        crm.happen([ill, well], 3)
        crm.answer = lambda one: Refused("500") if one.mail == ill else Taken()
        crm.work()
        assert [one.mail for one in crm.taken] == [well] * 3
        assert [one.mail for one in crm.came].count(ill) == 1
        assert (crm.view.waiting, crm.view.dead) == (3, 0)
        crm.answer = takes
        crm.live(timedelta(minutes=2))
        assert crm.order_of(ill) == sorted(crm.order_of(ill))
        assert len(crm.order_of(ill)) == 3
        assert crm.view.waiting == 0

    def test_G_what_happens_while_one_waits_comes_behind_it(self, crm: Crm) -> None:
        [ill, well] = crm.mails(2)
        crm.hook()
        crm.happen([ill])
        crm.answer = lambda one: Refused("500") if one.mail == ill else Taken()
        crm.work()
        crm.happen([ill, well])
        crm.work()
        assert [one.mail for one in crm.taken] == [well]
        assert [one.mail for one in crm.came].count(ill) == 1
        crm.answer = takes
        crm.live(timedelta(minutes=2))
        assert crm.order_of(ill) == sorted(crm.order_of(ill))
        assert len(crm.order_of(ill)) == 2


class TestAnHourDown:
    def test_G_nothing_is_lost_and_no_row_is_kept_meanwhile(self, crm: Crm) -> None:
        """Thousands of events happen while the receiver is down; each comes, in the order of its mail."""
        mails = crm.mails(20)
        crm.hook()
        crm.answer = lambda _: Down("nobody listens there")
        for _ in range(6):
            crm.happen(mails, 25)
            crm.live(HOUR / 6, timedelta(seconds=30))
        assert crm.taken == []
        assert crm.view.waiting == 0
        assert crm.view.backlog == 3000
        assert crm.view.state is HookState.ACTIVE
        assert len(crm.came) < 60  # Asked for, but not at each event.
        crm.answer = takes
        crm.clock.advance(LONGEST_SILENCE * 2)
        crm.work()
        assert len(crm.taken) == 3000
        assert crm.repeats() == 0
        for mail in mails:
            assert len(crm.order_of(mail)) == 150
            assert crm.order_of(mail) == sorted(crm.order_of(mail))

    def test_G_one_that_answers_500_for_an_hour_costs_few_rows_and_loses_nothing(
        self, crm: Crm
    ) -> None:
        mails = crm.mails(20)
        crm.hook()
        crm.happen(mails, 50)
        crm.answer = lambda _: Refused("the receiver answered 500")
        crm.live(HOUR, timedelta(minutes=2))
        assert crm.taken == []
        assert crm.view.waiting < 100
        crm.answer = takes
        crm.live(HOUR, timedelta(minutes=5))
        assert len({one.event_id for one in crm.taken}) == 1000
        for mail in mails:
            assert crm.order_of(mail) == sorted(crm.order_of(mail))
        assert crm.view.waiting == crm.view.backlog == 0

    def test_G_one_that_fails_now_and_then_gets_everything_in_order(self, crm: Crm) -> None:
        mails = crm.mails(10)
        crm.hook()
        crm.happen(mails, 15)
        count = 0

        def moody(_: Post) -> PostFate:
            nonlocal count
            count += 1
            if count % 23 == 0:
                return Down("503", timedelta(seconds=20))
            return Refused("500") if count % 3 == 0 else Taken()

        crm.answer = moody
        crm.live(4 * HOUR, timedelta(minutes=2))
        assert len({one.event_id for one in crm.taken}) == 150
        for mail in mails:
            assert crm.order_of(mail) == sorted(crm.order_of(mail))


class TestResting:
    def test_G_retry_after_is_honoured(self, crm: Crm, clock: Frozen) -> None:
        mails = crm.mails(1)
        crm.hook()
        crm.happen(mails)
        crm.answer = lambda _: Down("the receiver answered 429", timedelta(minutes=20))
        crm.work()
        assert crm.view.next_try_at == clock() + timedelta(minutes=20)
        clock.advance(timedelta(minutes=19))
        crm.work()
        assert len(crm.came) == 1
        clock.advance(timedelta(minutes=1))
        crm.answer = takes
        crm.work()
        assert len(crm.taken) == 1

    def test_G_of_a_receiver_that_is_down_one_event_asks_whether_it_is_back(
        self, crm: Crm, clock: Frozen
    ) -> None:
        mails = crm.mails(5)
        crm.hook()
        crm.happen(mails)
        crm.answer = lambda _: Down("nobody listens there")
        crm.work()
        before = len(crm.came)
        clock.advance(timedelta(seconds=10))
        crm.work()
        assert len(crm.came) == before + 1

    def test_G_refusals_in_a_row_end_a_round(self, crm: Crm) -> None:
        mails = crm.mails(20)
        crm.hook()
        crm.happen(mails)
        crm.answer = lambda _: Refused("the receiver answered 500")
        crm.round()
        assert len(crm.came) < REFUSED_IN_A_ROW + 4
        assert crm.view.last_error == "the receiver answered 500"


class TestGivingUp:
    def test_G_after_three_days_an_event_is_dead_and_the_next_of_its_mail_goes(
        self, crm: Crm, clock: Frozen
    ) -> None:
        [ill, well] = crm.mails(2)
        crm.hook()
        crm.happen([ill])
        crm.answer = lambda one: Refused("422") if one.mail == ill else Taken()
        crm.work()
        crm.live(GIVE_UP_AFTER + 6 * HOUR, HOUR)
        assert (crm.view.waiting, crm.view.dead) == (0, 1)
        [dead] = list_posts(crm.app, crm.hook_id, by=OPERATOR)
        assert (dead.mail, dead.last_error, dead.state) == (ill, "422", PostState.DEAD)
        assert 10 < dead.attempts < 40
        crm.answer = takes
        crm.happen([ill, well])
        crm.work()
        assert sorted(one.mail or "" for one in crm.taken) == sorted([ill, well])

    def test_G_what_is_dead_can_be_replayed_with_its_webhook_id(self, crm: Crm) -> None:
        [ill] = crm.mails(1)
        crm.hook()
        crm.happen([ill])
        crm.answer = lambda _: Refused("422")
        crm.live(GIVE_UP_AFTER + 6 * HOUR, HOUR)
        crm.answer = takes
        replay_webhook(crm.app, crm.hook_id, by=OPERATOR)
        crm.work()
        assert [one.event_id for one in crm.taken] == [crm.came[0].event_id]
        assert crm.view.dead == 0

    def test_G_what_is_dead_for_a_month_is_forgotten(self, crm: Crm, clock: Frozen) -> None:
        [ill] = crm.mails(1)
        crm.hook()
        crm.happen([ill])
        crm.answer = lambda _: Refused("422")
        crm.live(GIVE_UP_AFTER + 6 * HOUR, HOUR)
        assert forget_dead_posts(crm.app) == 0
        clock.advance(DEAD_KEPT)
        assert forget_dead_posts(crm.app) == 1

    def test_G_one_that_takes_nothing_for_three_days_is_paused_and_nothing_is_dead(
        self, crm: Crm
    ) -> None:
        mails = crm.mails(10)
        crm.hook()
        crm.happen(mails)
        crm.answer = lambda _: Refused("500")
        crm.live(GIVE_UP_AFTER + 12 * HOUR, HOUR)
        assert crm.view.state is HookState.PAUSED
        assert crm.view.dead == 0
        assert "three days" in (crm.view.paused_because or "")
        crm.answer = takes
        resume_webhook(crm.app, crm.hook_id, by=OPERATOR)
        crm.work()
        assert {one.mail for one in crm.taken} == set(mails)

    def test_G_410_pauses_at_once_and_the_admin_is_told_once(self, crm: Crm) -> None:
        mails = crm.mails(3)
        crm.hook()
        set_user(crm.app, "eva@acme.example", {"role": "admin"}, by=OPERATOR)
        crm.happen(mails)
        crm.answer = lambda _: Gone()
        crm.live(HOUR, timedelta(minutes=10))
        assert len(crm.came) <= 4
        assert crm.view.state is HookState.PAUSED
        assert "410" in (crm.view.paused_because or "")
        [told] = list_errands(crm.app, by=OPERATOR)
        assert (told.to, told.subject) == ("eva@acme.example", "A webhook is paused")


class TestWorkersThatDie:
    def test_G_what_was_sent_and_not_written_comes_again_with_its_webhook_id(
        self, crm: Crm, clock: Frozen
    ) -> None:
        mails = crm.mails(3)
        crm.hook()
        crm.happen(mails)
        [hook] = hooks_with_work(crm.app, limit=9)
        dying = take_round(crm.app, hook)
        assert dying is not None
        crm.sent(dying)
        crm.work()
        assert len(crm.taken) == 3  # The lease is still the dead one's.
        clock.advance(LEASE)
        crm.work()
        assert len(crm.taken) == 6
        assert len({one.event_id for one in crm.taken}) == 3

    def test_G_a_late_worker_writes_nothing(self, crm: Crm, clock: Frozen) -> None:
        crm.hook()
        crm.happen(crm.mails(1))
        [hook] = hooks_with_work(crm.app, limit=9)
        late = take_round(crm.app, hook)
        assert late is not None
        clock.advance(LEASE)
        crm.answer = lambda _: Refused("500")
        crm.work()
        waiting = crm.view.waiting
        assert not note_round(crm.app, late, {one.event_id: Taken() for one in late.fresh})
        assert crm.view.waiting == waiting

    def test_G_two_workers_never_send_to_one_receiver_at_a_time(self, crm: Crm) -> None:
        crm.hook()
        crm.happen(crm.mails(1))
        [hook] = hooks_with_work(crm.app, limit=9)
        assert take_round(crm.app, hook) is not None
        assert hooks_with_work(crm.app, limit=9) == []
        assert take_round(crm.app, hook) is None

    def test_G_a_pause_in_the_middle_of_a_round_holds(self, crm: Crm) -> None:
        mails = crm.mails(2)
        crm.hook()
        crm.happen(mails)
        [hook] = hooks_with_work(crm.app, limit=9)
        running = take_round(crm.app, hook)
        assert running is not None
        pause_webhook(crm.app, crm.hook_id, by=OPERATOR)
        assert not note_round(crm.app, running, crm.sent(running))
        crm.work()
        assert crm.view.state is HookState.PAUSED
        assert len(crm.taken) == 2


def test_G_a_test_is_made_once_and_before_everything_else(crm: Crm, clock: Frozen) -> None:
    mails = crm.mails(3)
    crm.hook()
    crm.happen(mails)
    crm.answer = lambda _: Down("nobody listens there")
    crm.work()
    crm.came.clear()
    try_webhook(crm.app, crm.hook_id, by=OPERATOR)
    crm.work()
    assert [one.kind for one in crm.came] == [TEST]
    assert crm.view.waiting == 0


def test_G_a_test_or_a_rotation_throws_no_round_away(crm: Crm) -> None:
    crm.hook("mail.noted")
    crm.happen(crm.mails(3))
    [hook] = hooks_with_work(crm.app, limit=9)
    running = take_round(crm.app, hook)
    assert running is not None
    fates = crm.sent(running)
    try_webhook(crm.app, crm.hook_id, by=OPERATOR)
    rotate_webhook_secret(crm.app, crm.hook_id, by=OPERATOR)
    assert still_ours(crm.app, running)
    assert note_round(crm.app, running, fates)
    crm.work()
    assert (len(crm.taken), crm.repeats()) == (4, 0)


def test_G_a_replay_since_a_time_sends_what_happened_from_then_on(crm: Crm, clock: Frozen) -> None:
    [mail] = crm.mails(1)
    crm.hook()
    for _ in range(5):
        clock.advance(HOUR)
        crm.happen([mail])
    crm.work()
    first = [one.event_id for one in crm.taken]
    assert len(first) == 5
    replay_webhook(crm.app, crm.hook_id, since=clock() - 2 * HOUR, by=OPERATOR)
    crm.work()
    assert [one.event_id for one in crm.taken] == first + first[2:]
    replay_webhook(crm.app, crm.hook_id, since=clock() + HOUR, by=OPERATOR)
    crm.work()
    assert len(crm.taken) == 8


def test_G_events_that_wait_are_bounded(crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maild.core.webhook_rounds.WAITING_MAX", 20)
    monkeypatch.setattr("maild.core.webhook_rounds.BATCH", 10)
    assert WAITING_MAX > 20
    ill = crm.mails(4)[0]
    crm.hook()
    crm.happen([ill], 60)
    crm.answer = lambda one: Refused("500") if one.mail == ill else Taken()
    crm.work()
    assert 20 <= crm.view.waiting <= 30
    assert crm.view.backlog >= 20
    crm.answer = takes
    crm.live(timedelta(minutes=3))
    assert len(crm.order_of(ill)) == 60
    assert crm.order_of(ill) == sorted(crm.order_of(ill))


def test_G_without_the_key_nothing_is_sent_unsigned_and_the_admin_reads_why(
    app: App, crm: Crm
) -> None:
    crm.hook()
    crm.happen(crm.mails(1))
    keyless = App(store=app.store, clock=app.clock)
    [hook] = hooks_with_work(keyless, limit=9)
    assert take_round(keyless, hook) is None
    assert "secret_key" in (crm.view.last_error or "")
