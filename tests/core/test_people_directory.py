"""Inboxes and clients, and what may stand beside what (U4)."""

from __future__ import annotations

import pytest

from maild.core.accounts import set_account
from maild.core.app import OPERATOR, App
from maild.core.clients import NewClient, add_client, list_clients, show_client
from maild.core.clients_changing import ClientChanges, change_client
from maild.core.clients_listing import import_clients
from maild.core.importing import import_users
from maild.core.inboxes import NewInbox, add_inbox, inbox_members, set_inbox, show_inbox
from maild.core.joining import JoinView, answer_invitation
from maild.core.people import NewUser, add_user, set_active
from maild.model.client_card import ClientCard
from maild.model.people import InboxKind, Role
from maild.model.reason import Reason, RefusedError
from maild.model.wrong import Wrong
from maild.testing.world import World, a_world


@pytest.fixture
def acme(app: App) -> World:
    world = a_world(app)
    world.user("lea@acme.example", role=Role.DISTRIBUTOR)
    return world


def refusal(code: Reason) -> pytest.RaisesExc[RefusedError]:
    return pytest.RaisesExc(RefusedError, check=lambda error: error.reason is code)


class TestCrossKind:
    def test_U4_users_and_inboxes_are_disjoint_both_ways(self, acme: World) -> None:
        acme.inbox("info@acme.example")
        with pytest.raises(RefusedError, match=r"info@acme\.example is in use as a shared address"):
            acme.user("info@acme.example")
        with refusal(Reason.EMAIL_IN_USE_OTHER_KIND):
            acme.alias("lea@acme.example", "info@acme.example")
        with pytest.raises(RefusedError, match=r"lea@acme\.example is in use as a user"):
            acme.inbox("lea@acme.example")
        with refusal(Reason.EMAIL_IN_USE):
            acme.inbox("INFO@acme.example")

    def test_U4_they_are_disjoint_in_the_whole_installation(self, acme: World) -> None:
        acme.inbox("info@acme.example")
        beta = a_world(acme.app, "beta")
        with refusal(Reason.EMAIL_IN_USE_OTHER_KIND):
            beta.user("info@acme.example")

    def test_U4_a_contact_is_no_user_and_no_inbox_of_its_account_both_ways(
        self, acme: World
    ) -> None:
        acme.inbox("info@acme.example")
        acme.client("Rossi", "anna@rossi.example")
        with pytest.raises(RefusedError, match=r"anna@rossi\.example is in use as a client"):
            acme.user("anna@rossi.example")
        with refusal(Reason.EMAIL_IN_USE_OTHER_KIND):
            acme.alias("lea@acme.example", "anna@rossi.example")
        with refusal(Reason.EMAIL_IN_USE_OTHER_KIND):
            acme.inbox("anna@rossi.example")
        with pytest.raises(RefusedError, match="in use as a shared address"):
            acme.client("X", "info@acme.example")
        with pytest.raises(RefusedError, match="in use as a shared address"):
            acme.client("X", "info+bills@acme.example")
        with pytest.raises(RefusedError, match="in use as a user"):
            acme.client("X", "lea@acme.example")
        assert len(list_clients(acme.app, by=OPERATOR).clients) == 1

    def test_U4_another_accounts_client_list_says_nothing(self, acme: World) -> None:
        acme.client("Rossi", "anna@rossi.example")
        beta = a_world(acme.app, "beta")
        beta.user("anna@rossi.example")
        beta.client("Acme", "lea@acme.example")

    def test_U4_an_account_may_have_employees_who_are_clients(self, acme: World) -> None:
        set_account(acme.app, "acme", {"employee_is_client": "true"}, by=OPERATOR)
        acme.client("Lea herself", "lea@acme.example", "anna@rossi.example")
        acme.user("anna@rossi.example")
        with pytest.raises(RefusedError, match="users and clients at once"):
            set_account(acme.app, "acme", {"employee_is_client": "false"}, by=OPERATOR)

    def test_U4_joining_an_account_is_checked_too(self, acme: World) -> None:
        beta = a_world(acme.app, "beta")
        new = NewUser(email="lea@acme.example", name="Lea")
        joined = add_user(acme.app, new, account="beta", by=OPERATOR)
        assert isinstance(joined, JoinView)
        beta.client("Acme", "lea@acme.example")
        with refusal(Reason.EMAIL_IN_USE_OTHER_KIND):
            answer_invitation(acme.app, joined.membership.id, accept=True, by=OPERATOR)

    def test_an_inbox_and_its_tags_are_one(self, acme: World) -> None:
        acme.inbox("info@acme.example")
        with refusal(Reason.INVALID_VALUE):
            acme.inbox("other+x@acme.example")
        for attempt in (acme.user, lambda address: acme.alias("lea@acme.example", address)):
            with refusal(Reason.EMAIL_IN_USE_OTHER_KIND):
                attempt("info+x@acme.example")
        acme.user("sales+x@acme.example")
        with refusal(Reason.EMAIL_IN_USE_OTHER_KIND):
            acme.inbox("sales@acme.example")


