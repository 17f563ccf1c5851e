"""OpenID Connect as a relying party: discovery, the authorization code with PKCE, and an id_token that is verified.

Blocks: to be called on a thread.  Everything comes from the issuer that the operator named, over `Line`, which has limits of
time and size and follows no redirect.  Nothing secret is logged, and no answer of a provider is repeated in an error.
What the assertion means is for `core.identities` to say.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from maild.config.secret import read_secret
from maild.core.identities import Asking, Asserted
from maild.core.remote import RemoteError
from maild.model.clock import Clock
from maild.model.plain_text import storable
from maild.model.reason import Reason, RefusedError
from maild.oauth.line import Answer, Line
from maild.oauth.provider import SetupError
from maild.settings import OidcSettings

ALGORITHMS = frozenset(
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
)
"""Signatures that only the provider can make; `none` and those by a shared secret are not among them."""
LEEWAY_S = 60
"""How far the clocks may be apart."""
SCOPE = "openid email"
T = TypeVar("T")
_PATH = "/.well-known/openid-configuration"
_UNREADABLE = (
    *(JoseError, ValueError, KeyError, TypeError, AttributeError),
    *(ArithmeticError, RecursionError, UnsupportedAlgorithm),
)
"""What keys and tokens that are none come to, in the libraries that read them."""


class _RefusedError(Exception):
    """Why the provider's answer is not believed, as a clause for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider, as the operator set it up."""

    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    """Empty: a public client, which PKCE alone protects."""
    line: Line
    clock: Clock

    def begin(self, redirect_uri: str) -> tuple[str, Asking]:
        """Return where the browser goes, and what its answer must fit.  Raises RefusedError PROVIDER_REFUSED."""
        asking = Asking(
            provider=self.name,
            redirect_uri=redirect_uri,
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
        )
        place = self._said(lambda: self._place_for_browsers(self._discovered(self._until())))
        url = prepare_grant_uri(
            place,
            self.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=SCOPE,
            state=asking.state,
            nonce=asking.nonce,
            code_challenge=create_s256_code_challenge(asking.verifier),
            code_challenge_method="S256",
        )
        return str(url), asking

    def finish(self, asking: Asking, came: Mapping[str, str]) -> Asserted:
        """Return whom the provider names, from the parameters that the browser came back with.

        Raises RefusedError PROVIDER_REFUSED, with a sentence for the person.
        """
        return self._said(lambda: self._finished(asking, came))

    def _said(self, ask: Callable[[], T]) -> T:
        """Turn every way in which it can fail into one refusal; nothing that was sent hangs on it as its context."""
        try:
            return ask()
        except _RefusedError as error:
            why = str(error)
        except (RemoteError, SetupError) as error:
            why = f"it cannot be asked now ({error})"
        raise RefusedError(Reason.PROVIDER_REFUSED, provider=self.name, why=why)

    def _finished(self, asking: Asking, came: Mapping[str, str]) -> Asserted:
        came = {name: storable(said) for name, said in came.items()}
        if not hmac.compare_digest(came.get("state", "").encode(), asking.state.encode()):
            raise _RefusedError("the answer is not one to this browser's question; begin again")
        if came.get("iss", self.issuer) != self.issuer:  # RFC 9207 2.4
            raise _RefusedError("the answer is another provider's")
        if "code" not in came or "error" in came:
            raise _RefusedError("it was not allowed there")
        until = self._until()
        found = self._discovered(until)
        # RFC 9207 2.4: a provider that says who it is in each answer says it in this one.
        if found.get("authorization_response_iss_parameter_supported") is True:
            _text(came, "iss")
        granted = self._granted(asking, came["code"], found, until)
        keys = _document(self._send("GET", _text(found, "jwks_uri"), until))
        return self._asserted(_text(granted, "id_token"), asking, keys)

    def _until(self) -> float:
        """Return when a sign-in that begins now has to be through: its few requests share one time-out."""
        return time.monotonic() + self.line.timeout

    def _send(
        self,
        method: str,
        url: str,
        until: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        left = max(until - time.monotonic(), 0.001)
        return replace(self.line, timeout=left).send(method, url, body, headers or {})

    def _discovered(self, until: float) -> Mapping[str, Any]:
        found = _document(self._send("GET", self.issuer.rstrip("/") + _PATH, until))
        if found.get("issuer") != self.issuer:  # OpenID Connect Discovery 4.3
            raise _RefusedError("its discovery document names another issuer than the settings")
        return found

    def _place_for_browsers(self, found: Mapping[str, Any]) -> str:
        """Return where a browser is sent: to a page, never to what it would run as a script."""
        place = _text(found, "authorization_endpoint")
        schemes = {"https", "http"} if self.line.is_clear_allowed else {"https"}
        try:
            parts = urlsplit(place)
            is_page = parts.scheme in schemes and bool(parts.hostname)
        except ValueError:
            is_page = False
        if not is_page:
            raise _RefusedError("it does not answer as a provider does")
        return place

    def _granted(
        self, asking: Asking, code: str, found: Mapping[str, Any], until: float
    ) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asking.redirect_uri,
            "code_verifier": asking.verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        methods = found.get("token_endpoint_auth_methods_supported")
        takes_basic = not isinstance(methods, list) or "client_secret_basic" in methods
        if self.client_secret and takes_basic:
            # RFC 6749 2.3.1: each half is encoded as in a form.
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = self.client_id
            if self.client_secret:
                form["client_secret"] = self.client_secret
        url = _text(found, "token_endpoint")
        answer = self._send("POST", url, until, urlencode(form).encode(), headers)
        if answer.status != 200:
            raise _RefusedError("it does not accept the code; begin again")
        return _document(answer)

    def _asserted(self, id_token: str, asking: Asking, keys: Mapping[str, Any]) -> Asserted:
        try:
            claims = self._claims(id_token, keys, asking.nonce)
        except _UNREADABLE:
            claims = None
        if claims is None:
            raise _RefusedError("what it says of you cannot be verified")
        subject, address = claims.get("sub"), claims.get("email")
        if not isinstance(subject, str) or not subject or storable(subject) != subject:
            raise _RefusedError("it does not say who you are")
        is_verified = claims.get("email_verified") is True and isinstance(address, str)
        return Asserted(
            provider=self.name,
            issuer=self.issuer,
            subject=subject,
            address=str(address) if is_verified else None,
        )

    def _claims(self, id_token: str, keys: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        """Return the claims of an id_token whose signature and claims are right (OpenID Connect Core 3.1.3.7)."""
        token = jwt.decode(id_token, _key_set(keys["keys"]), algorithms=sorted(ALGORITHMS))
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": self.client_id},
            },
            params={"nonce": nonce, "client_id": self.client_id},
        )
        claims.validate(now=int(self.clock().timestamp()), leeway=LEEWAY_S)
        return dict(claims)


