"""U11, U12: two people exchange addresses and logins; nothing that was stored changes, and no address is ever nobody's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from maild.core.accounts import set_account
from maild.core.addresses import make_primary, remove_address
from maild.core.app import OPERATOR, App
from maild.core.change_email import EmailRequest, change_email, plan_change
from maild.core.clients import NewClient, add_client
from maild.core.drops import show_drop
from maild.core.people import NewUser, UserAdded, add_user, set_password, set_user
from maild.core.resets import sign_up
from maild.core.rulings import retry
from maild.core.sessions import begin_session, look
from maild.core.signing_in import SignedIn, check_password
from maild.core.tokens import look_up, make_token
from maild.core.undo_change import undo_change
from maild.model.changes import SwapPlan
from maild.model.people import Role
from maild.model.reason import Reason, RefusedError
from maild.store import people_tables
from maild.store.engine import StoreDownError
from tests.core.company import READER
from tests.core.conftest import Frozen
from tests.core.firm import CRM, EVA, INFO, JAN, LEA, Firm, a_firm, refusal

MINUTE = timedelta(minutes=1)
ISSUER = "https://login.example"


@pytest.fixture
def firm(app: App) -> Firm:
    return a_firm(app)


def logins_of(firm: Firm, email: str) -> list[tuple[int, str]]:
    """Return the ids and user names of the logins that open a user's record."""
    with firm.app.store.read() as tx:
        name = tx.people.name(email)
        assert name is not None
        assert name.user_id is not None
        return [(login.id, login.username) for login in tx.logins.of(name.user_id)]


def identity(firm: Firm, email: str) -> None:
    """Let a person sign in by a provider."""
    with firm.app.store.write() as tx:
        tx.identities.attach(
            logins_of_in(tx, email),
            issuer=ISSUER,
            subject=f"subject of {email}",
            address=email,
            now=firm.app.clock(),
        )


def logins_of_in(tx: Any, email: str) -> int:
    return int(tx.logins.general(tx.people.name(email).user_id).id)


def whole(firm: Firm, *emails: str) -> dict[str, Any]:
    """Return everything that two swaps leave as it was: who has which addresses, logins and roles."""
    return {
        firm.user(email).id: (firm.live(email), logins_of(firm, email), firm.roles(email))
        for email in emails
    }


