"""A provider that is broken, or means ill, or is led by somebody who does: it gets nobody in, and nothing out (U10, T20)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from maild.core.identities import Asserted
from maild.model.clock import system_clock
from maild.model.reason import Reason, RefusedError
from maild.oauth.line import Line
from maild.oauth.oidc import Provider, provider_of
from maild.settings import OidcSettings
from maild.testing.openid import OpenIdProvider, Person

BACK = "https://mail.acme.example/oidc/corp"
EVA = Person(subject="248289", email="eva@acme.example")


@pytest.fixture
def remote() -> Iterator[OpenIdProvider]:
    with OpenIdProvider() as remote:
        yield remote


@pytest.fixture
def ours(remote: OpenIdProvider) -> Provider:
    return Provider(
        name="corp",
        issuer=remote.url,
        client_id=remote.client_id,
        client_secret=remote.client_secret,
        line=Line(timeout=10, is_clear_allowed=True),
        clock=lambda: datetime.now(UTC),
    )


def signed_in(
    ours: Provider, remote: OpenIdProvider, came: Mapping[str, str] | None = None
) -> Asserted:
    """Go through it all as a browser does, which comes back with something else at one place."""
    url, asking = ours.begin(BACK)
    return ours.finish(asking, remote.consent(url, EVA) | dict(came or {}))


def refusal(ours: Provider, remote: OpenIdProvider, came: Mapping[str, str] | None = None) -> str:
    with pytest.raises(RefusedError) as refused:
        signed_in(ours, remote, came)
    assert refused.value.reason is Reason.PROVIDER_REFUSED
    return str(refused.value)


@pytest.mark.parametrize(
    "place",
    [
        "javascript:alert(document.domain)//",
        "data:text/html,<script>alert(1)</script>",
        "//evil.example/authorize",
        "/authorize",
        "https:///authorize",
        "https://[id.example/authorize",
        "authorize",
    ],
)
def test_OIDC_a_browser_is_sent_to_a_page_and_never_to_a_script(
    ours: Provider, remote: OpenIdProvider, place: str
) -> None:
    remote.discovers = {"authorization_endpoint": place}
    with pytest.raises(RefusedError) as refused:
        ours.begin(BACK)
    assert refused.value.reason is Reason.PROVIDER_REFUSED
    assert "script" not in str(refused.value)


def test_OIDC_a_browser_is_not_sent_elsewhere_in_clear_by_a_provider_with_TLS(
    ours: Provider, remote: OpenIdProvider
) -> None:
    ours._place_for_browsers({"authorization_endpoint": "http://127.0.0.1/authorize"})
    strict = replace(ours, line=Line())
    with pytest.raises(Exception, match="does not answer as a provider does"):
        strict._place_for_browsers({"authorization_endpoint": "http://id.example/authorize"})


@pytest.mark.parametrize(
    ("issuer", "is_clear_allowed"),
    [("https://id.example/", False), ("http://127.0.0.1:8080/", True)],
)
def test_T17_a_provider_elsewhere_leads_us_to_nothing_that_listens_on_this_machine(
    issuer: str, is_clear_allowed: bool
) -> None:
    settings = OidcSettings(name="corp", issuer=issuer, client_id="maild")
    assert provider_of(settings, system_clock, {}).line.is_clear_allowed is is_clear_allowed


def test_OIDC_an_answer_without_the_issuer_is_not_believed_where_it_is_promised(
    ours: Provider, remote: OpenIdProvider
) -> None:
    remote.discovers = {"authorization_response_iss_parameter_supported": True}
    assert signed_in(ours, remote).subject == "248289"
    url, asking = ours.begin(BACK)
    came = remote.consent(url, EVA)
    del came["iss"]
    with pytest.raises(RefusedError) as refused:
        ours.finish(asking, came)
    assert refused.value.reason is Reason.PROVIDER_REFUSED
    assert remote.asked[-1] != "/token", "the code went to whoever answered"


def test_OIDC_an_answer_that_is_an_error_and_a_code_is_an_error(
    ours: Provider, remote: OpenIdProvider
) -> None:
    assert "not allowed" in refusal(ours, remote, {"error": "access_denied"})


@pytest.mark.parametrize("came", [{"state": "\ud800"}, {"code": "\ud800"}, {"code": "\0"}])
def test_OIDC_what_no_browser_can_have_come_back_with_is_refused(
    ours: Provider, remote: OpenIdProvider, came: dict[str, str]
) -> None:
    refusal(ours, remote, came)


@pytest.mark.parametrize("subject", ["a\0b", "\0"])
def test_OIDC_a_subject_that_no_database_takes_is_refused(
    ours: Provider, remote: OpenIdProvider, subject: str
) -> None:
    remote.says = {"sub": subject}
    assert "who you are" in refusal(ours, remote)


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "EC", "crv": "brainpoolP256r1", "x": "AA", "y": "AA", "kid": "new"},
        {"kty": "OKP", "crv": "Ed9999", "x": "AA", "kid": "new"},
        {"kty": "RSA", "kid": "new"},
        {"kty": "RSA", "n": "", "e": "", "kid": "new"},
        {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"},
        {"kty": 7},
        {},
        None,
        "text",
        ECKey.generate_key("P-256", {"kid": "two"}).as_dict(private=False),
    ],
)
def test_OIDC_a_key_that_is_not_known_here_is_no_trouble_of_the_others(
    ours: Provider, remote: OpenIdProvider, key: Any
) -> None:
    remote.beside = [key]
    assert signed_in(ours, remote).subject == "248289"


def test_OIDC_a_token_of_endless_depth_is_not_believed(
    ours: Provider, remote: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = jws.serialize_compact({"alg": "RS256", "kid": "one"}, b"[" * 5000, remote.key)
    monkeypatch.setattr(remote, "_id_token", lambda *_: deep)
    assert "cannot be verified" in refusal(ours, remote)


def test_OIDC_all_that_a_sign_in_asks_shares_one_time_out(
    ours: Provider, remote: OpenIdProvider
) -> None:
    hasty = replace(ours, line=replace(ours.line, timeout=0.9))
    url, asking = ours.begin(BACK)
    came = remote.consent(url, EVA)
    remote.pause = 0.4
    with pytest.raises(RefusedError, match="no answer in time"):
        hasty.finish(asking, came)
