"""Communal inboxes: a mailbox without a person, which members open as themselves (M9)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from maild import failpoint
from maild.core.accounts import set_account
from maild.core.answering import begin_answering, end_answering
from maild.core.app import OPERATOR, Actor, App
from maild.core.communal import plan_mode
from maild.core.feed import events_after
from maild.core.healing import matching_held
from maild.core.inboxes import inbox_members, set_inbox, show_inbox
from maild.core.lists import Wanted, list_mails
from maild.core.mailbox import add_note, give, set_unread, take, undo
from maild.core.mailbox_counts import count_mailboxes
from maild.core.marking import mark_opened, readers_of
from maild.core.people import add_communal_user, set_active
from maild.core.rules import add_rule
from maild.core.standing import actor_for
from maild.core.unmerging import unmerge
from maild.core.views import mail_history, show_mail
from maild.core.writing import reply
from maild.core.writing_desk import Asked
from maild.model.people import Role
from maild.model.reason import Reason, RefusedError
from tests.core.company import READER
from tests.core.conftest import Frozen
from tests.core.firm import EVA, INFO, JAN, LEA, Firm, a_firm, refusal

BOB = "bob@acme.example"
ARRIVED = ["mail.received", "mail.filed"]


@pytest.fixture
def firm(app: App) -> Firm:
    """Info@ is communal: Eva and Jan open it.  Bob does not, and nobody but distributors sees All Received."""
    made = a_firm(app)
    made.world.user(BOB)
    set_account(made.app, "acme", {"all_received": "no"}, by=OPERATOR)
    add_communal_user(made.app, inbox=INFO, name="Front desk", by=OPERATOR)
    inbox_members(made.app, INFO, add=[EVA, JAN], by=OPERATOR)
    return made


def comes(firm: Firm) -> str:
    firm.post.send(firm.post.mail(), INFO)
    firm.post.decide()
    return str(firm.newest()["ulid"])


def by(firm: Firm, email: str) -> Actor:
    return actor_for(firm.app, email)


def number(firm: Firm, email: str) -> int:
    with firm.app.store.read() as tx:
        found = tx.people.name(email)
    assert found is not None
    assert found.user_id is not None
    return found.user_id


def news_of(firm: Firm, email: str, mail: str) -> list[str]:
    """Return what somebody hears of a mail."""
    events = events_after(firm.app, by=by(firm, email)).events
    return [one.type for one in events if one.mail == mail]


def shown(firm: Firm, ulid: str) -> dict[str, Any]:
    return show_mail(firm.app, READER, ulid, by=OPERATOR)


class TestNobodyOpensIt:
    """M1: no mail lies in a communal mailbox that nobody opens."""

    def test_M9_a_rule_gives_nothing_to_a_mailbox_that_nobody_opens(self, firm: Firm) -> None:
        add_rule(firm.app, "All", f"subject contains Hello: owner = {INFO}", on=True, by=OPERATOR)
        inbox_members(firm.app, INFO, remove=[EVA, JAN], by=OPERATOR)
        ulid = comes(firm)
        assert shown(firm, ulid)["owner"] == LEA
        inbox_members(firm.app, INFO, add=[JAN], by=OPERATOR)
        assert shown(firm, comes(firm))["owner"] == INFO

    def test_M9_a_merge_is_not_taken_back_while_nobody_else_would_open_the_mailbox(
        self, firm: Firm
    ) -> None:
        inbox_members(firm.app, INFO, remove=[JAN], by=OPERATOR)
        set_active(firm.app, EVA, active=False, by=OPERATOR)
        merged = firm.merge(EVA, JAN)
        ulid = comes(firm)
        assert shown(firm, ulid)["owner"] == INFO
        with refusal(Reason.NOBODY_READS):
            unmerge(firm.app, merged.id, by=OPERATOR)
        inbox_members(firm.app, INFO, add=[BOB], by=OPERATOR)
        unmerge(firm.app, merged.id, by=OPERATOR)
        [listed] = list_mails(firm.app, Wanted(owner=INFO), by=by(firm, BOB)).mails
        assert listed["id"] == ulid

    @pytest.mark.parametrize("ending", ["removed", "disabled", "distributed"])
    def test_M9_mail_that_is_placed_meanwhile_is_seen_by_who_ends_the_last_membership(
        self, firm: Firm, ending: str
    ) -> None:
        inbox_members(firm.app, INFO, remove=[JAN], by=OPERATOR)
        ends: dict[str, Callable[[], object]] = {
            "removed": lambda: inbox_members(firm.app, INFO, remove=[EVA], by=OPERATOR),
            "disabled": lambda: set_active(firm.app, EVA, active=False, by=OPERATOR),
            "distributed": lambda: set_inbox(firm.app, INFO, {"mode": "distributed"}, by=OPERATOR),
        }
        firm.post.send(firm.post.mail(), INFO)
        with failpoint_passed("decide.before_settle_commit", ends[ending]) as outcome:
            firm.post.decide()
        if ending == "distributed":
            assert outcome == [None]
            assert firm.newest()["owner"] == LEA
        else:
            assert outcome == [Reason.NOBODY_READS]
            with refusal(Reason.NOBODY_READS) as caught:
                ends[ending]()
            assert "its communal mailbox holds 1 mail; add a member" in str(caught.value)
            assert firm.newest()["owner"] == INFO

    def test_M9_mail_that_was_judged_before_the_last_member_went_goes_by_the_chain(
        self, firm: Firm, clock: Frozen
    ) -> None:
        firm.post.send(firm.post.mail(), INFO)
        add_rule(firm.app, "All", f"subject contains Hello: owner = {INFO}", on=True, by=OPERATOR)
        gone = partial(inbox_members, firm.app, INFO, remove=[EVA, JAN], by=OPERATOR)
        firm.decides_while(gone)
        firm.post.decide()
        assert firm.newest()["owner"] is None
        clock.advance(timedelta(minutes=5))
        firm.post.decide()
        assert firm.newest()["owner"] == LEA


@contextmanager
def failpoint_passed(name: str, then: Callable[[], object]) -> Iterator[list[Reason | None]]:
    """Let something be asked for by another thread at a point, which goes on once that waits, or was done."""
    outcome: list[Reason | None] = []

    def ask() -> None:
        try:
            then()
            outcome.append(None)
        except RefusedError as error:
            outcome.append(error.reason)

    asking = threading.Thread(target=ask)
    real = failpoint.reached

    def reached(point: str) -> None:
        if point == name and asking.ident is None:
            asking.start()
            asking.join(1)
        real(point)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(failpoint, "reached", reached)
        yield outcome
    asking.join(30)


class TestMembers:
    def test_M9_members_see_and_act_as_themselves_and_others_do_not(self, firm: Firm) -> None:
        ulid = comes(firm)
        assert (shown(firm, ulid)["owner"], shown(firm, ulid)["unread"]) == (INFO, True)
        for email in (EVA, JAN):
            [listed] = list_mails(firm.app, Wanted(owner=INFO), by=by(firm, email)).mails
            assert listed["id"] == ulid
        assert list_mails(firm.app, Wanted(), by=by(firm, BOB)).mails == []
        with refusal(Reason.NOT_ALLOWED):
            show_mail(firm.app, READER, ulid, by=by(firm, BOB))
        with refusal(Reason.NOT_ALLOWED):
            add_note(firm.app, ulid, "hello", by=by(firm, BOB))
        add_note(firm.app, ulid, "I call them", by=by(firm, JAN))
        take(firm.app, ulid, by=by(firm, JAN))
        told = [(one.by, one.text) for one in mail_history(firm.app, ulid, by=OPERATOR)]
        assert {(JAN, "Jan wrote a note."), (JAN, "Jan took it from Front desk.")} <= set(told)
        assert list_mails(firm.app, Wanted(), by=by(firm, EVA)).mails == [], "it is Jan's own now"

    def test_M9_members_are_offered_to_heal_what_lies_there(self, firm: Firm) -> None:
        firm.post.send(firm.post.mail("who@stranger.example"), INFO)
        firm.post.decide()
        firm.world.client("Stranger", "who@stranger.example")
        offered = {
            email: matching_held(firm.app, ["who@stranger.example"], by=by(firm, email)).count
            for email in (LEA, JAN, BOB)
        }
        assert offered == {LEA: 1, JAN: 1, BOB: 0}

    def test_M9_who_is_a_member_no_longer_sees_nothing_of_it(self, firm: Firm) -> None:
        comes(firm)
        inbox_members(firm.app, INFO, remove=[EVA], by=OPERATOR)
        assert list_mails(firm.app, Wanted(), by=by(firm, EVA)).mails == []

    def test_M9_a_members_reading_is_the_mailboxs(self, firm: Firm) -> None:
        ulid = comes(firm)
        with refusal(Reason.NOT_ALLOWED):
            set_unread(firm.app, [ulid], unread=False, by=by(firm, BOB))
        set_unread(firm.app, [ulid], unread=False, by=by(firm, EVA))
        assert shown(firm, ulid)["unread"] is False
        assert [one.email for one in readers_of(firm.app, ulid, by=by(firm, JAN))] == [EVA]
        set_unread(firm.app, [ulid], unread=True, by=by(firm, JAN))
        mark_opened(firm.app, [ulid], by=by(firm, LEA))
        assert shown(firm, ulid)["unread"] is True, "a distributor who looks is no member"
        mark_opened(firm.app, [ulid], by=by(firm, JAN))
        assert shown(firm, ulid)["unread"] is False
        readers = {one.email for one in readers_of(firm.app, ulid, by=by(firm, EVA))}
        assert readers == {EVA, LEA, JAN}

    def test_M9_members_count_the_communal_mailbox_beside_their_own(self, firm: Firm) -> None:
        comes(firm)
        for email, owners in ((EVA, {EVA: 0, INFO: 1}), (BOB, {BOB: 0})):
            found = count_mailboxes(firm.app, by=by(firm, email)).mailboxes
            assert {one.owner: one.unread for one in found} == owners
        with refusal(Reason.NOT_ALLOWED):
            count_mailboxes(firm.app, INFO, by=by(firm, BOB))

    def test_M9_mail_is_given_to_the_communal_user_while_somebody_opens_it(
        self, firm: Firm
    ) -> None:
        ulid = comes(firm)
        give(firm.app, [ulid], to=number(firm, BOB), by=by(firm, EVA))
        give(firm.app, [ulid], to=number(firm, INFO), by=by(firm, BOB))
        assert (shown(firm, ulid)["owner"], shown(firm, ulid)["unread"]) == (INFO, True)
        take(firm.app, ulid, by=by(firm, EVA))
        inbox_members(firm.app, INFO, remove=[EVA, JAN], by=OPERATOR)
        with refusal(Reason.NOT_ALLOWED):
            give(firm.app, [ulid], to=number(firm, INFO), by=by(firm, EVA))

    def test_M10_the_last_member_stays_while_mail_lies_there(self, firm: Firm) -> None:
        comes(firm)
        inbox_members(firm.app, INFO, remove=[JAN], by=OPERATOR)
        with refusal(Reason.NOBODY_READS):
            inbox_members(firm.app, INFO, remove=[EVA], by=OPERATOR)
        with refusal(Reason.NOBODY_READS):
            set_active(firm.app, EVA, active=False, by=OPERATOR)

    def test_M9_with_nobody_to_open_it_mail_goes_to_the_owner_chain(self, firm: Firm) -> None:
        inbox_members(firm.app, INFO, remove=[EVA, JAN], by=OPERATOR)
        assert show_inbox(firm.app, INFO, by=OPERATOR).owner == LEA
        assert shown(firm, comes(firm))["owner"] == LEA


class TestSwitching:
    def test_M9_to_distributed_the_mailboxs_mail_goes_to_the_reader_as_was_said(
        self, firm: Firm
    ) -> None:
        first, second = comes(firm), comes(firm)
        take(firm.app, second, by=by(firm, EVA))
        plan = plan_mode(firm.app, INFO, "distributed", by=OPERATOR)
        assert (plan.mails, plan.to, plan.new_mail_to) == (1, LEA, LEA)
        assert plan.text.startswith("1 mail of the communal mailbox becomes Lea's")
        assert show_inbox(firm.app, INFO, by=OPERATOR).mode == "communal"
        set_inbox(firm.app, INFO, {"mode": "distributed"}, by=OPERATOR)
        assert [shown(firm, one)["owner"] for one in (first, second)] == [LEA, EVA]
        assert shown(firm, comes(firm))["owner"] == LEA

    def test_M9_and_back_every_mail_stays_with_its_owner(self, firm: Firm) -> None:
        set_inbox(firm.app, INFO, {"mode": "distributed"}, by=OPERATOR)
        ulid = comes(firm)
        plan = plan_mode(firm.app, INFO, "communal", by=OPERATOR)
        assert (plan.mails, plan.to, plan.new_mail_to) == (0, None, INFO)
        set_inbox(firm.app, INFO, {"mode": "communal"}, by=OPERATOR)
        assert shown(firm, ulid)["owner"] == LEA
        assert shown(firm, comes(firm))["owner"] == INFO

    def test_M9_switching_is_undone_as_one_act(self, firm: Firm) -> None:
        mails = [comes(firm) for _ in range(3)]
        set_inbox(firm.app, INFO, {"mode": "distributed"}, by=OPERATOR)
        told = mail_history(firm.app, mails[0], by=OPERATOR)
        [change] = [one.change for one in told if one.change is not None]
        set_inbox(firm.app, INFO, {"mode": "communal"}, by=OPERATOR)
        undo(firm.app, READER, by=OPERATOR, change_id=change)
        assert {shown(firm, one)["owner"] for one in mails} == {INFO}


class TestAnswering:
    def test_M9_who_answers_is_shown_and_ends_by_itself(self, firm: Firm, clock: Frozen) -> None:
        ulid = comes(firm)
        assert shown(firm, ulid)["answering"] is None
        begin_answering(firm.app, ulid, by=by(firm, JAN))
        clock.advance(timedelta(minutes=4))
        assert shown(firm, ulid)["answering"] == {
            "user": JAN,
            "name": "Jan",
            "since": "2026-11-20T09:42:00Z",
            "text": "Jan is answering since 09:42 UTC",
        }
        begin_answering(firm.app, ulid, by=by(firm, JAN))
        clock.advance(timedelta(minutes=4))
        assert shown(firm, ulid)["answering"]["since"] == "2026-11-20T09:42:00Z"
        clock.advance(timedelta(minutes=2))
        assert shown(firm, ulid)["answering"] is None

    def test_M9_who_comes_second_is_told_and_may_all_the_same(self, firm: Firm) -> None:
        ulid = comes(firm)
        begin_answering(firm.app, ulid, by=by(firm, JAN))
        with refusal(Reason.BEING_ANSWERED) as caught:
            begin_answering(firm.app, ulid, by=by(firm, EVA))
        assert str(caught.value) == "Jan is answering this mail since 09:42 UTC."
        end_answering(firm.app, ulid, by=by(firm, EVA))
        assert shown(firm, ulid)["answering"]["user"] == JAN
        begin_answering(firm.app, ulid, anyway=True, by=by(firm, EVA))
        assert shown(firm, ulid)["answering"]["user"] == EVA
        end_answering(firm.app, ulid, by=by(firm, EVA))
        assert shown(firm, ulid)["answering"] is None

    def test_M9_it_blocks_no_act_of_others_and_strangers_do_not_answer(self, firm: Firm) -> None:
        ulid = comes(firm)
        begin_answering(firm.app, ulid, by=by(firm, JAN))
        take(firm.app, ulid, by=by(firm, EVA))
        with refusal(Reason.NOT_ALLOWED):
            begin_answering(firm.app, ulid, by=by(firm, BOB))
        firm.world.user("boss@acme.example", role=Role.ADMIN)
        begin_answering(firm.app, ulid, anyway=True, by=by(firm, "boss@acme.example"))

    def test_M9_an_answer_is_refused_while_another_answers_unless_they_say_so(
        self, firm: Firm
    ) -> None:
        firm = replace(firm, app=replace(firm.app, has_relay=True))
        ulid = comes(firm)
        begin_answering(firm.app, ulid, by=by(firm, JAN))
        asked = Asked(text="Yes, on Monday.", anyway=False)
        with refusal(Reason.BEING_ANSWERED):
            reply(firm.app, READER, ulid, asked, by=by(firm, EVA))
        reply(firm.app, READER, ulid, replace(asked, anyway=True), by=by(firm, EVA))
        assert shown(firm, ulid)["answering"]["user"] == JAN
        reply(firm.app, READER, ulid, asked, by=by(firm, JAN))
        assert shown(firm, ulid)["answering"] is None, "it was sent"


class TestNews:
    """Who opens a communal mailbox hears of what lies in it, and nobody else does."""

    def test_M9_members_hear_of_its_mail(self, firm: Firm) -> None:
        mail = comes(firm)
        heard = {one: news_of(firm, one, mail) for one in (EVA, JAN, BOB)}
        assert heard == {EVA: ARRIVED, JAN: ARRIVED, BOB: []}

    def test_M9_members_hear_that_a_mail_went(self, firm: Firm) -> None:
        mail = comes(firm)
        give(firm.app, [mail], to=number(firm, BOB), by=OPERATOR)
        assert news_of(firm, EVA, mail) == ["mail.owner_changed"]
