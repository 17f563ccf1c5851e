"""The keys about signing in: terms of service, providers, and where AUTH may be."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from maild.config.sample import sample
from maild.settings import OidcSettings, Settings

PROVIDER = {"name": "corp", "issuer": "https://id.example/", "client_id": "maild"}


def refusal(**settings: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        Settings(**settings)
    return str(refused.value)


def test_a_provider_keeps_its_issuer_to_the_letter() -> None:
    [provider] = Settings(oidc=(PROVIDER,)).oidc  # type: ignore[arg-type]  # as the file says it
    assert provider.issuer == "https://id.example/"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"issuer": "http://id.example"}, "https URL"),
        ({"issuer": "HTTP://id.example"}, "https URL"),
        ({"issuer": "id.example"}, "plain URL"),
        ({"issuer": ""}, "needs its issuer"),
        ({"client_id": ""}, "needs its issuer"),
        ({"name": "Corp!"}, "pattern"),
        ({"name": ""}, "pattern"),
        ({"client_secret_file": "a", "client_secret_credential": "b"}, "only one of"),
    ],
)
def test_a_provider_that_cannot_work_is_refused(wrong: dict[str, str], said: str) -> None:
    assert said in refusal(oidc=(PROVIDER | wrong,))


def test_a_provider_on_this_machine_may_speak_in_clear() -> None:
    local = PROVIDER | {"issuer": "http://127.0.0.1:8080/"}
    assert Settings(oidc=(local,)).oidc  # type: ignore[arg-type]  # as the file says it


def test_two_providers_of_one_name_are_refused() -> None:
    assert "the same name: corp, corp" in refusal(oidc=(PROVIDER, PROVIDER))


def test_a_version_of_terms_needs_a_place_to_read_them() -> None:
    assert "no url" in refusal(terms={"version": "2026-11"})


def test_the_sample_shows_a_provider_and_sets_none_up() -> None:
    assert "# [[oidc]]" in sample()
    assert "\n[[oidc]]" not in sample()
    shown = [line[2:] for line in sample().splitlines() if line.startswith("# ")]
    start = next(at for at, line in enumerate(shown) if line.startswith("[[oidc]]"))
    keys = list(OidcSettings.model_fields)
    table = tomllib.loads("\n".join(shown[start : start + 1 + len(keys)]))
    assert list(table["oidc"][0]) == keys


@pytest.mark.parametrize(
    ("listener", "said"),
    [
        ({"auth": True}, "needs TLS"),
        ({"auth": True, "tls": "none", "tls_cert": "a", "tls_key": "b"}, "needs TLS"),
        (
            {"auth": True, "protocol": "lmtp", "tls_cert": "a", "tls_key": "b"},
            "auth = true is for smtp",
        ),
    ],
)
def test_AUTH_is_for_smtp_with_TLS(listener: dict[str, Any], said: str) -> None:
    assert said in refusal(listener=(listener,))
