"""U13: two users turn out to be one person; and that is taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select

from maild.core.accept import accept
from maild.core.accounts import set_account
from maild.core.addresses import make_primary, remove_address
from maild.core.app import OPERATOR, Actor, App
from maild.core.change_email import Planned
from maild.core.clients import NewClient, add_client
from maild.core.drops import show_drop
from maild.core.inboxes import set_inbox, show_inbox
from maild.core.mailbox import give, newest_change, set_unread, undo
from maild.core.merging import merge_users, plan_merging
from maild.core.people import set_active, set_password, set_user
from maild.core.rulings import dismiss, release_mails
from maild.core.signing_in import check_password
from maild.core.undo_change import forget_changes, undo_change
from maild.core.unmerging import unmerge
from maild.model.merges import MergePlan
from maild.model.people import Role
from maild.model.reason import Reason, RefusedError
from maild.store.people_tables import users
from maild.testing.world import a_world
from tests.core.company import READER
from tests.core.conftest import Frozen
from tests.core.firm import CRM, EVA, FORWARD, INFO, JAN, LEA, Firm, a_firm, refusal

MINUTE = timedelta(minutes=1)
MONTH = timedelta(days=30)


@pytest.fixture
def firm(app: App) -> Firm:
    return a_firm(app)


def planned(firm: Firm, email: str = EVA, into: str = JAN) -> Planned:
    return plan_merging(firm.app, email, into, by=OPERATOR)


def mailbox(firm: Firm, email: str) -> list[tuple[str, bool]]:
    """Return the mails that somebody has, each with whether it is unread."""
    return [(row["ulid"], row["unread"]) for row in firm.post.lies() if row["owner"] == email]


def merged(firm: Firm) -> list[tuple[Any, ...]]:
    return firm.rows("users", "display_name", "disabled_at", "merged_into_id")


class TestTheMerge:
    def test_U13_the_plan_lists_what_moves_and_does_nothing(self, firm: Firm) -> None:
        firm.forwards(EVA)
        firm.world.alias(EVA, "moser@acme.example")
        said = " ".join(planned(firm).sentences)
        for what in ("eva@acme.example becomes an alias of Jan", "1 mail move", "login stays"):
            assert what in said
        assert merged(firm) == [("Lea", None, None), ("Eva", None, None), ("Jan", None, None)]

    def test_U13_addresses_become_the_others(self, firm: Firm) -> None:
        firm.world.alias(EVA, "moser@acme.example")
        firm.merge(EVA, JAN)
        assert firm.live(JAN) == {JAN: "primary", EVA: "alias", "moser@acme.example": "alias"}
        assert firm.user(EVA).name == "Jan"

    def test_U13_the_mailbox_moves_read_and_unread_as_it_is(self, firm: Firm) -> None:
        for _ in range(3):
            firm.forwards(EVA)
        first, *_ = mailbox(firm, EVA)
        set_unread(firm.app, [first[0]], unread=True, by=OPERATOR)
        before = mailbox(firm, EVA)
        firm.merge(EVA, JAN)
        assert mailbox(firm, JAN) == before
        assert [unread for _, unread in before] == [True, False, False]

    def test_M3_each_mail_says_in_its_history_why_it_moved(self, firm: Firm) -> None:
        firm.forwards(EVA)
        firm.merge(EVA, JAN)
        assert firm.rows("transfers", "from_user_id", "to_user_id", "note") == [
            (2, 3, "Eva turned out to be Jan")
        ]

    def test_U12_what_was_sent_stays_resolved_as_it_was(self, firm: Firm) -> None:
        firm.forwards(EVA)
        before = firm.resolved()
        firm.merge(EVA, JAN)
        assert firm.resolved() == before

    def test_U13_mail_from_their_address_is_the_others(self, firm: Firm, clock: Frozen) -> None:
        firm.merge(EVA, JAN)
        clock.advance(MINUTE)
        firm.forwards(EVA)
        assert (firm.sender_of_newest(), firm.newest()["owner"]) == ("Jan", JAN)

    def test_U12_what_waited_was_theirs_and_lies_with_the_other(
        self, firm: Firm, clock: Frozen
    ) -> None:
        firm.forwards(EVA, decide=False)
        clock.advance(MINUTE)
        firm.merge(EVA, JAN)
        firm.post.decide()
        assert (firm.newest()["state"], firm.sender_of_newest()) == ("filed", "Eva")
        assert (firm.newest()["owner"], firm.newest()["user"]) == (JAN, JAN)

    def test_U12_what_waited_is_not_whose_the_address_is_by_then(
        self, firm: Firm, clock: Frozen
    ) -> None:
        firm.forwards(EVA, decide=False)
        clock.advance(MINUTE)
        firm.merge(EVA, JAN)
        remove_address(firm.app, EVA, by=OPERATOR)
        firm.world.alias(LEA, EVA)
        firm.post.decide()
        assert (firm.sender_of_newest(), firm.newest()["owner"]) == ("Eva", JAN)

    def test_I3_what_waited_and_was_handed_in_by_who_signed_in_is_proven(
        self, firm: Firm, clock: Frozen
    ) -> None:
        mail = firm.post.incoming(firm.post.mail(EVA, to=CRM, body=FORWARD), CRM)
        envelope = replace(mail.envelope, signed_in_user_id=2)
        accept(firm.app, [replace(mail, envelope=envelope)])
        clock.advance(MINUTE)
        firm.merge(EVA, JAN)
        firm.post.decide()
        assert (firm.newest()["state"], firm.sender_of_newest()) == ("filed", "Eva")

    def test_U13_what_came_to_their_drop_address_before_is_the_others(
        self, firm: Firm, clock: Frozen
    ) -> None:
        address = show_drop(firm.app, EVA, by=OPERATOR).addresses[0]
        firm.post.send(firm.post.mail("team@shared.example", to="x@y.example"), address)
        clock.advance(MINUTE)
        firm.merge(EVA, JAN)
        firm.post.decide()
        assert firm.sender_of_newest() == "Jan"

    def test_U13_a_mail_that_was_judged_before_is_placed_with_the_other(
        self, firm: Firm, clock: Frozen
    ) -> None:
        """The worker has read who owns what; the merge commits before the outcome is written."""
        firm.forwards(EVA, decide=False)
        clock.advance(MINUTE)
        firm.decides_while(lambda: firm.merge(EVA, JAN))
        [(sender, *_)] = [row[1:] for row in firm.resolved()]
        assert (sender, firm.newest()["owner"]) == (2, JAN)

    def test_U13_the_login_that_stays_opens_and_the_other_does_not(self, firm: Firm) -> None:
        set_password(firm.app, EVA, "a long enough password", by=OPERATOR)
        set_password(firm.app, JAN, "quite another password", by=OPERATOR)
        firm.merge(EVA, JAN)
        for name in (JAN, EVA):
            found = check_password(firm.app, name, "quite another password", peer="192.0.2.9")
            assert found.user_id == 3
        with refusal(Reason.SIGN_IN_REFUSED):
            check_password(firm.app, EVA, "a long enough password", peer="192.0.2.9")

    def test_U13_the_higher_role_holds_and_is_said(self, firm: Firm) -> None:
        assert "Jan is distributor then" in " ".join(planned(firm, LEA, JAN).sentences)
        firm.merge(LEA, JAN)
        assert firm.roles(JAN) == {"acme": "distributor"}

    def test_U13_an_account_of_one_is_an_account_of_both(self, firm: Firm) -> None:
        a_world(firm.app, "beta").user("bo@beta.example", "Bo", Role.ADMIN)
        assert "Jan joins beta as admin" in " ".join(planned(firm, "bo@beta.example").sentences)
        firm.merge("bo@beta.example", JAN)
        assert firm.roles(JAN) == {"acme": "member", "beta": "admin"}

    def test_M1_owner_chains_and_last_owners_name_the_other(self, firm: Firm) -> None:
        set_account(firm.app, "acme", {"default_owner": LEA}, by=OPERATOR)
        firm.merge(LEA, EVA)
        assert show_inbox(firm.app, INFO, by=OPERATOR).owner == EVA
        assert firm.rows("accounts", "default_owner_id") == [(2,)]
        firm.post.send(firm.post.mail())
        firm.post.decide()
        assert firm.newest()["owner"] == EVA

    def test_U7_the_drop_address_of_who_is_gone_ends(self, firm: Firm) -> None:
        address = show_drop(firm.app, EVA, by=OPERATOR).addresses[0]
        firm.merge(EVA, JAN)
        [answer] = firm.post.send(firm.post.mail(), address)
        assert answer.reason is Reason.DROP_ADDRESS_ROTATED

    def test_U13_a_mailbox_of_any_size_moves_in_as_many_statements(self, firm: Firm) -> None:
        counts = []
        for into, number in ((JAN, 1), (LEA, 20)):
            for _ in range(number):
                firm.forwards(EVA)
            digest = planned(firm, EVA, into).plan.digest
            seen: list[str] = []

            def note(*arguments: Any, seen: list[str] = seen) -> None:
                seen.append(str(arguments[2]))

            engine = firm.app.store.database.writer
            event.listen(engine, "before_cursor_execute", note)
            changed = merge_users(firm.app, EVA, into, digest=digest, by=OPERATOR)
            event.remove(engine, "before_cursor_execute", note)
            counts.append(len([one for one in seen if "entries" in one or "transfers" in one]))
            unmerge(firm.app, changed.id, by=OPERATOR)
        assert counts[0] == counts[1] <= 4

    def test_U13_both_are_told(self, firm: Firm) -> None:
        firm.merge(EVA, JAN)
        assert {EVA, JAN} <= firm.letters().keys()


class TestRefusals:
    @pytest.mark.parametrize(
        ("email", "into", "code"),
        [
            (EVA, EVA, Reason.SAME_EMAIL),
            ("nobody@acme.example", EVA, Reason.CURRENT_EMAIL_NOT_FOUND),
            (EVA, "nobody@acme.example", Reason.CURRENT_EMAIL_NOT_FOUND),
            (EVA, INFO, Reason.CURRENT_EMAIL_NOT_FOUND),
            ("x", EVA, Reason.INVALID_EMAIL),
        ],
    )
    def test_U13_each_is_refused_by_its_code(
        self, firm: Firm, email: str, into: str, code: Reason
    ) -> None:
        with refusal(code):
            planned(firm, email, into)

    def test_U13_not_into_who_is_disabled(self, firm: Firm) -> None:
        set_active(firm.app, JAN, active=False, by=OPERATOR)
        with refusal(Reason.CONFLICT):
            planned(firm)

    def test_U13_a_stale_plan_does_nothing(self, firm: Firm) -> None:
        digest = planned(firm).plan.digest
        set_user(firm.app, JAN, {"role": "admin"}, by=OPERATOR)
        with refusal(Reason.PLAN_OUTDATED):
            merge_users(firm.app, EVA, JAN, digest=digest, by=OPERATOR)

    def test_U13_the_operator_alone(self, firm: Firm) -> None:
        for by in (Actor(1), Actor(99)):
            with refusal(Reason.OPERATOR_ONLY):
                plan_merging(firm.app, EVA, JAN, by=by)
            with refusal(Reason.OPERATOR_ONLY):
                unmerge(firm.app, "x", by=by)

    def test_U4_not_where_one_is_the_others_client(self, firm: Firm) -> None:
        a_world(firm.app, "beta").user("bo@beta.example", "Bo")
        add_client(firm.app, NewClient(name="Acme", contacts=(EVA,)), account="beta", by=OPERATOR)
        with refusal(Reason.EMAIL_IN_USE_OTHER_KIND):
            planned(firm, EVA, "bo@beta.example")


class TestTakingItBack:
    def test_U13_everything_is_as_it_was(self, firm: Firm) -> None:
        firm.world.alias(EVA, "moser@acme.example")
        set_password(firm.app, LEA, "a long enough password", by=OPERATOR)
        set_account(firm.app, "acme", {"default_owner": LEA}, by=OPERATOR)
        firm.post.send(firm.post.mail())
        firm.post.decide()
        tables = {
            "users": ("display_name", "disabled_at", "merged_into_id"),
            "memberships": ("user_id", "role", "state"),
            "logins": ("user_id", "username", "password_hash", "suspended_at"),
            "owner_chain": ("inbox_id", "user_id"),
            "accounts": ("default_owner_id",),
            "entries": ("owner_id", "unread"),
        }

        def all_rows() -> Iterator[tuple[str, Any]]:
            for table, columns in tables.items():
                if table == "owner_chain":
                    with firm.app.store.read() as tx:
                        yield table, tx.merging.chains_at([1, 2])
                else:
                    yield table, firm.rows(table, *columns)
            for email in (LEA, EVA, JAN):
                yield email, firm.live(email)

        before = dict(all_rows())
        changed = firm.merge(LEA, EVA)
        assert unmerge(firm.app, changed.id, by=OPERATOR).stayed == ()
        assert dict(all_rows()) == before

    def test_U13_a_mail_that_moved_on_since_stays_and_is_listed(self, firm: Firm) -> None:
        for _ in range(2):
            firm.forwards(EVA)
        (moved, _), (other, _) = mailbox(firm, EVA)
        changed = firm.merge(EVA, JAN)
        give(firm.app, [moved], to=1, by=OPERATOR)
        [stayed] = unmerge(firm.app, changed.id, by=OPERATOR).stayed
        assert moved in stayed
        assert [ulid for ulid, _ in mailbox(firm, EVA)] == [other]
        assert [ulid for ulid, _ in mailbox(firm, LEA)] == [moved]

    def test_U13_what_came_meanwhile_stays_with_the_other(self, firm: Firm, clock: Frozen) -> None:
        changed = firm.merge(EVA, JAN)
        clock.advance(MINUTE)
        firm.forwards(EVA)
        clock.advance(MINUTE)
        unmerge(firm.app, changed.id, by=OPERATOR)
        assert firm.newest()["owner"] == JAN
        firm.forwards(EVA)
        assert firm.newest()["owner"] == EVA

    def test_U13_an_account_that_was_joined_is_left_unless_it_holds_mail_by_now(
        self, firm: Firm
    ) -> None:
        a_world(firm.app, "beta").user("bo@beta.example", "Bo", Role.ADMIN)
        changed = firm.merge("bo@beta.example", JAN)
        unmerge(firm.app, changed.id, by=OPERATOR)
        states = {one.account: one.state.value for one in firm.user(JAN).memberships}
        assert states == {"acme": "active", "beta": "refused"}

    def test_U13_an_alias_that_was_removed_comes_back_while_it_is_nobodys(self, firm: Firm) -> None:
        changed = firm.merge(EVA, JAN)
        remove_address(firm.app, EVA, by=OPERATOR)
        unmerge(firm.app, changed.id, by=OPERATOR)
        assert firm.live(EVA) == {EVA: "primary"}

    def test_U13_not_when_the_primary_is_somebody_elses(self, firm: Firm) -> None:
        changed = firm.merge(EVA, JAN)
        remove_address(firm.app, EVA, by=OPERATOR)
        firm.world.user(EVA, "Another Eva")
        with refusal(Reason.CANNOT_UNDO):
            unmerge(firm.app, changed.id, by=OPERATOR)
        assert firm.user(EVA).name == "Another Eva"

    def test_U13_not_when_it_is_the_others_primary_by_now(self, firm: Firm) -> None:
        changed = firm.merge(EVA, JAN)
        make_primary(firm.app, EVA, by=OPERATOR)
        with refusal(Reason.CANNOT_UNDO):
            unmerge(firm.app, changed.id, by=OPERATOR)

    def test_U13_owners_that_were_set_since_stay(self, firm: Firm) -> None:
        changed = firm.merge(LEA, EVA)
        set_inbox(firm.app, INFO, {"owner": JAN}, by=OPERATOR)
        [stayed] = unmerge(firm.app, changed.id, by=OPERATOR).stayed
        assert "owners" in stayed
        assert show_inbox(firm.app, INFO, by=OPERATOR).owner == JAN

    def test_U13_not_after_thirty_days(self, firm: Firm, clock: Frozen) -> None:
        changed = firm.merge(EVA, JAN)
        clock.advance(MONTH)
        with refusal(Reason.CANNOT_UNDO):
            unmerge(firm.app, changed.id, by=OPERATOR)
        assert forget_changes(firm.app) == 1
        assert firm.rows("people_changes", "kept") == [(None,)]

    def test_U13_a_merge_is_no_change_of_e_mail_and_the_reverse(self, firm: Firm) -> None:
        changed = firm.merge(EVA, JAN)
        with refusal(Reason.NOT_FOUND):
            undo_change(firm.app, changed.id, by=OPERATOR)
        swapped = firm.change(JAN, LEA, swap_roles=True)
        with refusal(Reason.NOT_FOUND):
            unmerge(firm.app, swapped.id, by=OPERATOR)

    def test_U8_a_user_name_that_is_the_others_address_again_is_given_back(
        self, firm: Firm
    ) -> None:
        changed = firm.merge(EVA, JAN)
        set_user(firm.app, JAN, {"username": EVA}, by=OPERATOR)
        [stayed] = unmerge(firm.app, changed.id, by=OPERATOR).stayed
        assert EVA in stayed
        assert (firm.user(EVA).username, firm.user(JAN).username) == (EVA, JAN)

    def test_U8_a_user_name_that_is_a_third_ones_address_by_then_is_not(self, firm: Firm) -> None:
        firm.world.alias(EVA, "hand@acme.example")
        set_user(firm.app, EVA, {"username": "hand@acme.example"}, by=OPERATOR)
        changed = firm.merge(EVA, JAN)
        remove_address(firm.app, "hand@acme.example", by=OPERATOR)
        firm.world.alias(LEA, "hand@acme.example")
        stayed = unmerge(firm.app, changed.id, by=OPERATOR).stayed
        assert firm.user(EVA).username == EVA
        assert len(stayed) == 2

    def test_U13_merged_twice_it_comes_back_in_order(self, firm: Firm) -> None:
        firm.forwards(EVA)
        first, second = firm.merge(EVA, JAN), firm.merge(JAN, LEA)
        assert [owner for owner in (LEA,) if mailbox(firm, owner)] == [LEA]
        with refusal(Reason.CANNOT_UNDO):
            unmerge(firm.app, first.id, by=OPERATOR)
        unmerge(firm.app, second.id, by=OPERATOR)
        unmerge(firm.app, first.id, by=OPERATOR)
        assert len(mailbox(firm, EVA)) == 1


class TestBesideMail:
    def test_M4_the_undo_of_mails_leaves_a_merge_alone(self, firm: Firm) -> None:
        firm.forwards(EVA)
        [(ulid, _)] = mailbox(firm, EVA)
        given = give(firm.app, [ulid], to=1, by=OPERATOR)
        give(firm.app, [ulid], to=2, by=OPERATOR)
        changed = firm.merge(EVA, JAN)
        assert newest_change(firm.app, 1, by=OPERATOR) not in {changed.id, given.id}
        with pytest.raises(RefusedError, match="turned out to be one"):
            undo(firm.app, READER, by=OPERATOR, change_id=changed.id)

    def test_M4_a_mail_that_was_put_away_comes_back_to_the_other(self, firm: Firm) -> None:
        firm.forwards(EVA)
        [(ulid, _)] = mailbox(firm, EVA)
        dismiss(firm.app, READER, [ulid], by=OPERATOR)
        firm.merge(EVA, JAN)
        release_mails(firm.app, READER, [ulid], by=OPERATOR)
        assert [one for one, _ in mailbox(firm, JAN)] == [ulid]

    def test_M1_nobody_gives_mail_to_who_is_gone(self, firm: Firm) -> None:
        firm.forwards(JAN)
        [(ulid, _)] = mailbox(firm, JAN)
        firm.merge(EVA, JAN)
        with refusal(Reason.NOT_ALLOWED):
            give(firm.app, [ulid], to=2, by=OPERATOR)


def test_U13_who_is_gone_is_counted_as_disabled(firm: Firm) -> None:
    firm.merge(EVA, JAN)
    with firm.app.store.read() as tx:
        active = tx.connection.execute(
            select(func.count()).select_from(users).where(users.c.disabled_at.is_(None))
        ).scalar_one()
    assert active == 2


def test_U13_the_plan_is_one_of_a_merge(firm: Firm) -> None:
    assert isinstance(planned(firm).plan, MergePlan)
