from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, text

from maild.core.accounts import add_account, set_account
from maild.core.addresses import (
    add_address,
    list_addresses,
    make_primary,
    remove_address,
)
from maild.core.app import OPERATOR, App
from maild.core.joining import JoinView, answer_invitation, invite, list_members
from maild.core.passwords import is_password
from maild.core.people import (
    NewUser,
    UserAdded,
    add_communal_user,
    add_user,
    set_active,
    set_password,
    set_user,
)
from maild.core.people_views import list_users, show_user
from maild.core.resets import send_link, sign_up
from maild.core.seal import SealingKey
from maild.core.verifying import send_verification
from maild.model.people import AddressKind, MemberState, Role
from maild.model.reason import Reason, RefusedError
from maild.testing.world import World, a_world


@pytest.fixture
def acme(app: App) -> World:
    return a_world(app)


def refusal(code: Reason) -> pytest.RaisesExc[RefusedError]:
    return pytest.RaisesExc(RefusedError, check=lambda error: error.reason is code)


def ask(
    world: World,
    email: str,
    name: str = "Somebody",
    *,
    role: Role = Role.MEMBER,
    username: str | None = None,
    password: str | None = None,
) -> UserAdded | JoinView:
    new = NewUser(email=email, name=name, role=role, username=username, password=password)
    return add_user(world.app, new, account=world.account.slug, by=OPERATOR)


class TestOneAddressOneUser:
    def test_U1_an_address_has_one_user_in_every_spelling_U2(self, acme: World) -> None:
        acme.user("anna@bücher.example")
        for spelling in (
            "Anna@BÜCHER.example",
            "anna@xn--bcher-kva.example",
            " ANNA@bücher.EXAMPLE ",
        ):
            with refusal(Reason.EMAIL_IN_USE):
                ask(acme, spelling)

    def test_U1_an_alias_and_a_sends_as_count_like_a_primary(self, acme: World) -> None:
        acme.user("eva@acme.example")
        acme.alias("eva@acme.example", "moser@acme.example")
        add_address(
            acme.app, "eva@acme.example", "e@home.example", sends_as=True, confirm=True, by=OPERATOR
        )
        for taken in ("moser@acme.example", "e@home.example"):
            with refusal(Reason.EMAIL_IN_USE):
                ask(acme, taken)

    def test_U1_fifty_threads_ask_for_one_address_and_one_gets_it(self, acme: World) -> None:
        def attempt(number: int) -> str:
            try:
                ask(acme, "eva@acme.example", f"Eva {number}", username=f"eva{number}")
            except RefusedError as refused:
                return refused.reason.code
            return "added"

        with ThreadPoolExecutor(50) as pool:
            outcomes = list(pool.map(attempt, range(50)))
        assert sorted(outcomes) == ["EMAIL_IN_USE"] * 49 + ["added"]

    def test_U1_fifty_threads_of_two_accounts_and_of_all_kinds_leave_one_owner(
        self, acme: World
    ) -> None:
        beta = a_world(acme.app, "beta")
        for world in (acme, beta):
            world.user(f"boss@{world.account.slug}.example")

        def attempt(number: int) -> str:
            world = (acme, beta)[number % 2]
            try:
                match number % 3:
                    case 0:
                        ask(world, "x@acme.example", username=f"u{number}")
                    case 1:
                        world.inbox("x@acme.example")
                    case _:
                        world.alias(f"boss@{world.account.slug}.example", "x@acme.example")
            except RefusedError as refused:
                return refused.reason.code
            return "ok"

        with ThreadPoolExecutor(50) as pool:
            outcomes = set(pool.map(attempt, range(50)))
        assert outcomes <= {"ok", "EMAIL_IN_USE", "EMAIL_IN_USE_OTHER_KIND"}
        with acme.app.store.read() as tx:
            names = tx.connection.execute(
                text("SELECT count(*) FROM names WHERE norm = 'x@acme.example'")
            )
            assert names.scalar_one() == 1

    def test_U1_saving_an_address_again_never_collides_with_itself(self, acme: World) -> None:
        acme.user("eva@acme.example")
        for _ in range(2):
            assert acme.alias("eva@acme.example", "eva@acme.example").outcome == "unchanged"
        assert set_user(
            acme.app, "eva@acme.example", {"username": "eva@acme.example"}, by=OPERATOR
        ).username

    def test_U1_a_refused_user_leaves_nothing(self, acme: World) -> None:
        ask(acme, "lea@acme.example", username="lea")
        with refusal(Reason.USERNAME_IN_USE):
            ask(acme, "jan@acme.example", username="lea")
        acme.user("jan@acme.example")

    @pytest.mark.parametrize(
        "bad",
        [
            "",
            "x",
            "a@",
            "@b",
            "a b@c.example",
            "a@b@c",
            "a" * 65 + "@b.example",
            "a@\udcff.example",
            "\0@b.example",
        ],
    )
    def test_what_is_no_address_is_said_to_be_none(self, acme: World, bad: str) -> None:
        with refusal(Reason.INVALID_EMAIL):
            ask(acme, bad)


