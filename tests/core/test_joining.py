"""U9: joining instead of colliding, and how much an admin may learn by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from typing_extensions import override

from maild.core.accounts import set_account
from maild.core.addresses import add_address, make_primary
from maild.core.app import OPERATOR, Actor, App
from maild.core.asking import ANSWERS_A_DAY, ANSWERS_OF_ACCOUNT, DAY, line_answering
from maild.core.importing import import_users
from maild.core.inviting import AT_ONCE, BATCH, invite_many
from maild.core.joining import JoinView, answer_invitation, invite, list_members, list_own
from maild.core.leaving import remove_member
from maild.core.letters import Sender, compose
from maild.core.logins import add_own_login
from maild.core.people import NewUser, UserAdded, add_user, set_user
from maild.core.seal import SealingKey
from maild.model.people import MemberState, Role
from maild.model.reason import Reason, RefusedError
from maild.parse import read_letter
from maild.store.store import Tx
from maild.testing.world import World, a_world
from tests.core.conftest import Frozen

KEY = SealingKey.of("a text of chance that is long enough to be a key")
EVA = "eva@acme.example"


@pytest.fixture
def acme(app: App) -> World:
    """Eva works here."""
    world = a_world(replace(app, key=KEY, has_relay=True, public_url="https://mail.acme.example"))
    world.user(EVA, "Eva Moser")
    return world


@pytest.fixture
def beta(acme: World) -> World:
    """Where Bo is the admin, who knows nobody of acme."""
    world = a_world(acme.app, "beta")
    world.user("bo@beta.example", role=Role.ADMIN)
    return world


@pytest.fixture
def bo(beta: World) -> Actor:
    return beta.actor("bo@beta.example")


def refusal(code: Reason) -> pytest.RaisesExc[RefusedError]:
    return pytest.RaisesExc(RefusedError, check=lambda error: error.reason is code)


def mails(app: App) -> list[dict[str, Any]]:
    """Return what is queued, the oldest first."""
    with app.store.read() as tx:
        return [one.payload for one in reversed(tx.outbox.page(None, account_id=None, limit=100))]


def invited(beta: World, by: Actor = OPERATOR, role: Role = Role.MEMBER) -> JoinView:
    return invite(beta.app, EVA, role=role, account="beta", by=by)


def a_crowd(acme: World, count: int) -> list[str]:
    """Add people of whom beta knows nothing."""
    addresses = [f"p{number}@acme.example" for number in range(count)]
    for address in addresses:
        acme.user(address)
    return addresses


class TestTheInvitation:
    def test_U9_the_invited_person_is_sent_a_mail(self, beta: World, bo: Actor) -> None:
        joined = invited(beta, bo)
        [mail] = mails(beta.app)
        assert (mail["to"], joined.mailed) == (EVA, True)
        assert joined.membership.id in mail["text"]
        assert "Beta" in mail["subject"]

    def test_U9_it_is_mailed_once_a_day(self, beta: World, clock: Frozen) -> None:
        assert invited(beta).mailed
        assert not invited(beta, role=Role.ADMIN).mailed
        assert len(mails(beta.app)) == 1
        clock.advance(timedelta(days=1))
        invited(beta)
        assert len(mails(beta.app)) == 2

    def test_U9_without_a_relay_nothing_is_queued_and_it_says_so(self, beta: World) -> None:
        app = replace(beta.app, has_relay=False)
        assert not invite(app, EVA, role=Role.MEMBER, account="beta", by=OPERATOR).mailed
        assert mails(app) == []

    def test_U9_without_a_key_no_mail_can_be_written_and_it_says_so(self, beta: World) -> None:
        app = replace(beta.app, key=None)
        assert not invite(app, EVA, role=Role.MEMBER, account="beta", by=OPERATOR).mailed

    def test_T21_what_the_account_calls_itself_makes_no_field(self, beta: World, bo: Actor) -> None:
        hidden = "=?utf-8?q?x=0D=0ABcc=3A_m=40evil.example=0D=0A=0D=0APay_here?="
        set_account(beta.app, "beta", {"name": hidden}, by=bo)
        invited(beta, bo)
        with beta.app.store.read() as tx:
            [errand] = tx.outbox.page(None, account_id=None, limit=2)
        mail = compose(
            errand, Sender(address="m@x.example", name="M", hostname="x.example", key=KEY)
        )
        letter = read_letter(mail.content)
        assert [box.address for box in (*letter.to, *letter.cc)] == [EVA]
        assert not letter.text.startswith("Pay here")
        assert letter.text.rstrip().endswith("refuse it or do nothing.")

    def test_U9_both_sides_see_it_at_once(self, acme: World, beta: World, bo: Actor) -> None:
        invited(beta, bo)
        theirs = [one for one in list_own(acme.app, by=acme.actor(EVA)) if one.account == "beta"]
        ours = [one for one in list_members(beta.app, account="beta", by=bo) if one.email == EVA]
        assert [one.state for one in (*theirs, *ours)] == [MemberState.INVITED] * 2

    def test_U9_both_sides_see_the_answer(self, acme: World, beta: World, bo: Actor) -> None:
        joined = invited(beta, bo)
        answer_invitation(acme.app, joined.membership.id, accept=False, by=acme.actor(EVA))
        theirs = [one for one in list_own(acme.app, by=acme.actor(EVA)) if one.account == "beta"]
        ours = [one for one in list_members(beta.app, account="beta", by=bo) if one.email == EVA]
        assert [one.state for one in (*theirs, *ours)] == [MemberState.REFUSED] * 2

    def test_U9_nobody_is_named_before_they_have_joined(self, beta: World, bo: Actor) -> None:
        joined = invited(beta, bo)
        assert "Moser" not in str(joined)

    @pytest.mark.parametrize("accept", [None, False])
    def test_U9_a_new_address_is_told_to_nobody_who_only_invited(
        self, acme: World, beta: World, bo: Actor, clock: Frozen, *, accept: bool | None
    ) -> None:
        joined = invited(beta, bo)
        eva = acme.actor(EVA)
        clock.advance(timedelta(days=1))
        if accept is not None:
            answer_invitation(acme.app, joined.membership.id, accept=accept, by=eva)
        acme.alias(EVA, "moser@acme.example")
        make_primary(acme.app, "moser@acme.example", by=OPERATOR)
        assert "moser" not in str(list_members(beta.app, account="beta", by=bo))
        theirs = [one for one in list_own(acme.app, by=eva) if one.account == "beta"]
        assert [one.email for one in theirs] == ["moser@acme.example"]

    def test_U9_an_alias_of_an_invited_person_is_nobodys(
        self, acme: World, beta: World, bo: Actor
    ) -> None:
        joined = invited(beta, bo)
        acme.alias(EVA, "moser@acme.example")
        with refusal(Reason.NOT_FOUND) as known:
            remove_member(beta.app, "moser@acme.example", account="beta", by=bo)
        with refusal(Reason.NOT_FOUND) as gone:
            remove_member(beta.app, "nobody@acme.example", account="beta", by=bo)
        assert str(known.value).replace("moser@", "nobody@") == str(gone.value)
        removed = remove_member(beta.app, EVA, account="beta", by=bo)
        assert (removed.id, removed.state) == (joined.membership.id, MemberState.REFUSED)

    def test_U9_only_a_person_has_memberships_of_their_own(self, beta: World) -> None:
        with refusal(Reason.NOT_ALLOWED):
            list_own(beta.app, by=OPERATOR)

    def test_U9_an_address_nobody_has_offers_to_make_a_user(self, beta: World, bo: Actor) -> None:
        with refusal(Reason.NOT_FOUND) as caught:
            invite(beta.app, "new@beta.example", role=Role.MEMBER, account="beta", by=bo)
        assert [way.code for way in caught.value.ways] == ["ADD_USER"]


def spend_a_day(beta: World, bo: Actor, *, but: int = 0) -> None:
    """Let Bo have heard a day's answers, but for the last ones."""
    with beta.app.store.write() as tx:
        for _ in range(ANSWERS_A_DAY - but):
            key = f"told-known:{bo.user_id}"
            tx.throttles.count(key, now=beta.app.clock(), window=DAY, most=ANSWERS_A_DAY)


