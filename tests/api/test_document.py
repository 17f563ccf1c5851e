"""docs/openapi.json is what the code says, and every route is documented whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from maild.faces.api.application import openapi

KEPT = Path(__file__).parents[2] / "docs" / "openapi.json"
DOCUMENT: dict[str, Any] = openapi()
ROUTES = [
    (method, path, spec)
    for path, methods in DOCUMENT["paths"].items()
    for method, spec in methods.items()
]


def test_the_kept_document_is_current() -> None:
    assert json.loads(KEPT.read_text(encoding="utf-8")) == DOCUMENT, "run `make docs`"


@pytest.mark.parametrize(
    ("method", "path", "spec"), ROUTES, ids=[f"{method} {path}" for method, path, _ in ROUTES]
)
class TestEveryRoute:
    def test_it_says_in_a_sentence_what_it_does(
        self, method: str, path: str, spec: dict[str, Any]
    ) -> None:
        assert spec["description"].rstrip().endswith(".")

    def test_it_needs_a_token_unless_it_is_for_who_has_none(
        self, method: str, path: str, spec: dict[str, Any]
    ) -> None:
        is_open = path.startswith("/api/v1/login") or "{ticket}" in path
        assert ("security" in spec) is not is_open

    def test_it_says_what_a_refusal_looks_like(
        self, method: str, path: str, spec: dict[str, Any]
    ) -> None:
        assert {"4XX", "503"} <= set(spec["responses"])


def test_G_it_says_what_the_gate_takes_for_all() -> None:
    """The answer that is spared, the key of what is sent again, and a page's session."""
    paths = {path.removeprefix("/api/v1"): methods for path, methods in DOCUMENT["paths"].items()}
    assert "304" in paths["/mails/{mail_id}"]["get"]["responses"]
    keyed = {
        path
        for path, methods in paths.items()
        for one in methods.get("post", {}).get("parameters", ())
        if one["name"] == "Idempotency-Key"
    }
    assert "/mails/give" in keyed
    assert not keyed & {"/login", "/mails/search", "/inboxes/{address}/mode/plan"}
    assert paths["/me"]["get"]["security"] == [{"HTTPBearer": []}, {"Session": []}]


def test_no_two_routes_have_one_name() -> None:
    names = [spec["operationId"] for _, _, spec in ROUTES]
    assert len(names) == len(set(names))