class TestTheRefusalHelps:
    def test_U3_an_admin_of_the_account_hears_whose_it_is_and_the_ways_out(
        self, acme: World
    ) -> None:
        acme.user("lea@acme.example", role=Role.ADMIN)
        acme.user("eva@acme.example", "Eva Moser")
        with pytest.raises(RefusedError) as caught:
            add_user(
                acme.app,
                NewUser(email="eva@acme.example", name="E"),
                by=acme.actor("lea@acme.example"),
            )
        assert (
            str(caught.value)
            == "The email address eva@acme.example is already in use. Enter a different email address."
        )
        assert caught.value.facts["holder"] == {"name": "Eva Moser", "email": "eva@acme.example"}
        said = " ".join(caught.value.actions)
        for way_out in ("alias", "+tag", "communal", "invite", "change-email"):
            assert way_out in said

    def test_U3_an_admin_of_another_account_hears_nobodys_name(self, acme: World) -> None:
        acme.user("eva@acme.example", "Eva Moser")
        acme.alias("eva@acme.example", "moser@acme.example")
        a_world(acme.app, "beta").user("bo@beta.example", role=Role.ADMIN)
        with pytest.raises(RefusedError) as caught:
            add_user(
                acme.app,
                NewUser(email="moser@acme.example", name="E"),
                by=acme.actor("bo@beta.example"),
            )
        assert caught.value.reason is Reason.EMAIL_IN_USE
        assert caught.value.actions == ()
        assert "Moser" not in f"{caught.value} {caught.value.facts}"

    def test_only_an_admin_adds_users(self, acme: World) -> None:
        acme.user("eva@acme.example")
        with refusal(Reason.NOT_ALLOWED):
            add_user(
                acme.app,
                NewUser(email="x@acme.example", name="X"),
                by=acme.actor("eva@acme.example"),
            )


class TestUserNames:
    def test_U8_the_user_name_is_the_address_unless_another_is_chosen(self, acme: World) -> None:
        assert acme.user("Eva@acme.example").username == "eva@acme.example"
        added = ask(acme, "jan@acme.example", username="Jan")
        assert isinstance(added, UserAdded)
        assert added.user.username == "jan"

    def test_U8_a_taken_user_name_is_refused_whatever_its_case(self, acme: World) -> None:
        ask(acme, "jan@acme.example", username="Jan")
        with pytest.raises(RefusedError) as caught:
            ask(acme, "jana@acme.example", username="JAN")
        assert str(caught.value) == (
            "The user name jan is taken. Its owner can change it under My account. Your email address is not affected."
        )

    def test_U8_it_looks_like_an_address_only_if_it_is_ones_own(self, acme: World) -> None:
        with refusal(Reason.INVALID_VALUE):
            ask(acme, "jan@acme.example", username="eva@acme.example")

    def test_U8_changing_one_never_changes_the_other(self, acme: World) -> None:
        acme.user("eva@acme.example")
        changed = set_user(acme.app, "eva@acme.example", {"username": "eva"}, by=OPERATOR)
        assert (changed.username, changed.email) == ("eva", "eva@acme.example")
        ask(acme, "jan@acme.example", username="jan")
        with refusal(Reason.USERNAME_IN_USE):
            set_user(acme.app, "eva@acme.example", {"username": "JAN"}, by=OPERATOR)

    def test_an_address_that_is_the_user_name_is_not_removed(self, acme: World) -> None:
        acme.user("eva@acme.example")
        acme.alias("eva@acme.example", "moser@acme.example")
        make_primary(acme.app, "moser@acme.example", by=OPERATOR)
        with refusal(Reason.CONFLICT):
            remove_address(acme.app, "eva@acme.example", by=OPERATOR)


