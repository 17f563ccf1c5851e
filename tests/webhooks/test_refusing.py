"""A receiver that refuses some events gets the others all the same, and is not taken for one that is down (G)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maild.core.app import OPERATOR
from maild.core.webhook_posts import Post
from maild.core.webhook_rounds import hooks_with_work
from maild.core.webhooks import change_webhook, list_posts
from maild.model.reason import RefusedError
from maild.model.webhook import GIVE_UP_AFTER, HookState, PostFate, PostState, Refused, Taken
from maild.plugs.receiver import fate_of
from tests.core.conftest import Frozen
from tests.webhooks.crm import Crm, takes

HOUR = timedelta(hours=1)
UNKNOWN = Refused("the receiver answered 404", is_judged=True)


def no_reading(one: Post) -> PostFate:
    return UNKNOWN if one.kind == "mail.read" else Taken()


def test_G_events_that_are_refused_keep_no_others_waiting(crm: Crm) -> None:
    mails = crm.mails(31)
    crm.hook("mail.read", "mail.noted")
    crm.happen(mails[:-1], kind="read")
    crm.happen(mails[-1:])
    crm.answer = no_reading
    crm.work()
    assert [one.mail for one in crm.taken] == mails[-1:]
    assert not crm.view.is_failing
    assert crm.view.waiting == 30


def test_G_one_taken_event_ends_the_state_of_a_receiver_that_had_a_fault_with_some(
    crm: Crm,
) -> None:
    mails = crm.mails(10)
    crm.hook("mail.read", "mail.noted")
    crm.happen(mails[:8], kind="read")
    crm.happen(mails[8:])
    crm.answer = lambda one: Refused("500") if one.kind == "mail.read" else Taken()
    crm.live(timedelta(minutes=3))
    assert [one.mail for one in crm.taken] == mails[8:]


def test_G_who_refuses_everything_for_three_days_is_paused_and_nothing_is_dead(crm: Crm) -> None:
    mails = crm.mails(10)
    crm.hook()
    crm.happen(mails)
    crm.answer = lambda _: UNKNOWN
    crm.live(GIVE_UP_AFTER + 12 * HOUR, HOUR)
    assert (crm.view.state, crm.view.dead) == (HookState.PAUSED, 0)


def test_G_what_says_nothing_against_the_receiver(clock: Frozen) -> None:
    for status, is_judged in ((400, True), (404, True), (422, True), (401, False), (408, False)):
        fate = fate_of(status, None, clock())
        assert isinstance(fate, Refused)
        assert fate.is_judged is is_judged
    assert fate_of(500, None, clock()) == Refused("the receiver answered 500 Internal Server Error")


def test_G_what_a_webhook_hears_of_no_more_waits_no_more(crm: Crm) -> None:
    mails = crm.mails(3)
    crm.hook()
    crm.happen(mails[:2], kind="read")
    crm.happen(mails[2:])
    crm.answer = lambda _: UNKNOWN
    crm.work()
    changed = change_webhook(crm.app, crm.hook_id, events=["mail.noted"], by=OPERATOR)
    assert changed.waiting == 1
    crm.answer = takes
    crm.live(HOUR, timedelta(minutes=5))
    assert [one.kind for one in crm.taken] == ["mail.noted"]


def test_G_a_webhook_for_which_no_more_may_wait_is_left_alone_until_something_is_due(
    crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.core.webhook_rounds.WAITING_MAX", 5)
    monkeypatch.setattr("maild.core.webhook_rounds.BATCH", 5)
    mails = crm.mails(12)
    crm.hook()
    crm.happen(mails)
    crm.answer = lambda _: UNKNOWN
    crm.work()
    assert crm.view.backlog > 0
    assert hooks_with_work(crm.app, limit=9) == []


def test_G_a_page_goes_on_though_its_last_event_was_taken(crm: Crm) -> None:
    mails = crm.mails(4)
    crm.hook()
    crm.happen(mails)
    crm.answer = lambda _: UNKNOWN
    crm.work()
    page = list_posts(crm.app, crm.hook_id, PostState.WAITING, limit=2, by=OPERATOR)
    crm.answer = lambda one: UNKNOWN if one.mail == page[0].mail else Taken()
    crm.live(timedelta(minutes=2))
    after = page[-1].cursor
    assert list_posts(crm.app, crm.hook_id, PostState.WAITING, after=after, by=OPERATOR) == []
    with pytest.raises(RefusedError, match="cursor"):
        list_posts(crm.app, crm.hook_id, after=page[-1].id, by=OPERATOR)