class TestInboxes:
    def test_the_kind_decides_how_strict_it_is(self, acme: World) -> None:
        assert acme.inbox("crm@acme.example", InboxKind.FORWARD).sender_policy == "require"
        assert acme.inbox("info@acme.example").sender_policy == "record"

    def test_an_inbox_always_has_an_owner(self, app: App) -> None:
        empty = a_world(app)
        with pytest.raises(RefusedError, match="add a user first"):
            empty.inbox("info@acme.example")
        empty.user("jan@acme.example")
        assert empty.inbox("info@acme.example").owner == "jan@acme.example"
        empty.user("lea@acme.example", role=Role.ADMIN)
        assert empty.inbox("crm@acme.example").owner == "lea@acme.example"
        set_account(app, "acme", {"default_owner": "jan@acme.example"}, by=OPERATOR)
        by_default = empty.inbox("sales@acme.example")
        assert (by_default.owner, by_default.owner_chain) == ("jan@acme.example", ())
        with refusal(Reason.NOBODY_READS):
            set_account(app, "acme", {"default_owner": "none"}, by=OPERATOR)
        set_inbox(app, "sales@acme.example", {"owner": "lea@acme.example"}, by=OPERATOR)
        set_account(app, "acme", {"default_owner": "none"}, by=OPERATOR)

    def test_an_owner_is_an_active_person_of_the_account(self, acme: World) -> None:
        a_world(acme.app, "beta").user("bo@beta.example")
        acme.user("eva@acme.example")
        set_active(acme.app, "eva@acme.example", active=False, by=OPERATOR)
        for owner, code in (
            ("bo@beta.example", Reason.NOT_ALLOWED),
            ("eva@acme.example", Reason.NOT_ALLOWED),
            ("nobody@acme.example", Reason.NOT_FOUND),
        ):
            with refusal(code):
                acme.inbox("info@acme.example", owner=owner)

    def test_substitutes_stand_behind_the_owner(self, acme: World) -> None:
        acme.user("eva@acme.example")
        new = NewInbox(
            address="info@acme.example",
            kind=InboxKind.SHARED,
            owner="lea@acme.example",
            substitutes=["eva@acme.example"],
        )
        add_inbox(acme.app, new, by=OPERATOR)
        set_active(acme.app, "lea@acme.example", active=False, by=OPERATOR)
        shown = show_inbox(acme.app, "info@acme.example", by=OPERATOR)
        assert shown.owner == "eva@acme.example"
        assert shown.owner_chain == ("lea@acme.example", "eva@acme.example")
        with refusal(Reason.NOBODY_READS):
            set_inbox(acme.app, "info@acme.example", {"substitutes": ""}, by=OPERATOR)

    def test_settings_are_typed_and_one_wrong_one_changes_nothing(self, acme: World) -> None:
        acme.inbox("info@acme.example")
        for changes in (
            {"max_size": "1B"},
            {"max_size": "lots"},
            {"mode": "open"},
            {"kind": "forward"},
            {"sender_polcy": "record"},
            {"owner": "lea@acme.example", "substitutes": "lea@acme.example"},
        ):
            with pytest.raises(RefusedError):
                set_inbox(
                    acme.app,
                    "info@acme.example",
                    {"unknown_policy": "refuse", **changes},
                    by=OPERATOR,
                )
        changed = set_inbox(acme.app, "info@acme.example", {"max_size": "10MiB"}, by=OPERATOR)
        assert (changed.max_size, changed.unknown_policy) == (10 * 2**20, "hold")
        assert (
            set_inbox(acme.app, "info@acme.example", {"max_size": "none"}, by=OPERATOR).max_size
            is None
        )

    def test_M9_members_open_a_communal_inbox(self, acme: World) -> None:
        acme.inbox("info@acme.example")
        with pytest.raises(RefusedError, match="not communal"):
            inbox_members(acme.app, "info@acme.example", add=["lea@acme.example"], by=OPERATOR)
        set_inbox(acme.app, "info@acme.example", {"mode": "communal"}, by=OPERATOR)
        for _ in range(2):
            found = inbox_members(
                acme.app, "info@acme.example", add=["lea@acme.example"], by=OPERATOR
            )
            assert found.members == ({"email": "lea@acme.example", "name": "Lea"},)
        assert (
            inbox_members(
                acme.app, "info@acme.example", remove=["lea@acme.example"], by=OPERATOR
            ).members
            == ()
        )