class TestAddresses:
    def test_U5_an_alias_waits_until_it_is_confirmed(self, acme: World) -> None:
        acme.user("eva@acme.example")
        waiting = acme.alias("eva@acme.example", "moser@acme.example", confirm=False)
        assert (waiting.outcome, waiting.address.verified) == ("added", False)
        with refusal(Reason.CONFLICT):
            send_verification(acme.app, "moser@acme.example", by=OPERATOR)
        with refusal(Reason.CONFLICT):
            make_primary(acme.app, "moser@acme.example", by=OPERATOR)
        confirmed = acme.alias("eva@acme.example", "moser@acme.example")
        assert (confirmed.outcome, confirmed.address.verified) == ("confirmed", True)

    def test_U5_a_removed_alias_is_history_and_free_again(self, acme: World) -> None:
        acme.user("eva@acme.example")
        acme.alias("eva@acme.example", "moser@acme.example")
        removed = remove_address(acme.app, "moser@acme.example", by=OPERATOR)
        assert removed.kind is AddressKind.HISTORIC
        assert removed.valid_to is not None
        acme.user("moser@acme.example")
        kinds = [row.kind for row in list_addresses(acme.app, "eva@acme.example", by=OPERATOR)]
        assert kinds == [AddressKind.PRIMARY, AddressKind.HISTORIC]

    def test_the_primary_address_is_not_removed(self, acme: World) -> None:
        acme.user("eva@acme.example")
        with refusal(Reason.CONFLICT):
            remove_address(acme.app, "eva@acme.example", by=OPERATOR)

    def test_an_alias_becomes_the_primary_and_the_old_one_an_alias(self, acme: World) -> None:
        acme.user("eva@acme.example")
        acme.alias("eva@acme.example", "moser@acme.example")
        for _ in range(2):
            user = make_primary(acme.app, "moser@acme.example", by=OPERATOR)
            assert user.email == "moser@acme.example"
            assert {row.address: row.kind for row in user.addresses} == {
                "eva@acme.example": AddressKind.ALIAS,
                "moser@acme.example": AddressKind.PRIMARY,
            }

    def test_every_address_finds_its_user(self, acme: World) -> None:
        eva = acme.user("eva@acme.example")
        acme.alias("eva@acme.example", "moser@acme.example")
        assert show_user(acme.app, "MOSER@acme.example", by=OPERATOR).id == eva.id