class TestWhatChangesHands:
    def test_U11_addresses_and_logins_go_over_content_and_roles_stay(self, firm: Firm) -> None:
        eva, jan = firm.user(EVA), firm.user(JAN)
        [evas], [jans] = logins_of(firm, EVA), logins_of(firm, JAN)
        firm.forwards(EVA)
        firm.change(EVA, JAN)
        assert (firm.user(EVA).id, firm.user(JAN).id) == (jan.id, eva.id)
        assert (firm.user(EVA).memberships, firm.user(JAN).memberships) == (
            jan.memberships,
            eva.memberships,
        )
        assert (logins_of(firm, EVA), logins_of(firm, JAN)) == ([evas], [jans])
        assert firm.newest()["owner"] == JAN, "what was under the one is now under the other"

    def test_U11_both_keep_their_passwords(self, firm: Firm) -> None:
        set_password(firm.app, EVA, "a long enough password", by=OPERATOR)
        jan = firm.user(JAN)
        firm.change(EVA, JAN)
        found = check_password(firm.app, EVA, "a long enough password", peer="192.0.2.9")
        with firm.app.store.read() as tx:
            assert tx.people.user(found.user_id).ulid == jan.id

    def test_U11_sessions_tokens_links_and_drop_addresses_end(self, firm: Firm) -> None:
        drops = [show_drop(firm.app, email, by=OPERATOR) for email in (EVA, JAN)]
        opened, tokens = [], []
        for email in (EVA, JAN):
            with firm.app.store.read() as tx:
                name = tx.people.name(email)
                assert name is not None
                assert name.user_id is not None
                login = tx.logins.general(name.user_id)
                assert login is not None
            who = SignedIn(user_id=name.user_id, login_id=login.id)
            opened.append(begin_session(firm.app, who, peer="192.0.2.9", agent="Browser").secret)
            tokens.append(make_token(firm.app, email, "script", by=OPERATOR).secret)
        assert all(look(firm.app, secret) for secret in opened)
        firm.change(EVA, JAN)
        assert [look(firm.app, secret) for secret in opened] == [None, None]
        assert [look_up(firm.app, secret) for secret in tokens] == [None, None]
        for before, email in zip(drops, (JAN, EVA), strict=True):  # Of the same records.
            assert set(before.addresses).isdisjoint(
                show_drop(firm.app, email, by=OPERATOR).addresses
            )

    def test_U11_a_former_primary_goes_along_and_a_hand_made_alias_stays(self, firm: Firm) -> None:
        firm.world.alias(EVA, "hand@acme.example")
        firm.world.alias(EVA, "moser@acme.example")
        make_primary(firm.app, "moser@acme.example", by=OPERATOR)
        set_user(firm.app, EVA, {"username": "eva"}, by=OPERATOR)
        firm.change("moser@acme.example", JAN)
        assert firm.live("moser@acme.example") == {
            "moser@acme.example": "primary",
            EVA: "alias",
        }
        assert firm.live(JAN) == {JAN: "primary", "hand@acme.example": "alias"}

    def test_U11_a_hand_made_alias_goes_along_where_that_is_chosen(self, firm: Firm) -> None:
        firm.world.alias(EVA, "hand@acme.example")
        plan = firm.plan(EVA, JAN, alias_travels=("hand@acme.example",)).plan
        assert isinstance(plan, SwapPlan)
        assert [(one.address, one.travels) for one in plan.choices] == [("hand@acme.example", True)]
        firm.change(EVA, JAN, alias_travels=("hand@acme.example",))
        assert firm.live(EVA) == {EVA: "primary", "hand@acme.example": "alias"}

    def test_U8_an_alias_that_is_the_user_name_goes_with_the_login(self, firm: Firm) -> None:
        firm.world.alias(EVA, "hand@acme.example")
        set_user(firm.app, EVA, {"username": "hand@acme.example"}, by=OPERATOR)
        firm.change(EVA, JAN)
        assert "hand@acme.example" in firm.live(EVA)

    def test_U6_a_base_that_stays_behind_is_said_to_be_ambiguous(self, firm: Firm) -> None:
        firm.world.user("me+x@me.example", "Me")
        firm.world.alias("me+x@me.example", "me@me.example")
        [said] = firm.ambiguous(EVA, "me+x@me.example")
        assert "me@me.example" in said
        assert "--alias-travels" in said

    def test_U11_who_has_yet_to_sign_up_gets_a_new_link_and_opens_the_others_record(
        self, firm: Firm
    ) -> None:
        firm.change(EVA, "new@acme.example")
        firm.change("new@acme.example", JAN)
        sign_up(firm.app, firm.link("new@acme.example"), "a long enough password")
        found = check_password(
            firm.app, "new@acme.example", "a long enough password", peer="192.0.2.9"
        )
        assert found.user_id == 3, "Jan's, which has the address now"

    def test_U11_both_old_addresses_are_told(self, firm: Firm) -> None:
        firm.change(EVA, JAN)
        assert {EVA, JAN} <= firm.letters().keys()


class TestConsent:
    def test_U11_roles_that_differ_need_a_yes_and_the_plan_says_whose(self, firm: Firm) -> None:
        planned = firm.plan(EVA, LEA)
        said = " ".join(planned.sentences)
        assert "Who has eva@acme.example is distributor in acme, and was member." in said
        with refusal(Reason.ROLES_DIFFER):
            firm.change(EVA, LEA)
        firm.change(EVA, LEA, swap_roles=True)
        assert firm.roles(EVA) == {"acme": "distributor"}

    def test_U11_a_role_where_the_other_is_nobody_differs_too(self, firm: Firm) -> None:
        from maild.testing.world import a_world

        a_world(firm.app, "beta").user("bo@beta.example", "Bo")
        with refusal(Reason.ROLES_DIFFER):
            firm.change(EVA, "bo@beta.example")

    def test_U11_equal_roles_need_none(self, firm: Firm) -> None:
        firm.change(EVA, JAN)

    def test_U11_single_sign_on_needs_a_yes_and_its_identities_go_along(self, firm: Firm) -> None:
        identity(firm, JAN)
        [jans] = logins_of(firm, JAN)
        with pytest.raises(RefusedError, match=ISSUER) as caught:
            firm.change(EVA, JAN)
        assert caught.value.reason is Reason.SSO_USER
        firm.change(EVA, JAN, allow_sso=True)
        assert firm.rows("identities", "login_id", "suspended_at") == [(jans[0], None)]
        assert logins_of(firm, JAN) == [jans]

    def test_U11_to_a_free_address_identities_are_suspended_and_come_back(self, firm: Firm) -> None:
        identity(firm, EVA)
        with refusal(Reason.SSO_USER):
            firm.change(EVA, "new@acme.example")
        changed = firm.change(EVA, "new@acme.example", allow_sso=True)
        [(suspended,)] = firm.rows("identities", "suspended_at")
        assert suspended is not None
        undo_change(firm.app, changed.id, by=OPERATOR)
        assert firm.rows("identities", "suspended_at") == [(None,)]

    def test_U11_taken_back_an_identity_of_who_signed_up_meanwhile_is_gone(
        self, firm: Firm
    ) -> None:
        changed = firm.change(EVA, "new@acme.example")
        identity(firm, "new@acme.example")
        undo_change(firm.app, changed.id, by=OPERATOR)
        assert firm.rows("identities", "id") == []

    def test_U4_nobody_gets_an_address_that_is_a_client_of_theirs(self, firm: Firm) -> None:
        from maild.testing.world import a_world

        beta = a_world(firm.app, "beta")
        beta.user("bo@beta.example", "Bo")
        add_client(firm.app, NewClient(name="Acme", contacts=(EVA,)), account="beta", by=OPERATOR)
        with refusal(Reason.EMAIL_IN_USE_OTHER_KIND):
            firm.plan(EVA, "bo@beta.example", swap_roles=True)


