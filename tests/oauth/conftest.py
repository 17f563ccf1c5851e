"""A token service on loopback, as each test wants it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from maild.oauth.choose import provider_for
from maild.oauth.line import Line
from maild.oauth.provider import TokenProvider
from maild.testing.assertions import certificate_pem, key_pem, new_key
from maild.testing.certificates import Certificates
from maild.testing.issuer import Issuer


@pytest.fixture(scope="package")
def certificates() -> Iterator[Certificates]:
    made = Certificates()
    yield made
    made.remove()


@pytest.fixture(scope="package")
def client_key() -> RSAPrivateKey:
    return new_key()


@pytest.fixture
def issuer(certificates: Certificates, client_key: RSAPrivateKey) -> Iterator[Issuer]:
    with Issuer(certificate=certificates.path("good"), client_key=client_key.public_key()) as made:
        yield made


@dataclass
class Hand:
    """A clock that a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Ways:
    """Every way to sign in, at one issuer."""

    issuer: Issuer
    key: RSAPrivateKey
    trusted: Path
    clock: Hand = field(default_factory=Hand)
    kept: list[str] = field(default_factory=list)
    timeout: float = 20.0

    @property
    def line(self) -> Line:
        return Line(ca_file=str(self.trusted), timeout=self.timeout)

    @property
    def tenant(self) -> dict[str, str]:
        return {"tenant": "contoso.example", "client_id": "app", "authority": self.issuer.url}

    def make(
        self,
        kind: str,
        options: Mapping[str, str],
        secret: str,
        keep: Callable[[str], None] | None = None,
    ) -> TokenProvider:
        return provider_for(
            kind, options, secret, keep=keep or self.kept.append, line=self.line, clock=self.clock
        )

    def secret(self, secret: str = "right-secret") -> TokenProvider:
        return self.make("microsoft", self.tenant, secret)

    def certificate(self, key: RSAPrivateKey | None = None) -> TokenProvider:
        key = key or self.key
        return self.make("microsoft", self.tenant, key_pem(key) + certificate_pem(key))

    def person(self, token: str | None = None) -> TokenProvider:
        options = {**self.tenant, "flow": "device"}
        return self.make("microsoft", options, token or self.issuer.new_refresh_token())

    def service(self, key: RSAPrivateKey | None = None) -> TokenProvider:
        return self.make("google", {"subject": "bob@example.org"}, self.account(key))

    def account(self, key: RSAPrivateKey | None = None) -> str:
        found = {
            "type": "service_account",
            "client_email": "maild@project.example",
            "private_key": key_pem(key or self.key),
            "private_key_id": "1",
            "token_uri": f"{self.issuer.url}/token",
        }
        return json.dumps(found)

    def google(self, token: str | None = None, secret: str = "right-secret") -> TokenProvider:
        return self.make("google", self.place, self.pair(token, secret))

    def refresh(
        self, token: str | None = None, keep: Callable[[str], None] | None = None
    ) -> TokenProvider:
        return self.make("refresh", self.place, token or self.issuer.new_refresh_token(), keep)

    def pair(self, token: str | None = None, secret: str = "right-secret") -> str:
        token = token or self.issuer.new_refresh_token()
        return json.dumps({"refresh_token": token, "client_secret": secret})

    @property
    def place(self) -> dict[str, str]:
        return {"token_uri": f"{self.issuer.url}/token", "client_id": "app"}


WAYS: dict[str, Callable[[Ways], TokenProvider]] = {
    "microsoft by secret": Ways.secret,
    "microsoft by certificate": Ways.certificate,
    "microsoft as a person": Ways.person,
    "google service account": Ways.service,
    "google as a person": Ways.google,
    "any refresh token": Ways.refresh,
}


@pytest.fixture
def ways(issuer: Issuer, certificates: Certificates, client_key: RSAPrivateKey) -> Ways:
    return Ways(issuer, client_key, certificates.trusted("good"))
