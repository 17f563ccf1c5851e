"""Sending again what happened since a time: nothing of it is passed by, and what still waited is not lost (G)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from maild.core.app import OPERATOR
from maild.core.webhook_posts import Round
from maild.core.webhook_rounds import hooks_with_work, note_round, take_round
from maild.core.webhooks import list_webhooks, remove_webhook, replay_webhook, skip_webhook_backlog
from maild.model.webhook import Down, PostFate, Refused, Taken
from maild.store.webhooks import WebhookRows
from tests.core.conftest import Frozen
from tests.webhooks.crm import Crm, takes

MINUTE = timedelta(minutes=1)


def test_G_a_replay_since_a_time_keeps_what_waited_from_before_it(crm: Crm, clock: Frozen) -> None:
    [mail] = crm.mails(1)
    crm.hook()
    crm.answer = lambda _: Down("nobody listens there")
    for _ in range(6):
        clock.advance(10 * MINUTE)
        crm.happen([mail])
        crm.work()
    replay_webhook(crm.app, crm.hook_id, since=clock() - 15 * MINUTE, by=OPERATOR)
    crm.answer = takes
    crm.work()
    assert len(crm.taken) == 6


def test_G_skipping_the_backlog_says_how_much_it_was(crm: Crm) -> None:
    mails = crm.mails(2)
    crm.hook()
    crm.happen(mails, 3)
    before = crm.view.backlog
    gone = skip_webhook_backlog(crm.app, crm.hook_id, by=OPERATOR)
    assert gone.skipped == before >= 6
    crm.happen(mails[:1])
    crm.work()
    assert len(crm.taken) == 1


def test_G_a_replay_finds_what_happened_between_events_with_an_earlier_time(
    crm: Crm, clock: Frozen
) -> None:
    """A bulk act gives all its portions the time of its beginning, and others happen in between."""
    [mail, other] = crm.mails(2)
    crm.hook()
    begun = since = clock()
    for portion in range(20):
        clock.now = begun
        crm.happen([mail], 10, kind="owner.changed")
        clock.now = begun + timedelta(seconds=10 * portion)
        if portion == 3:
            crm.happen([other])
            since = clock() - timedelta(seconds=5)
    crm.work()
    crm.taken.clear()
    replay_webhook(crm.app, crm.hook_id, since=since, by=OPERATOR)
    crm.work()
    assert [one.kind for one in crm.taken if one.mail == other] == ["mail.noted"]


class TestBesideARound:
    """An admin's act waits for what is written of a round, and sees it."""

    def test_G_a_webhook_is_removed_while_a_round_of_it_is_written(
        self, crm: Crm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        crm.hook()
        crm.happen(crm.mails(3))
        round_ = taken_round(crm)
        fates: dict[str, PostFate] = {one.event_id: Refused("500") for one in round_.fresh}
        noting = noted_slowly(crm, monkeypatch, round_, fates)
        remove_webhook(crm.app, crm.hook_id, by=OPERATOR)
        noting.join()
        assert list_webhooks(crm.app, by=OPERATOR) == []

    def test_G_a_replay_while_a_round_is_written_keeps_the_order_of_a_mail(
        self, crm: Crm, clock: Frozen, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mails = crm.mails(1)
        crm.hook()
        clock.advance(MINUTE)
        since = clock()
        crm.happen(mails, 4)
        round_ = taken_round(crm)
        fates: dict[str, PostFate] = {
            round_.fresh[0].event_id: Taken(),
            round_.fresh[1].event_id: Refused("500"),
        }
        noting = noted_slowly(crm, monkeypatch, round_, fates)
        replay_webhook(crm.app, crm.hook_id, since=since, by=OPERATOR)
        noting.join()
        crm.live(2 * MINUTE)
        places = [one.position or 0 for one in crm.taken]
        assert len(places) == 4
        assert places == sorted(places)


def taken_round(crm: Crm) -> Round:
    [hook] = hooks_with_work(crm.app, limit=9)
    found = take_round(crm.app, hook)
    assert found is not None
    return found


def noted_slowly(
    crm: Crm, monkeypatch: pytest.MonkeyPatch, round_: Round, fates: dict[str, PostFate]
) -> threading.Thread:
    """Begin to write a round; its transaction stays open for a moment after its last row."""
    has_written, add_posts = threading.Event(), WebhookRows.add_posts

    def slow(self: WebhookRows, hook_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
        add_posts(self, hook_id, rows)
        has_written.set()
        threading.Event().wait(0.5)

    monkeypatch.setattr(WebhookRows, "add_posts", slow)
    noting = threading.Thread(target=note_round, args=(crm.app, round_, fates))
    noting.start()
    assert has_written.wait(30)
    monkeypatch.setattr(WebhookRows, "add_posts", add_posts)
    return noting