class TestTwice:
    def test_U11_twice_is_the_identity(self, firm: Firm) -> None:
        before = whole(firm, EVA, LEA)
        for _ in range(2):
            firm.change(EVA, LEA, swap_roles=True)
        assert whole(firm, EVA, LEA) == before

    def test_U11_twice_is_the_identity_with_aliases_that_go_along(self, firm: Firm) -> None:
        firm.world.alias(EVA, "hand@acme.example")
        firm.world.alias(JAN, "jansen@acme.example")
        make_primary(firm.app, "jansen@acme.example", by=OPERATOR)
        before = whole(firm, EVA, JAN)
        for _ in range(2):
            firm.change(EVA, "jansen@acme.example", alias_travels=("hand@acme.example",))
        assert whole(firm, EVA, JAN) == before

    def test_U11_taking_it_back_is_the_inverse(self, firm: Firm) -> None:
        firm.world.alias(EVA, "hand@acme.example")
        before = whole(firm, EVA, LEA)
        changed = firm.change(EVA, LEA, swap_roles=True, alias_travels=("hand@acme.example",))
        assert undo_change(firm.app, changed.id, by=OPERATOR).stayed == ()
        assert whole(firm, EVA, LEA) == before

    def test_U11_what_was_removed_since_stays_removed_and_is_listed(self, firm: Firm) -> None:
        firm.world.alias(EVA, "hand@acme.example")
        changed = firm.change(EVA, JAN, alias_travels=("hand@acme.example",))
        remove_address(firm.app, "hand@acme.example", by=OPERATOR)
        [stayed] = undo_change(firm.app, changed.id, by=OPERATOR).stayed
        assert "hand@acme.example" in stayed

    def test_U11_not_when_one_has_another_primary_by_now(self, firm: Firm) -> None:
        firm.world.alias(EVA, "moser@acme.example")
        changed = firm.change(EVA, JAN)
        make_primary(firm.app, "moser@acme.example", by=OPERATOR)
        with refusal(Reason.CANNOT_UNDO):
            undo_change(firm.app, changed.id, by=OPERATOR)


