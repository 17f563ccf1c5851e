"""An OpenID provider of our own on loopback, for tests: discovery, keys, and the authorization code with PKCE.

It has no pages: `consent` is the person who signs in there and says yes.  What it gets wrong on demand is wrong in one way
at a time.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from typing_extensions import override

from maild.model.clock import system_clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody whom the provider knows."""

    subject: str
    email: str = ""
    email_verified: Any = True


@dataclass
class OpenIdProvider:
    """One provider.  Use it as a context."""

    client_id: str = "maild-here"
    client_secret: str = "right secret: with/odd+signs"  # noqa: S105 - a test's
    methods: list[str] = field(default_factory=lambda: ["client_secret_basic"])
    """How clients may prove themselves at the token endpoint."""
    says: dict[str, Any] = field(default_factory=dict)
    """Claims that stand in an id_token instead of the right ones; None leaves one out."""
    discovers: dict[str, Any] = field(default_factory=dict)
    """What stands in the discovery document instead of the right things."""
    signs_with: RSAKey | OctKey | None = None
    """Another key than the one that it publishes."""
    algorithm: str = "RS256"
    status: int = 200
    """Other than 200: what every request is answered."""
    beside: list[Any] = field(default_factory=list)
    """Keys that it publishes before the right one."""
    pause: float = 0.0
    """Seconds that it takes for each answer."""
    asked: list[str] = field(default_factory=list)
    """Paths, as they came."""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    _codes: dict[str, tuple[Mapping[str, str], Person]] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        """Listen on a free port of loopback."""
        server = _Server(("127.0.0.1", 0), _Conversation)
        server.provider = self
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    @property
    def url(self) -> str:
        """Its issuer URL; the slash at its end is part of it."""
        if self._server is None:
            raise RuntimeError("it does not run")
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def consent(self, url: str, person: Person) -> dict[str, str]:
        """Sign a person in at the place that a browser was sent to; return the parameters that it comes back with."""
        asked = dict(parse_qsl(urlsplit(url).query))
        right = {
            "client_id": self.client_id,
            "response_type": "code",
            "code_challenge_method": "S256",
        }
        if not right.items() <= asked.items() or "openid" not in asked["scope"].split():
            raise ValueError(f"no provider accepts this request: {asked}")
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked, person
        return {"code": code, "state": asked["state"], "iss": self.url}

    def answer(
        self, path: str, form: Mapping[str, str], basic: str
    ) -> tuple[int, Mapping[str, Any]]:
        """Return status and JSON of an answer."""
        self.asked.append(path)
        time.sleep(self.pause)
        if self.status != 200:
            return self.status, {"error": "server_error"}
        if path == "/.well-known/openid-configuration":
            return 200, self._discovered()
        if path == "/jwks":
            return 200, {"keys": [*self.beside, self.key.as_dict(private=False)]}
        if path == "/token":
            return self._granted(form, basic)
        return 404, {"error": "not_found"}

    def _discovered(self) -> Mapping[str, Any]:
        right = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}authorize",
            "token_endpoint": f"{self.url}token",
            "jwks_uri": f"{self.url}jwks",
            "token_endpoint_auth_methods_supported": self.methods,
        }
        return right | self.discovers

    def _granted(self, form: Mapping[str, str], basic: str) -> tuple[int, Mapping[str, Any]]:
        name, _, secret = basic.partition(":")
        if "client_secret_basic" not in self.methods:
            name, secret = form.get("client_id", ""), form.get("client_secret", "")
        if (unquote_plus(name), unquote_plus(secret)) != (self.client_id, self.client_secret) and (
            name,
            secret,
        ) != (self.client_id, self.client_secret):
            return 401, {"error": "invalid_client"}
        asked, person = self._codes.pop(form.get("code", ""), ({}, Person(subject="")))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        is_right = (
            asked.get("code_challenge") == challenge
            and asked.get("redirect_uri") == form.get("redirect_uri")
            and form.get("grant_type") == "authorization_code"
        )
        if not is_right:
            return 400, {"error": "invalid_grant"}
        return 200, {"token_type": "Bearer", "id_token": self._id_token(asked, person)}

    def _id_token(self, asked: Mapping[str, str], person: Person) -> str:
        now = int(system_clock().timestamp())
        claims = {
            "iss": self.url,
            "sub": person.subject,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "email": person.email,
            "email_verified": person.email_verified,
        } | self.says
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": "one"}
        return jwt.encode(header, claims, self.signs_with or self.key, algorithms=[self.algorithm])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    provider: OpenIdProvider


class _Conversation(BaseHTTPRequestHandler):
    timeout = 30.0
    server: _Server

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._converse({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._converse(dict(parse_qsl(body.decode())))

    def _converse(self, form: Mapping[str, str]) -> None:
        kind, _, said = self.headers.get("Authorization", "").partition(" ")
        basic = base64.b64decode(said).decode() if kind == "Basic" else ""
        status, found = self.server.provider.answer(urlsplit(self.path).path, form, basic)
        raw = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