class TestHowMuchAnAdminMayLearn:
    def test_U9_so_many_join_requests_a_day_and_no_more(
        self, acme: World, beta: World, bo: Actor, clock: Frozen
    ) -> None:
        spend_a_day(beta, bo, but=1)
        [last] = a_crowd(acme, 1)
        joined = invite(beta.app, last, role=Role.MEMBER, account="beta", by=bo)
        assert joined.code == "JOIN_REQUESTED"
        with refusal(Reason.TOO_MANY_TRIES):
            invited(beta, bo)
        assert EVA not in {one.email for one in list_members(beta.app, account="beta", by=bo)}
        clock.advance(timedelta(days=1))
        assert invited(beta, bo).code == "JOIN_REQUESTED"

    def test_U9_then_a_free_address_is_answered_as_a_known_one(
        self, beta: World, bo: Actor
    ) -> None:
        spend_a_day(beta, bo)
        answers = []
        for address in (EVA, "nobody@acme.example"):
            with refusal(Reason.TOO_MANY_TRIES) as caught:
                add_user(beta.app, NewUser(email=address, name="X"), account="beta", by=bo)
            answers.append(str(caught.value))
        assert answers[0] == answers[1]

    def test_U9_the_operator_is_not_counted(self, acme: World, beta: World) -> None:
        lines = [(address, Role.MEMBER) for address in a_crowd(acme, 5)]
        answers = invite_many(beta.app, lines, account="beta", by=OPERATOR)
        assert {one.code for one in answers} == {"JOIN_REQUESTED"}
        with beta.app.store.read() as tx:
            assert tx.connection.exec_driver_sql("SELECT * FROM throttles").all() == []

    def test_U9_another_admin_still_hears_answers(self, beta: World, bo: Actor) -> None:
        spend_a_day(beta, bo)
        beta.user("bea@beta.example", role=Role.ADMIN)
        assert invited(beta, beta.actor("bea@beta.example")).code == "JOIN_REQUESTED"

    @pytest.mark.parametrize("way", ["user", "alias", "sends_as", "invite", "import"])
    def test_U9_each_way_of_asking_is_counted(
        self, acme: World, beta: World, bo: Actor, way: str
    ) -> None:
        acme.alias(EVA, "moser@acme.example")
        beta.user("jan@beta.example")
        ask_about_an_alias(way, beta.app, bo)
        with beta.app.store.read() as tx:
            counted = tx.connection.exec_driver_sql("SELECT key, count FROM throttles").all()
            [beta_id] = tx.connection.exec_driver_sql(
                "SELECT id FROM accounts WHERE slug = 'beta'"
            ).scalars()
        assert sorted(tuple(row) for row in counted) == [
            (f"told-known:{bo.user_id}", 1),
            (f"told-known:account:{beta_id}", 1),
        ]

    def test_U9_admins_whom_an_admin_makes_hear_no_more_together(
        self, beta: World, clock: Frozen
    ) -> None:
        beta.user("bea@beta.example", role=Role.ADMIN)
        with beta.app.store.write() as tx:
            account = tx.people.account("beta")
            assert account is not None
            for _ in range(ANSWERS_OF_ACCOUNT):
                key = f"told-known:account:{account.id}"
                tx.throttles.count(key, now=clock(), window=DAY, most=ANSWERS_OF_ACCOUNT)
        with refusal(Reason.TOO_MANY_TRIES):
            invited(beta, beta.actor("bea@beta.example"))

    def test_U9_who_hears_no_answer_has_asked_nobody(
        self, beta: World, bo: Actor, clock: Frozen
    ) -> None:
        """The last answer of the day goes to somebody else between the look and the act."""

        def ask(tx: Tx) -> str:
            for _ in range(ANSWERS_A_DAY):
                key = f"told-known:{bo.user_id}"
                tx.throttles.count(key, now=clock(), window=DAY, most=ANSWERS_A_DAY)
            tx.people.set_user_name(bo.user_id or 0, "Told")
            return "somebody is known"

        with beta.app.store.write() as tx, refusal(Reason.TOO_MANY_TRIES):
            line_answering(tx, beta.app, bo, ask, lambda _: True)
        with beta.app.store.read() as tx:
            assert tx.people.user(bo.user_id or 0).display_name == "Bo"

    @pytest.mark.parametrize("way", ["user", "alias", "import"])
    def test_U9_that_a_name_in_use_looks_alike_is_an_answer_too(
        self, acme: World, beta: World, bo: Actor, way: str
    ) -> None:
        """Else whoever asks with a nought for an o hears of everybody, as often as they like."""
        acme.user("bob@acme.example")
        beta.user("jan@beta.example")
        new = NewUser(email="b0b@acme.example", name="B")
        ways: dict[str, Callable[[], object]] = {
            "user": lambda: add_user(beta.app, new, account="beta", by=bo),
            "alias": lambda: add_address(
                beta.app, "jan@beta.example", new.email, sends_as=False, confirm=False, by=bo
            ),
            "import": lambda: list(import_users(beta.app, [(1, new)], account="beta", by=bo)),
        }
        ways[way]()
        with beta.app.store.read() as tx:
            counted = tx.connection.exec_driver_sql("SELECT key, count FROM throttles").all()
        assert [many for key, many in counted if key.startswith("told-known:")] == [1, 1]

    def test_U9_an_answer_about_a_colleague_is_not_counted(self, beta: World, bo: Actor) -> None:
        beta.user("jan@beta.example")
        with refusal(Reason.EMAIL_IN_USE):
            add_user(beta.app, NewUser(email="jan@beta.example", name="J"), account="beta", by=bo)
        with beta.app.store.read() as tx:
            assert tx.connection.exec_driver_sql("SELECT * FROM throttles").all() == []

    def test_U9_the_answer_stands_in_the_events_without_the_address(
        self, acme: World, beta: World, bo: Actor
    ) -> None:
        acme.alias(EVA, "moser@acme.example")
        ask_about_an_alias("invite", beta.app, bo)
        with beta.app.store.read() as tx:
            [(actor, subject)] = tx.connection.exec_driver_sql(
                "SELECT actor_id, subject FROM events WHERE kind = 'address.told_in_use'"
            ).all()
        assert actor == bo.user_id
        assert "EMAIL_IN_USE" in subject
        assert "@" not in subject

    def test_U9_a_refused_request_leaves_nothing_but_its_count(
        self, acme: World, beta: World, bo: Actor
    ) -> None:
        before = len(list_members(beta.app, account="beta", by=OPERATOR))
        acme.alias(EVA, "moser@acme.example")
        ask_about_an_alias("user", beta.app, bo)
        with beta.app.store.read() as tx:
            users = tx.connection.exec_driver_sql("SELECT count(*) FROM users").scalar_one()
        assert users == 2
        assert len(list_members(beta.app, account="beta", by=OPERATOR)) == before


