"""Webhooks: what one hears of, where it may point to, what came of an event, and how long is waited then.

Pure: no clock, no chance, no network.  The headers and signatures are those of Standard Webhooks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import SplitResult, urlsplit

from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError

Network = IPv4Network | IPv6Network

URL_MAX = 2000
KINDS_MAX = 50
KIND_MAX = 60
TEST = "webhook.test"
"""The event that asks a receiver whether it is there; it is about no mail."""

GIVE_UP_AFTER = timedelta(days=3)
"""How long an event is tried, and how long a receiver may take nothing before its hook is paused."""
FIRST_REST, LONGEST_REST = timedelta(seconds=30), timedelta(hours=6)
"""After an event was refused; doubled each time."""
FIRST_SILENCE, LONGEST_SILENCE = timedelta(seconds=5), timedelta(minutes=5)
"""After a receiver was found to be down; doubled each time, and one event asks whether it is back."""
RETRY_AFTER_MAX = timedelta(days=1)
"""The longest rest that a receiver may ask for."""
OLD_SECRET_LIFE = timedelta(days=1)
"""How long a secret goes on signing beside the one that replaced it."""


class HookState(StrEnum):
    """Whether anything is sent."""

    ACTIVE = "active"
    PAUSED = "paused"


class PauseWhy(StrEnum):
    """Why a hook is paused."""

    BY_HAND = "by_hand"
    GONE = "gone"
    """The receiver answered 410: it wants nothing more."""
    SILENT = "silent"
    """It took nothing for three days."""


class PostState(StrEnum):
    """How far an event has come that was not taken at once."""

    WAITING = "waiting"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Taken:
    """The receiver answered 2xx."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The receiver did not take this event; it may take others."""

    why: str
    is_judged: bool = False
    """It looked at the event and wants it not (most of 4xx): that says nothing against the receiver."""


@dataclass(frozen=True, slots=True)
class Down:
    """The receiver cannot be had, or wants to be left alone: no event would go."""

    why: str
    rest: timedelta | None = None
    """For how long it asked to be left alone."""
    is_unconnected: bool = field(default=False, compare=False)
    """No connection came about: nothing was sent, and another address may answer."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The receiver answered 410: it wants nothing more (Standard Webhooks)."""

    why: str = "the receiver answered 410 Gone: it wants nothing more"


PostFate = Taken | Refused | Down | Gone


def rest_after_refusal(attempts: int, event_id: str) -> timedelta:
    """Return how long an event waits after its N-th refusal: twice as long each time, give or take a quarter."""
    return _spread(FIRST_REST, LONGEST_REST, attempts, event_id)


def rest_after_silence(fails: int, hook_id: str) -> timedelta:
    """Return how long a receiver is left alone after the N-th time that it could not be had."""
    return _spread(FIRST_SILENCE, LONGEST_SILENCE, fails, hook_id)


def _spread(first: timedelta, longest: timedelta, times: int, name: str) -> timedelta:
    """Double up to a limit; the lot comes from the name, so that what failed together does not come back together."""
    rest = min(first * (1 << min(max(times, 1) - 1, 20)), longest)
    lot = hashlib.sha256(f"{name} {times}".encode()).digest()[0] / 255
    return rest * (0.75 + lot / 2)


def checked_url(text: str) -> str:
    """Return a receiver's URL as it is kept.

    http is let through here and judged by the address when it is connected to: only networks that the operator named
    are spoken to in clear.  Raises RefusedError INVALID_VALUE, which repeats no more of the URL than its host: a path
    may be a secret.
    """
    url = text.strip()
    if len(url) > URL_MAX:
        raise _not_a_url("…", f"it is longer than {URL_MAX} characters")
    if not url.isascii() or not url.isprintable() or any(sign in url for sign in ' "<>\\^`{|}'):
        raise _not_a_url(
            "…", "it holds characters that no URL has; write the host name in its xn-- form"
        )
    place, port = _place(url)
    host = short(place.hostname or "")
    if place.scheme not in {"https", "http"} or not host:
        raise _not_a_url(host or "…", "it begins with https://HOST")
    if "@" in place.netloc:
        raise _not_a_url(host, "it holds a user name or password; the signature says who sends")
    if port == 0:
        raise _not_a_url(host, "port 0 is none")
    if place.fragment or "#" in url:
        raise _not_a_url(host, "it has a #fragment, which is never sent")
    return url


def _place(url: str) -> tuple[SplitResult, int | None]:
    try:
        place = urlsplit(url)
        return place, place.port
    except ValueError:
        raise _not_a_url("…", "it is not readable as a URL") from None


def _not_a_url(value: str, why: str) -> RefusedError:
    return RefusedError(Reason.INVALID_VALUE, what="The webhook's URL", value=value, why=why)


def checked_kinds(kinds: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return what a hook hears of, each once, in a fixed order; nothing: all there is and will be.

    `mail.*` is all that begins so.  Raises RefusedError INVALID_VALUE, which lists what there is.
    """
    wanted = sorted({kind.strip() for kind in kinds} - {""})
    if len(wanted) > KINDS_MAX:
        raise _no_kind(f"{len(wanted)} events", f"{KINDS_MAX} are as many as can be named")
    for kind in wanted:
        if not any(is_heard((kind,), one) for one in known):
            raise _no_kind(short(kind, KIND_MAX), f"there are: {', '.join(known)}, and as mail.*")
    return tuple(wanted)


def _no_kind(value: str, why: str) -> RefusedError:
    return RefusedError(Reason.INVALID_VALUE, what="An event", value=value, why=why)


def is_heard(kinds: Sequence[str], kind: str) -> bool:
    """Whether a hook that names these hears of such an event."""
    if not kinds:
        return True
    return any(kind == one or (one.endswith(".*") and kind.startswith(one[:-1])) for one in kinds)
