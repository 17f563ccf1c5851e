"""What the acts on webhooks and their rounds share: what signs, where one may point, how one is paused (G)."""

from __future__ import annotations

import base64
import secrets
from contextlib import suppress
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from maild.core.app import App
from maild.core.reaching import may_reach
from maild.core.seal import SealError, SealingKey, unseal
from maild.model.plain_text import short
from maild.model.public_event import SCHEMA
from maild.model.reason import Reason, RefusedError
from maild.model.webhook import (
    TEST,
    HookState,
    PauseWhy,
    checked_url,
)
from maild.store.webhooks import HookRow

SECRET_OCTETS = 32


def reachable(app: App, url: str) -> str:
    """Return a URL that may be a receiver's, as far as its text tells; its name is looked up at each connection.

    Raises RefusedError INVALID_VALUE.
    """
    clean = checked_url(url)
    place = urlsplit(clean)
    host = place.hostname or ""
    try:
        literal = ip_address(host)
    except ValueError:
        literal = None
    if literal is not None and not may_reach(literal, app.hook_networks):
        raise _refused_place(
            host, "it is a private address, and not within [webhooks] allow_networks"
        )
    if place.scheme == "http" and not app.hook_networks:
        raise _refused_place(
            host, "http is only spoken within [webhooks] allow_networks; use https"
        )
    return clean


def new_secret() -> str:
    """Return a new secret, in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_OCTETS)).decode()


def secrets_of(app: App, hook: HookRow) -> tuple[str, ...]:
    """Return what signs now: the secret, and during a rotation those before.  Raises SealError where the newest does not open."""
    if app.key is None:
        raise SealError("there is no secret_key")
    unseal(app.key, hook.secret, bound_to(hook.account, hook.ulid))
    return tuple(opened_secrets(app.key, app, hook).values())


def opened_secrets(key: SealingKey, app: App, hook: HookRow) -> dict[str, str]:
    """Return what signs by how it is sealed, the newest first; what does not open signs for nobody any more."""
    found = {}
    for sealed in (hook.secret, *_old_secrets(app, hook)):
        with suppress(SealError):
            found[sealed] = unseal(key, sealed, bound_to(hook.account, hook.ulid))
    return found


def _old_secrets(app: App, hook: HookRow) -> list[str]:
    until = hook.old_secret_until
    is_over = until is None or until <= app.clock()
    return [] if is_over or hook.old_secret is None else hook.old_secret.split()


def probe_of(account: str, now: datetime) -> dict[str, Any]:
    """Return what asks a receiver whether it is there."""
    return {
        "type": TEST,
        "timestamp": now.isoformat(),
        "data": {"schema": SCHEMA, "account": account},
    }


def paused(why: PauseWhy, now: datetime) -> dict[str, Any]:
    """Return what is written on a webhook that is paused."""
    return {"state": HookState.PAUSED, "paused_why": why, "paused_at": now}


def bound_to(account: str, ulid: str) -> list[str]:
    """Return what a secret is bound to: elsewhere it does not open (T16)."""
    return ["webhook", account, ulid]


def sealing_key(app: App) -> SealingKey:
    """Return the installation's key.  Raises RefusedError CONFLICT where there is none."""
    if app.key is None:
        raise RefusedError(
            Reason.CONFLICT,
            why="There is no secret_key, by which secrets are sealed: `maild check` says how to make one.",
        )
    return app.key


def _refused_place(host: str, why: str) -> RefusedError:
    return RefusedError(Reason.INVALID_VALUE, what="The webhook's URL", value=short(host), why=why)
