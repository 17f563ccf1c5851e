"""Absence: who stands in, what is refused, and what is handed back (M9, M10)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from maild.core.absence import (
    AbsenceView,
    NewAbsence,
    Returned,
    add_absence,
    come_back,
    end_absence,
    list_absences,
)
from maild.core.accounts import set_account
from maild.core.app import OPERATOR, Actor, App
from maild.core.healing import heal
from maild.core.inboxes import inbox_members, set_inbox, show_inbox
from maild.core.leaving import remove_member
from maild.core.mailbox import give, set_unread, undo
from maild.core.people import add_communal_user, set_active
from maild.core.rules import add_rule
from maild.core.standing import actor_for
from maild.core.views import explain_mail
from maild.core.writing import forward as pass_on, reply
from maild.core.writing_desk import Asked
from maild.model.reason import Reason, RefusedError
from tests.core.company import READER
from tests.core.conftest import Frozen
from tests.core.firm import CRM, EVA, INFO, JAN, LEA, Firm, a_firm, refusal


@pytest.fixture
def firm(app: App) -> Firm:
    return a_firm(replace(app, has_relay=True))


def absent(
    firm: Firm,
    email: str,
    substitute: str,
    begins: str = "2026-11-20",
    until: str = "2026-11-22",
    by: Actor = OPERATOR,
) -> AbsenceView:
    return add_absence(
        firm.app, email, NewAbsence(begins=begins, until=until, substitute=substitute), by=by
    )


def comes(firm: Firm, body: str = "Hello", **more: Any) -> dict[str, Any]:
    firm.post.send(firm.post.mail(body=body, **more), INFO)
    firm.post.decide()
    return firm.newest()


def back(firm: Firm, email: str, by: Actor = OPERATOR, *, give_back: bool = False) -> Returned:
    return come_back(firm.app, email, give_back=give_back, by=by)


class TestWhoStandsIn:
    def test_M10_new_mail_goes_to_who_stands_in_for_these_days_alone(
        self, firm: Firm, clock: Frozen
    ) -> None:
        view = absent(firm, LEA, EVA, "2026-11-21", "2026-11-22")
        assert (view.first_day, view.last_day, view.state) == ("2026-11-21", "2026-11-22", "coming")
        assert comes(firm)["owner"] == LEA
        clock.advance(timedelta(hours=15))
        mail = comes(firm)
        assert (mail["owner"], mail["unread"]) == (EVA, True)
        assert show_inbox(firm.app, INFO, by=OPERATOR).owner == EVA
        clock.advance(timedelta(days=2))
        assert comes(firm)["owner"] == LEA

    def test_M9_the_inboxs_own_substitute_comes_first_and_who_is_inactive_is_passed_over(
        self, firm: Firm
    ) -> None:
        set_inbox(firm.app, INFO, {"substitutes": JAN}, by=OPERATOR)
        absent(firm, LEA, EVA)
        assert comes(firm)["owner"] == JAN
        set_active(firm.app, JAN, active=False, by=OPERATOR)
        assert comes(firm)["owner"] == EVA

    def test_M10_days_are_those_of_the_accounts_time_zone(self, firm: Firm) -> None:
        set_account(firm.app, "acme", {"time_zone": "Pacific/Auckland"}, by=OPERATOR)
        view = absent(firm, LEA, EVA, "2026-11-20", "2026-11-20")
        assert f"{view.begins:%F %R} {view.ends:%F %R}" == "2026-11-19 11:00 2026-11-20 11:00"
        assert view.state == "away"
        with refusal(Reason.INVALID_VALUE):
            set_account(firm.app, "acme", {"time_zone": "Mars/Olympus"}, by=OPERATOR)

    def test_M10_a_rule_gives_to_who_stands_in_and_the_trace_says_so(self, firm: Firm) -> None:
        text = "subject contains invoice: owner = Eva"
        add_rule(firm.app, "Invoices", text, on=True, by=OPERATOR)
        assert comes(firm, "Invoice 1")["owner"] == EVA
        absent(firm, EVA, JAN)
        mail = comes(firm, "Invoice 2")
        assert mail["owner"] == JAN
        told = explain_mail(firm.app, mail["ulid"], by=OPERATOR)
        assert "it gives it to Jan, in place of Eva, who is away" in str(told["trace"])

    def test_M10_who_is_away_and_forwards_still_is_who_they_are(self, firm: Firm) -> None:
        absent(firm, EVA, JAN)
        firm.forwards(EVA)
        mail = firm.newest()
        assert (mail["user"], mail["owner"]) == (EVA, EVA)

    def test_M10_a_substitute_who_was_merged_is_who_they_are_by_now(self, firm: Firm) -> None:
        absent(firm, LEA, EVA)
        firm.merge(EVA, JAN)
        assert comes(firm)["owner"] == JAN


def heals(firm: Firm, address: str) -> None:
    firm.world.client("Stranger", address)
    heal(firm.app, READER, [address], by=OPERATOR)


class TestDecidedAgain:
    """M9: a mail that lies in a mailbox stays there; only new mail goes by the chain."""

    STRANGER = "new@stranger.example"

    def test_M9_a_mail_stays_whose_it_is_while_that_one_is_away(
        self, firm: Firm, clock: Frozen
    ) -> None:
        firm.post.send(firm.post.mail(self.STRANGER), INFO)
        firm.post.decide()
        ulid = firm.newest()["ulid"]
        set_unread(firm.app, [ulid], unread=False, by=actor_for(firm.app, LEA))
        absent(firm, LEA, EVA, "2026-11-21", "2026-11-22")
        clock.advance(timedelta(hours=20))
        heals(firm, self.STRANGER)
        mail = firm.newest()
        assert (mail["owner"], mail["unread"], mail["clients"][0]["name"]) == (
            LEA,
            False,
            "Stranger",
        )

    def test_M10_a_mail_that_came_to_who_stood_in_stays_after_the_return(
        self, firm: Firm, clock: Frozen
    ) -> None:
        absent(firm, LEA, EVA, "2026-11-20", "2026-11-21")
        firm.post.send(firm.post.mail(self.STRANGER), INFO)
        firm.post.decide()
        assert firm.newest()["owner"] == EVA
        clock.advance(timedelta(days=3))
        heals(firm, self.STRANGER)
        assert firm.newest()["owner"] == EVA
        assert back(firm, LEA).waiting == (firm.newest()["ulid"],)

    @pytest.mark.parametrize("was_away", [True, False])
    def test_M10_what_a_rule_gave_stays_when_somebody_goes_or_comes_back(
        self, firm: Firm, clock: Frozen, *, was_away: bool
    ) -> None:
        add_rule(firm.app, "All", "subject contains Hello: owner = Eva", on=True, by=OPERATOR)
        absent(firm, EVA, JAN, "2026-11-20" if was_away else "2026-11-21", "2026-11-22")
        firm.post.send(firm.post.mail(self.STRANGER), INFO)
        firm.post.decide()
        had = JAN if was_away else EVA
        assert firm.newest()["owner"] == had
        clock.advance(timedelta(days=4 if was_away else 1))
        heals(firm, self.STRANGER)
        assert firm.newest()["owner"] == had

    def test_M9_a_mail_stays_whose_it_is_when_the_inbox_becomes_communal(self, firm: Firm) -> None:
        firm.post.send(firm.post.mail(self.STRANGER), INFO)
        firm.post.decide()
        add_communal_user(firm.app, inbox=INFO, name="Front desk", by=OPERATOR)
        inbox_members(firm.app, INFO, add=[JAN], by=OPERATOR)
        heals(firm, self.STRANGER)
        assert firm.newest()["owner"] == LEA


class TestRefusals:
    def test_M10_a_loop_is_refused_and_named(self, firm: Firm) -> None:
        set_account(firm.app, "acme", {"default_owner": LEA}, by=OPERATOR)
        absent(firm, EVA, JAN)
        with refusal(Reason.SUBSTITUTE_LOOP) as caught:
            absent(firm, JAN, EVA, "2026-11-22", "2026-11-25")
        assert "From 2026-11-22" in str(caught.value)
        assert "Jan → Eva → Jan" in str(caught.value)
        absent(firm, LEA, JAN, "2026-12-01", "2026-12-05")
        with refusal(Reason.SUBSTITUTE_LOOP):
            absent(firm, JAN, LEA, "2026-12-01", "2026-12-05")
        absent(firm, JAN, EVA, "2026-11-23", "2026-11-25")

    def test_M10_nobody_reads_is_refused_with_inbox_and_date(self, firm: Firm) -> None:
        absent(firm, LEA, EVA, "2026-11-21", "2026-11-30")
        with refusal(Reason.NOBODY_READS) as caught:
            set_active(firm.app, EVA, active=False, by=OPERATOR)
        assert "mail to crm@acme.example from 2026-11-21" in str(caught.value)
        with refusal(Reason.NOBODY_READS):
            remove_member(firm.app, EVA, by=OPERATOR)
        set_inbox(firm.app, CRM, {"substitutes": JAN}, by=OPERATOR)
        set_inbox(firm.app, INFO, {"substitutes": JAN}, by=OPERATOR)
        set_active(firm.app, EVA, active=False, by=OPERATOR)
        with refusal(Reason.NOBODY_READS) as caught:
            set_inbox(firm.app, INFO, {"substitutes": "none"}, by=OPERATOR)
        assert "mail to info@acme.example from 2026-11-21" in str(caught.value)
        with refusal(Reason.NOBODY_READS) as caught:
            absent(firm, JAN, LEA, "2026-11-25", "2026-11-26")
        assert "from 2026-11-25" in str(caught.value)

    @pytest.mark.parametrize(
        ("begins", "until"),
        [
            ("2026-11-22", "2026-11-21"),
            ("2026-11-10", "2026-11-19"),
            ("2026-13-01", "2026-12-01"),
            ("tomorrow", "2026-12-01"),
            ("2026-11-22", "9999-12-31"),
            ("2026-11-22T10:00", "2026-12-01"),
            ("", "\0"),
        ],
    )
    def test_M10_days_that_cannot_be_are_refused(self, firm: Firm, begins: str, until: str) -> None:
        with refusal(Reason.INVALID_VALUE):
            absent(firm, LEA, EVA, begins, until)

    def test_M10_days_do_not_overlap_and_nobody_stands_in_for_themselves(self, firm: Firm) -> None:
        first = absent(firm, LEA, EVA)
        with pytest.raises(RefusedError, match=first.id):
            absent(firm, LEA, JAN, "2026-11-22", "2026-11-23")
        with refusal(Reason.INVALID_VALUE):
            absent(firm, JAN, JAN)

    def test_M10_people_write_down_their_own_and_admins_everybodys(self, firm: Firm) -> None:
        eva = actor_for(firm.app, EVA)
        absent(firm, EVA, JAN, by=eva)
        with refusal(Reason.NOT_ALLOWED):
            absent(firm, JAN, LEA, by=eva)
        [listed] = list_absences(firm.app, by=actor_for(firm.app, JAN))
        assert (listed.email, listed.substitute) == (EVA, JAN)
        with refusal(Reason.NOT_ALLOWED):
            end_absence(firm.app, listed.id, by=actor_for(firm.app, JAN))
        end_absence(firm.app, listed.id, by=eva)
        assert list_absences(firm.app, by=eva) == []


class TestReturn:
    def test_M10_what_came_meanwhile_and_lies_there_still_is_given_back_by_one_act(
        self, firm: Firm, clock: Frozen
    ) -> None:
        absent(firm, LEA, EVA)
        came = [comes(firm)["ulid"] for _ in range(3)]
        with firm.app.store.read() as tx:
            jan = tx.people.name(JAN)
        assert jan is not None
        give(firm.app, came[:1], to=jan.user_id or 0, by=OPERATOR)
        clock.advance(timedelta(days=1))
        assert back(firm, LEA).waiting == tuple(came[1:])
        assert comes(firm)["owner"] == LEA, "who is back gets what comes in"
        again = absent(firm, LEA, EVA, "2026-11-20", "2026-11-23")
        end_absence(firm.app, again.id, by=OPERATOR)
        done = back(firm, LEA, give_back=True)
        assert (done.given, done.waiting) == (tuple(came[1:]), ())
        assert {one["owner"] for one in firm.post.lies()} == {JAN, LEA}
        assert done.change is not None
        undo(firm.app, READER, by=OPERATOR, change_id=done.change)
        assert [one["owner"] for one in firm.post.lies()] == [JAN, EVA, EVA, LEA]
        assert back(firm, LEA).waiting == tuple(came[1:])

    def test_M10_what_came_waits_also_where_who_stood_in_was_merged(self, firm: Firm) -> None:
        absent(firm, LEA, EVA)
        ulid = comes(firm)["ulid"]
        firm.merge(EVA, JAN)
        assert back(firm, LEA).waiting == (ulid,)
        assert back(firm, LEA, give_back=True).given == (ulid,)

    def test_M10_what_came_waits_also_where_who_was_away_was_merged(
        self, firm: Firm, clock: Frozen
    ) -> None:
        set_inbox(firm.app, INFO, {"owner": EVA}, by=OPERATOR)
        absent(firm, EVA, JAN)
        ulid = comes(firm)["ulid"]
        firm.merge(EVA, LEA)
        clock.advance(timedelta(days=3))
        assert back(firm, LEA).waiting == (ulid,)

    def test_M10_what_somebody_was_given_is_not_taken_from_them_again(self, firm: Firm) -> None:
        absent(firm, LEA, EVA)
        kept, passed = (str(comes(firm)["ulid"]) for _ in range(2))
        eva, jan = (actor_for(firm.app, mail) for mail in (EVA, JAN))
        assert eva.user_id is not None
        assert jan.user_id is not None
        give(firm.app, [passed], to=jan.user_id, by=eva)
        give(firm.app, [passed], to=eva.user_id, by=jan)
        assert back(firm, LEA, give_back=True).given == (kept,)
        give(firm.app, [kept], to=eva.user_id, by=actor_for(firm.app, LEA), note="please keep it")
        assert back(firm, LEA, give_back=True).given == ()

    def test_M10_a_mail_that_was_passed_on_for_information_is_not_answered(
        self, firm: Firm
    ) -> None:
        absent(firm, LEA, EVA)
        told, answered = (str(comes(firm)["ulid"]) for _ in range(2))
        asked = Asked(text="See below.", to=("boss@else.example",))
        pass_on(firm.app, READER, told, asked, by=actor_for(firm.app, EVA))
        reply(firm.app, READER, answered, Asked(text="Yes."), by=actor_for(firm.app, EVA))
        assert back(firm, LEA).waiting == (told,)

    def test_M10_who_stands_in_answers_as_the_inbox_that_the_client_wrote_to(
        self, firm: Firm
    ) -> None:
        absent(firm, LEA, EVA)
        mail, other = (str(comes(firm)["ulid"]) for _ in range(2))
        eva, jan = (actor_for(firm.app, mail) for mail in (EVA, JAN))
        back(firm, LEA)
        written = reply(firm.app, READER, mail, Asked(text="Yes."), by=eva)
        assert written.sender == INFO
        give(firm.app, [other], to=jan.user_id or 0, by=OPERATOR)
        with refusal(Reason.SENDER_NOT_ALLOWED):
            reply(firm.app, READER, other, Asked(text="Yes."), by=jan)
        set_account(firm.app, "acme", {"default_owner": JAN}, by=OPERATOR)
        assert reply(firm.app, READER, other, Asked(text="Yes."), by=jan).sender == INFO

    def test_M10_nobody_but_an_admin_gives_back_for_another(self, firm: Firm) -> None:
        absent(firm, LEA, EVA)
        comes(firm)
        with refusal(Reason.NOT_ALLOWED):
            back(firm, LEA, by=actor_for(firm.app, EVA), give_back=True)
        own = back(firm, LEA, by=actor_for(firm.app, LEA), give_back=True)
        assert len(own.given) == 1


@pytest.mark.parametrize("seed", range(3))
def test_M10_after_any_changes_that_were_not_refused_a_reader_is_there(
    firm: Firm, clock: Frozen, seed: int
) -> None:
    chance = random.Random(seed)
    people = [LEA, EVA, JAN]
    acts: list[Callable[[], object]] = [
        lambda: absent(
            firm,
            chance.choice(people),
            chance.choice(people),
            f"2026-11-{chance.randint(20, 27)}",
            f"2026-11-{chance.randint(22, 30)}",
        ),
        lambda: set_inbox(firm.app, INFO, {"owner": chance.choice(people)}, by=OPERATOR),
        lambda: set_inbox(firm.app, INFO, {"substitutes": chance.choice(people)}, by=OPERATOR),
        lambda: set_active(
            firm.app, chance.choice(people), active=chance.random() < 0.5, by=OPERATOR
        ),
        lambda: set_account(
            firm.app, "acme", {"default_owner": chance.choice([*people, "none"])}, by=OPERATOR
        ),
    ]
    for _ in range(25):
        try:
            chance.choice(acts)()
        except RefusedError:
            continue
    for _ in range(12):
        owner = comes(firm)["owner"]
        away = {one.email for one in list_absences(firm.app, by=OPERATOR) if one.state == "away"}
        assert owner not in away
        assert firm.user(owner).active
        clock.advance(timedelta(days=1))
