"""Microsoft 365 through msal: an app's own sign-in by secret or certificate, or a person's by device code.

msal is the extra `maild[m365]`; it builds and signs what is sent, and `Line` sends it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from maild.core.remote import RemoteError, Trouble
from maild.oauth.answers import grant_of, object_in, refusal
from maild.oauth.kept import Rotation
from maild.oauth.line import Answer, Line
from maild.oauth.provider import ExtraMissingError, Grant, SetupError

AUTHORITY = "https://login.microsoftonline.com"
APP_SCOPE = "https://outlook.office365.com/.default"
IMAP_SCOPE = "https://outlook.office.com/IMAP.AccessAsUser.All"
POP_SCOPE = "https://outlook.office.com/POP.AccessAsUser.All"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a person is shown: where to go, and what to type there."""

    url: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """An app as it is registered with Microsoft."""

    client_id: str
    tenant: str
    authority: str = AUTHORITY
    scopes: tuple[str, ...]
    line: Line

    def client(self, kind: str, **words: Any) -> Any:
        """Return msal's client.  A new one each time: msal's own keeps tokens, and refusals for a minute.

        Asks the authority for its addresses.  Raises SetupError, RemoteError.
        """
        if not self.authority.startswith("https://"):
            raise SetupError("authority: it begins with https://")
        made: Any = None
        try:
            made = getattr(_msal(), kind)(
                self.client_id,
                authority=f"{self.authority.rstrip('/')}/{self.tenant}",
                # Where the authority is comes from the admin; nobody else is to be asked.
                instance_discovery=False,
                http_client=_Sender(self.line),
                **words,
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            made = None
        if made is None:
            raise RemoteError(Trouble.REFUSED_LOGIN, "the authority does not know this tenant")
        return made


@dataclass(frozen=True, slots=True)
class AskAsApp:
    """Client credentials: the app signs in by itself."""

    registration: Registration
    credential: str | dict[str, str] = field(repr=False)

    def __call__(self) -> Grant:
        """Ask once.  Blocks.  Raises RemoteError."""
        client = self.registration.client(
            "ConfidentialClientApplication", client_credential=self.credential
        )
        return _granted(lambda: client.acquire_token_for_client(list(self.registration.scopes)))


@dataclass(frozen=True, slots=True)
class AskAsPerson:
    """The refresh token of a person who signed in once."""

    registration: Registration
    rotation: Rotation

    def __call__(self) -> Grant:
        """Ask once; a new refresh token is kept before the access token is out.  Blocks.  Raises RemoteError."""
        client = self.registration.client("PublicClientApplication")
        token, scopes = self.rotation.current().refresh_token, list(self.registration.scopes)
        grant = _granted(lambda: client.acquire_token_by_refresh_token(token, scopes))
        self.rotation.follow(grant.refresh_token)
        return grant


def authorize(
    registration: Registration, show: Callable[[Prompt], None], stop: threading.Event
) -> str:
    """Let a person sign in by device code (RFC 8628); return the refresh token, which is the source's secret.

    Blocks until the person is done, the code has ended or `stop` is set.  Raises RemoteError.
    """
    client = registration.client("PublicClientApplication")
    flow = _readable(lambda: client.initiate_device_flow(scopes=list(registration.scopes)))
    if not all(isinstance(flow.get(name), str) for name in ("user_code", "verification_uri")):
        raise refusal(flow)
    # A line would be a trouble on a terminal; these are shown as they are.
    if not (flow["user_code"].isprintable() and flow["verification_uri"].isprintable()):
        raise RemoteError(Trouble.BROKEN_PROTOCOL, "the device code is not printable")
    show(Prompt(flow["verification_uri"], flow["user_code"]))
    ends_at = time.monotonic() + min(float(flow.get("expires_in", 900)), 3600)
    grant = _granted(
        lambda: client.acquire_token_by_device_flow(
            flow, exit_condition=lambda _: stop.is_set() or time.monotonic() > ends_at
        )
    )
    if grant.refresh_token is None:
        raise RemoteError(
            Trouble.REFUSED_LOGIN, "there is no refresh token; is offline_access allowed?"
        )
    return grant.refresh_token


def credential_of(secret: str) -> str | dict[str, str]:
    """Return what msal takes: the client's secret, or the key and certificate of a PEM text.  Raises SetupError."""
    if "-----BEGIN" not in secret:
        return secret.strip()
    found: dict[str, str] = {}
    try:
        pem = secret.encode()
        key = load_pem_private_key(pem, password=None)
        certificate = x509.load_pem_x509_certificate(pem)
        found = {
            "private_key": key.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ).decode(),
            "thumbprint": certificate.fingerprint(SHA256()).hex(),
            "public_certificate": certificate.public_bytes(Encoding.PEM).decode(),
        }
    except (ValueError, TypeError):
        found = {}
    if not found:
        raise SetupError(
            "the secret must hold a private key without a passphrase and its certificate, as PEM"
        )
    return found


def _readable(ask: Callable[[], T]) -> T:
    """Return what msal makes of an answer.  Raises RemoteError, that of `Line` among them."""
    try:
        return ask()
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        pass
    # Raised here and not above: msal's words, and json's, may repeat what was sent or answered.
    raise RemoteError(Trouble.BROKEN_PROTOCOL, "the token service's answer is not readable")


def _granted(ask: Callable[[], Mapping[str, Any]]) -> Grant:
    found = _readable(ask)
    if "error" in found:
        raise refusal(found)
    return grant_of(found)


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer in the shape that msal reads."""

    status_code: int
    text: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    def raise_for_status(self) -> None:
        """Raise for a refusal; a fault of the service was raised before."""
        if self.status_code >= 400:
            raise ValueError(f"status {self.status_code}")


class _Sender:
    """What msal sends with."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | str | None = None,
        headers: Mapping[str, str | None] | None = None,
        **_: object,
    ) -> _Said:
        """Send a form."""
        body = data.encode() if isinstance(data, str) else urlencode(data or {}).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return _said(self._line.send("POST", _with(url, params), body, {**kind, **_text(headers)}))

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str | None] | None = None,
        **_: object,
    ) -> _Said:
        """Ask for a document."""
        return _said(self._line.send("GET", _with(url, params), None, _text(headers)))

    def close(self) -> None:
        """Do nothing: each request has a connection of its own."""


def _said(answer: Answer) -> _Said:
    # msal takes for granted that it is one.
    object_in(answer)
    return _Said(answer.status, answer.text, answer.headers)


def _with(url: str, params: Mapping[str, str] | None) -> str:
    return f"{url}?{urlencode(params)}" if params else url


def _text(headers: Mapping[str, str | None] | None) -> dict[str, str]:
    # msal gives None for what it leaves out.
    return {name: value for name, value in (headers or {}).items() if value is not None}


def _msal() -> Any:
    try:
        import msal  # noqa: PLC0415 - an extra: only who has a Microsoft source needs it
    except ImportError:
        raise ExtraMissingError(
            "Microsoft 365 needs msal: run `pip install 'maild[m365]'`"
        ) from None
    # At DEBUG it tells device codes, while it hides the rest.
    logging.getLogger("msal.token_cache").setLevel(logging.WARNING)
    return msal