def ask_about_an_alias(way: str, app: App, by: Actor) -> None:
    """Ask beta for what is Eva's second address, and be refused."""
    new = NewUser(email="moser@acme.example", name="M")
    if way == "import":
        [outcome] = import_users(app, [(2, new)], account="beta", by=by)
        assert outcome.code == "EMAIL_IN_USE"
        return
    ways: dict[str, Callable[[], object]] = {
        "user": lambda: add_user(app, new, account="beta", by=by),
        "alias": lambda: add_address(
            app, "jan@beta.example", new.email, sends_as=False, confirm=False, by=by
        ),
        "sends_as": lambda: add_address(
            app, "jan@beta.example", new.email, sends_as=True, confirm=False, by=by
        ),
        "invite": lambda: invite(app, new.email, role=Role.MEMBER, account="beta", by=by),
    }
    with refusal(Reason.SENDS_AS_IN_USE if way == "sends_as" else Reason.EMAIL_IN_USE):
        ways[way]()


class TestManyAtOnce:
    def test_U9_each_line_has_its_answer_and_the_rest_goes_on(
        self, acme: World, beta: World
    ) -> None:
        acme.alias(EVA, "moser@acme.example")
        lines = [
            (EVA, Role.DISTRIBUTOR),
            ("moser@acme.example", Role.MEMBER),
            ("no address", Role.MEMBER),
            ("nobody@acme.example", Role.MEMBER),
            ("bo@beta.example", Role.MEMBER),
            (EVA.upper(), Role.MEMBER),
        ]
        answers = invite_many(beta.app, lines, account="beta", by=OPERATOR)
        assert [(one.line, one.code) for one in answers] == [
            (1, "JOIN_REQUESTED"),
            (2, "EMAIL_IN_USE"),
            (3, "INVALID_EMAIL"),
            (4, "NOT_FOUND"),
            (5, "EMAIL_IN_USE"),
            (6, "JOIN_REQUESTED"),
        ]

    @pytest.mark.slow
    def test_U9_an_admins_five_hundred_go_in_one_call(
        self, acme: World, beta: World, bo: Actor
    ) -> None:
        crowd = a_crowd(acme, 20)
        lines = [(crowd[number % 20], Role.MEMBER) for number in range(AT_ONCE)]
        answers = invite_many(beta.app, lines, account="beta", by=bo)
        assert [one.line for one in answers] == list(range(1, AT_ONCE + 1))
        assert {one.code for one in answers} == {"JOIN_REQUESTED"}
        members = list_members(beta.app, account="beta", by=OPERATOR)
        assert sum(one.state is MemberState.INVITED for one in members) == 20

    def test_U9_more_than_five_hundred_are_refused_before_the_first(self, beta: World) -> None:
        lines = [(EVA, Role.MEMBER)] * (AT_ONCE + 1)
        with refusal(Reason.INVALID_VALUE):
            invite_many(beta.app, lines, account="beta", by=OPERATOR)

    def test_U9_an_admins_lines_are_counted_one_by_one(
        self, acme: World, beta: World, bo: Actor
    ) -> None:
        spend_a_day(beta, bo, but=3)
        lines = [(address, Role.MEMBER) for address in a_crowd(acme, 6)]
        answers = invite_many(beta.app, lines, account="beta", by=bo)
        codes = [one.code for one in answers]
        assert codes == ["JOIN_REQUESTED"] * 3 + ["TOO_MANY_TRIES"] * 3

    @pytest.mark.slow
    def test_U9_who_is_no_admin_any_more_hears_of_the_lines_before(
        self, beta: World, bo: Actor
    ) -> None:
        class Meanwhile(list[tuple[str, Role]]):
            """Bo's role ends before the second hundred."""

            @override
            def __getitem__(self, part: Any) -> Any:
                if isinstance(part, slice) and part.start == BATCH:
                    role = {"role": "member"}
                    set_user(beta.app, "bo@beta.example", role, account="beta", by=OPERATOR)
                return super().__getitem__(part)

        lines = Meanwhile([(EVA, Role.MEMBER)] * (BATCH + 2))
        answers = invite_many(beta.app, lines, account="beta", by=bo)
        codes = [one.code for one in answers]
        assert codes == ["JOIN_REQUESTED"] * BATCH + ["NOT_ALLOWED"] * 2
        assert [one.line for one in answers] == list(range(1, BATCH + 3))

    def test_U9_only_an_admin_invites_many(self, beta: World) -> None:
        beta.user("jan@beta.example")
        with refusal(Reason.NOT_ALLOWED):
            invite_many(beta.app, [], account="beta", by=beta.actor("jan@beta.example"))


