"""The document of the API is true: what it says of statuses, types and bodies holds for whatever is asked (schemathesis).

A few cases of each operation; MAILD_TEST_FULL=1 asks many more.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from maild.faces.api.application import openapi
from maild.faces.api.work import Limits
from maild.testing.world import World
from tests.api.served import serving
from tests.core.company import Post

CASES = 100 if os.environ.get("MAILD_TEST_FULL") else 2
UNHEARD = {"GET /api/v1/events/stream": "it never ends"}
HELD = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.mark.slow
def test_G_what_the_document_says_holds(acme: World, tmp_path: Path) -> None:
    post = Post(acme.app)
    post.send(post.mail(), "info@acme.example")
    post.send(post.mail("stranger@nowhere.example", to="crm@acme.example"), "crm@acme.example")
    post.decide()
    wrong: list[str] = []
    with serving(acme.app, tmp_path, Limits(burst=10**9)) as served:
        base = f"http://{served.address[0]}:{served.address[1]}"
        schema = schemathesis.openapi.from_dict(openapi())
        header = {"Authorization": f"Bearer {served.token('adam@acme.example')}"}
        asked = 0
        found: Any
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.label in UNHEARD:
                continue
            asked += 1
            wrong += _tried(operation, base, header)
    assert asked > 100
    assert wrong == []


def _tried(operation: Any, base: str, header: dict[str, str]) -> list[str]:
    """Return what was wrong with some cases of an operation."""
    wrong: list[str] = []

    @settings(
        max_examples=CASES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        try:
            case.call_and_validate(base_url=base, headers=header, checks=HELD, timeout=30)
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - it is told of every operation
            wrong.append(f"{operation.label}: {error}"[:1500])

    ask()
    return wrong


def test_an_untrue_document_is_seen(acme: World, tmp_path: Path) -> None:
    """Break the document once: the checks above are no mere ceremony."""
    document = openapi()
    path = "/api/v1/statuses"
    with serving(acme.app, tmp_path) as served:
        base = f"http://{served.address[0]}:{served.address[1]}"
        header = {"Authorization": f"Bearer {served.token('adam@acme.example')}"}
        for status, expected in (("200", []), ("299", ["GET /api/v1/statuses"])):
            answers = document["paths"][path]["get"]["responses"]
            answers[status] = answers.pop("200")
            schema = schemathesis.openapi.from_dict(document)
            wrong = _tried(schema[path]["GET"], base, header)
            assert [one.partition(":")[0] for one in wrong][:1] == expected
