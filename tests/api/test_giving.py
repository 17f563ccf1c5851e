"""Many mails as one, conversations and counts over HTTP (M2, M4, M14)."""

from __future__ import annotations

import pytest

from maild.testing.world import World
from tests.api.served import Served, on_both
from tests.core.company import Post

LEA, EVA = "lea@acme.example", "eva@acme.example"


@pytest.fixture
def post(acme: World, served: Served) -> Post:
    acme.client("Dupont", "marc@dupont.example")
    return Post(acme.app)


def comes(served: Served, post: Post, token: str, name: str, more: str = "") -> str:
    content = post.mail(to="info@acme.example", message_id=f"{name}@x", more=more)
    post.send(content, "info@acme.example")
    post.decide()
    return str(served.ask("GET", "/mails", token=token).body["mails"][0]["id"])


@on_both
def test_M4_what_a_list_shows_is_counted_given_and_counted_again(
    served: Served, post: Post
) -> None:
    leas = served.token(LEA)
    some = [comes(served, post, leas, f"m{number}") for number in range(3)]
    asked = {"mails": {"owner": LEA, "unread": True}, "to": EVA}
    found = served.ask("POST", "/mails/give-found", {**asked, "dry_run": True}, token=leas)
    assert (found.status, found.body) == (200, {"found": 3, "more": False})
    done = served.ask("POST", "/mails/give-found", {**asked, "note": "yours"}, token=leas)
    assert (done.status, done.body["moved"], done.body["stopped"]) == (200, some[::-1], None)
    counted = served.ask("GET", "/mailboxes", token=served.token(EVA)).body
    assert [(one["owner"], one["unread"]) for one in counted["mailboxes"]] == [(EVA, 3)]
    assert counted["inboxes"] == [{"inbox": "info@acme.example", "unread": 3}]
    unread = served.ask("GET", "/mailboxes?unread=true", token=served.token(EVA)).body
    assert [(one["all"], one["unread"]) for one in unread["mailboxes"]] == [(None, 3)]
    for nothing in ({}, {"account": "acme"}, {"search": " "}, {"unread": True, "search": ""}):
        meant = {**asked, "mails": nothing}
        assert served.ask("POST", "/mails/give-found", meant, token=leas).status == 422
    paged = {**asked, "mails": {"limit": 3}}
    assert served.ask("POST", "/mails/give-found", paged, token=leas).status == 422


@on_both
def test_M14_a_conversation_is_shown_and_given_and_its_readers_are_told(
    served: Served, post: Post
) -> None:
    leas = served.token(LEA)
    first = comes(served, post, leas, "first")
    answer = comes(served, post, leas, "answer", "References: <first@x>\r\n")
    shown = served.ask("GET", f"/mails/{answer}/conversation", token=leas).body["mails"]
    assert [mail["id"] for mail in shown] == [first, answer]
    path = f"/mails/{answer}/conversation/give"
    late = served.ask("POST", path, {"to": EVA, "version": 7}, token=leas)
    assert (late.status, late.body["code"]) == (409, "OWNER_CHANGED")
    done = served.ask("POST", path, {"to": EVA}, token=leas)
    assert set(done.body["moved"]) == {first, answer}
    assert served.ask("POST", f"/mails/{first}/opened", token=leas).status == 204
    told = served.ask("GET", f"/mails/{first}/readers", token=served.token(EVA)).body["readers"]
    assert [one["email"] for one in told] == [LEA]
