"""Whatever stands in a path, a query or a body of any route: a refusal that says what is wrong, and never a fault of ours."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from maild.core.app import OPERATOR
from maild.core.tokens import make_token
from tests.api.served import Heard, Served, serving
from tests.wall.company import Company, build
from tests.wall.routes import ROUTES, Route

pytestmark = pytest.mark.slow

TEXTS = (
    "",
    "\t",
    "a\0b@acme.example",
    "\ud800",
    "\u202ejan@acme.example",
    "jan@" + "x" * 64 + ".example",
    "a/b/../c@acme.example",
    "9" * 400,
    "-1",
    "x" * 10_001,
    "{value}%s",
    "' OR 1=1 --",
    "🦀" * 60,
)
VALUES: tuple[Any, ...] = (None, True, 10**30, 1.5, [], {"x": 1}, *TEXTS)
STEP = 1 if os.environ.get("MAILD_TEST_FULL") else 6
"""Which of the words each route hears: every sixth, from another one on for each route."""
RAW = (b"", b"null", b"[]", b"NaN", b'{"a":', b"\xff\xfe", b"[" * 10_000, b'{"\\ud800": 1}')


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return build(tmp_path_factory.mktemp("wall") / "company")


@pytest.fixture
def served(company: Company, tmp_path: Path) -> Iterator[Served]:
    with company.copy(tmp_path / "company") as app, serving(app, tmp_path) as running:
        yield running


def changed(body: Any, new: Any) -> Iterator[Any]:
    """Yield a body with another value in each of its places, one at a time."""
    match body:
        case dict():
            for key, value in body.items():
                yield {**body, key: new}
                for inner in changed(value, new):
                    yield {**body, key: inner}
        case list():
            yield [*body, new]
            for inner in changed(body[0] if body else None, new):
                yield [inner]
        case _:
            pass


def judge(answer: Heard, said: object) -> None:
    assert answer.status < 500, (said, answer.raw)
    if answer.status >= 400:
        assert answer.code, said
        assert answer.body["detail"], said


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_no_word_of_a_request_is_a_fault_of_ours(
    served: Served, company: Company, route: Route
) -> None:
    tokens = [company.tokens["admin"], make_token(served.app, None, "x", by=OPERATOR).secret]
    token = tokens["/changes" in route.path]
    it = company.thing(route.kind, "colleague")
    method, path, body = route.asked(it, None)
    if isinstance(body, dict) and "password" in body:
        body["password"] = "short"  # Refused before it is hashed, which takes its time.
    path = path.replace("{it}", it).replace("{me}", company.thing("me", "admin"))
    first = ROUTES.index(route) % STEP
    for word in TEXTS[first::STEP]:
        hostile = quote(word.encode("utf-8", "replace"), safe="")
        if it and it in path and len(hostile) < 12_000:
            judge(served.ask(method, path.replace(it, hostile), body, token=token), word)
        more = "&" if "?" in path else "?"
        if len(hostile) < 12_000:
            asked = f"{path}{more}account={hostile}&limit={hostile}&after={hostile}"
            judge(served.ask(method, asked, body, token=token), word)
    for value in VALUES[first::STEP]:
        for words in changed(body, value):
            judge(served.ask(method, path, json.dumps(words).encode(), token=token), value)
    for raw in RAW if body is not None else ():
        judge(served.ask(method, path, raw, token=token), raw)