class TestMailMeanwhile:
    def test_U12_each_mail_is_whose_it_was_when_it_came_in(self, firm: Firm, clock: Frozen) -> None:
        firm.forwards(EVA, decide=False)
        clock.advance(MINUTE)
        firm.change(EVA, JAN)
        firm.forwards(EVA, decide=False)
        firm.post.decide()
        before, after = (row[1] for row in firm.resolved())
        with firm.app.store.read() as tx:
            names = [tx.rights.display_name(user) for user in (before, after)]
        assert names == ["Eva", "Jan"]

    def test_U12_a_mail_that_came_in_during_the_swap_is_not_the_former_ones(
        self, firm: Firm, clock: Frozen
    ) -> None:
        """The worker has looked at the directory before the swap commits, and writes after it."""
        firm.forwards(EVA, decide=False)
        firm.decides_while(lambda: firm.change(EVA, JAN))
        assert firm.resolved()[-1][1] is None, "given back"
        firm.post.decide()
        assert firm.sender_of_newest() == "Jan"

    def test_U12_decided_again_it_stays_whose_it_was(self, firm: Firm, clock: Frozen) -> None:
        firm.forwards(EVA)
        before = firm.resolved()
        clock.advance(MINUTE)
        firm.change(EVA, JAN)
        retry(firm.app, READER, [firm.newest()["ulid"]], by=OPERATOR)
        assert firm.resolved() == before

    def test_U12_decided_again_it_keeps_an_address_that_was_added_after_it(
        self, firm: Firm, clock: Frozen
    ) -> None:
        firm.forwards("late@acme.example", decide=False)
        clock.advance(MINUTE)
        firm.world.alias(EVA, "late@acme.example")
        firm.post.decide()
        before = firm.resolved()
        assert firm.sender_of_newest() == "Eva"
        remove_address(firm.app, "late@acme.example", by=OPERATOR)
        firm.world.alias(JAN, "late@acme.example")
        retry(firm.app, READER, [firm.newest()["ulid"]], by=OPERATOR)
        assert firm.resolved() == before

    def test_U12_decided_again_it_keeps_the_tag_whose_base_it_came_from(
        self, firm: Firm, clock: Frozen
    ) -> None:
        firm.world.user("me+x@acme.example", "Me")
        set_account(firm.app, "acme", {"plus_tag": "base-if-unique"}, by=OPERATOR)
        firm.forwards("me@acme.example")
        before = firm.resolved()
        assert firm.sender_of_newest() == "Me"
        clock.advance(MINUTE)
        firm.change("me+x@acme.example", EVA)
        retry(firm.app, READER, [firm.newest()["ulid"]], by=OPERATOR)
        assert firm.resolved() == before

    def test_U12_nothing_that_was_stored_is_rewritten(self, firm: Firm, clock: Frozen) -> None:
        firm.forwards(EVA)
        firm.forwards(JAN)
        before = firm.resolved(), firm.rows("entries", "owner_id", "unread", "version")
        clock.advance(MINUTE)
        firm.change(EVA, JAN)
        assert (firm.resolved(), firm.rows("entries", "owner_id", "unread", "version")) == before

    def test_U12_a_tag_means_whose_it_was(self, firm: Firm, clock: Frozen) -> None:
        firm.world.user("me+x@acme.example", "Me")
        set_account(firm.app, "acme", {"plus_tag": "base-if-unique"}, by=OPERATOR)
        firm.forwards("me@acme.example", decide=False)
        clock.advance(MINUTE)
        firm.change("me+x@acme.example", EVA)
        firm.post.decide()
        assert firm.sender_of_newest() == "Me"

    def test_U7_mail_that_came_to_a_drop_address_is_its_owners(
        self, firm: Firm, clock: Frozen
    ) -> None:
        address = show_drop(firm.app, EVA, by=OPERATOR).addresses[0]
        firm.post.send(firm.post.mail("team@shared.example", to="x@y.example"), address)
        clock.advance(MINUTE)
        firm.change(EVA, JAN)
        firm.post.decide()
        assert firm.sender_of_newest() == "Eva"


@pytest.mark.slow
class TestAtOnce:
    def test_U11_of_two_operators_one_swaps(self, firm: Firm) -> None:
        request = EmailRequest(old=EVA, new=JAN)
        digest = plan_change(firm.app, request, by=OPERATOR).plan.digest
        start = threading.Barrier(2)

        def swap() -> str:
            start.wait(30)
            try:
                change_email(firm.app, request, reason="x", digest=digest, by=OPERATOR)
            except RefusedError as error:
                return error.reason.code
            except StoreDownError:
                return "PLAN_OUTDATED"
            return "done"

        with ThreadPoolExecutor(2) as pool:
            outcomes = [pool.submit(swap) for _ in range(2)]
            assert sorted(one.result() for one in outcomes) == ["PLAN_OUTDATED", "done"]
        assert firm.user(EVA).name == "Jan"

    @pytest.mark.parametrize("new", [JAN, "new@acme.example"])
    def test_U1_while_fifty_claim_both_addresses_each_is_one_persons_at_every_moment(
        self, firm: Firm, new: str
    ) -> None:
        """Whatever is claimed meanwhile, exactly one act gets each address."""
        seen: list[dict[str, tuple[int, int]]] = []
        stop = threading.Event()

        def look_on() -> None:
            while not stop.is_set():
                seen.append(firm_owners(firm, (EVA, new)))

        def claim(number: int) -> str:
            target = (EVA, new)[number % 2]
            return outcome(
                lambda: add_user(
                    firm.app,
                    NewUser(email=target, name=f"N {number}", username=f"n{number}"),
                    account="acme",
                    by=OPERATOR,
                )
            )

        with ThreadPoolExecutor(9) as pool:
            watching = pool.submit(look_on)
            try:
                request = EmailRequest(old=EVA, new=new)
                digest = plan_change(firm.app, request, by=OPERATOR).plan.digest
                claims = [pool.submit(claim, number) for number in range(25)]
                swapped = pool.submit(
                    outcome,
                    lambda: change_email(firm.app, request, reason="x", digest=digest, by=OPERATOR),
                )
                claims += [pool.submit(claim, number) for number in range(25, 50)]
                ends = [one.result() for one in claims]
                ended = swapped.result()
            finally:
                stop.set()
            watching.result()
        assert len(seen) > 10
        assert {count for found in seen for _, count in found.values()} <= {0, 1}, "never two's"
        assert all(found[EVA][0] for found in seen), "never nobody's"
        if new == JAN:
            assert ended == "done"
            assert set(ends) == {"EMAIL_IN_USE"}
        else:
            assert [ended, *ends].count("done") == 1


