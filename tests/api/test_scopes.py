"""Tokens for reading: whatever they are asked for, nothing is changed."""

from __future__ import annotations

import pytest

from maild.core.app import OPERATOR
from maild.core.tokens import make_token
from maild.model.scope import Scope
from maild.testing.world import World
from tests.api.served import Served
from tests.wall.routes import ROUTES

EVA, ADAM = "eva@acme.example", "adam@acme.example"


@pytest.fixture
def reads(acme: World) -> str:
    return make_token(acme.app, ADAM, "report", scope=Scope.READ, by=OPERATOR).secret


def test_U10_a_token_for_reading_is_made_told_and_reads(served: Served, member: str) -> None:
    new = {"name": "report", "scope": "read"}
    made = served.ask("POST", f"/users/{EVA}/tokens", new, token=member)
    assert (made.status, made.body["scope"]) == (201, "read")
    assert served.ask("GET", "/me", token=made.body["secret"]).status == 200
    wrong = served.ask("POST", f"/users/{EVA}/tokens", new | {"scope": "all"}, token=member)
    assert (wrong.status, wrong.code) == (422, "INVALID_REQUEST")


def test_U10_no_route_that_changes_something_hears_a_token_for_reading(
    served: Served, reads: str
) -> None:
    questions = set()
    for route in ROUTES:
        if route.method == "GET":
            continue
        path = route.path.replace("{", "").replace("}", "")
        heard = served.ask(route.method, path, {}, token=reads)
        if "only reads" not in heard.raw.decode():
            questions.add(route.path)
    assert questions == {
        "/mails/search",
        "/mails/matching",
        "/mails/{mail_id}/tickets",
        "/rules/try",
        "/changes/email/plan",
        "/changes/merge/plan",
        "/inboxes/{address}/mode/plan",
    }


def test_U10_what_is_asked_with_a_body_is_answered(served: Served, reads: str) -> None:
    assert served.ask("POST", "/mails/search", {"terms": []}, token=reads).status == 200
