"""What each route does: the same as its command, in the same shapes."""

from __future__ import annotations

from urllib.parse import quote

from maild.testing.world import World, a_world
from tests.api.served import Served, on_both
from tests.core.company import Post

BETA = "beta"

pytestmark = on_both


class TestWhoAsks:
    def test_a_token_says_in_whose_name_it_acts(self, served: Served, member: str) -> None:
        me = served.ask("GET", "/me", token=member)
        assert (me.status, me.body["operator"], me.body["account"]) == (200, False, None)
        assert me.body["user"]["email"] == "eva@acme.example"

    def test_the_operators_token_is_nobodys(self, served: Served, operator: str) -> None:
        assert served.ask("GET", "/me", token=operator).body == {
            "operator": True,
            "user": None,
            "account": None,
        }

    def test_a_token_for_one_account_opens_no_other(self, served: Served, acme: World) -> None:
        beta = a_world(acme.app, BETA)
        beta.user("bert@beta.example")
        token = served.token(None, account=BETA)
        assert [
            one["slug"] for one in served.ask("GET", "/accounts", token=token).body["accounts"]
        ] == [BETA]
        assert served.ask("GET", "/users/bert@beta.example", token=token).status == 200
        assert served.ask("GET", "/users/eva@acme.example", token=token).code == "NOT_FOUND"


class TestAccounts:
    def test_a_person_sees_the_accounts_they_work_in(self, served: Served, member: str) -> None:
        a_world(served.app, BETA)
        listed = served.ask("GET", "/accounts", token=member).body["accounts"]
        assert [one["slug"] for one in listed] == ["acme"]

    def test_an_account_is_shown_with_every_setting(self, served: Served, member: str) -> None:
        shown = served.ask("GET", "/accounts/acme", token=member).body
        assert shown["settings"]["plus_tag"] == "exact"

    def test_who_works_in_several_is_asked_which(self, served: Served, operator: str) -> None:
        a_world(served.app, BETA)
        assert served.ask("GET", "/users", token=operator).code == "ACCOUNT_NEEDED"
        assert served.ask("GET", "/users?account=acme", token=operator).status == 200


class TestUsers:
    def test_an_admin_adds_a_person_who_is_then_listed(self, served: Served, admin: str) -> None:
        new = {"email": "Jan@acme.example", "name": "Jan", "role": "distributor"}
        added = served.ask("POST", "/users", new, token=admin)
        assert (added.status, added.body["outcome"]) == (201, "added")
        listed = served.ask("GET", "/users", token=admin).body["users"]
        assert listed[-1]["email"] == "jan@acme.example"
        assert listed[-1]["role"] == "distributor"

    def test_U9_somebody_known_elsewhere_is_invited(self, served: Served, admin: str) -> None:
        a_world(served.app, BETA).user("bert@beta.example")
        new = {"email": "bert@beta.example", "name": "Bert"}
        asked = served.ask("POST", "/users", new, token=admin)
        assert (asked.status, asked.body["code"]) == (202, "JOIN_REQUESTED")

    def test_a_list_goes_on_where_the_page_before_ended(self, served: Served, admin: str) -> None:
        first = served.ask("GET", "/users?limit=2", token=admin).body
        rest = served.ask("GET", f"/users?limit=2&after={first['next']}", token=admin).body
        emails = [one["email"] for one in first["users"] + rest["users"]]
        assert emails == ["adam@acme.example", "lea@acme.example", "eva@acme.example"]
        assert rest["next"] is None

    def test_many_are_added_and_each_line_has_its_outcome(self, served: Served, admin: str) -> None:
        people = [
            {"email": "one@acme.example", "name": "One"},
            {"email": "eva@acme.example", "name": "Eva again"},
            {"email": "two@acme.example", "name": "Two", "role": "king"},
            {"email": "three@acme.example", "name": "Three"},
        ]
        lines = served.ask("POST", "/users/import", {"users": people}, token=admin).body["lines"]
        assert [one["code"] for one in lines] == [None, "EMAIL_IN_USE", "INVALID_VALUE", None]

    def test_a_user_is_changed_disabled_and_enabled(self, served: Served, admin: str) -> None:
        eva = "/users/eva@acme.example"
        assert served.ask("PATCH", eva, {"name": "Eva M."}, token=admin).body["name"] == "Eva M."
        assert served.ask("POST", f"{eva}/disable", token=admin).body["active"] is False
        assert served.ask("POST", f"{eva}/enable", token=admin).body["active"] is True

    def test_an_address_with_a_slash_in_it_is_found(self, served: Served, admin: str) -> None:
        new = {"email": "a/b@acme.example", "name": "Slash"}
        assert served.ask("POST", "/users", new, token=admin).status == 201
        for path in ("/users/a/b@acme.example", "/users/a%2Fb@acme.example"):
            assert served.ask("GET", path, token=admin).body["email"] == "a/b@acme.example"

    def test_a_member_changes_nobody(self, served: Served, member: str) -> None:
        refused = served.ask("POST", "/users/lea@acme.example/disable", token=member)
        assert (refused.status, refused.code) == (403, "NOT_ALLOWED")


