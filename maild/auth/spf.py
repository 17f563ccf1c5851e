"""SPF (RFC 7208): whether the peer may send for the envelope's domain.  Recorded, and never a proof of the From."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import spf

from maild.auth.dns import Answer, Inquiry, Kind, Missing, Temporary
from maild.auth.finding import Finding, Outcome
from maild.auth.keys import HOSTILE
from maild.model.address import InvalidAddressError, canonical_domain

SECONDS = 10.0
LOOK_UPS_MAX = 40
"""Names that one policy may make us ask for, with all that its mechanisms name."""
_VOID_MAX = 2
_TEXT_MAX = 320

_OUTCOMES = {
    "pass": Outcome.PASS,
    "fail": Outcome.FAIL,
    "softfail": Outcome.FAIL,
    "neutral": Outcome.NONE,
    "none": Outcome.NONE,
    "temperror": Outcome.TEMPORARY,
    "permerror": Outcome.PERMANENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who handed the mail over, directly from the world."""

    address: str
    """IP address."""
    helo: str = ""
    mail_from: str = ""
    """The envelope's sender without brackets; empty for bounces, whose HELO is asked for instead."""


def check_sender(peer: Peer, inquiry: Inquiry) -> Finding:
    """Check a peer against the envelope domain's policy, within ten seconds and the mail's deadline."""
    domain = _domain_of(peer)
    if domain is None:
        return _found("", "none")
    query_of = getattr(spf, "query")  # noqa: B009 - the class has a lower-case name that is a verb
    try:
        query = query_of(
            i=peer.address, s=f"postmaster@{domain}", h=peer.helo or domain, timeout=SECONDS
        )
        # pyspf cuts an address at its first @ and keeps another script: what is recorded would not be what was asked.
        query.l = peer.mail_from.rpartition("@")[0] or "postmaster"
        query.s = f"{query.l}@{domain}"
        query.dns = _asker(inquiry, inquiry.seconds_left - SECONDS)
        return _found(domain, str(query.check()[0]))
    except spf.TempError:
        return _found(domain, "temperror")
    except (spf.PermError, spf.AmbiguityWarning, *HOSTILE):
        return _found(domain, "permerror")


def _found(domain: str, result: str) -> Finding:
    return Finding(
        method="spf",
        domain=domain,
        outcome=_OUTCOMES.get(result, Outcome.PERMANENT),
        words=f"the sender policy says {result}",
    )


def _domain_of(peer: Peer) -> str | None:
    if max(len(peer.mail_from), len(peer.helo)) > _TEXT_MAX:
        return None
    try:
        return canonical_domain(peer.mail_from.rpartition("@")[2] or peer.helo)
    except InvalidAddressError:
        return None


def _asker(inquiry: Inquiry, ends_at: float) -> Callable[..., list[Any]]:
    """Return what pyspf asks instead of DNS.  `ends_at`: what is left of the mail's deadline when time is over."""
    asked = void = 0

    def ask(
        name: str, qtype: Kind, _cnames: object = None, *, ignore_void: bool = False
    ) -> list[Any]:
        nonlocal asked, void
        asked += 1
        if asked > LOOK_UPS_MAX:
            raise spf.PermError(f"more than {LOOK_UPS_MAX} look-ups")
        if inquiry.seconds_left <= ends_at:
            raise spf.TempError("time is over")
        reply = inquiry.look_up(str(name), qtype)
        match reply:
            case Temporary(why):
                raise spf.TempError(why)
            case Answer(values):
                return [_as_pyspf(value, qtype) for value in values]
            case Missing():
                void += not ignore_void
        if void > _VOID_MAX:
            raise spf.PermError(f"more than {_VOID_MAX} names that do not exist")
        return []

    return ask


def _as_pyspf(value: bytes, kind: Kind) -> object:
    if kind == "TXT":
        return (value,)
    text = value.decode("ascii", "replace")
    if kind == "MX":
        preference, _, exchange = text.partition(" ")
        return int(preference), exchange.rstrip(".")
    return text.rstrip(".")
