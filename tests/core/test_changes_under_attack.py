"""What came between a change of people and its end, or its undoing.  Each once broke something (U5, U8, U11-U13, I4)."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import count
from shlex import quote
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from maild.core.accounts import set_account
from maild.core.addresses import remove_address
from maild.core.app import OPERATOR, App
from maild.core.change_email import EmailRequest, change_email, plan_change
from maild.core.doctor import examine
from maild.core.drops import show_drop
from maild.core.inboxes import inbox_members, set_inbox
from maild.core.joining import answer_invitation, invite
from maild.core.leaving import remove_member
from maild.core.logins import add_own_login
from maild.core.mailbox import give, newest_change, undo
from maild.core.merging import plan_merging
from maild.core.people import add_communal_user, set_active, set_password, set_user
from maild.core.repairs import Asked, repair
from maild.core.resets import sign_up
from maild.core.rulings import dismiss, release_mails, retry, unfile
from maild.core.signing_in import check_password
from maild.core.undo_change import undo_change
from maild.core.unmerging import unmerge
from maild.model.people import Role
from maild.model.reason import Reason, RefusedError
from maild.store import people_tables
from maild.testing.world import World, a_world
from tests.core.company import READER
from tests.core.conftest import Frozen
from tests.core.firm import CRM, EVA, FORWARD, INFO, JAN, LEA, Firm, a_firm, refusal

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NEW, MAX = "eva.huber@acme.example", "max@acme.example"
PASSWORD, OTHER = "a long enough password", "quite another password"


@pytest.fixture
def firm(app: App) -> Firm:
    return a_firm(app)


def joins(firm: Firm, email: str, account: str, role: Role = Role.MEMBER) -> None:
    asked = invite(firm.app, email, role=role, account=account, by=OPERATOR)
    answer_invitation(firm.app, asked.membership.id, accept=True, by=OPERATOR)


def beta(firm: Firm, *people: str) -> World:
    """A second account, of Bo the admin; these people work there, too."""
    world = a_world(firm.app, "beta")
    world.user("bo@beta.example", "Bo", Role.ADMIN)
    for email in people:
        joins(firm, email, "beta")
    return world


def opens(firm: Firm, name: str, password: str) -> str:
    """Return whose record a name and a password open, or the code of the refusal."""
    try:
        found = check_password(firm.app, name, password, peer="192.0.2.9")
    except RefusedError as error:
        return error.reason.code
    with firm.app.store.read() as tx:
        return tx.rights.display_name(found.user_id)


class TestTakingBackToAnAddress:
    def test_U11_it_comes_back_when_it_is_nobodys_by_now(self, firm: Firm) -> None:
        changed = firm.change(EVA, NEW)
        firm.world.alias(NEW, EVA)
        remove_address(firm.app, EVA, by=OPERATOR)
        with firm.app.store.write() as tx:  # As when its rest is over.
            tx.people.release(EVA)
            tx.connection.execute(update(people_tables.addresses).values(resting_until=None))
        undo_change(firm.app, changed.id, by=OPERATOR)
        assert firm.live(EVA) == {EVA: "primary"}

    def test_U5_it_comes_back_confirmed_as_it_was(self, firm: Firm) -> None:
        changed = firm.change(EVA, NEW)
        firm.world.alias(NEW, EVA, confirm=False)
        undo_change(firm.app, changed.id, by=OPERATOR)
        firm.forwards(EVA)
        assert firm.sender_of_newest() == "Eva"

    def test_U5_so_it_does_when_a_merge_is_taken_back(self, firm: Firm) -> None:
        changed = firm.merge(EVA, JAN)
        remove_address(firm.app, EVA, by=OPERATOR)
        firm.world.alias(JAN, EVA, confirm=False)
        unmerge(firm.app, changed.id, by=OPERATOR)
        firm.forwards(EVA)
        assert firm.sender_of_newest() == "Eva"

    def test_U4_a_tag_of_what_is_an_inbox_by_now_does_not_come_back(self, firm: Firm) -> None:
        firm.world.alias(EVA, "team+eva@acme.example")
        changed = firm.merge(EVA, JAN)
        remove_address(firm.app, "team+eva@acme.example", by=OPERATOR)
        firm.world.inbox("team@acme.example", owner=LEA)
        [stayed] = unmerge(firm.app, changed.id, by=OPERATOR).stayed
        assert "team+eva@acme.example" in stayed
        assert firm.live(EVA) == {EVA: "primary"}

    def test_U11_a_login_that_was_made_meanwhile_opens_nothing_any_more(self, firm: Firm) -> None:
        beta(firm, EVA)
        set_account(firm.app, "beta", {"own_login_required": "yes"}, by=OPERATOR)
        changed = firm.change(EVA, NEW)
        add_own_login(firm.app, NEW, "eva-beta", PASSWORD, account="beta", by=OPERATOR)
        assert opens(firm, "eva-beta", PASSWORD) == "Eva"
        [stayed] = undo_change(firm.app, changed.id, by=OPERATOR).stayed
        assert "eva-beta" in stayed
        assert opens(firm, "eva-beta", PASSWORD) == "SIGN_UP_REQUIRED"

    def test_U11_a_password_whose_time_is_over_does_not_come_back(
        self, firm: Firm, clock: Frozen
    ) -> None:
        set_password(firm.app, EVA, PASSWORD, by=OPERATOR)
        firm.change(EVA, NEW)
        clock.advance(20 * DAY)
        second = firm.change(NEW, "eva3@acme.example")
        clock.advance(20 * DAY)
        undo_change(firm.app, second.id, by=OPERATOR)
        assert opens(firm, NEW, PASSWORD) == "SIGN_IN_REFUSED"
        sign_up(firm.app, firm.link(NEW), OTHER)
        assert opens(firm, NEW, OTHER) == "Eva"

    def test_U8_nobody_keeps_a_foreign_address_as_user_name_by_taking_the_other_one(
        self, firm: Firm
    ) -> None:
        changed = firm.merge(EVA, JAN)
        [jans] = [row[0] for row in firm.rows("logins", "id", "username") if row[1] == JAN]
        set_user(firm.app, JAN, {"username": EVA}, by=OPERATOR)
        firm.world.user(MAX)
        set_user(firm.app, MAX, {"username": f"login-{jans}"}, by=OPERATOR)
        set_user(firm.app, LEA, {"username": "lea"}, by=OPERATOR)
        with firm.app.store.write() as tx:  # Who had Jan's name before it was looked for.
            [leas] = [login.id for login in tx.logins.of(1)]
            tx.logins.set_username(leas, JAN)
        unmerge(firm.app, changed.id, by=OPERATOR)
        assert "@" not in str(firm.user(JAN).username)
        with firm.app.store.write() as tx:
            tx.logins.set_username(leas, "lea")


class TestRest:
    def test_U11_what_was_given_up_rests_on_when_it_was_had_back_and_removed(
        self, firm: Firm, clock: Frozen
    ) -> None:
        firm.change(EVA, NEW)
        firm.world.alias(NEW, EVA)
        remove_address(firm.app, EVA, by=OPERATOR)
        with pytest.raises(RefusedError, match="released on 2026-12-20"):
            firm.world.alias(JAN, EVA)
        clock.advance(30 * DAY)
        firm.world.alias(JAN, EVA)

    def test_U5_any_other_alias_is_free_when_it_is_removed(self, firm: Firm) -> None:
        firm.change(EVA, NEW)
        firm.world.alias(NEW, "hand@acme.example")
        remove_address(firm.app, "hand@acme.example", by=OPERATOR)
        firm.world.alias(JAN, "hand@acme.example")


class TestHealing:
    @pytest.fixture(autouse=True)
    def heals(self, firm: Firm) -> None:
        set_account(firm.app, "acme", {"heal": "self"}, by=OPERATOR)

    def test_I4_a_change_of_e_mail_heals_what_came_from_the_new_one_before(
        self, firm: Firm
    ) -> None:
        firm.forwards(NEW)
        assert firm.newest()["reason"] == "SENDER_UNKNOWN"
        firm.change(EVA, NEW)
        firm.post.decide()
        assert (firm.newest()["state"], firm.sender_of_newest()) == ("filed", "Eva")

    def test_I4_taking_it_back_heals_what_came_from_the_old_one_meanwhile(
        self, firm: Firm, clock: Frozen
    ) -> None:
        changed = firm.change(EVA, NEW)
        clock.advance(MINUTE)
        firm.forwards(EVA)
        assert firm.newest()["reason"] == "SENDER_UNKNOWN"
        undo_change(firm.app, changed.id, by=OPERATOR)
        firm.post.decide()
        assert (firm.newest()["state"], firm.sender_of_newest()) == ("filed", "Eva")

    def test_I4_a_merge_heals_what_waited_for_the_account_that_is_joined(
        self, firm: Firm, clock: Frozen
    ) -> None:
        beta(firm).user(MAX, "Max")
        firm.forwards(MAX)
        assert firm.newest()["reason"] == "NOT_A_MEMBER"
        clock.advance(MINUTE)
        firm.merge(MAX, JAN)
        firm.post.decide()
        assert (firm.newest()["state"], firm.sender_of_newest()) == ("filed", "Max")


class TestDecidedAgain:
    """U12: a mail stays whose it was, whatever became of that user since."""

    def again(self, firm: Firm) -> None:
        retry(firm.app, READER, [firm.newest()["ulid"]], by=OPERATOR)

    def to_drop(self, firm: Firm, email: str) -> None:
        address = show_drop(firm.app, email, by=OPERATOR).addresses[0]
        firm.post.send(firm.post.mail("team@shared.example", to="x@y.example"), address)
        firm.post.decide()

    def test_U12_when_the_base_of_its_tag_is_somebody_elses(self, firm: Firm) -> None:
        firm.world.user("me+x@acme.example", "Me")
        set_account(firm.app, "acme", {"plus_tag": "base-if-unique"}, by=OPERATOR)
        firm.forwards("me@acme.example")
        before = firm.resolved()
        assert firm.sender_of_newest() == "Me"
        firm.world.alias(JAN, "me@acme.example")
        self.again(firm)
        assert firm.resolved() == before

    def test_U12_when_the_account_takes_no_base_any_more(self, firm: Firm) -> None:
        firm.world.user("me+x@acme.example", "Me")
        set_account(firm.app, "acme", {"plus_tag": "base-if-unique"}, by=OPERATOR)
        firm.forwards("me@acme.example")
        before = firm.resolved()
        set_account(firm.app, "acme", {"plus_tag": "exact"}, by=OPERATOR)
        self.again(firm)
        assert firm.resolved() == before

    @pytest.mark.parametrize("what", ["swap", "rename", "merge"])
    def test_U12_when_it_came_to_the_drop_address_of_who_was_changed(
        self, firm: Firm, clock: Frozen, what: str
    ) -> None:
        self.to_drop(firm, EVA)
        before = firm.resolved()
        assert firm.sender_of_newest() == "Eva"
        clock.advance(MINUTE)
        match what:
            case "swap":
                firm.change(EVA, JAN)
            case "rename":
                firm.change(EVA, NEW)
            case _:
                firm.merge(EVA, JAN)
        self.again(firm)
        assert firm.resolved() == before

    def test_U12_when_it_came_to_the_drop_address_of_who_was_somebody_else_for_a_while(
        self, firm: Firm, clock: Frozen
    ) -> None:
        address = show_drop(firm.app, EVA, by=OPERATOR).addresses[0]
        firm.post.send(firm.post.mail("team@shared.example", to="x@y.example"), address)
        clock.advance(MINUTE)
        changed = firm.merge(EVA, JAN)
        firm.post.decide()
        before = firm.resolved()
        assert firm.sender_of_newest() == "Jan"
        unmerge(firm.app, changed.id, by=OPERATOR)
        self.again(firm)
        assert firm.resolved() == before

    def test_U12_when_somebody_said_whose_it_is_and_that_one_was_merged(
        self, firm: Firm, clock: Frozen
    ) -> None:
        firm.post.send(firm.post.mail(f"{EVA}, {JAN}", to=CRM), CRM)
        firm.post.decide()
        asked = Asked(action="choose-user", value=EVA)
        repair(firm.app, READER, firm.newest()["ulid"], asked, by=OPERATOR)
        before = firm.resolved()
        assert firm.sender_of_newest() == "Eva"
        clock.advance(MINUTE)
        firm.merge(EVA, JAN)
        self.again(firm)
        assert firm.resolved() == before

    def test_U12_when_they_are_disabled_and_somebody_takes_it_off_its_client(
        self, firm: Firm
    ) -> None:
        firm.forwards(EVA)
        before = firm.resolved()
        set_active(firm.app, EVA, active=False, by=OPERATOR)
        [(client,)] = firm.rows("clients", "ulid")
        unfile(firm.app, READER, [firm.newest()["ulid"]], client=client, by=OPERATOR)
        assert (firm.newest()["state"], firm.resolved()) == ("unfiled", before)

    def test_U12_when_they_have_left_the_account(self, firm: Firm) -> None:
        firm.forwards(EVA)
        before = firm.resolved()
        give(firm.app, [firm.newest()["ulid"]], to=1, by=OPERATOR)
        remove_member(firm.app, EVA, account="acme", by=OPERATOR)
        self.again(firm)
        assert (firm.resolved(), firm.newest()["owner"]) == (before, LEA)

    def test_M10_released_it_lies_with_the_owner_chain_when_its_sender_has_left(
        self, firm: Firm
    ) -> None:
        firm.forwards(EVA)
        before = firm.resolved()
        ulid = firm.newest()["ulid"]
        dismiss(firm.app, READER, [ulid], by=OPERATOR)
        remove_member(firm.app, EVA, account="acme", by=OPERATOR)
        release_mails(firm.app, READER, [ulid], by=OPERATOR)
        assert (firm.resolved(), firm.newest()["owner"]) == (before, LEA)

    def test_E2_a_word_about_who_is_inactive_can_be_taken_back(self, firm: Firm) -> None:
        set_active(firm.app, EVA, active=False, by=OPERATOR)
        firm.forwards(EVA)
        assert firm.newest()["reason"] == "USER_INACTIVE"
        asked = Asked(action="substitute", value=JAN)
        repair(firm.app, READER, firm.newest()["ulid"], asked, by=OPERATOR)
        assert (firm.newest()["state"], firm.newest()["owner"]) == ("filed", JAN)
        undo(firm.app, READER, by=OPERATOR, change_id=newest_change(firm.app, 1, by=OPERATOR))
        assert firm.newest()["reason"] == "USER_INACTIVE"
        set_active(firm.app, EVA, active=True, by=OPERATOR)


class TestMerging:
    def test_U13_a_role_that_is_over_raises_nobody_who_is_invited(self, firm: Firm) -> None:
        beta(firm)
        joins(firm, EVA, "beta", Role.ADMIN)
        remove_member(firm.app, EVA, account="beta", by=OPERATOR)
        invite(firm.app, JAN, role=Role.MEMBER, account="beta", by=OPERATOR)
        firm.merge(EVA, JAN)
        assert firm.roles(JAN)["beta"] == "member"

    def test_U13_nobody_gets_a_membership_that_was_over(self, firm: Firm) -> None:
        beta(firm, EVA)
        remove_member(firm.app, EVA, account="beta", by=OPERATOR)
        said = " ".join(plan_merging(firm.app, EVA, JAN, by=OPERATOR).sentences)
        assert "beta" not in said
        firm.merge(EVA, JAN)
        assert firm.roles(JAN) == {"acme": "member"}

    def test_U13_the_plan_calls_an_invitation_an_invitation(self, firm: Firm) -> None:
        beta(firm)
        invite(firm.app, EVA, role=Role.ADMIN, account="beta", by=OPERATOR)
        said = " ".join(plan_merging(firm.app, EVA, JAN, by=OPERATOR).sentences)
        assert "In beta Jan is invited as admin then, because Eva is." in said
        assert "joins" not in said

    @pytest.mark.parametrize("action", ["use-drop-address", "accept-once"])
    def test_U13_a_repair_is_about_who_the_claimed_user_is_today(
        self, firm: Firm, clock: Frozen, action: str
    ) -> None:
        firm.post.send(firm.post.mail(EVA, to=CRM, body=FORWARD), CRM)
        firm.post.decide()
        assert firm.newest()["reason"] == "SENDER_NOT_VERIFIED"
        clock.advance(MINUTE)
        firm.merge(EVA, JAN)
        done = repair(firm.app, READER, firm.newest()["ulid"], Asked(action=action), by=OPERATOR)
        assert "Jan" in done.text

    def test_U13_nobody_who_was_merged_is_enabled_by_a_repair(
        self, firm: Firm, clock: Frozen
    ) -> None:
        set_active(firm.app, EVA, active=False, by=OPERATOR)
        firm.forwards(EVA)
        assert firm.newest()["reason"] == "USER_INACTIVE"
        clock.advance(MINUTE)
        firm.merge(EVA, JAN)
        repair(firm.app, READER, firm.newest()["ulid"], Asked(action="enable"), by=OPERATOR)
        assert firm.rows("users", "display_name", "merged_into_id")[1] == ("Eva", 3)
        assert examine(firm.app).broken == ()


class TestApartAgain:
    def test_U13_who_leaves_an_account_keeps_nothing_of_it(self, firm: Firm) -> None:
        world = beta(firm, EVA)
        changed = firm.merge(EVA, JAN)
        world.inbox("desk@beta.example", owner="bo@beta.example")
        communal = {"mode": "communal"}
        set_inbox(firm.app, "desk@beta.example", communal, account="beta", by=OPERATOR)
        add_communal_user(
            firm.app, inbox="desk@beta.example", name="Desk", account="beta", by=OPERATOR
        )
        inbox_members(firm.app, "desk@beta.example", add=[JAN], account="beta", by=OPERATOR)
        [address] = show_drop(firm.app, JAN, account="beta", by=OPERATOR).addresses
        unmerge(firm.app, changed.id, by=OPERATOR)
        left = inbox_members(firm.app, "desk@beta.example", account="beta", by=OPERATOR)
        assert left.members == ()
        [answer] = firm.post.send(firm.post.mail(), address)
        assert answer.reason is Reason.DROP_ADDRESS_ROTATED

    def test_U13_who_was_taken_out_of_a_communal_inbox_stays_out(self, firm: Firm) -> None:
        set_inbox(firm.app, INFO, {"mode": "communal"}, by=OPERATOR)
        add_communal_user(firm.app, inbox=INFO, name="Info", by=OPERATOR)
        inbox_members(firm.app, INFO, add=[EVA], by=OPERATOR)
        changed = firm.merge(EVA, JAN)
        inbox_members(firm.app, INFO, remove=[JAN], by=OPERATOR)
        [stayed] = unmerge(firm.app, changed.id, by=OPERATOR).stayed
        assert "communal" in stayed
        assert inbox_members(firm.app, INFO, by=OPERATOR).members == ()

    def test_U13_both_are_told(self, firm: Firm) -> None:
        changed = firm.merge(EVA, JAN)
        before = {to: len(texts) for to, texts in firm.letters().items()}
        unmerge(firm.app, changed.id, by=OPERATOR)
        told = firm.letters()
        for email in (EVA, JAN):
            assert len(told[email]) == before[email] + 1
            assert changed.id in told[email][-1]


def test_U11_the_login_of_who_is_disabled_gets_into_a_record_by_consent_alone(firm: Firm) -> None:
    set_password(firm.app, JAN, PASSWORD, by=OPERATOR)
    set_active(firm.app, JAN, active=False, by=OPERATOR)
    said = " ".join(firm.plan(EVA, JAN).sentences)
    assert "Who has jan@acme.example is member in acme, and was nobody." in said
    with refusal(Reason.ROLES_DIFFER):
        firm.change(EVA, JAN)
    firm.change(EVA, JAN, swap_roles=True)
    assert opens(firm, JAN, PASSWORD) == "Eva"


class TestWaysOut:
    """People paste commands, and programs run them: no address or name of somebody's becomes one."""

    HOSTILE = "`reboot`@acme.example"

    def commands(self, act: Callable[[], object]) -> list[str]:
        with pytest.raises(RefusedError) as refused:
            act()
        return [way.command for way in refused.value.ways if way.command is not None]

    def test_U3_an_address_is_one_word_for_a_shell(self, firm: Firm) -> None:
        firm.world.user(self.HOSTILE, "Mallory")
        firm.world.alias(JAN, "$(id)@acme.example".replace("(", "{").replace(")", "}"))
        found = [
            *self.commands(lambda: firm.world.alias(JAN, self.HOSTILE)),
            *self.commands(lambda: firm.plan(EVA, "${id}@acme.example")),
            *self.commands(lambda: firm.plan("${id}@acme.example", NEW)),
        ]
        assert len(found) > 3
        for command in found:
            assert all(
                word == quote(word) or word in {quote(self.HOSTILE), "'${id}@acme.example'"}
                for word in command.split()
            ), command

    def test_U3_a_name_is_no_command(self, firm: Firm) -> None:
        firm.world.user(MAX, "x: maild user disable lea@acme.example")
        firm.world.alias(MAX, "hand@acme.example")
        commands = self.commands(lambda: firm.plan(EVA, "hand@acme.example"))
        assert commands == ["maild address remove hand@acme.example"]


