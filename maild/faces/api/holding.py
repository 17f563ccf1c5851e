"""Who asks: whoever the token is of, and in which account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

from maild.core.app import Actor, App
from maild.core.sessions import look
from maild.core.tokens import PREFIX, look_up
from maild.model.reason import Reason, RefusedError

Opens = Callable[[App, str], Actor]
"""Says who acts by a secret.  Raises RefusedError TOKEN_REFUSED for what opens nothing."""


def actor_of(app: App, secret: str) -> Actor:
    """Return who acts by a token or a session, narrowed to its account if it has one.

    Raises RefusedError TOKEN_REFUSED.
    """
    if not secret:
        raise RefusedError(Reason.TOKEN_REFUSED)
    found = look_up(app, secret) if secret.startswith(PREFIX) else look(app, secret)
    if found is None:
        raise RefusedError(Reason.TOKEN_REFUSED)
    return found.by


COOKIE = "__Host-maild"
"""A session's cookie, for pages: this host's alone, and no script reads it (RFC 6265bis 4.1.3.2)."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 9.2.1)."""
_OURS = frozenset({"same-origin", "none"})


def secret_of(request: Request) -> str:
    """Return the token (RFC 6750 2.1), or a page's session; empty without one, which opens nothing.

    A browser sends a cookie whoever made it ask: with one alone, what changes something must come from a page of ours.
    Raises RefusedError CROSS_SITE.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme:
        return secret.strip() if scheme.lower() == "bearer" else ""
    kept = request.cookies.get(COOKIE, "")
    if kept and request.method not in SAFE and not _is_from_here(request):
        raise RefusedError(Reason.CROSS_SITE)
    return kept


def _is_from_here(request: Request) -> bool:
    """Whether the browser says that a page of this host asks; one that says nothing is too old to be believed."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in _OURS
    origin = request.headers.get("origin", "")
    return origin.partition("://")[2] == request.headers.get("host", "") != ""


def cookie_of(secret: str, max_age: int) -> str:
    """Return the Set-Cookie of a session; an empty one with no age takes it away."""
    return f"{COOKIE}={secret}; Max-Age={max_age}; Path=/; Secure; HttpOnly; SameSite=Lax"


def peer_of(request: Request, proxies: Sequence[IPv4Network | IPv6Network] = ()) -> str:
    """Return where the request comes from, for throttles and records.

    Behind a proxy of ours it is who stands before it, as the proxy itself wrote it: the last address of X-Forwarded-For
    that is no proxy's.  What anybody else writes there counts for nothing.
    """
    peer = "unix" if request.client is None else request.client.host
    told = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    while told and _is_among(peer, proxies):
        before = told.pop().strip()
        if _address(before) is None:
            break
        peer = before
    return peer


def _is_among(peer: str, proxies: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether this is a proxy of ours; whoever may write to a unix socket is one where there are any."""
    found = _address(peer)
    if found is None:
        return bool(proxies)
    return any(found in network for network in proxies)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
