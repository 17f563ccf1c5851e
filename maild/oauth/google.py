"""Google through google-auth: a service account that stands for a mailbox, or a person's refresh token.

google-auth is the extra `maild[google]`; it builds and signs what is sent, and `Line` sends it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from maild.core.remote import RemoteError, Trouble
from maild.oauth.answers import grant_in
from maild.oauth.kept import Rotation
from maild.oauth.line import Answer, Line
from maild.oauth.provider import ExtraMissingError, Grant, SetupError

TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
SCOPE = "https://mail.google.com/"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAsService:
    """A service account with domain-wide delegation."""

    account: Mapping[str, str] = field(repr=False)
    """Google's key file."""
    subject: str
    """The mailbox that it stands for."""
    scope: str = SCOPE
    line: Line

    def __call__(self) -> Grant:
        """Ask once.  Blocks.  Raises RemoteError, SetupError."""
        service_account = _library("service_account")
        credentials: Any = None
        try:
            credentials = service_account.Credentials.from_service_account_info(
                dict(self.account), scopes=[self.scope], subject=self.subject
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            credentials = None
        if credentials is None:
            raise SetupError("the service account's key is not readable; make a new one at Google")
        return _granted(credentials.refresh, self.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAsPerson:
    """The refresh token of a person who signed in once."""

    client_id: str
    token_uri: str = TOKEN_URI
    rotation: Rotation
    line: Line

    def __call__(self) -> Grant:
        """Ask once; a new refresh token is kept before the access token is out.  Blocks.  Raises RemoteError."""
        secret = self.rotation.current()
        credentials = _library("credentials").Credentials(
            None,
            refresh_token=secret.refresh_token,
            token_uri=self.token_uri,
            client_id=self.client_id,
            client_secret=secret.client_secret,
        )
        grant = _granted(credentials.refresh, self.line)
        self.rotation.follow(grant.refresh_token)
        return grant


def service_account_in(secret: str) -> dict[str, str] | None:
    """Return a service account's key file, if the secret is one."""
    try:
        found = json.loads(secret)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("type") != "service_account":
        return None
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _granted(refresh: Callable[[_Sender], None], line: Line) -> Grant:
    """Let google-auth ask; what the service said is read here, for google-auth's errors repeat all of it."""
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - see _library

    sender = _Sender(line)
    # It trips over answers that are no tokens, in ways of its own.
    with suppress(GoogleAuthError, ValueError, TypeError, KeyError, AttributeError):
        refresh(sender)
    if sender.last is None:
        raise RemoteError(Trouble.BROKEN_PROTOCOL, "nothing came to be asked")
    return grant_in(sender.last)


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer in the shape that google-auth reads."""

    status: int
    data: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class _Sender:
    """What google-auth sends with; it keeps the last answer."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.last: Answer | None = None

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> _Said:
        """Send a request."""
        self.last = self._line.send(method, url, body, dict(headers or {}))
        return _Said(self.last.status, self.last.text.encode(), self.last.headers)


def _library(name: str) -> Any:
    try:
        from google.oauth2 import (  # noqa: PLC0415 - an extra: only who has a Google source needs it
            credentials,
            service_account,
        )
    except ImportError:
        raise ExtraMissingError(
            "Google needs google-auth: run `pip install 'maild[google]'`"
        ) from None
    return {"credentials": credentials, "service_account": service_account}[name]