def test_U5_what_another_account_has_not_confirmed_is_nobodys(firm: Firm) -> None:
    beta(firm)
    firm.world.alias("bo@beta.example", "max@acme.example", confirm=False)
    firm.forwards(MAX)
    assert firm.newest()["reason"] == "SENDER_UNKNOWN"


def test_U5_the_record_tells_by_whose_word_an_address_counts(firm: Firm) -> None:
    firm.world.alias(EVA, "hand@acme.example")
    firm.world.alias(EVA, "foot@acme.example", confirm=False)
    added = [
        subject
        for kind, subject in firm.rows("events", "kind", "subject")
        if kind == "address.added"
    ]
    assert [one.get("how") for one in added] == ["word", None]


@pytest.mark.slow
class TestAtOnce:
    def test_U12_no_mail_is_written_as_the_former_ones_that_came_in_after_the_swap_began(
        self, firm: Firm, clock: Frozen
    ) -> None:
        """A worker decides and writes it while the swap has ended the address and has not committed."""
        request = EmailRequest(old=EVA, new=JAN)
        digest = plan_change(firm.app, request, by=OPERATOR).plan.digest
        asked = count(1)

        def name() -> str:
            if next(asked) == 2:  # The first name is the change's own; its moment is past by now.
                clock.advance(MINUTE)
                came.append(pool.submit(firm.forwards, EVA))
                _wait_a_little(came[0])
            return firm.app.ids()

        came: list[Future[None]] = []
        app = replace(firm.app, ids=name)
        with ThreadPoolExecutor(1) as pool:
            change_email(app, request, reason="x", digest=digest, by=OPERATOR)
            came[0].result(60)
        firm.post.decide()
        assert firm.sender_of_newest() == "Jan"

    @pytest.mark.parametrize("what", ["merge", "swap"])
    def test_U13_nobody_gets_an_address_who_is_just_becoming_somebody_else(
        self, firm: Firm, what: str
    ) -> None:
        """On SQLite it waits and is for who has the address then; elsewhere it is refused."""
        hand = "hand@acme.example"
        asked = count(1)

        def name() -> str:
            if next(asked) == 1:
                came.append(pool.submit(firm.world.alias, EVA, hand))
                _wait_a_little(came[0])
            return firm.app.ids()

        came: list[Future[Any]] = []
        changing = Firm(replace(firm.app, ids=name), firm.world, firm.post)
        with ThreadPoolExecutor(1) as pool:
            changing.merge(EVA, JAN) if what == "merge" else changing.change(EVA, JAN)
            error = came[0].exception(60)
        if error is None:
            assert firm.user(hand).name == firm.user(EVA).name == "Jan"
        else:
            assert isinstance(error, RefusedError)
            assert error.reason is Reason.CONFLICT

    def test_U8_no_address_is_removed_that_becomes_a_user_name_at_this_moment(
        self, firm: Firm
    ) -> None:
        firm.world.alias(EVA, "hand@acme.example")
        with ThreadPoolExecutor(1) as pool:
            with firm.app.store.write() as tx:
                tx.people.hold_user(2)
                [login] = tx.logins.of(2)
                tx.logins.set_username(login.id, "hand@acme.example")
                removed = pool.submit(remove_address, firm.app, "hand@acme.example", by=OPERATOR)
                _wait_a_little(removed)
            error = removed.exception(60)
        assert isinstance(error, RefusedError)
        assert error.reason is Reason.CONFLICT


