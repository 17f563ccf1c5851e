"""The same wall over HTTP: another account's things and things that are not there are one answer, octet by octet."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from maild.core.app import Actor, App
from maild.faces.api import application
from maild.faces.api.application import openapi
from maild.faces.api.holding import actor_of
from maild.faces.api.parts import PREFIX
from tests.api.served import Served, serving
from tests.wall.company import AGENT, INSIDERS, OUTSIDERS, SHUT, Company, build, without
from tests.wall.routes import OPEN, ROUTES, Route
from tests.wall.test_functions import NAMES


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return build(tmp_path_factory.mktemp("wall") / "company")


@pytest.fixture(scope="module")
def untouched(company: Company, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for all who are let in nowhere."""
    folder = tmp_path_factory.mktemp("untouched")
    with company.copy(folder / "company") as app, serving(app, folder) as running:
        yield running


@pytest.fixture
def served(company: Company, tmp_path: Path) -> Iterator[Served]:
    def opens(app: App, secret: str) -> Actor:
        """Let acme's admin in by a login that acme does not take, and everybody else by their token."""
        return company.actors["shut_admin"] if secret == SHUT else actor_of(app, secret)

    with (
        company.copy(tmp_path / "company") as app,
        serving(app, tmp_path, opens=opens) as running,
    ):
        yield running


def heard(
    served: Served,
    company: Company,
    route: Route,
    who: str,
    whose: str,
    account: str | None = None,
) -> tuple[int, dict[str, str], str]:
    """Ask in somebody's name; return the status, the header and every word, with what was named left out."""
    it = company.thing(route.kind, whose)
    method, path, body = route.asked(it, account)
    path = path.replace("{it}", it).replace("{me}", company.thing("me", who))
    answer = served.ask(method, path, body, token=company.tokens[who])
    assert answer.status != 503, answer.raw
    named = tuple(filter(None, (it, account)))
    header = {name: text for name, text in answer.header.items() if name not in MEASURED}
    return answer.status, header, without(answer.raw.decode(), named)


MEASURED = {"date", "content-length", "etag", "ratelimit"}
"""What the clock says, how often one has asked, how long the name is that was asked for, and a digest of the ids in the body."""


def test_every_route_stands_in_the_table() -> None:
    there = {
        f"{method.upper()} {path.removeprefix(PREFIX)}"
        for path, methods in openapi()["paths"].items()
        for method in methods
    }
    known = {route.name for route in ROUTES}
    assert there - known - set(OPEN) == set(), "add a row to tests/wall/routes.py"
    assert (known | set(OPEN)) - there == set(), "these are no routes any more"


def test_no_route_is_hidden_from_the_document() -> None:
    """What the document does not name, the table above would not miss."""
    there = application.routes().routes
    assert all(type(route) is APIRoute and route.include_in_schema for route in there)


def test_no_route_is_built_amid_a_request() -> None:
    """What is included in something is built anew when somebody first asks, and mail waits for that."""
    declared = [route for part in application._ROUTES for route in part.routes.routes]
    assert application.routes().routes == declared


@pytest.mark.parametrize("route", {route.name: route for route in ROUTES}.values(), ids=str)
def test_who_has_no_token_hears_the_same_of_everything(
    untouched: Served, company: Company, route: Route
) -> None:
    method, path, body = route.asked(company.thing(route.kind, "colleague"), None)
    answer = untouched.ask(method, path, body)
    nowhere = untouched.ask(method, "/nowhere", body)
    assert (answer.status, answer.code) == (401, "TOKEN_REFUSED")
    assert answer.raw == nowhere.raw


def outsiders(route: Route) -> list[str]:
    return [who for who in OUTSIDERS if not (who == "shut_admin" and route.tells_members)]


def some(asking: Sequence[str], route: Route) -> Sequence[str]:
    """Everybody with full counts, else one by turns: tests/wall/test_functions.py has all of them ask core."""
    if os.environ.get("MAILD_TEST_FULL"):
        return asking
    return [asking[ROUTES.index(route) % len(asking)]]


def routes(*, told: bool) -> list[Route]:
    return [route for route in ROUTES if bool(route.told) is told]


@pytest.mark.parametrize("route", routes(told=False), ids=str)
class TestWhatIsNotTheirs:
    def test_another_accounts_thing_is_as_one_that_is_not_there(
        self, served: Served, company: Company, route: Route
    ) -> None:
        for who in some((*INSIDERS, AGENT), route):
            found = heard(served, company, route, who, "other")
            assert found == heard(served, company, route, who, "gone"), who

    def test_an_accounts_things_are_not_there_for_who_is_not_of_it(
        self, served: Served, company: Company, route: Route
    ) -> None:
        for who in some(outsiders(route), route):
            found = heard(served, company, route, who, "colleague")
            assert found == heard(served, company, route, who, "gone"), who


@pytest.mark.parametrize("route", [route for route in ROUTES if route.takes_account], ids=str)
def test_an_account_that_is_named_is_as_one_that_is_not_there(
    served: Served, company: Company, route: Route
) -> None:
    for who in some(INSIDERS, route):
        found = heard(served, company, route, who, who, "beta")
        assert found == heard(served, company, route, who, who, "nowhere"), who
    for who in some(outsiders(route), route):
        found = heard(served, company, route, who, "colleague", "acme")
        assert found == heard(served, company, route, who, "gone", "nowhere"), who


@pytest.mark.parametrize("route", routes(told=True), ids=str)
def test_where_a_rule_tells_that_a_name_is_taken_that_is_all_it_tells(
    served: Served, company: Company, route: Route
) -> None:
    for who in INSIDERS:
        *_, words = heard(served, company, route, who, "other")
        assert not any(name in words for name in NAMES), words
