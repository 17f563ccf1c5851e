"""U11: a person gets a free address; and an address that was given up rests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maild.core.addresses import add_address, make_primary
from maild.core.app import OPERATOR, Actor, App
from maild.core.change_email import EmailRequest, change_email, plan_change
from maild.core.doctor import examine
from maild.core.drops import show_drop
from maild.core.people import set_active, set_password, set_user
from maild.core.resets import sign_up
from maild.core.signing_in import check_password
from maild.core.undo_change import forget_changes, list_changes, undo_change
from maild.model.people import InboxKind
from maild.model.reason import Reason, RefusedError
from maild.store.store import Store
from maild.testing.world import a_world
from tests.conftest import UrlOf
from tests.core.conftest import Frozen
from tests.core.firm import CRM, EVA, JAN, LEA, Firm, a_firm, refusal

NEW = "eva.huber@acme.example"
MONTH = timedelta(days=30)
PASSWORD, OTHER = "a long enough password", "quite another password"


@pytest.fixture
def firm(app: App) -> Firm:
    return a_firm(app)


@pytest.fixture
def lite(tmp_path: Path, clock: Frozen, url_of: UrlOf) -> Iterator[Firm]:
    """The same on SQLite alone, for rules that no database has a part in."""
    store = Store(url_of("sqlite"), tmp_path / "bodies")
    app = App(store=store, clock=clock)
    yield a_firm(app)
    broken = examine(app).broken
    store.close()
    assert broken == ()


def opens(firm: Firm, name: str, password: str) -> str:
    """Return whose record a name and a password open, or the code of the refusal."""
    try:
        found = check_password(firm.app, name, password, peer="192.0.2.9")
    except RefusedError as error:
        return error.reason.code
    with firm.app.store.read() as tx:
        return tx.people.user(found.user_id).display_name


class TestThePlan:
    def test_U11_it_says_what_moves_and_does_nothing(self, lite: Firm) -> None:
        lite.world.alias(EVA, "moser@acme.example")
        show_drop(lite.app, EVA, by=OPERATOR)
        lite.forwards(EVA)
        planned = lite.plan(EVA, NEW)
        said = " ".join(planned.sentences)
        for what in (NEW, "30 days", "signs up again", "1 mail sent", "member in acme"):
            assert what in said
        assert "moser@acme.example" in said
        assert "drop address" in said
        assert lite.live(EVA) == {EVA: "primary", "moser@acme.example": "alias"}
        assert lite.rows("people_changes", "id") == []

    def test_U11_mails_that_are_in_hand_are_counted(self, lite: Firm) -> None:
        lite.forwards(EVA, decide=False)
        assert lite.plan(EVA, NEW).plan.in_hand == 1
        lite.post.decide()

    def test_U11_a_tagged_address_says_that_its_mail_comes_as_the_base(self, lite: Firm) -> None:
        [said] = lite.ambiguous(EVA, "me+acme@me.example")
        assert "me@me.example" in said
        assert "--sends-as" in said

    def test_U11_giving_up_the_base_of_a_tag_is_said(self, lite: Firm) -> None:
        lite.world.alias(EVA, "eva+bills@acme.example")
        [said] = lite.ambiguous(EVA, NEW)
        assert "eva+bills@acme.example" in said

    def test_U11_what_changed_since_makes_it_stale(self, lite: Firm) -> None:
        request = EmailRequest(old=EVA, new=NEW)
        digest = plan_change(lite.app, request, by=OPERATOR).plan.digest
        lite.world.alias(EVA, "moser@acme.example")
        with refusal(Reason.PLAN_OUTDATED):
            change_email(lite.app, request, reason="x", digest=digest, by=OPERATOR)
        assert EVA in lite.live(EVA)

    def test_U11_mail_that_comes_in_does_not_make_it_stale(self, lite: Firm) -> None:
        request = EmailRequest(old=EVA, new=NEW)
        digest = plan_change(lite.app, request, by=OPERATOR).plan.digest
        lite.forwards(EVA)
        change_email(lite.app, request, reason="x", digest=digest, by=OPERATOR)
        assert NEW in lite.live(NEW)

    def test_U11_applied_again_it_is_stale(self, lite: Firm) -> None:
        request = EmailRequest(old=EVA, new=JAN)
        digest = plan_change(lite.app, request, by=OPERATOR).plan.digest
        change_email(lite.app, request, reason="x", digest=digest, by=OPERATOR)
        with refusal(Reason.PLAN_OUTDATED):
            change_email(lite.app, request, reason="x", digest=digest, by=OPERATOR)


class TestRefusals:
    @pytest.mark.parametrize(
        ("old", "new", "code"),
        [
            ("nobody@acme.example", NEW, Reason.CURRENT_EMAIL_NOT_FOUND),
            ("moser@acme.example", NEW, Reason.CURRENT_EMAIL_NOT_FOUND),
            (CRM, NEW, Reason.CURRENT_EMAIL_NOT_FOUND),
            (EVA, "EVA@Acme.example", Reason.SAME_EMAIL),
            (EVA, "not an address", Reason.INVALID_EMAIL),
            ("", NEW, Reason.INVALID_EMAIL),
            (JAN, "moser@acme.example", Reason.EMAIL_IS_ALIAS),
            (EVA, "moser@acme.example", Reason.EMAIL_IS_ALIAS),
            (EVA, CRM, Reason.EMAIL_IN_USE_OTHER_KIND),
            (EVA, "crm+x@acme.example", Reason.EMAIL_IN_USE_OTHER_KIND),
            (EVA, "anna@rossi.example", Reason.EMAIL_IN_USE_OTHER_KIND),
        ],
    )
    def test_U11_each_is_refused_by_its_code(
        self, lite: Firm, old: str, new: str, code: Reason
    ) -> None:
        lite.world.alias(EVA, "moser@acme.example")
        with refusal(code):
            lite.plan(old, new)
        with refusal(code):
            change_email(
                lite.app, EmailRequest(old=old, new=new), reason="x", digest="", by=OPERATOR
            )

    def test_U11_an_alias_as_the_old_one_is_answered_with_the_primary(self, lite: Firm) -> None:
        lite.world.alias(EVA, "moser@acme.example")
        with pytest.raises(RefusedError) as caught:
            lite.plan("moser@acme.example", NEW)
        assert EVA in " ".join(caught.value.actions)

    def test_U11_nobody_but_the_operator_and_all_others_hear_the_same(self, lite: Firm) -> None:
        lea = lite.world.actor(LEA)
        answers = set()
        for old in (EVA, "nobody@acme.example", "not an address"):
            for by in (lea, Actor(99), Actor(None, 1)):
                with refusal(Reason.OPERATOR_ONLY) as caught:
                    plan_change(lite.app, EmailRequest(old=old, new=NEW), by=by)
                answers.add(str(caught.value))
        assert len(answers) == 1

    def test_U11_a_change_has_a_reason(self, lite: Firm) -> None:
        request = EmailRequest(old=EVA, new=NEW)
        digest = plan_change(lite.app, request, by=OPERATOR).plan.digest
        with refusal(Reason.INVALID_VALUE):
            change_email(lite.app, request, reason="  ", digest=digest, by=OPERATOR)

    def test_U11_an_alias_cannot_travel_where_nobody_exchanges_anything(self, lite: Firm) -> None:
        with refusal(Reason.INVALID_VALUE):
            lite.plan(EVA, NEW, alias_travels=("moser@acme.example",))


class TestAFreeAddress:
    def test_U11_the_same_record_gets_it_and_keeps_the_rest(self, firm: Firm) -> None:
        firm.world.alias(EVA, "moser@acme.example")
        before = firm.user(EVA)
        firm.change(EVA, NEW)
        after = firm.user(NEW)
        assert (after.id, after.memberships) == (before.id, before.memberships)
        assert firm.live(NEW) == {NEW: "primary", "moser@acme.example": "alias"}

    def test_U11_mail_from_the_new_one_is_theirs_at_once_and_from_the_old_one_nobodys(
        self, firm: Firm
    ) -> None:
        firm.change(EVA, NEW)
        firm.forwards(NEW)
        assert (firm.newest()["state"], firm.sender_of_newest()) == ("filed", "Eva")
        firm.forwards(EVA)
        assert firm.newest()["reason"] == "SENDER_UNKNOWN"

    def test_U12_mail_that_came_in_before_is_theirs_when_it_is_decided_later(
        self, firm: Firm, clock: Frozen
    ) -> None:
        firm.forwards(EVA, decide=False)
        clock.advance(timedelta(minutes=1))
        firm.change(EVA, NEW)
        firm.post.decide()
        assert (firm.newest()["state"], firm.sender_of_newest()) == ("filed", "Eva")

    def test_I4_an_address_that_was_nobodys_then_explains_older_mail(
        self, lite: Firm, clock: Frozen
    ) -> None:
        lite.forwards("moser@acme.example", decide=False)
        clock.advance(timedelta(minutes=1))
        lite.world.alias(EVA, "moser@acme.example")
        lite.post.decide()
        assert lite.sender_of_newest() == "Eva"

    def test_U11_the_person_signs_up_again_by_a_link_to_the_new_one(self, lite: Firm) -> None:
        set_password(lite.app, EVA, PASSWORD, by=OPERATOR)
        assert opens(lite, EVA, PASSWORD) == "Eva"
        lite.change(EVA, NEW)
        assert opens(lite, EVA, PASSWORD) == "SIGN_IN_REFUSED"
        assert opens(lite, NEW, PASSWORD) == "SIGN_UP_REQUIRED"
        sign_up(lite.app, lite.link(NEW), OTHER)
        assert opens(lite, NEW, OTHER) == "Eva"

    def test_U11_the_user_name_follows_where_it_was_the_address(self, lite: Firm) -> None:
        lite.change(EVA, NEW)
        assert lite.user(NEW).username == NEW
        set_user(lite.app, JAN, {"username": "jan"}, by=OPERATOR)
        lite.change(JAN, "jan2@acme.example")
        assert lite.user("jan2@acme.example").username == "jan"

    def test_U11_the_old_address_is_told_in_the_same_transaction(self, lite: Firm) -> None:
        changed = lite.change(EVA, NEW)
        [said] = lite.letters()[EVA]
        assert NEW in said
        assert changed.id in said

    def test_U11_the_drop_address_is_replaced(self, lite: Firm) -> None:
        before = show_drop(lite.app, EVA, by=OPERATOR)
        lite.change(EVA, NEW)
        assert set(show_drop(lite.app, NEW, by=OPERATOR).addresses).isdisjoint(before.addresses)

    def test_U11_events_tell_ids_alone_and_the_record_no_secret(self, lite: Firm) -> None:
        set_password(lite.app, EVA, PASSWORD, by=OPERATOR)
        with lite.app.store.read() as tx:
            [user] = [row for row in tx.logins.of(2) if row.username == EVA]
        lite.change(EVA, NEW)
        events = [one for one in lite.rows("events", "kind", "subject") if "email" in one[0]]
        assert len(events) == 1
        assert "@" not in json.dumps(events[0][1])
        [(plan,)] = lite.rows("people_changes", "plan")
        assert str(user.password_hash) not in json.dumps(plan)

    def test_U11_a_disabled_person_gets_no_link(self, lite: Firm) -> None:
        set_active(lite.app, EVA, active=False, by=OPERATOR)
        lite.change(EVA, NEW)
        assert lite.letters() == {}
        set_active(lite.app, NEW, active=True, by=OPERATOR)


class TestResting:
    def test_U11_nobody_may_have_the_old_address_for_thirty_days(self, firm: Firm) -> None:
        firm.change(EVA, NEW)
        firm.world.user("max@acme.example")
        attempts = (
            lambda: firm.world.user(EVA),
            lambda: firm.world.alias("max@acme.example", EVA),
            lambda: firm.world.inbox(EVA),
            lambda: firm.change(JAN, EVA),
        )
        for attempt in attempts:
            with pytest.raises(RefusedError, match="released on 2026-12-20") as caught:
                attempt()
            assert caught.value.reason is Reason.EMAIL_IN_USE
            assert caught.value.facts["released_on"] == "2026-12-20"

    def test_U11_afterwards_who_claims_it_first_has_it(self, firm: Firm, clock: Frozen) -> None:
        firm.change(EVA, NEW)
        clock.advance(MONTH)
        added = firm.world.user(EVA, "Another Eva")
        assert firm.user(EVA).id == added.id
        with refusal(Reason.EMAIL_IN_USE):
            firm.world.alias(JAN, EVA)

    def test_U11_afterwards_it_may_become_somebody_elses_by_a_change(
        self, firm: Firm, clock: Frozen
    ) -> None:
        firm.change(EVA, NEW)
        clock.advance(MONTH)
        firm.change(JAN, EVA)
        assert firm.user(EVA).name == "Jan"

    def test_U11_afterwards_it_may_become_an_inbox(self, firm: Firm, clock: Frozen) -> None:
        firm.change(EVA, NEW)
        clock.advance(MONTH)
        assert firm.world.inbox(EVA, InboxKind.SHARED, LEA).address == EVA

    def test_U11_whose_it_was_may_have_it_back_at_any_time(self, firm: Firm) -> None:
        firm.change(EVA, NEW)
        firm.world.alias(NEW, EVA)
        assert firm.live(NEW) == {NEW: "primary", EVA: "alias"}

    def test_U11_the_operator_may_give_it_away_before(self, firm: Firm) -> None:
        firm.change(EVA, NEW)
        firm.change(JAN, EVA, claim_resting=True)
        assert firm.user(EVA).name == "Jan"

    def test_U11_resting_it_finds_nobody(self, lite: Firm) -> None:
        lite.change(EVA, NEW)
        with refusal(Reason.NOT_FOUND):
            lite.user(EVA)

    def test_U11_somebody_elses_rest_is_not_ended_by_an_admins_alias(self, lite: Firm) -> None:
        lite.change(EVA, NEW)
        with refusal(Reason.SENDS_AS_IN_USE):
            add_address(lite.app, JAN, EVA, sends_as=True, confirm=True, by=OPERATOR)

    def test_U6_no_inbox_comes_between_a_resting_tag_and_its_base(self, lite: Firm) -> None:
        lite.world.user("me+x@me.example", "Me")
        lite.change("me+x@me.example", "me2@me.example")
        with refusal(Reason.EMAIL_IN_USE_OTHER_KIND):
            lite.world.inbox("me@me.example")


class TestUndo:
    def test_U11_address_user_name_and_password_are_as_they_were(self, firm: Firm) -> None:
        set_password(firm.app, EVA, PASSWORD, by=OPERATOR)
        changed = firm.change(EVA, NEW)
        sign_up(firm.app, firm.link(NEW), OTHER)
        undone = undo_change(firm.app, changed.id, by=OPERATOR)
        assert undone.stayed == ()
        assert firm.live(EVA) == {EVA: "primary"}
        assert firm.user(EVA).username == EVA
        assert opens(firm, EVA, PASSWORD) == "Eva"
        assert opens(firm, NEW, OTHER) == "SIGN_IN_REFUSED"

    def test_U11_then_the_new_one_rests(self, lite: Firm) -> None:
        undo_change(lite.app, lite.change(EVA, NEW).id, by=OPERATOR)
        with pytest.raises(RefusedError, match="released on"):
            lite.world.user(NEW)

    def test_U11_and_the_change_may_be_made_again(self, lite: Firm) -> None:
        undo_change(lite.app, lite.change(EVA, NEW).id, by=OPERATOR)
        lite.change(EVA, NEW)
        assert lite.live(NEW) == {NEW: "primary"}

    def test_U11_not_when_the_address_was_given_to_somebody_else(self, lite: Firm) -> None:
        changed = lite.change(EVA, NEW)
        lite.change(JAN, EVA, claim_resting=True)
        with pytest.raises(RefusedError, match="given to somebody else") as caught:
            undo_change(lite.app, changed.id, by=OPERATOR)
        assert caught.value.reason is Reason.CANNOT_UNDO
        assert lite.live(NEW) == {NEW: "primary"}

    def test_U11_not_when_another_address_is_the_primary_by_now(self, lite: Firm) -> None:
        changed = lite.change(EVA, NEW)
        lite.world.alias(NEW, "moser@acme.example")
        make_primary(lite.app, "moser@acme.example", by=OPERATOR)
        with refusal(Reason.CANNOT_UNDO):
            undo_change(lite.app, changed.id, by=OPERATOR)

    def test_U11_not_twice(self, lite: Firm) -> None:
        changed = lite.change(EVA, NEW)
        undo_change(lite.app, changed.id, by=OPERATOR)
        with pytest.raises(RefusedError, match="already"):
            undo_change(lite.app, changed.id, by=OPERATOR)

    def test_U11_not_before_what_came_after_it(self, lite: Firm) -> None:
        first = lite.change(EVA, NEW)
        second = lite.change(NEW, "eva3@acme.example")
        with pytest.raises(RefusedError) as caught:
            undo_change(lite.app, first.id, by=OPERATOR)
        assert second.id in " ".join(caught.value.actions)
        undo_change(lite.app, second.id, by=OPERATOR)
        undo_change(lite.app, first.id, by=OPERATOR)
        assert lite.live(EVA) == {EVA: "primary"}

    def test_U11_who_waited_for_an_earlier_link_gets_it_again(self, lite: Firm) -> None:
        lite.change(EVA, NEW)
        second = lite.change(NEW, "eva3@acme.example")
        undo_change(lite.app, second.id, by=OPERATOR)
        sign_up(lite.app, lite.link(NEW), OTHER)
        assert opens(lite, NEW, OTHER) == "Eva"

    def test_U11_not_after_thirty_days(self, lite: Firm, clock: Frozen) -> None:
        changed = lite.change(EVA, NEW)
        clock.advance(MONTH)
        with refusal(Reason.CANNOT_UNDO):
            undo_change(lite.app, changed.id, by=OPERATOR)

    def test_U11_then_what_was_kept_is_erased(self, firm: Firm, clock: Frozen) -> None:
        set_password(firm.app, EVA, PASSWORD, by=OPERATOR)
        firm.change(EVA, NEW)
        clock.advance(MONTH - timedelta(seconds=1))
        assert forget_changes(firm.app) == 0
        clock.advance(timedelta(seconds=1))
        assert forget_changes(firm.app) == 1
        assert firm.rows("people_changes", "kept") == [(None,)]
        hashes = dict(firm.rows("logins", "username", "password_hash"))
        assert hashes[NEW] is None
        assert EVA not in [norm for (norm,) in firm.rows("names", "norm")]

    def test_U11_what_rests_after_a_change_was_taken_back_is_released_too(
        self, lite: Firm, clock: Frozen
    ) -> None:
        undo_change(lite.app, lite.change(EVA, NEW).id, by=OPERATOR)
        clock.advance(MONTH)
        forget_changes(lite.app)
        assert NEW not in [norm for (norm,) in lite.rows("names", "norm")]

    def test_U11_who_signed_up_meanwhile_keeps_the_password(
        self, lite: Firm, clock: Frozen
    ) -> None:
        lite.change(EVA, NEW)
        sign_up(lite.app, lite.link(NEW), OTHER)
        clock.advance(MONTH)
        forget_changes(lite.app)
        assert opens(lite, NEW, OTHER) == "Eva"

    @pytest.mark.parametrize("wrong", ["", "nothing", "x" * 26, "01J00000000000000000000000"])
    def test_U11_an_unknown_change_is_not_found(self, lite: Firm, wrong: str) -> None:
        with refusal(Reason.NOT_FOUND):
            undo_change(lite.app, wrong, by=OPERATOR)

    def test_U11_only_the_operator_and_the_answer_tells_nothing(self, lite: Firm) -> None:
        changed = lite.change(EVA, NEW)
        lea = lite.world.actor(LEA)
        for change_id in (changed.id, "01J00000000000000000000000"):
            with refusal(Reason.OPERATOR_ONLY):
                undo_change(lite.app, change_id, by=lea)
        with refusal(Reason.OPERATOR_ONLY):
            list_changes(lite.app, by=lea)


def test_U11_a_crash_inside_leaves_everything_as_it_was(firm: Firm) -> None:
    request = EmailRequest(old=EVA, new=NEW)
    digest = plan_change(firm.app, request, by=OPERATOR).plan.digest
    tables = ("addresses", "names", "logins", "people_changes", "outbox", "events")
    columns = {"names": "norm"}
    before = [firm.rows(table, columns.get(table, "id")) for table in tables]

    calls = 0

    def failing() -> str:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise RuntimeError("the machine stopped")
        return "01J0000000000000000000000Z"

    from dataclasses import replace

    with pytest.raises(RuntimeError, match="stopped"):
        change_email(
            replace(firm.app, ids=failing), request, reason="x", digest=digest, by=OPERATOR
        )
    assert [firm.rows(table, columns.get(table, "id")) for table in tables] == before


def test_U9_a_person_of_two_accounts_has_the_new_address_in_both(lite: Firm) -> None:
    from maild.core.joining import answer_invitation, invite
    from maild.model.people import Role

    beta = a_world(lite.app, "beta")
    beta.user("bo@beta.example", role=Role.ADMIN)
    asked = invite(lite.app, EVA, role=Role.MEMBER, account="beta", by=OPERATOR)
    answer_invitation(lite.app, asked.membership.id, accept=True, by=OPERATOR)
    lite.change(EVA, NEW)
    assert lite.roles(NEW) == {"acme": "member", "beta": "member"}
