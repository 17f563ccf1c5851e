"""A page's session is a cookie: it opens what a token opens, and no other site's page can use it."""

from __future__ import annotations

import pytest

from maild.core.app import OPERATOR
from maild.core.people import set_password
from maild.faces.api.holding import COOKIE
from maild.testing.world import World
from tests.api.served import Served

EVA, PASSWORD = "eva@acme.example", "correct horse battery"
HERE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def cookie(acme: World, served: Served) -> dict[str, str]:
    set_password(acme.app, EVA, PASSWORD, by=OPERATOR)
    asked = {"name": EVA, "password": PASSWORD, "cookie": True}
    begun = served.ask("POST", "/login", asked)
    assert (begun.status, begun.body["token"]) == (201, None)
    value, *rest = begun.header["set-cookie"].split("; ")
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(rest)
    assert value.startswith(f"{COOKIE}=")
    return {"Cookie": value}


def test_U10_a_cookie_signs_its_page_in_until_it_signs_out(
    served: Served, cookie: dict[str, str]
) -> None:
    assert served.ask("GET", "/me", header=cookie).body["user"]["email"] == EVA
    out = served.ask("DELETE", "/me/session", header=cookie | HERE)
    assert (out.status, out.header["set-cookie"].split("; ")[:2]) == (
        204,
        [f"{COOKIE}=", "Max-Age=0"],
    )
    assert served.ask("GET", "/me", header=cookie).code == "TOKEN_REFUSED"


def test_a_page_of_another_site_changes_nothing(served: Served, cookie: dict[str, str]) -> None:
    host = f"{served.address[0]}:{served.address[1]}"
    path, body = f"/users/{EVA}/tokens", {"name": "phone"}
    for header in (
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": f"https://{host}"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        refused = served.ask("POST", path, body, header=cookie | header)
        assert (refused.status, refused.code) == (403, "CROSS_SITE"), header
    for header in (HERE, {"Sec-Fetch-Site": "none"}, {"Origin": f"https://{host}"}):
        assert served.ask("POST", path, body, header=cookie | header).status == 201, header


def test_a_token_that_is_shown_counts_and_not_the_cookie_beside_it(
    served: Served, cookie: dict[str, str]
) -> None:
    lea = served.token("lea@acme.example")
    assert (
        served.ask("GET", "/me", token=lea, header=cookie).body["user"]["email"]
        == "lea@acme.example"
    )
    assert served.ask("GET", "/me", token="maild_wrong", header=cookie).code == "TOKEN_REFUSED"
