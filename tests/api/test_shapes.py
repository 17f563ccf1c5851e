"""The document of the routes tells the truth: shapes, words, methods, media types."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from maild.core.people_views import UserView
from maild.core.tokens import TokenView
from maild.faces.api import shapes
from maild.faces.api.application import openapi
from maild.testing.world import a_world
from tests.api.served import Served
from tests.core.company import Post

DOCUMENT: dict[str, Any] = openapi()
EVA = "eva@acme.example"


def fields(of: type) -> set[str]:
    assert dataclasses.is_dataclass(of)
    return {field.name for field in dataclasses.fields(of)}


def test_a_user_that_was_added_is_documented_whole(served: Served, admin: str) -> None:
    new = {"email": "jan@acme.example", "name": "Jan"}
    added = served.ask("POST", "/users", new, token=admin).body
    assert set(added) == set(shapes.AddedUser.model_fields)
    assert set(added) == fields(UserView) | {"outcome", "warnings", "question"}


def test_a_token_that_was_made_is_documented_whole(served: Served, member: str) -> None:
    made = served.ask("POST", f"/users/{EVA}/tokens", {"name": "phone"}, token=member).body
    assert set(made) == set(shapes.MadeToken.model_fields) == fields(TokenView) | {"secret"}


def test_a_mail_in_a_list_is_documented_whole(served: Served, admin: str) -> None:
    post = Post(served.app)
    post.send(post.mail(body="An offer"))
    post.decide()
    [mail] = served.ask("GET", "/mails", token=admin).body["mails"]
    assert set(mail) == {field.alias or name for name, field in shapes.Mail.model_fields.items()}


def test_all_of_a_mail_is_documented_whole(served: Served, admin: str) -> None:
    """`Served.ask` holds every good answer against the document, in which no field may be missing or too many."""
    post = Post(served.app)
    post.send(post.mail(body="An offer"))
    post.decide()
    [mail] = served.ask("GET", "/mails", token=admin).body["mails"]
    path = f"/mails/{mail['id']}"
    assert served.ask("POST", f"{path}/take", token=admin).status == 200
    assert served.ask("POST", f"{path}/notes", {"text": "soon"}, token=admin).status == 204
    shown = served.ask("GET", path, token=admin).body
    assert (shown["text"].strip(), shown["notes"][0]["text"]) == ("An offer", "soon")
    why = served.ask("GET", f"{path}/explain", token=admin).body
    assert why["trace"][0]["verb"] == "accept"
    told = served.ask("GET", f"{path}/history", token=admin).body["history"]
    assert told == why["history"]
    for of, shape in (("", "OneMail"), ("/explain", "Explained"), ("/history", "History")):
        answer = DOCUMENT["paths"][f"/api/v1/mails/{{mail_id}}{of}"]["get"]["responses"]["200"]
        schema = answer["content"]["application/json"]["schema"]
        assert schema == {"$ref": f"#/components/schemas/{shape}"}


def test_a_refusal_is_documented_whole(served: Served, admin: str) -> None:
    refused = served.ask("POST", "/users", {"email": 7}, token=admin).body
    assert set(refused) == set(shapes.Problem.model_fields)
    taken = served.ask("POST", "/users", {"email": EVA, "name": "Eva"}, token=admin).body
    assert set(taken["actions"][0]) == {"code", "text", "command"}


def test_every_refusal_is_documented_as_what_it_is() -> None:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            for status in ("4XX", "503"):
                content = operation["responses"][status]["content"]
                assert set(content) == {"application/problem+json"}


def test_the_document_has_the_header_of_every_answer(served: Served) -> None:
    header = served.ask("GET", "/openapi.json").header
    assert (header["cache-control"], header["x-content-type-options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/users", "GET, POST"),
        ("PUT", f"/users/{EVA}", "GET, PATCH"),
        ("PATCH", "/members", "GET, POST"),
        ("POST", f"/members/{EVA}", "DELETE"),
        ("PUT", f"/users/{EVA}/sessions", "DELETE, GET"),
    ],
)
def test_a_method_that_is_not_taken_hears_all_that_are(
    served: Served, admin: str, method: str, path: str, allowed: str
) -> None:
    refused = served.ask(method, path, token=admin)
    assert (refused.code, refused.header["allow"]) == ("NO_SUCH_METHOD", allowed)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_does_not_say_that_it_is_json_is_told_to(
    served: Served, admin: str, kind: str
) -> None:
    refused = served.ask("POST", "/users", b"{}", token=admin, header={"Content-Type": kind})
    assert refused.code == "INVALID_REQUEST"
    assert "Content-Type: application/json" in refused.body["detail"]


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        (f"/users/{EVA}/addresses", {"address": "x@x.example", "confirm": "no"}, "body.confirm"),
        (f"/users/{EVA}/addresses", {"address": "x@x.example", "sends_as": 1}, "body.sends_as"),
        (f"/users/{EVA}/tokens", {"name": "phone", "days": True}, "body.days"),
        (f"/users/{EVA}/tokens", {"name": "phone", "days": "30"}, "body.days"),
        (f"/users/{EVA}/tokens", {"name": "phone", "days": 1e99}, "body.days"),
    ],
)
def test_a_word_of_another_type_is_refused_and_not_guessed(
    served: Served, admin: str, path: str, body: dict[str, Any], where: str
) -> None:
    refused = served.ask("POST", path, body, token=admin)
    assert refused.code == "INVALID_REQUEST"
    assert refused.body["errors"][0]["where"] == where


def test_U9_an_invitation_with_a_role_that_is_none_is_refused_with_its_line(
    served: Served, admin: str
) -> None:
    a_world(served.app, "agency").user("tess@agency.example")
    people = [
        {"email": "one@agency.example", "role": "king"},
        {"email": "tess@agency.example"},
        {"email": "two@agency.example", "role": ""},
    ]
    lines = served.ask("POST", "/members/import", {"members": people}, token=admin).body["lines"]
    assert [(one["line"], one["code"]) for one in lines] == [
        (1, "INVALID_VALUE"),
        (2, "JOIN_REQUESTED"),
        (3, "INVALID_VALUE"),
    ]


def test_U14_a_person_has_the_own_digest_off_and_on(served: Served, member: str) -> None:
    for word in ("off", "on"):
        changed = served.ask("PATCH", f"/users/{EVA}", {"digest": word}, token=member)
        assert (changed.status, changed.body["digest"]) == (200, word)
    assert served.ask("PATCH", f"/users/{EVA}", {"digest": "x"}, token=member).status == 422


def test_a_token_that_a_token_makes_does_not_outlive_it(served: Served) -> None:
    path = f"/users/{EVA}/tokens"
    whole = served.token(EVA)
    day = served.ask("POST", path, {"name": "a day", "days": 1}, token=whole).body
    for more in ({}, {"days": 30}):
        made = served.ask("POST", path, {"name": "more", **more}, token=day["secret"]).body
        assert made["expires_at"] == day["expires_at"]