def _wait_a_little(running: Future[Any]) -> None:
    """Let it come as far as it comes: to its end, or to where it waits for us."""
    for _ in range(150):
        if running.done():
            return
        time.sleep(0.01)


class TestDoctor:
    def broken(self, firm: Firm) -> str:
        return " ".join(f"{one.check}: {one.subject}" for one in examine(firm.app).broken)

    def test_U12_it_finds_an_address_that_was_two_users_at_one_moment(self, firm: Firm) -> None:
        now = firm.app.clock()
        table = people_tables.addresses
        with firm.app.store.write() as tx:
            tx.connection.execute(
                insert(table).values(
                    user_id=3,
                    norm=EVA,
                    base=EVA,
                    shown=EVA,
                    kind="historic",
                    valid_from=now - DAY,
                    valid_to=now + DAY,
                )
            )
        assert "two users' at one moment" in self.broken(firm)
        with firm.app.store.write() as tx:
            tx.connection.execute(delete(table).where(table.c.kind == "historic"))

    def test_U12_it_finds_a_mail_that_was_resolved_by_what_had_ended(self, firm: Firm) -> None:
        firm.forwards(EVA)
        firm.change(EVA, NEW)
        table = people_tables.addresses
        ended = table.c.norm == EVA
        with firm.app.store.write() as tx:
            tx.connection.execute(
                update(table).where(ended).values(valid_to=firm.app.clock() - DAY)
            )
        assert "had not ended" in self.broken(firm)
        with firm.app.store.write() as tx:
            tx.connection.execute(update(table).where(ended).values(valid_to=firm.app.clock()))

    def test_U5_it_finds_a_primary_address_that_is_not_confirmed(self, firm: Firm) -> None:
        table = people_tables.addresses
        evas = table.c.norm == EVA
        with firm.app.store.write() as tx:
            tx.connection.execute(update(table).where(evas).values(verified_at=None))
        assert "confirmed" in self.broken(firm)
        with firm.app.store.write() as tx:
            tx.connection.execute(update(table).where(evas).values(verified_at=firm.app.clock()))
