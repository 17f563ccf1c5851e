"""Secrets that are more than a word: a refresh token that the service may change, and what proves the client."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from typing_extensions import override

from maild.oauth.provider import SetupError

Keep = Callable[[str], None]
"""Stores a source's new secret, for good.  It runs on a thread, and may raise: then the secret is not used yet."""


@dataclass(frozen=True, slots=True)
class RefreshSecret:
    """A refresh token, and the client's secret if it has one."""

    refresh_token: str = field(repr=False)
    client_secret: str = field(default="", repr=False)

    @classmethod
    def of(cls, text: str) -> RefreshSecret:
        """Read what is stored: a refresh token, or a JSON object of both.  Raises SetupError."""
        stripped = text.strip()
        if not stripped:
            raise SetupError("there is no refresh token")
        if not stripped.startswith("{"):
            return cls(stripped)
        found: object = None
        try:
            found = json.loads(stripped)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            token, secret = found.get("refresh_token"), found.get("client_secret", "")
            if isinstance(token, str) and token and isinstance(secret, str):
                return cls(token, secret)
        raise SetupError(
            'the secret is a refresh token, or {"refresh_token": …, "client_secret": …}'
        )

    @override
    def __str__(self) -> str:
        """Return it as it is stored."""
        if not self.client_secret:
            return self.refresh_token
        return json.dumps(
            {"refresh_token": self.refresh_token, "client_secret": self.client_secret}
        )


class Rotation:
    """The refresh token of now.  A new one is used only once it is kept: else a crash would leave none that works."""

    def __init__(self, secret: RefreshSecret, keep: Keep) -> None:
        """Begin with what is stored."""
        self._secret = secret
        self._keep = keep
        self._following: RefreshSecret | None = None

    def current(self) -> RefreshSecret:
        """Return what to ask with.  Raises what `keep` raises."""
        if self._following is not None:
            self._keep(str(self._following))
            self._secret, self._following = self._following, None
        return self._secret

    def follow(self, refresh_token: str | None) -> None:
        """Take and keep the next refresh token, if there is one.  Raises what `keep` raises; then it is tried again."""
        if refresh_token is not None and refresh_token != self._secret.refresh_token:
            self._following = replace(self._secret, refresh_token=refresh_token)
            self.current()
