"""U9: one person in many accounts: asking for access, mail to each of them, and leaving (M10)."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from typing_extensions import override

from maild.core.accounts import account_id_of, set_account
from maild.core.agency import REQUESTS_A_DAY, grant_access, refuse_membership, request_access
from maild.core.app import OPERATOR, Actor, App
from maild.core.clients import NewClient, add_client
from maild.core.drops import show_drop
from maild.core.inboxes import set_inbox, show_inbox
from maild.core.joining import JoinView, MemberView, answer_invitation, list_members, list_own
from maild.core.leaving import remove_member
from maild.core.mailbox import give
from maild.core.people import NewUser, add_user, set_active, set_user
from maild.core.people_views import show_user
from maild.core.seal import SealingKey
from maild.core.settle import TRY_LATER
from maild.core.verdicts import Prover
from maild.core.views import explain_mail
from maild.model.envelope import Trust
from maild.model.people import InboxKind, MemberState, Role
from maild.model.reason import Reason, RefusedError
from maild.settings import AuthSettings
from maild.store.list_walks import Filter
from maild.testing.world import World, a_world
from tests.core.company import SIGNED_IN, Post
from tests.core.conftest import Frozen

KEY = SealingKey.of("a text of chance that is long enough to be a key")
EVA = "eva@agency.example"
SLUGS = ("acme", "beta", "gamma", "delta", "eta")


def refusal(code: Reason) -> pytest.RaisesExc[RefusedError]:
    return pytest.RaisesExc(RefusedError, check=lambda error: error.reason is code)


@pytest.fixture
def agency(app: App) -> World:
    """Eva works here."""
    world = a_world(replace(app, key=KEY, has_relay=True), "agency")
    world.user(EVA, "Eva Moser")
    return world


@pytest.fixture
def client(agency: World) -> World:
    """An account that knows nothing of Eva; Bo is its admin, Jan a member."""
    world = a_world(agency.app, "beta")
    world.user("bo@beta.example", role=Role.ADMIN)
    world.user("jan@beta.example")
    return world


@pytest.fixture
def eva(agency: World) -> Actor:
    return agency.actor(EVA)


@pytest.fixture
def bo(client: World) -> Actor:
    return client.actor("bo@beta.example")


def request_of(world: World, by: Actor = OPERATOR) -> MemberView:
    members = list_members(world.app, account=world.account.slug, by=by)
    return next(one for one in members if one.email == EVA)


def mails(app: App) -> list[dict[str, Any]]:
    with app.store.read() as tx:
        return [one.payload for one in tx.outbox.page(None, account_id=None, limit=100)]


class TestAskingForAccess:
    def test_U9_the_accounts_side_sees_the_request_at_once(
        self, client: World, eva: Actor, bo: Actor
    ) -> None:
        request_access(client.app, "beta", by=eva)
        asked = request_of(client, bo)
        assert (asked.state, asked.name) == (MemberState.REQUESTED, "Eva Moser")

    def test_U9_its_admins_are_told_by_mail_and_nobody_else(
        self, client: World, eva: Actor
    ) -> None:
        request_access(client.app, "beta", by=eva)
        [mail] = mails(client.app)
        assert mail["to"] == "bo@beta.example"
        assert EVA in mail["text"]

    def test_U9_no_admin_who_is_disabled_is_told(self, client: World, eva: Actor) -> None:
        client.user("ada@beta.example", role=Role.ADMIN)
        set_active(client.app, "bo@beta.example", active=False, by=OPERATOR)
        request_access(client.app, "beta", by=eva)
        assert [mail["to"] for mail in mails(client.app)] == ["ada@beta.example"]

    def test_U9_an_admin_grants_a_role(self, client: World, eva: Actor, bo: Actor) -> None:
        request_access(client.app, "beta", by=eva)
        granted = grant_access(client.app, request_of(client).id, role=Role.DISTRIBUTOR, by=bo)
        assert (granted.state, granted.role) == (MemberState.ACTIVE, Role.DISTRIBUTOR)
        assert {one.account for one in list_own(client.app, by=eva)} == {"agency", "beta"}

    def test_U9_an_admin_refuses(self, client: World, eva: Actor, bo: Actor) -> None:
        request_access(client.app, "beta", by=eva)
        refused = refuse_membership(client.app, request_of(client).id, by=bo)
        assert refused.state is MemberState.REFUSED
        with refusal(Reason.CONFLICT):
            grant_access(client.app, refused.id, role=Role.MEMBER, by=bo)

    def test_U9_a_request_lets_nobody_see_anything(self, client: World, eva: Actor) -> None:
        request_access(client.app, "beta", by=eva)
        with refusal(Reason.NOT_FOUND):
            list_members(client.app, account="beta", by=eva)

    def test_U9_who_asks_does_not_grant(self, client: World, eva: Actor) -> None:
        request_access(client.app, "beta", by=eva)
        with refusal(Reason.NOT_FOUND):
            grant_access(client.app, request_of(client).id, role=Role.ADMIN, by=eva)

    def test_U9_a_member_who_is_no_admin_does_not_grant(self, client: World, eva: Actor) -> None:
        request_access(client.app, "beta", by=eva)
        with refusal(Reason.NOT_ALLOWED):
            grant_access(
                client.app,
                request_of(client).id,
                role=Role.ADMIN,
                by=client.actor("jan@beta.example"),
            )

    def test_U9_an_invitation_is_not_granted_by_who_invited(self, client: World, bo: Actor) -> None:
        joined = add_user(client.app, NewUser(email=EVA, name="E"), account="beta", by=bo)
        assert isinstance(joined, JoinView)
        with refusal(Reason.CONFLICT):
            grant_access(client.app, joined.membership.id, role=Role.MEMBER, by=bo)

    def test_R15_an_account_that_is_there_answers_as_one_that_is_not(
        self, client: World, eva: Actor
    ) -> None:
        there = request_access(client.app, "beta", by=eva)
        gone = request_access(client.app, "nowhere", by=eva)
        assert there.message.replace("beta", "nowhere") == gone.message
        assert [one.account for one in list_own(client.app, by=eva)] == ["agency"]
        shown = show_user(client.app, EVA, by=eva)
        assert [one.account for one in shown.memberships] == ["agency"]

    def test_R15_no_more_than_twenty_accounts_are_tried_a_day(
        self, client: World, eva: Actor
    ) -> None:
        for number in range(REQUESTS_A_DAY):
            request_access(client.app, f"try{number}", by=eva)
        with refusal(Reason.TOO_MANY_TRIES):
            request_access(client.app, "beta", by=eva)
        with pytest.raises(StopIteration):
            request_of(client)

    def test_U9_a_member_does_not_ask_again(self, client: World, bo: Actor) -> None:
        with refusal(Reason.CONFLICT):
            request_access(client.app, "beta", by=bo)

    def test_U9_the_operator_is_nobody_who_could_get_access(self, client: World) -> None:
        with refusal(Reason.NOT_ALLOWED):
            request_access(client.app, "beta", by=OPERATOR)

    def test_U4_nobody_is_let_in_who_is_a_client_of_the_account(
        self, client: World, eva: Actor, bo: Actor
    ) -> None:
        add_client(client.app, NewClient(name="Agency", contacts=[EVA]), account="beta", by=bo)
        request_access(client.app, "beta", by=eva)
        with refusal(Reason.EMAIL_IN_USE_OTHER_KIND):
            grant_access(client.app, request_of(client).id, role=Role.MEMBER, by=bo)

    def test_U9_where_logins_are_separate_a_grant_is_an_invitation(
        self, client: World, eva: Actor, bo: Actor
    ) -> None:
        set_account(client.app, "beta", {"own_login_required": "true"}, by=bo)
        request_access(client.app, "beta", by=eva)
        granted = grant_access(client.app, request_of(client).id, role=Role.MEMBER, by=bo)
        assert (granted.state, granted.needs_own_login) == (MemberState.INVITED, True)


def five_accounts(app: App) -> list[World]:
    """Make one tester a member of five accounts, each with a forward inbox and a client of its own."""
    worlds = []
    for slug in SLUGS:
        world = a_world(app, slug)
        world.user(f"boss@{slug}.example", role=Role.ADMIN)
        new = NewUser(email="tester@acme.example", name="The Tester")
        added = add_user(app, new, account=slug, by=OPERATOR)
        if isinstance(added, JoinView):
            tester = world.actor("tester@acme.example")
            answer_invitation(app, added.membership.id, accept=True, by=tester)
        world.inbox(f"crm@{slug}.example", InboxKind.FORWARD)
        world.client(f"Client of {slug}", "anna@rossi.example")
        worlds.append(world)
    return worlds


class TestOneTesterInFiveAccounts:
    def test_U9_they_have_five_memberships_and_one_login(self, app: App) -> None:
        five_accounts(app)
        tester = show_user(app, "tester@acme.example", by=OPERATOR)
        assert [one.account for one in tester.memberships] == list(SLUGS)
        assert {one.state for one in tester.memberships} == {MemberState.ACTIVE}
        with app.store.read() as tx:
            named = tx.people.name("tester@acme.example")
            assert named is not None
            assert named.user_id is not None
            assert len(tx.logins.of(named.user_id)) == 1

    def test_U9_a_mail_to_each_accounts_inbox_is_filed_in_that_account(self, app: App) -> None:
        worlds = five_accounts(app)
        post = Post(app)
        for slug in SLUGS:
            inbox = f"crm@{slug}.example"
            mail = post.mail("tester@acme.example", to=f"{inbox}, anna@rossi.example")
            post.send(mail, inbox, trust=SIGNED_IN)
        post.decide()
        with app.store.read() as tx:
            for world in worlds:
                account = tx.people.account(world.account.slug)
                assert account is not None
                [row] = tx.lists.page(Filter(account_id=account.id, limit=10))
                assert (row["state"], row["user"]) == ("filed", "tester@acme.example")
                assert row["inbox"] == f"crm@{world.account.slug}.example"
                [filed] = row["clients"]
                assert filed["name"] == f"Client of {world.account.slug}"

    def test_U9_one_mail_to_all_five_is_filed_in_each(self, app: App) -> None:
        worlds = five_accounts(app)
        post = Post(app)
        inboxes = [f"crm@{slug}.example" for slug in SLUGS]
        mail = post.mail("tester@acme.example", to=", ".join([*inboxes, "anna@rossi.example"]))
        post.send(mail, *inboxes, trust=SIGNED_IN)
        post.decide()
        with app.store.read() as tx:
            for world in worlds:
                account = tx.people.account(world.account.slug)
                assert account is not None
                [row] = tx.lists.page(Filter(account_id=account.id, limit=10))
                assert (row["state"], row["owner"]) == ("filed", "tester@acme.example")

    def test_U9_without_the_membership_the_address_is_nobodys_there(self, app: App) -> None:
        worlds = five_accounts(app)
        other = a_world(app, "theta")
        other.user("boss@theta.example", role=Role.ADMIN)
        other.inbox("crm@theta.example", InboxKind.FORWARD)
        post = Post(app)
        mail = post.mail("tester@acme.example", to="crm@theta.example, anna@rossi.example")
        post.send(mail, "crm@theta.example", trust=SIGNED_IN)
        post.decide()
        with app.store.read() as tx:
            account = tx.people.account("theta")
            assert account is not None
            [row] = tx.lists.page(Filter(account_id=account.id, limit=10))
        assert (row["state"], row["reason"]) == ("held", "NOT_A_MEMBER")
        assert "Tester" not in str(row["facts"])
        assert len(worlds) == 5

    @pytest.mark.parametrize("inbox", ["crm@theta.example", "info@theta.example"])
    def test_U9_a_typed_from_does_not_tell_whether_somebody_has_the_address(
        self, app: App, inbox: str
    ) -> None:
        five_accounts(app)
        other = a_world(app, "theta")
        other.user("boss@theta.example", role=Role.ADMIN)
        other.inbox("crm@theta.example", InboxKind.FORWARD)
        other.inbox("info@theta.example", InboxKind.SHARED)
        post = Post(app)
        for who in ("tester", "nobody"):
            address = f"{who}@acme.example"
            post.send(post.mail(address, to=f"{inbox}, anna@rossi.example"), inbox)
        post.decide()
        with app.store.read() as tx:
            account = tx.people.account("theta")
            assert account is not None
            ulids = [row["ulid"] for row in tx.lists.page(Filter(account_id=account.id, limit=10))]
        found = [explain_mail(app, ulid, by=OPERATOR) for ulid in ulids]
        told = [
            re.sub(
                "tester|nobody",
                "WHO",
                str([one[key] for key in ("state", "reason_text", "sender")])
                + str([step["text"] for step in one["trace"]]),
            )
            for one in found
        ]
        assert len(told) == 2
        assert told[0] == told[1]


class TestTheRoleOfWhoWorksElsewhereToo:
    @pytest.fixture
    def joined(self, client: World, eva: Actor, bo: Actor) -> World:
        request_access(client.app, "beta", by=eva)
        grant_access(client.app, request_of(client).id, role=Role.ADMIN, by=bo)
        return client

    def test_U9_each_accounts_admin_says_what_they_are_there(
        self, joined: World, bo: Actor
    ) -> None:
        set_user(joined.app, EVA, {"role": "member"}, account="beta", by=bo)
        assert request_of(joined).role is Role.MEMBER
        [at_agency] = list_members(joined.app, account="agency", by=OPERATOR)
        assert at_agency.role is Role.MEMBER

    @pytest.mark.parametrize(
        "keys", [{"name": "X"}, {"role": "member", "name": "X"}, {"username": "x"}]
    )
    def test_U9_the_person_is_not_theirs_to_change(
        self, joined: World, bo: Actor, keys: dict[str, str]
    ) -> None:
        with refusal(Reason.NOT_ALLOWED):
            set_user(joined.app, EVA, keys, account="beta", by=bo)
        assert request_of(joined).role is Role.ADMIN

    def test_U9_nor_is_the_role_in_another_account(self, joined: World, bo: Actor) -> None:
        with refusal(Reason.NOT_FOUND):
            set_user(joined.app, EVA, {"role": "admin"}, account="agency", by=bo)

    def test_U9_a_member_changes_nobodys_role_and_not_the_own(self, joined: World) -> None:
        jan = joined.actor("jan@beta.example")
        for who in (EVA, "jan@beta.example"):
            with refusal(Reason.NOT_ALLOWED):
                set_user(joined.app, who, {"role": "admin"}, account="beta", by=jan)


class TestLeaving:
    @pytest.fixture
    def joined(self, client: World, eva: Actor, bo: Actor) -> World:
        request_access(client.app, "beta", by=eva)
        grant_access(client.app, request_of(client).id, role=Role.DISTRIBUTOR, by=bo)
        return client

    def test_U9_a_member_leaves_and_keeps_the_other_accounts(
        self, joined: World, eva: Actor
    ) -> None:
        left = remove_member(joined.app, EVA, account="beta", by=eva)
        assert left.state is MemberState.REFUSED
        with refusal(Reason.NOT_FOUND):
            list_members(joined.app, account="beta", by=eva)
        assert list_members(joined.app, account="agency", by=eva)

    def test_U9_an_admin_takes_somebody_out(self, joined: World, bo: Actor) -> None:
        remove_member(joined.app, EVA, account="beta", by=bo)
        assert request_of(joined).state is MemberState.REFUSED

    def test_U9_a_colleague_takes_nobody_out(self, joined: World) -> None:
        with refusal(Reason.NOT_ALLOWED):
            remove_member(joined.app, EVA, account="beta", by=joined.actor("jan@beta.example"))

    def test_R15_who_is_in_another_account_is_not_there(self, agency: World, bo: Actor) -> None:
        with refusal(Reason.NOT_FOUND) as known:
            remove_member(agency.app, EVA, account="beta", by=bo)
        with refusal(Reason.NOT_FOUND) as gone:
            remove_member(agency.app, "nobody@agency.example", account="beta", by=bo)
        assert str(known.value).replace("eva@", "nobody@") == str(gone.value)

    def test_U9_an_invitation_is_taken_back(self, client: World, eva: Actor, bo: Actor) -> None:
        joined = add_user(client.app, NewUser(email=EVA, name="E"), account="beta", by=bo)
        assert isinstance(joined, JoinView)
        remove_member(client.app, EVA, account="beta", by=bo)
        with refusal(Reason.CONFLICT):
            answer_invitation(client.app, joined.membership.id, accept=True, by=eva)

    def test_M10_the_last_owner_of_an_inbox_does_not_leave(self, joined: World, bo: Actor) -> None:
        joined.inbox("info@beta.example", owner=EVA)
        with refusal(Reason.NOBODY_READS) as caught:
            remove_member(joined.app, EVA, account="beta", by=bo)
        assert caught.value.ways[0].command == "maild inbox set info@beta.example owner=EMAIL"
        assert request_of(joined).state is MemberState.ACTIVE

    def test_M10_who_leaves_is_in_no_owner_chain_any_more(self, joined: World, bo: Actor) -> None:
        joined.inbox("info@beta.example", owner=EVA)
        chain = {"owner": "bo@beta.example", "substitutes": EVA}
        set_inbox(joined.app, "info@beta.example", chain, account="beta", by=bo)
        remove_member(joined.app, EVA, account="beta", by=bo)
        inbox = show_inbox(joined.app, "info@beta.example", account="beta", by=bo)
        assert EVA not in inbox.owner_chain

    def test_M10_who_has_mails_does_not_leave_before_they_are_given(
        self, joined: World, bo: Actor
    ) -> None:
        joined.inbox("info@beta.example", owner="bo@beta.example")
        post = Post(joined.app)
        post.send(post.mail(to="info@beta.example"), "info@beta.example")
        post.decide()
        with joined.app.store.read() as tx:
            account = tx.people.account("beta")
            named = tx.people.name(EVA)
            jan = tx.people.name("jan@beta.example")
            assert account is not None
            assert named is not None
            assert jan is not None
            [row] = tx.lists.page(Filter(account_id=account.id, limit=10))
        assert named.user_id is not None
        assert jan.user_id is not None
        give(joined.app, [row["ulid"]], to=named.user_id, by=bo)
        with refusal(Reason.CONFLICT) as caught:
            remove_member(joined.app, EVA, account="beta", by=bo)
        assert [way.code for way in caught.value.ways] == ["SHOW_MAILS", "GIVE_MAILS"]
        give(joined.app, [row["ulid"]], to=jan.user_id, by=bo)
        assert remove_member(joined.app, EVA, account="beta", by=bo).state is MemberState.REFUSED

    def test_U7_the_secret_address_ends_with_the_membership(self, joined: World, bo: Actor) -> None:
        joined.inbox("crm@beta.example", InboxKind.FORWARD, owner="bo@beta.example")
        [secret] = show_drop(joined.app, EVA, account="beta", by=bo).addresses
        remove_member(joined.app, EVA, account="beta", by=bo)
        post = Post(joined.app)
        [answer] = post.send(post.mail(to="crm@beta.example"), secret)
        assert answer.reason is Reason.DROP_ADDRESS_ROTATED

    def test_U9_who_left_may_be_invited_again(self, joined: World, eva: Actor, bo: Actor) -> None:
        remove_member(joined.app, EVA, account="beta", by=eva)
        again = add_user(joined.app, NewUser(email=EVA, name="E"), account="beta", by=bo)
        assert isinstance(again, JoinView)
        assert again.membership.state is MemberState.INVITED

    def test_M1_who_leaves_while_their_mail_is_decided_gets_it_no_more(
        self, joined: World, bo: Actor, clock: Frozen
    ) -> None:
        joined.inbox("crm@beta.example", InboxKind.FORWARD, owner="bo@beta.example")
        joined.client("Rossi", "anna@rossi.example")

        class LeavingMeanwhile(Prover):
            """Between the look at the directory and the commit."""

            @override
            def examine(self, *asked: Any) -> Any:
                remove_member(joined.app, EVA, account="beta", by=bo)
                return super().examine(*asked)

        post = Post(replace(joined.app, prover=LeavingMeanwhile(AuthSettings())))
        trust = Trust(authenticated_for=("agency.example",))
        mail = post.mail(EVA, to="crm@beta.example, anna@rossi.example")
        post.send(mail, "crm@beta.example", trust=trust)
        post.decide()
        account = account_id_of(joined.app, "beta", by=OPERATOR)
        with joined.app.store.read() as tx:
            [row] = tx.lists.page(Filter(account_id=account, limit=10))
        assert (row["state"], row["owner"]) == ("received", None)
        clock.advance(TRY_LATER)
        Post(joined.app).decide()
        with joined.app.store.read() as tx:
            [row] = tx.lists.page(Filter(account_id=account, limit=10))
        assert (row["reason"], row["owner"]) == ("NOT_A_MEMBER", "bo@beta.example")

    def test_M1_who_leaves_while_mail_is_given_to_them_has_it_or_is_gone(
        self, joined: World, bo: Actor
    ) -> None:
        joined.inbox("info@beta.example", owner="bo@beta.example")
        post = Post(joined.app)
        for _ in range(12):
            post.send(post.mail(to="info@beta.example"), "info@beta.example")
        post.decide()
        account = account_id_of(joined.app, "beta", by=OPERATOR)
        with joined.app.store.read() as tx:
            ids = [row["ulid"] for row in tx.lists.page(Filter(account_id=account, limit=20))]
        eva = joined.actor(EVA).user_id
        assert eva is not None

        def act(ulid: str | None) -> bool:
            try:
                if ulid is None:
                    remove_member(joined.app, EVA, account="beta", by=bo)
                else:
                    give(joined.app, [ulid], to=eva, by=bo)
            except RefusedError:
                return False
            return True

        with ThreadPoolExecutor(6) as threads:
            done = dict(zip([None, *ids], threads.map(act, [None, *ids]), strict=True))
        has_left = request_of(joined).state is MemberState.REFUSED
        assert has_left == done[None]
        # `doctor`, which walks over it after each test, finds every owner a member.