class TestClients:
    def test_F5_two_clients_may_have_the_same_contact(self, acme: World) -> None:
        acme.client("Rossi", "anna@rossi.example")
        acme.client("Bianchi", "Anna@Rossi.example")

    @pytest.mark.parametrize(
        "domain",
        [
            "gmail.com",
            "GMX.de",
            "web.de",
            "outlook.com",
            "yahoo.co.uk",
            "com",
            "",
            "a b",
            "@t-online.de",
        ],
    )
    def test_F4_a_public_mail_domain_is_no_clients(self, acme: World, domain: str) -> None:
        with refusal(Reason.INVALID_VALUE):
            acme.client("X", domains=[domain])

    def test_an_external_key_is_one_clients(self, acme: World) -> None:
        add_client(acme.app, NewClient(name="A", key="4711"), by=OPERATOR)
        with refusal(Reason.ALREADY_EXISTS):
            add_client(acme.app, NewClient(name="B", key="4711"), by=OPERATOR)
        add_client(
            acme.app,
            NewClient(name="C", key="4711"),
            account=a_world(acme.app, "beta").account.slug,
            by=OPERATOR,
        )

    def test_contacts_are_changed_all_or_none(self, acme: World) -> None:
        client = acme.client("Rossi", "anna@rossi.example")
        with refusal(Reason.EMAIL_IN_USE_OTHER_KIND):
            change_client(
                acme.app,
                client.id,
                ClientChanges(add=["b@rossi.example", "lea@acme.example"]),
                by=OPERATOR,
            )
        with refusal(Reason.NOT_FOUND):
            change_client(
                acme.app, client.id, ClientChanges(remove=["x@rossi.example"]), by=OPERATOR
            )
        changed = change_client(
            acme.app,
            client.id,
            ClientChanges(add=["b@rossi.example"], remove=["anna@rossi.example"]),
            by=OPERATOR,
        )
        assert changed.contacts == ("b@rossi.example",)

    def test_another_accounts_client_does_not_exist(self, acme: World) -> None:
        client = acme.client("Rossi")
        a_world(acme.app, "beta")
        for id_ in (client.id, "x", "", "'; DROP TABLE clients; --", "\udcff"):
            with refusal(Reason.NOT_FOUND):
                show_client(acme.app, id_, account="beta", by=OPERATOR)

    @pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb", "a\0b", "\u202eevil", "\udcff"])
    def test_a_name_is_one_line_of_text(self, acme: World, name: str) -> None:
        with refusal(Reason.INVALID_VALUE):
            acme.client(name)


class TestImport:
    def test_U1_each_line_has_its_outcome_and_the_rest_goes_on(self, acme: World) -> None:
        a_world(acme.app, "beta").user("bo@beta.example")
        acme.inbox("info@acme.example")
        wrong = Wrong("?", RefusedError(Reason.INVALID_VALUE, what="x", value="y", why="z"))
        emails = [
            "a@acme.example",
            "A@acme.example",
            "lea@acme.example",
            "info@acme.example",
            "bo@beta.example",
            "x",
        ]
        lines: list[tuple[int, NewUser | Wrong]] = [
            (number, NewUser(email=email, name="N")) for number, email in enumerate(emails, 2)
        ]
        outcomes = list(import_users(acme.app, [*lines, (8, wrong)], account="acme", by=OPERATOR))
        assert [(one.line, one.code or one.outcome) for one in outcomes] == [
            (2, "added"),
            (3, "EMAIL_IN_USE"),
            (4, "EMAIL_IN_USE"),
            (5, "EMAIL_IN_USE_OTHER_KIND"),
            (6, "JOIN_REQUESTED"),
            (7, "INVALID_EMAIL"),
            (8, "INVALID_VALUE"),
        ]

    def test_a_refused_client_leaves_nothing_and_its_batch_stays(self, acme: World) -> None:
        lines: list[tuple[int, ClientCard | Wrong]] = [
            (1, ClientCard(name="Good", contacts=("a@good.example",))),
            (2, ClientCard(name="Half", contacts=("b@half.example", "lea@acme.example"))),
            (3, ClientCard(name="Good too")),
        ]
        outcomes = [one.outcome for one in import_clients(acme.app, lines, by=OPERATOR)]
        assert outcomes == ["added", "refused", "added"]
        names = [client.name for client in list_clients(acme.app, by=OPERATOR).clients]
        assert names == ["Good", "Good too"]
