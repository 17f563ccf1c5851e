"""A token service of our own on loopback, for tests: OAuth 2.0 as Microsoft, Google and others speak it.

It keeps what it was asked, gives faults on demand, and tells Dovecot about its tokens.
"""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from typing_extensions import override

from maild.testing.assertions import claims_of

UNKNOWN_TENANT = "unknown.example"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one request for a token instead of an answer."""

    status: int = 400
    error: str = ""
    body: str = ""
    """Sent instead of an error's JSON."""
    wait: float = 0.0
    """Seconds before anything is said."""
    drip: float = 0.0
    """Seconds between octets of the answer; 0: all at once."""
    is_hung_up: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    path: str
    form: Mapping[str, str]


class Refused(Exception):  # noqa: N818 - it is an answer
    """The request is answered with this code."""


@dataclass
class Issuer:
    """One token service.  `start` it, or use it as a context; `stop` at the end."""

    certificate: Path | None = None
    """PEM of its certificate; without, it speaks plain HTTP."""
    key: Path | None = None
    life: int = 3600
    """Seconds that its tokens live; it tells this, and holds to it."""
    rotates: bool = False
    """Whether each use of a refresh token gives a new one and ends the old."""
    mailbox: str = "ann@example.org"
    """Whose mailbox tokens open, where the request names none."""
    client_secret: str = "right-secret"  # noqa: S105 - a test's
    client_key: RSAPublicKey | None = None
    """Proves a client by certificate, or a service account."""
    refresh_tokens: set[str] = field(default_factory=set)
    pending: int = 0
    """How often a device code is still waiting for its person."""
    declines: bool = False
    device_life: int = 900
    """Seconds that a person has."""
    device_code: str = ""
    """The last that was given out."""
    faults: deque[Fault] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Listen on a free port of loopback."""
        server = _Server(("127.0.0.1", 0), _Conversation)
        server.issuer = self
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key)
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        if self._server is None:
            raise RuntimeError("it does not run")
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def tokeninfo(self) -> str:
        """The address that Dovecot asks about a token."""
        return f"{self.url}/tokeninfo?token="

    def count(self, path: str = "/token") -> int:
        """Return how often something was asked for."""
        with self._lock:
            return Counter(one.path for one in self.asked)[path]

    def new_refresh_token(self) -> str:
        """Return a refresh token that works from now on."""
        token = f"refresh-{secrets.token_urlsafe(24)}"
        with self._lock:
            self.refresh_tokens.add(token)
        return token

    def secrets_told(self) -> set[str]:
        """Return every token that it gave out and still knows, and every secret that it was sent."""
        named = ("refresh_token", "client_secret", "client_assertion", "assertion", "device_code")
        with self._lock:
            sent = {one.form[name] for one in self.asked for name in named if name in one.form}
            return sent | self._tokens.keys() | self.refresh_tokens

    def revoke_all(self) -> None:
        """Make every token and refresh token invalid."""
        with self._lock:
            self._tokens.clear()
            self.refresh_tokens.clear()

    def answer(self, path: str, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        """Return status and JSON of an answer."""
        if path.endswith("/.well-known/openid-configuration"):
            return self._discovered(path.split("/")[1])
        if path == "/tokeninfo":
            return self._about(form.get("token", ""))
        if path == "/devicecode":
            return 200, self._device_code()
        try:
            return 200, self._granted(form)
        except Refused as refused:
            return 400, {"error": str(refused), "error_description": f"you sent {dict(form)}"}

    def _discovered(self, tenant: str) -> tuple[int, Mapping[str, Any]]:
        if tenant == UNKNOWN_TENANT:
            return 400, {"error": "invalid_tenant", "error_codes": [90002]}
        top = f"{self.url}/{tenant}"
        return 200, {
            "issuer": f"{top}/v2.0",
            "authorization_endpoint": f"{top}/authorize",
            "token_endpoint": f"{top}/token",
            "device_authorization_endpoint": f"{top}/devicecode",
        }

    def _device_code(self) -> Mapping[str, Any]:
        self.device_code = secrets.token_urlsafe(24)
        return {
            "device_code": self.device_code,
            "user_code": "ABCD-EFGH",
            "verification_uri": f"{self.url}/device",
            "expires_in": self.device_life,
            "interval": 1,
            "message": "go",
        }

    def take_down(self, path: str, form: Mapping[str, str]) -> Fault | None:
        """Note a request; return the fault that it meets."""
        with self._lock:
            self.asked.append(Asked(path, form))
            return self.faults.popleft() if path == "/token" and self.faults else None

    def _about(self, token: str) -> tuple[int, Mapping[str, Any]]:
        with self._lock:
            mailbox, ends_at = self._tokens.get(token, ("", 0.0))
        if time.monotonic() >= ends_at:
            return 400, {"error": "invalid_token"}
        return 200, {"email": mailbox, "expires_in": int(ends_at - time.monotonic())}

    def _granted(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        match form.get("grant_type"):
            case "client_credentials":
                self._require_client(form)
                return self._token(self.mailbox)
            case "refresh_token":
                return self._refreshed(form)
            case "device_code" | _Grants.DEVICE:
                return self._device(form)
            case _Grants.JWT:
                claims = self._claims(form.get("assertion", ""))
                return self._token(str(claims.get("sub")))
            case _:
                raise Refused("unsupported_grant_type")

    def _require_client(self, form: Mapping[str, str]) -> None:
        if "client_assertion" in form:
            claims = self._claims(form["client_assertion"])
            is_right = claims.get("sub") == form.get("client_id") == claims.get("iss")
        else:
            is_right = form.get("client_secret") == self.client_secret
        if not is_right:
            raise Refused("invalid_client")

    def _claims(self, assertion: str) -> Mapping[str, Any]:
        claims = None if self.client_key is None else claims_of(assertion, self.client_key)
        audience = "" if claims is None else str(claims.get("aud"))
        # google-auth names Google's own address, whichever it asks.
        if claims is None or not audience.startswith((self.url, "https://oauth2.googleapis.com/")):
            raise Refused("invalid_client")
        return claims

    def _refreshed(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        old = form.get("refresh_token", "")
        if form.get("client_secret", self.client_secret) != self.client_secret:
            raise Refused("invalid_client")
        with self._lock:
            if old not in self.refresh_tokens:
                raise Refused("invalid_grant")
            if self.rotates:
                self.refresh_tokens.discard(old)
        found = dict(self._token(self.mailbox))
        if self.rotates:
            found["refresh_token"] = self.new_refresh_token()
        return found

    def _device(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        if not self.device_code or form.get("device_code") != self.device_code:
            raise Refused("invalid_grant")
        if self.declines:
            raise Refused("authorization_declined")
        if self.pending:
            self.pending -= 1
            raise Refused("authorization_pending")
        return {**self._token(self.mailbox), "refresh_token": self.new_refresh_token()}

    def _token(self, mailbox: str) -> Mapping[str, Any]:
        token = f"access-{secrets.token_urlsafe(32)}"
        with self._lock:
            self._tokens[token] = (mailbox, time.monotonic() + self.life)
        return {"token_type": "Bearer", "access_token": token, "expires_in": self.life}


class _Grants:
    """Names with dots, so that `match` compares and does not bind."""

    DEVICE = _DEVICE_CODE
    JWT = _JWT_BEARER


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    issuer: Issuer

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that leave: some tests make them."""


class _Conversation(BaseHTTPRequestHandler):
    timeout = 30.0
    server: _Server

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        self._converse(place.path, dict(parse_qsl(place.query)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._converse(urlsplit(self.path).path, dict(parse_qsl(body.decode())))

    def _converse(self, path: str, form: Mapping[str, str]) -> None:
        # Microsoft's addresses begin with the tenant; the last word says what is asked.
        last = path if path.startswith("/.") or "/." in path else f"/{path.rpartition('/')[2]}"
        fault = self.server.issuer.take_down(last, form)
        if fault is None:
            status, found = self.server.issuer.answer(last, form)
            self._say(status, json.dumps(found), 0.0)
            return
        time.sleep(fault.wait)
        if not fault.is_hung_up:
            self._say(fault.status, fault.body or json.dumps({"error": fault.error}), fault.drip)

    def _say(self, status: int, text: str, drip: float) -> None:
        raw = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        for start in range(0, len(raw), 1 if drip else len(raw)):
            self.wfile.write(raw[start : start + (1 if drip else len(raw))])
            time.sleep(drip)