class TestAddresses:
    def test_an_alias_is_added_made_primary_and_the_old_one_removed(
        self, served: Served, admin: str
    ) -> None:
        new = {"address": "eva.moser@acme.example", "confirm": True}
        added = served.ask("POST", "/users/eva@acme.example/addresses", new, token=admin)
        assert (added.status, added.body["outcome"]) == (201, "added")
        primary = served.ask("POST", "/addresses/eva.moser@acme.example/primary", token=admin)
        assert primary.body["email"] == "eva.moser@acme.example"
        served.ask("PATCH", "/users/eva.moser@acme.example", {"username": "eva"}, token=admin)
        removed = served.ask("DELETE", "/addresses/eva@acme.example", token=admin)
        assert removed.body["valid_to"] is not None
        listed = served.ask("GET", "/users/eva.moser@acme.example/addresses", token=admin).body
        assert [one["address"] for one in listed["addresses"]] == [
            "eva@acme.example",
            "eva.moser@acme.example",
        ]

    def test_U3_a_refusal_names_the_ways_out(self, served: Served, admin: str) -> None:
        new = {"address": "lea@acme.example"}
        refused = served.ask("POST", "/users/eva@acme.example/addresses", new, token=admin)
        assert refused.code == "EMAIL_IN_USE"
        assert refused.body["actions"]


class TestDropAddresses:
    def test_U7_a_member_sees_the_own_one_and_rotates_it(self, served: Served, member: str) -> None:
        mine = "/users/eva@acme.example/drop"
        first = served.ask("GET", mine, token=member).body["addresses"]
        assert served.ask("GET", mine, token=member).body["addresses"] == first
        assert served.ask("POST", f"{mine}/rotate", token=member).body["addresses"] != first

    def test_U7_nobody_else_sees_it(self, served: Served, member: str) -> None:
        assert served.ask("GET", "/users/lea@acme.example/drop", token=member).code == "NOT_ALLOWED"


class TestMembers:
    def test_U9_who_is_invited_accepts(self, served: Served, admin: str) -> None:
        a_world(served.app, BETA).user("bert@beta.example")
        asked = {"email": "bert@beta.example", "role": "member"}
        joined = served.ask("POST", "/members", asked, token=admin)
        assert joined.status == 202
        bert = served.token("bert@beta.example")
        path = f"/members/{joined.body['membership']['id']}/accept"
        assert served.ask("POST", path, token=bert).body["state"] == "active"
        states = {
            one["email"]: one["state"]
            for one in served.ask("GET", "/members", token=admin).body["members"]
        }
        assert states["bert@beta.example"] == "active"


class TestMails:
    def test_a_mail_is_listed_shown_and_explained(self, served: Served, admin: str) -> None:
        post = Post(served.app)
        post.send(post.mail(body="An offer"))
        post.decide()
        [listed] = served.ask("GET", "/mails", token=admin).body["mails"]
        assert listed["from"] == "anna@rossi.example"
        shown = served.ask("GET", f"/mails/{listed['id']}", token=admin).body
        assert shown["text"].strip() == "An offer"
        explained = served.ask("GET", f"/mails/{listed['id']}/explain", token=admin).body
        assert explained["trace"]
        history = served.ask("GET", f"/mails/{listed['id']}/history", token=admin).body["history"]
        assert [one["kind"] for one in history][:1] == ["arrived"]

    def test_a_list_is_filtered_and_goes_on_by_its_cursor(self, served: Served, admin: str) -> None:
        post = Post(served.app)
        for number in range(3):
            post.send(post.mail(body=f"Mail {number}"))
        post.decide()
        first = served.ask("GET", "/mails?limit=2&state=filed", token=admin).body
        rest = served.ask("GET", f"/mails?limit=2&state=filed&after={first['next']}", token=admin)
        assert (len(first["mails"]), len(rest.body["mails"]), rest.body["next"]) == (2, 1, None)
        assert served.ask("GET", "/mails?state=held", token=admin).body["mails"] == []


def test_M7_what_has_a_name_can_be_asked_for_by_it_in_any_language(
    served: Served, admin: str
) -> None:
    """With an ideographic space, one that does not break, and what joins letters."""
    for name in ("待ち\u3000中", "a\u00a0b", "क\u094d\u200dष"):
        assert served.ask("POST", "/statuses", {"name": name}, token=admin).status == 201
        assert served.ask("DELETE", f"/statuses/{quote(name)}", token=admin).status < 300, name
        found = served.ask("GET", f"/mails?search={quote(name)}", token=admin)
        assert found.status == 200, name
    for name in ("a\nb", "a\u2028b", "a\u202eb"):
        refused = served.ask("DELETE", f"/statuses/{quote(name)}", token=admin)
        assert (refused.status, refused.code) == (422, "INVALID_REQUEST")
