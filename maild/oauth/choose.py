"""From what is stored on a source to the provider of its tokens."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping

from maild.model.source import SignIn
from maild.oauth import google, microsoft
from maild.oauth.kept import Keep, RefreshSecret, Rotation
from maild.oauth.line import Line
from maild.oauth.microsoft import Prompt, Registration
from maild.oauth.provider import Grant, Renewing, SetupError, TokenProvider
from maild.oauth.refresh import RefreshAtService

OPTIONS = {
    SignIn.MICROSOFT: frozenset({"flow", "tenant", "client_id", "authority", "scope"}),
    SignIn.GOOGLE: frozenset({"subject", "client_id", "token_uri", "scope"}),
    SignIn.REFRESH: frozenset({"token_uri", "client_id", "scope"}),
}
"""What may be set for each sign-in.  Nothing in it is secret."""
_FLOWS = ("app", "device")
Clock = Callable[[], float]


def provider_for(
    kind: str,
    options: Mapping[str, str],
    secret: str,
    *,
    keep: Keep,
    line: Line | None = None,
    clock: Clock = time.monotonic,
) -> TokenProvider:
    """Return the provider for a source.  Asks nobody yet.  Raises SetupError, whose text names the option.

    `secret`, by kind: MICROSOFT: the app's secret, or its private key and certificate as PEM (flow app), or the refresh
    token that `authorize` returned (flow device).  GOOGLE: a service account's key file as JSON (with `subject`), or a
    refresh secret.  REFRESH: a refresh secret, which is a refresh token or JSON of refresh_token and client_secret.
    `keep` is called on a thread with the source's new secret, before its first use; it is the whole secret again.
    """
    way = _known(kind, options)
    fetch = _fetcher(way, options, secret, keep, line or Line())
    return Renewing(fetch, clock=clock)


async def authorize(
    options: Mapping[str, str], show: Callable[[Prompt], None], *, line: Line | None = None
) -> str:
    """Let a person sign in with Microsoft by device code; return the source's secret.  `show` runs on a thread.

    Raises SetupError, RemoteError(SIGN_IN_AGAIN) if the person declines or the code ends.
    """
    _known(SignIn.MICROSOFT, options)
    registration = _registration({**options, "flow": "device"}, line or Line())
    stop = threading.Event()
    try:
        return await asyncio.to_thread(microsoft.authorize, registration, show, stop)
    finally:
        # Who leaves shall not leave a thread behind that goes on asking for a quarter of an hour.
        stop.set()


def _fetcher(
    way: SignIn, options: Mapping[str, str], secret: str, keep: Keep, line: Line
) -> Callable[[], Grant]:
    if way is SignIn.MICROSOFT:
        registration = _registration(options, line)
        if options.get("flow", "app") == "app":
            return microsoft.AskAsApp(registration, microsoft.credential_of(_there(secret)))
        return microsoft.AskAsPerson(registration, Rotation(RefreshSecret.of(secret), keep))
    if way is SignIn.GOOGLE:
        return _google(options, secret, keep, line)
    return RefreshAtService(
        token_uri=_needed(options, "token_uri"),
        client_id=_needed(options, "client_id"),
        scope=options.get("scope", ""),
        rotation=Rotation(RefreshSecret.of(secret), keep),
        line=line,
    )


def _google(
    options: Mapping[str, str], secret: str, keep: Keep, line: Line
) -> google.AskAsService | google.AskAsPerson:
    account = google.service_account_in(secret)
    if account is None:
        return google.AskAsPerson(
            client_id=_needed(options, "client_id"),
            token_uri=options.get("token_uri") or google.TOKEN_URI,
            rotation=Rotation(RefreshSecret.of(secret), keep),
            line=line,
        )
    if options.get("token_uri"):
        account["token_uri"] = options["token_uri"]
    return google.AskAsService(
        account=account,
        subject=_needed(options, "subject"),
        scope=options.get("scope") or google.SCOPE,
        line=line,
    )


def _registration(options: Mapping[str, str], line: Line) -> Registration:
    flow = options.get("flow", "app")
    if flow not in _FLOWS:
        raise SetupError(f"flow: it is {' or '.join(_FLOWS)}")
    usual = microsoft.APP_SCOPE if flow == "app" else microsoft.IMAP_SCOPE
    tenant = _needed(options, "tenant")
    if not all(char.isalnum() or char in ".-" for char in tenant) or not tenant.isascii():
        raise SetupError("tenant: it is the directory's id or domain")
    return Registration(
        client_id=_needed(options, "client_id"),
        tenant=tenant,
        authority=options.get("authority") or microsoft.AUTHORITY,
        scopes=tuple((options.get("scope") or usual).split()),
        line=line,
    )


def _known(kind: str, options: Mapping[str, str]) -> SignIn:
    way = next((one for one in OPTIONS if one.value == kind), None)
    if way is None:
        raise SetupError("sign_in: it has no tokens")
    for name in options:
        if name not in OPTIONS[way]:
            allowed = ", ".join(sorted(OPTIONS[way]))
            raise SetupError(f"{name}: is no option of {way.value}; these are: {allowed}")
    return way


def _needed(options: Mapping[str, str], name: str) -> str:
    if not (value := options.get(name, "").strip()):
        raise SetupError(f"{name}: is not set")
    return value


def _there(secret: str) -> str:
    if not secret.strip():
        raise SetupError("there is no secret")
    return secret