class TestTags:
    def test_U6_a_tagged_address_is_its_own_and_asks_for_its_base(self, acme: World) -> None:
        added = ask(acme, "me+accounts@me.example")
        assert isinstance(added, UserAdded)
        assert added.question is not None
        assert added.question.text == (
            "Mail you forward will come from me@me.example, not from me+accounts@me.example. "
            "Shall we accept me@me.example as your sending address?"
        )
        assert (
            added.question.action
            == "maild address add me+accounts@me.example me@me.example --sends-as"
        )
        yes = add_address(
            acme.app,
            "me+accounts@me.example",
            "me@me.example",
            sends_as=True,
            confirm=False,
            by=OPERATOR,
        )
        assert yes.address.verified
        assert yes.address.kind is AddressKind.SENDS_AS
        again = acme.alias("me+accounts@me.example", "me+more@me.example")
        assert again.question is None

    def test_U6_a_base_that_is_somebody_elses_is_refused_with_the_drop_address(
        self, acme: World
    ) -> None:
        acme.user("me@me.example")
        ask(acme, "me+accounts@me.example")
        with pytest.raises(RefusedError, match="Use your drop address instead") as caught:
            add_address(
                acme.app,
                "me+accounts@me.example",
                "me@me.example",
                sends_as=True,
                confirm=True,
                by=OPERATOR,
            )
        assert caught.value.reason is Reason.SENDS_AS_IN_USE
        assert "drop" in caught.value.actions[0]

    def test_U2_a_lookalike_is_warned_of_and_never_matched(self, acme: World) -> None:
        acme.user("lea@acme.example")
        added = ask(acme, "lеa@acme.example")
        assert isinstance(added, UserAdded)
        assert "lea@acme.example" in added.warnings[0]


class TestAgency:
    def test_U9_somebody_known_elsewhere_is_asked_to_join_and_says_yes(self, acme: World) -> None:
        beta = a_world(acme.app, "beta")
        eva = acme.user("eva@acme.example", "Eva Moser")
        ask(beta, "eva@acme.example")
        joined = ask(beta, "eva@acme.example", role=Role.DISTRIBUTOR)
        assert isinstance(joined, JoinView)
        assert joined.message == (
            "eva@acme.example already has a login. We have sent them an invitation to join Beta."
        )
        assert (joined.membership.state, joined.membership.name) == (MemberState.INVITED, None)
        active = answer_invitation(
            acme.app, joined.membership.id, accept=True, by=beta.actor("eva@acme.example")
        )
        assert (active.state, active.role) == (MemberState.ACTIVE, Role.DISTRIBUTOR)
        assert show_user(acme.app, "eva@acme.example", by=OPERATOR).id == eva.id
        with refusal(Reason.EMAIL_IN_USE):
            ask(beta, "eva@acme.example")

    def test_U9_a_refused_invitation_can_be_sent_again_but_not_accepted(self, acme: World) -> None:
        beta = a_world(acme.app, "beta")
        acme.user("eva@acme.example")
        joined = invite(acme.app, "eva@acme.example", role=Role.MEMBER, account="beta", by=OPERATOR)
        answer_invitation(acme.app, joined.membership.id, accept=False, by=OPERATOR)
        with refusal(Reason.CONFLICT):
            answer_invitation(acme.app, joined.membership.id, accept=True, by=OPERATOR)
        again = invite(acme.app, "eva@acme.example", role=Role.ADMIN, account="beta", by=OPERATOR)
        assert again.membership.id == joined.membership.id
        states = [member.state for member in list_members(acme.app, account="beta", by=OPERATOR)]
        assert states == [MemberState.INVITED]
        assert list_users(acme.app, account="beta", by=OPERATOR).users == ()
        assert beta.account.slug == "beta"

    def test_U9_somebody_elses_alias_names_nobody(self, acme: World) -> None:
        a_world(acme.app, "beta")
        acme.user("eva@acme.example")
        acme.alias("eva@acme.example", "moser@acme.example")
        with pytest.raises(RefusedError) as caught:
            invite(acme.app, "moser@acme.example", role=Role.MEMBER, account="beta", by=OPERATOR)
        assert (caught.value.reason, caught.value.actions) == (Reason.EMAIL_IN_USE, ())

    def test_only_the_invited_answer(self, acme: World) -> None:
        a_world(acme.app, "beta").user("bo@beta.example", role=Role.ADMIN)
        acme.user("eva@acme.example")
        joined = invite(acme.app, "eva@acme.example", role=Role.MEMBER, account="beta", by=OPERATOR)
        with refusal(Reason.NOT_FOUND):
            answer_invitation(
                acme.app, joined.membership.id, accept=True, by=acme.actor("bo@beta.example")
            )

    def test_people_of_other_accounts_do_not_exist_for_an_admin(self, acme: World) -> None:
        a_world(acme.app, "beta").user("bo@beta.example", role=Role.ADMIN)
        acme.user("eva@acme.example")
        with refusal(Reason.NOT_FOUND):
            show_user(acme.app, "eva@acme.example", by=acme.actor("bo@beta.example"))


