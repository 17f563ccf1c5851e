"""M11: rules over REST, by who keeps them."""

from __future__ import annotations

from typing import Any

from maild.core.app import App
from tests.api.served import Served, on_both
from tests.core.company import Post

pytestmark = on_both

RULE = "subject contains invoice: owner = eva@acme.example, status = Waiting"


def test_M11_a_rule_is_tried_added_switched_on_moved_and_removed(
    served: Served, operator: str, app: App
) -> None:
    post = Post(app)
    post.send(post.mail(body="Invoice 12"))
    post.decide()

    def ask(method: str, path: str, body: Any = None) -> Any:
        answer = served.ask(method, f"/rules{path}", body, token=operator)
        assert answer.status in {200, 201}, answer.raw
        return answer.body

    tried = ask("POST", "/try", {"rule": RULE})
    assert (tried["looked_at"], tried["matched"], tried["would_change"]) == (1, 1, 1)
    assert tried["mails"][0]["owner_then"] == "eva@acme.example"
    added = ask("POST", "", {"name": "Invoices", "text": RULE})
    assert (added["text"], added["on"], added["broken"]) == (RULE, False, None)
    assert ask("POST", "/try", {"rule": "Invoices"}) == tried
    ask("POST", "", {"name": "Two", "text": "kind is list: unread = no", "on": True})
    assert ask("PATCH", f"/{added['id']}", {"on": True})["on"] is True
    assert ask("PATCH", f"/{added['id']}", {"position": 2})["position"] == 2
    assert [one["name"] for one in ask("GET", "")["rules"]] == ["Two", "Invoices"]
    assert ask("GET", f"/{added['id']}")["on"] is True
    assert ask("DELETE", f"/{added['id']}")["name"] == "Invoices"
    gone = served.ask("GET", f"/rules/{added['id']}", token=operator)
    assert (gone.status, gone.code) == (404, "NOT_FOUND")


def test_M11_a_line_that_cannot_be_read_says_where(served: Served, operator: str) -> None:
    answer = served.ask("POST", "/rules/try", {"rule": "subjcet is x: stop"}, token=operator)
    assert (answer.status, answer.code) == (422, "INVALID_VALUE")
    assert "at character 1" in answer.body["detail"]
    assert "did you mean subject?" in answer.body["detail"]


def test_M11_one_thing_is_changed_at_a_time(served: Served, operator: str) -> None:
    for wrong in ({}, {"on": True, "position": 1}):
        answer = served.ask("PATCH", "/rules/any", wrong, token=operator)
        assert (answer.status, answer.code) == (422, "INVALID_REQUEST")
