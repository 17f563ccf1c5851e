"""What only the operator's token does: changing e-mail addresses, merging, and taking it back (U11, U13)."""

from __future__ import annotations

from typing import Any

import pytest

from maild.core.app import OPERATOR
from maild.core.clients import NewClient, add_client
from maild.testing.world import World, a_world
from tests.api.served import Served, on_both
from tests.core.company import Post

pytestmark = on_both

EVA, LEA = "eva@acme.example", "lea@acme.example"


def agreed(served: Served, token: str, path: str, asked: dict[str, Any]) -> Any:
    """Plan, look, and do it."""
    planned = served.ask("POST", f"/changes/{path}/plan", asked, token=token)
    assert planned.status == 200, planned.raw
    done = served.ask(
        "POST",
        f"/changes/{path}",
        {**asked, "digest": planned.body["plan"]["digest"], "reason": "Married"},
        token=token,
    )
    assert done.status == 201, done.raw
    return done.body


def test_U11_an_address_is_changed_as_planned_and_taken_back(served: Served, operator: str) -> None:
    done = agreed(served, operator, "email", {"old": EVA, "new": "eva.m@acme.example"})
    shown = served.ask("GET", "/users/eva.m@acme.example", token=operator)
    assert shown.body["email"] == "eva.m@acme.example"
    assert served.ask("GET", "/changes", token=operator).body["changes"][0]["id"] == done["id"]
    assert served.ask("POST", f"/changes/{done['id']}/undo", token=operator).status == 200
    assert served.ask("GET", f"/users/{EVA}", token=operator).body["email"] == EVA


def test_U11_a_stale_plan_is_refused(served: Served, operator: str) -> None:
    asked = {"old": EVA, "new": "eva.m@acme.example", "digest": "stale", "reason": "Married"}
    assert served.ask("POST", "/changes/email", asked, token=operator).code == "PLAN_OUTDATED"


def test_U13_two_users_are_merged_as_planned_and_parted_again(
    served: Served, operator: str
) -> None:
    done = agreed(served, operator, "merge", {"email": EVA, "into": LEA})
    assert served.ask("GET", f"/users/{EVA}", token=operator).body["email"] == LEA
    assert served.ask("POST", f"/changes/{done['id']}/unmerge", token=operator).status == 200
    assert served.ask("GET", f"/users/{EVA}", token=operator).body["email"] == EVA


@pytest.mark.parametrize("path", ["email/plan", "email", "merge/plan", "merge"])
def test_U11_an_admins_token_does_none_of_it(served: Served, admin: str, path: str) -> None:
    email = {"old": EVA, "new": "eva.m@acme.example"}
    asked = email if path.startswith("email") else {"email": EVA, "into": LEA}
    if not path.endswith("plan"):
        asked |= {"digest": "x", "reason": "Married"}
    refused = served.ask("POST", f"/changes/{path}", asked, token=admin)
    assert (refused.status, refused.code) == (403, "OPERATOR_ONLY")


class TestAgencies:
    def test_U9_access_is_asked_for_granted_and_ended(
        self, served: Served, admin: str, acme: World
    ) -> None:
        a_world(served.app, "agency").user("tess@agency.example")
        tess = served.token("tess@agency.example")
        asked = served.ask("POST", "/members/requests", {"account": "acme"}, token=tess)
        nowhere = served.ask("POST", "/members/requests", {"account": "nowhere"}, token=tess)
        assert (asked.status, nowhere.status) == (202, 202)
        listed = served.ask("GET", "/members", token=admin).body["members"]
        [request] = [one for one in listed if one["state"] == "requested"]
        granted = served.ask(
            "POST", f"/members/{request['id']}/grant", {"role": "distributor"}, token=admin
        )
        assert (granted.body["state"], granted.body["role"]) == ("active", "distributor")
        own = served.ask("GET", "/members/own", token=tess).body["members"]
        assert {one["account"] for one in own} == {"acme", "agency"}
        left = served.ask("DELETE", "/members/tess@agency.example?account=acme", token=tess)
        assert left.status == 200

    def test_U9_many_are_invited_and_each_line_has_its_answer(
        self, served: Served, admin: str
    ) -> None:
        agency = a_world(served.app, "agency")
        agency.user("tess@agency.example")
        people = [{"email": "tess@agency.example"}, {"email": "nobody@agency.example"}]
        lines = served.ask("POST", "/members/import", {"members": people}, token=admin).body
        assert [one["code"] for one in lines["lines"]] == ["JOIN_REQUESTED", "NOT_FOUND"]

    def test_U9_an_invitation_is_refused(self, served: Served, admin: str) -> None:
        a_world(served.app, "agency").user("tess@agency.example")
        tess = served.token("tess@agency.example")
        asked = {"email": "tess@agency.example"}
        joined = served.ask("POST", "/members", asked, token=admin).body
        refused = served.ask("POST", f"/members/{joined['membership']['id']}/refuse", token=tess)
        assert refused.body["state"] == "refused"


def test_E2_a_mail_that_waits_offers_repairs_and_one_is_done(served: Served, admin: str) -> None:
    post = Post(served.app)
    post.send(
        post.mail("stranger@nowhere.example", to="crm@acme.example", body="Who am I"),
        "crm@acme.example",
    )
    post.decide()
    [mail] = served.ask("GET", "/mails?state=held", token=admin).body["mails"]
    path = f"/mails/{mail['id']}/repairs"
    offers = served.ask("GET", path, token=admin).body
    assert offers["reason"] == mail["reason"]
    actions = {one["action"] for one in offers["repairs"]}
    assert "ignore" in actions, actions
    done = served.ask("POST", path, {"action": "ignore"}, token=admin)
    assert done.body["state"] == "ignored"
    again = served.ask("POST", path, {"action": "no-such"}, token=admin)
    assert again.status in {409, 422}


def test_E2_a_filed_mail_is_moved_to_another_client(served: Served, admin: str) -> None:
    other = add_client(served.app, NewClient(name="Bianchi"), account="acme", by=OPERATOR)
    post = Post(served.app)
    post.send(post.mail("anna@rossi.example", to="info@acme.example"), "info@acme.example")
    post.decide()
    [mail] = served.ask("GET", "/mails", token=admin).body["mails"]
    assert mail["reason"] == "FILED_CONTACT"
    path = f"/mails/{mail['id']}/repairs"
    offers = served.ask("GET", path, token=admin).body
    assert [one["action"] for one in offers["repairs"]] == ["unfile", "move"]
    done = served.ask("POST", path, {"action": "move", "value": other.id}, token=admin)
    assert (done.body["state"], done.body["reason"]) == ("filed", "FILED_BY_HAND")
    shown = served.ask("GET", f"/mails/{mail['id']}", token=admin).body
    assert [one["name"] for one in shown["clients"]] == ["Bianchi"]