def _key_set(published: Any) -> KeySet:
    """Return the keys that can be read: one of a kind that is not known here is no trouble of the others (RFC 7517 5)."""
    known: list[Any] = []
    for one in published:
        with suppress(*_UNREADABLE):
            known += KeySet.import_key_set({"keys": [one]}).keys
    return KeySet(known)


def _document(answer: Answer) -> Mapping[str, Any]:
    try:
        found = json.loads(answer.text) if answer.status == 200 else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _RefusedError("it does not answer as a provider does")
    return found


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise _RefusedError("it does not answer as a provider does")
    return value


def provider_of(settings: OidcSettings, clock: Clock, env: Mapping[str, str]) -> Provider:
    """Return a provider from its settings.  Raises ConfigError where the secret cannot be read."""
    source = settings.client_secret
    secret = (
        read_secret(source, f"oidc.{settings.name}.client_secret", env) if source.is_set else ""
    )
    return Provider(
        name=settings.name,
        issuer=settings.issuer,
        client_id=settings.client_id,
        client_secret=secret,
        line=Line(
            timeout=settings.timeout,
            ca_file="" if settings.ca_file is None else str(settings.ca_file),
            # An issuer that speaks in clear is on this machine; no other leads us to what listens here.
            is_clear_allowed=settings.issuer.startswith("http:"),
        ),
        clock=clock,
    )