class TestAnAccountWithLoginsOfItsOwn:
    @pytest.fixture
    def strict(self, beta: World) -> World:
        set_account(beta.app, "beta", {"own_login_required": "true"}, by=OPERATOR)
        return beta

    def test_U9_nobody_joins_it_before_they_chose_a_second_user_name(self, strict: World) -> None:
        joined = invited(strict)
        assert joined.membership.needs_own_login
        with refusal(Reason.OWN_LOGIN_NEEDED):
            answer_invitation(strict.app, joined.membership.id, accept=True, by=OPERATOR)

    def test_U9_with_one_they_join_and_the_address_stays_theirs(
        self, acme: World, strict: World
    ) -> None:
        joined = invited(strict)
        eva = acme.actor(EVA)
        add_own_login(strict.app, EVA, "eva.beta", "a password of eva", account="beta", by=eva)
        active = answer_invitation(strict.app, joined.membership.id, accept=True, by=eva)
        assert (active.state, active.email) == (MemberState.ACTIVE, EVA)
        assert not active.needs_own_login

    def test_U9_who_is_new_to_maild_has_their_login_already(self, strict: World) -> None:
        new = NewUser(email="new@beta.example", name="New")
        added = add_user(strict.app, new, account="beta", by=OPERATOR)
        assert isinstance(added, UserAdded)