class TestLogins:
    def test_U10_a_password_is_kept_as_argon2id(self, acme: World) -> None:
        ask(acme, "eva@acme.example", password="correct horse")
        with acme.app.store.read() as tx:
            kept = tx.connection.execute(text("SELECT password_hash FROM logins")).scalar_one()
        assert kept.startswith("$argon2id$")
        assert is_password(kept, "correct horse")
        assert not is_password(kept, "wrong horse")
        set_password(acme.app, "eva@acme.example", "another horse", by=OPERATOR)
        with acme.app.store.read() as tx:
            kept = tx.connection.execute(text("SELECT password_hash FROM logins")).scalar_one()
        assert is_password(kept, "another horse")

    def test_U10_a_password_that_was_set_ends_the_link_to_sign_up(self, acme: World) -> None:
        """It would set another one for a week, and take the second step away."""
        key = SealingKey.of("a text of chance that is long enough to be a key")
        app = replace(acme.app, key=key, has_relay=True)
        acme.user("eva@acme.example")
        send_link(app, "eva@acme.example", by=OPERATOR)
        with app.store.read() as tx:
            [errand] = tx.outbox.page(None, account_id=None, limit=2)
        [secret] = [line for line in errand.payload["text"].splitlines() if len(line) == 43]
        set_password(app, "eva@acme.example", "correct horse", by=OPERATOR)
        with refusal(Reason.LINK_ENDED):
            sign_up(app, secret, "another horse")

    @pytest.mark.parametrize("bad", ["", "short", "x" * 1025, "nul\0nulnul", "\udcff" * 9])
    def test_a_password_that_cannot_be_is_refused_and_not_repeated(
        self, acme: World, bad: str
    ) -> None:
        with pytest.raises(RefusedError) as caught:
            ask(acme, "eva@acme.example", password=bad)
        assert caught.value.reason is Reason.INVALID_VALUE
        assert not bad or bad not in str(caught.value)


class TestDisabling:
    def test_the_last_owner_of_an_inbox_is_not_disabled(self, acme: World) -> None:
        acme.user("lea@acme.example", role=Role.DISTRIBUTOR)
        acme.user("eva@acme.example")
        acme.inbox("info@acme.example", owner="lea@acme.example")
        with pytest.raises(RefusedError, match=r"mail to info@acme\.example from now on"):
            set_active(acme.app, "lea@acme.example", active=False, by=OPERATOR)
        set_account(acme.app, "acme", {"default_owner": "eva@acme.example"}, by=OPERATOR)
        assert not set_active(acme.app, "lea@acme.example", active=False, by=OPERATOR).active
        with refusal(Reason.NOBODY_READS):
            set_active(acme.app, "eva@acme.example", active=False, by=OPERATOR)

    def test_disabling_and_enabling_again_can_be_repeated(self, acme: World) -> None:
        acme.user("eva@acme.example")
        for active in (False, False, True, True):
            user = set_active(acme.app, "eva@acme.example", active=active, by=OPERATOR)
            assert user.active is active
        with refusal(Reason.EMAIL_IN_USE):
            ask(acme, "eva@acme.example")

    def test_a_disabled_person_does_not_act(self, acme: World) -> None:
        acme.user("eva@acme.example")
        set_active(acme.app, "eva@acme.example", active=False, by=OPERATOR)
        with refusal(Reason.NOT_ALLOWED):
            acme.actor("eva@acme.example")