def outcome(act: Callable[[], object]) -> str:
    try:
        made = act()
    except RefusedError as error:
        return "EMAIL_IN_USE" if error.reason is Reason.PLAN_OUTDATED else error.reason.code
    except StoreDownError:
        return "EMAIL_IN_USE"
    return "done" if not hasattr(made, "outcome") or isinstance(made, UserAdded) else "joined"


def firm_owners(firm: Firm, norms: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """Return which binding each name has (one that rests is kept for nobody else), and how many live ones there are."""
    live = select(func.count()).where(people_tables.addresses.c.valid_to.is_(None))
    with firm.app.store.read() as tx:
        found = {}
        for norm in norms:
            name = tx.people.name(norm)
            count = tx.connection.execute(
                live.where(people_tables.addresses.c.norm == norm)
            ).scalar_one()
            kept = 0 if name is None else name.address_id or name.rested_address_id or 0
            found[norm] = kept, count
        return found


def test_U11_a_crash_inside_a_swap_leaves_everything_as_it_was(firm: Firm) -> None:
    request = EmailRequest(old=EVA, new=JAN)
    digest = plan_change(firm.app, request, by=OPERATOR).plan.digest
    before = whole(firm, EVA, JAN), firm.rows("names", "norm", "ref"), firm.rows("outbox", "id")
    ids = iter(["01J0000000000000000000000Z", "01J0000000000000000000000Y"])

    def failing() -> str:
        try:
            return next(ids)
        except StopIteration:
            raise RuntimeError("the machine stopped") from None

    with pytest.raises(RuntimeError, match="stopped"):
        change_email(
            replace(firm.app, ids=failing), request, reason="x", digest=digest, by=OPERATOR
        )
    after = whole(firm, EVA, JAN), firm.rows("names", "norm", "ref"), firm.rows("outbox", "id")
    assert after == before


def test_U11_the_inboxes_and_other_people_are_not_touched(firm: Firm) -> None:
    before = firm.user(LEA), [name for name in firm.rows("names", "norm") if name[0] in {CRM, INFO}]
    firm.change(EVA, JAN)
    after = firm.user(LEA), [name for name in firm.rows("names", "norm") if name[0] in {CRM, INFO}]
    assert after == before


def test_U10_own_logins_of_accounts_go_along(firm: Firm) -> None:
    with firm.app.store.write() as tx:
        for number, name in ((2, "eva-acme"), (3, "jan-acme")):
            tx.logins.add(number, name, None, account_id=1, now=firm.app.clock())
    before = whole(firm, EVA, JAN)
    firm.change(EVA, JAN)
    assert [name for _, name in logins_of(firm, EVA)] == [EVA, "eva-acme"]
    firm.change(EVA, JAN)
    assert whole(firm, EVA, JAN) == before


def test_U11_an_admin_swaps_with_a_member_by_consent_alone(firm: Firm) -> None:
    set_user(firm.app, EVA, {"role": Role.ADMIN.value}, by=OPERATOR)
    with refusal(Reason.ROLES_DIFFER):
        firm.change(EVA, JAN)
    assert firm.roles(EVA) == {"acme": "admin"}
