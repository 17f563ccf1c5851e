"""Any provider's refresh token (RFC 6749 6): one POST."""

from __future__ import annotations

from dataclasses import dataclass

from maild.oauth.answers import grant_in
from maild.oauth.kept import Rotation
from maild.oauth.line import Line
from maild.oauth.provider import Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshAtService:
    """Asks with a refresh token."""

    token_uri: str
    client_id: str
    scope: str = ""
    rotation: Rotation
    line: Line

    def __call__(self) -> Grant:
        """Ask once; a new refresh token is kept before the access token is out.  Blocks.  Raises RemoteError."""
        secret = self.rotation.current()
        form = {
            "grant_type": "refresh_token",
            "refresh_token": secret.refresh_token,
            "client_id": self.client_id,
            "client_secret": secret.client_secret,
            "scope": self.scope,
        }
        grant = grant_in(
            self.line.post(self.token_uri, {name: value for name, value in form.items() if value})
        )
        self.rotation.follow(grant.refresh_token)
        return grant