class TestAccounts:
    def test_without_an_account_it_says_how_to_add_one(self, app: App) -> None:
        with pytest.raises(RefusedError, match="maild account add"):
            list_users(app, by=OPERATOR)

    def test_with_several_it_asks_which(self, acme: World) -> None:
        a_world(acme.app, "beta")
        with pytest.raises(RefusedError, match="acme, beta") as caught:
            list_users(acme.app, by=OPERATOR)
        assert caught.value.reason is Reason.ACCOUNT_NEEDED

    def test_a_user_of_one_account_means_that_one(self, acme: World) -> None:
        a_world(acme.app, "beta")
        acme.user("eva@acme.example")
        assert len(list_users(acme.app, by=acme.actor("eva@acme.example")).users) == 1

    @pytest.mark.parametrize("slug", ["", "-a", "A", "a b", "a" * 64, "ä", "a\n", "\udcff"])
    def test_a_slug_has_a_form(self, app: App, slug: str) -> None:
        with refusal(Reason.INVALID_VALUE):
            add_account(app, slug=slug, name="X", by=OPERATOR)

    def test_a_wrong_key_or_value_changes_nothing(self, acme: World) -> None:
        with pytest.raises(RefusedError, match="Did you mean plus_tag"):
            set_account(acme.app, "acme", {"name": "New", "plus_tags": "exact"}, by=OPERATOR)
        for pair in (
            {"plus_tag": "no"},
            {"all_received": "maybe"},
            {"default_owner": "x@y.example"},
        ):
            with pytest.raises(RefusedError):
                set_account(acme.app, "acme", {"name": "New", **pair}, by=OPERATOR)
        kept = set_account(acme.app, "acme", {"all_received": "no"}, by=OPERATOR)
        assert (kept.name, kept.settings["all_received"]) == ("Acme", False)

    def test_a_list_is_read_page_by_page(self, acme: World) -> None:
        for number in range(5):
            acme.user(f"u{number}@acme.example")
        first = list_users(acme.app, limit=3, by=OPERATOR)
        second = list_users(acme.app, limit=3, after=first.next, by=OPERATOR)
        assert [len(first.users), len(second.users), second.next] == [3, 2, None]
        with refusal(Reason.INVALID_VALUE):
            list_users(acme.app, after="x'; DROP", by=OPERATOR)


class TestCommunalUsers:
    def test_M9_a_communal_user_has_no_login_and_no_address_but_its_inbox(
        self, acme: World
    ) -> None:
        acme.user("lea@acme.example", role=Role.DISTRIBUTOR)
        acme.inbox("info@acme.example")
        added = add_communal_user(
            acme.app, inbox="info@acme.example", name="Info team", by=OPERATOR
        )
        assert (added.user.kind, added.user.username, added.user.email) == (
            "communal",
            None,
            "info@acme.example",
        )
        with refusal(Reason.ALREADY_EXISTS):
            add_communal_user(acme.app, inbox="info@acme.example", name="Again", by=OPERATOR)
        with refusal(Reason.CONFLICT):
            acme.alias("info@acme.example", "other@acme.example")
        with refusal(Reason.CONFLICT):
            set_password(acme.app, "info@acme.example", "long enough", by=OPERATOR)


def statements(act: Callable[[], object]) -> int:
    """Return how many an act sends to the database."""
    sent: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return len(sent)


def test_which_account_is_meant_is_not_asked_of_every_account(acme: World) -> None:
    acme.user("jan@acme.example")
    jan = acme.actor("jan@acme.example")
    few = statements(lambda: list_users(acme.app, by=jan))
    for number in range(20):
        add_account(acme.app, slug=f"firm{number}", name="Firm", by=OPERATOR)
    assert statements(lambda: list_users(acme.app, by=jan)) == few


def test_everything_keeps_the_time_of_the_clock(acme: World) -> None:
    before = acme.app.clock()
    user = acme.user("eva@acme.example")
    acme.app.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]
    alias = acme.alias("eva@acme.example", "moser@acme.example")
    assert user.created_at == before
    assert alias.address.valid_from == before + timedelta(days=1)
