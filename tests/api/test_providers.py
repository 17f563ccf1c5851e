"""Signing in through a provider, over the API, with a provider on loopback (U10)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from maild.faces.api.work import Limits
from maild.model.clock import system_clock
from maild.oauth.line import Line
from maild.oauth.oidc import Provider
from maild.testing.openid import OpenIdProvider, Person
from maild.testing.world import World
from tests.api.served import Heard, Served, serving

EVA = "eva@acme.example"
PASSWORD = "A password of good length"
AT_CORP = Person(subject="eva-at-corp", email=EVA)


@pytest.fixture
def corp() -> Iterator[OpenIdProvider]:
    with OpenIdProvider() as running:
        yield running


@pytest.fixture
def served(acme: World, tmp_path: Path, corp: OpenIdProvider) -> Iterator[Served]:
    provider = Provider(
        name="corp",
        issuer=corp.url,
        client_id=corp.client_id,
        client_secret=corp.client_secret,
        line=Line(timeout=10, ca_file="", is_clear_allowed=True),
        clock=system_clock,
    )
    app = replace(acme.app, has_relay=True, public_url="https://mail.acme.example")
    with serving(app, tmp_path, providers={"corp": provider}) as running:
        yield running


@pytest.fixture
def session(served: Served, admin: str) -> str:
    served.ask("PUT", f"/users/{EVA}/password", {"password": PASSWORD}, token=admin)
    signed_in = served.ask("POST", "/login", {"name": EVA, "password": PASSWORD})
    return str(signed_in.body["token"])


def been_there(served: Served, corp: OpenIdProvider, person: Person = AT_CORP) -> dict[str, Any]:
    """Go to the provider and come back, as a browser does."""
    begun = served.ask("POST", "/login/providers/corp")
    assert begun.status == 201, begun.raw
    return {"kept": begun.body["kept"], "came": corp.consent(begun.body["url"], person)}


def sign_in(served: Served, corp: OpenIdProvider, person: Person = AT_CORP) -> Heard:
    return served.ask("POST", "/login/providers/corp/finish", been_there(served, corp, person))


def test_the_providers_are_listed(served: Served) -> None:
    assert served.ask("GET", "/login/providers").body == {"providers": ["corp"]}


def test_one_that_is_not_there_is_not_found(served: Served) -> None:
    assert served.ask("POST", "/login/providers/nowhere").code == "NOT_FOUND"


def test_U10_who_has_attached_an_identity_signs_in_by_it(
    served: Served, corp: OpenIdProvider, session: str
) -> None:
    attached = served.ask("POST", "/me/identities/corp", been_there(served, corp), token=session)
    assert attached.body["identities"][0]["subject"] == "eva-at-corp"
    signed_in = sign_in(served, corp)
    assert signed_in.status == 201
    me = served.ask("GET", "/me", token=signed_in.body["token"]).body
    assert me["user"]["email"] == EVA


def test_U10_a_page_gets_its_session_as_a_cookie_from_a_provider_too(
    served: Served, corp: OpenIdProvider, session: str
) -> None:
    served.ask("POST", "/me/identities/corp", been_there(served, corp), token=session)
    came = been_there(served, corp) | {"cookie": True}
    signed_in = served.ask("POST", "/login/providers/corp/finish", came)
    assert (signed_in.status, signed_in.body["token"]) == (201, None)
    cookie = {"Cookie": signed_in.header["set-cookie"].split(";")[0]}
    assert served.ask("GET", "/me", header=cookie).body["user"]["email"] == EVA


def test_T20_an_address_that_is_asserted_opens_nothing_by_itself(
    served: Served, corp: OpenIdProvider
) -> None:
    refused = sign_in(served, corp)
    assert (refused.status, refused.code) == (401, "PROVIDER_REFUSED")


def test_a_token_attaches_no_identity(served: Served, corp: OpenIdProvider, member: str) -> None:
    came = been_there(served, corp)
    assert served.ask("POST", "/me/identities/corp", came, token=member).code == "NOT_ALLOWED"


def test_what_was_kept_opens_for_nobody_else(served: Served, corp: OpenIdProvider) -> None:
    came = been_there(served, corp)
    came["kept"] = been_there(served, corp)["kept"]
    assert served.ask("POST", "/login/providers/corp/finish", came).code == "PROVIDER_REFUSED"


def test_U10_an_identity_is_taken_off_again(
    served: Served, corp: OpenIdProvider, session: str, admin: str
) -> None:
    served.ask("POST", "/me/identities/corp", been_there(served, corp), token=session)
    gone = {"issuer": corp.url, "subject": "eva-at-corp"}
    detached = served.ask("POST", f"/users/{EVA}/identities/detach", gone, token=admin)
    assert detached.body["identities"] == []
    assert sign_in(served, corp).code == "PROVIDER_REFUSED"


@pytest.mark.slow
def test_a_provider_that_never_answers_keeps_nobody_else_waiting(
    acme: World, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(12) as pool:
        provider = Provider(
            name="corp",
            issuer=f"http://127.0.0.1:{silent.getsockname()[1]}/",
            client_id="maild",
            client_secret="",
            line=Line(timeout=2, ca_file="", is_clear_allowed=True),
            clock=system_clock,
        )
        app = replace(acme.app, public_url="https://mail.acme.example")
        with serving(app, tmp_path, Limits(threads=2), providers={"corp": provider}) as served:
            token = served.token(EVA)
            silent.settimeout(30)
            waiting = [pool.submit(served.ask, "POST", "/login/providers/corp") for _ in range(4)]
            with closing(silent.accept()[0]):
                assert served.ask("GET", "/me", token=token).status == 200
                assert not all(one.done() for one in waiting), "it was asked while they waited"
                assert {one.result().code for one in waiting} == {"PROVIDER_REFUSED"}
