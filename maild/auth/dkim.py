"""DKIM (RFC 6376): who signed a mail, for the topmost five signatures, each with its outcome.

Only a signature over the whole body and the one From counts, in a mail that has no other subject or recipients on top of
the signed ones; what is expired, partial or weak counts as not being there.  The cryptography is dkimpy's (`keys.signs`), the rules are ours.  Nothing here says that a signer may speak for
the From: `dmarc` does.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from maild.auth.dns import Inquiry, Temporary
from maild.auth.finding import Finding, Outcome
from maild.auth.keys import Key, Unusable, key_at, signs
from maild.auth.signed import ONCE, Field, SignedMail
from maild.auth.tags import base64_of, listed, tags_of
from maild.model.address import InvalidAddressError, canonical_domain

SIGNATURES_MAX = 5
FIELD_MAX = 8 * 1024
"""Octets of one signature; the expressions that dkimpy reads it with grow with their square."""
NAMES_MAX = 250
_AHEAD = 36_000
"""Seconds that a signer's clock may be ahead of ours."""

_ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}
_CANONICAL = {"simple", "relaxed"}
_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)
_SELECTOR = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,120}[A-Za-z0-9_])?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature that can be checked."""

    domain: str
    """d=, canonical."""
    selector: str
    tags: Mapping[str, str]
    names: tuple[str, ...]
    field: Field

    @property
    def body_form(self) -> str:
        """The canonical form of the body."""
        return (*self.tags.get("c", "").lower().split("/"), "simple")[1]

    @property
    def algorithm(self) -> str:
        """The name of its arithmetic."""
        return self.tags["a"].lower()


def signatures_of(mail: SignedMail, now: datetime) -> tuple[Signature | Finding, ...]:
    """Return the topmost five signatures, in their order; one that cannot be checked as what came of it."""
    return tuple(
        read_signature(field, now) for field in mail.named(b"dkim-signature")[:SIGNATURES_MAX]
    )


def read_signature(field: Field, now: datetime) -> Signature | Finding:
    """Read one field; `now` is when the mail was received."""
    tags = tags_of(field.text) if len(field.value) <= FIELD_MAX else None
    if tags is None:
        return _broken("", "", "the signature is not readable")
    selector = tags.get("s", "")
    try:
        domain = canonical_domain(tags.get("d", ""))
    except InvalidAddressError:
        return _broken("", "", "the signature names no domain")
    if not _SELECTOR.fullmatch(selector):
        return _broken(domain, "", "the signature names no key")
    names = tuple(listed(tags.get("h", "")))
    why = (
        unfit(tags, names)
        or _foreign_agent(tags, domain)
        or _untimely(tags, now)
        or ("the signature is of an unknown version" if tags.get("v") != "1" else None)
    )
    if why is not None:
        return _broken(domain, selector, why)
    return Signature(domain=domain, selector=selector, tags=tags, names=names, field=field)


def unfit(tags: Mapping[str, str], names: Sequence[str]) -> str | None:
    """Say what keeps a signature over header and body from counting, whoever made it and when."""
    algorithm = tags.get("a", "").lower()
    forms = tags.get("c", "simple").lower().split("/")
    findings = (
        (algorithm == "rsa-sha1", "the signature is made with SHA-1, which counts as none"),
        (algorithm not in _ALGORITHMS, "the signature is made in an unknown way"),
        ("l" in tags, "the signature covers only a part of the body (l=), which counts as none"),
        ("from" not in names, "the signature does not cover the From"),
        (len(names) > NAMES_MAX, f"the signature names more than {NAMES_MAX} fields"),
        (len(forms) > 2 or not set(forms) <= _CANONICAL, "the signature has an unknown form"),
        ("dns/txt" not in listed(tags.get("q", "dns/txt")), "its key is not in DNS"),
        (
            base64_of(tags.get("b", "")) is None or base64_of(tags.get("bh", "")) is None,
            "the signature is incomplete",
        ),
    )
    return next((why for true, why in findings if true), None)


def _foreign_agent(tags: Mapping[str, str], domain: str) -> str | None:
    """RFC 6376 3.5: the user or agent (i=) is one of the signing domain or of a name below it."""
    if "i" not in tags:
        return None
    agent = _agent_domain(tags)
    if agent == domain or agent.endswith("." + domain):
        return None
    return "the signature is for an agent of another domain"


def _agent_domain(tags: Mapping[str, str]) -> str:
    try:
        return canonical_domain(tags["i"].rpartition("@")[2])
    except InvalidAddressError:
        return ""


def _untimely(tags: Mapping[str, str], now: datetime) -> str | None:
    """Say what is wrong with the times; they are compared with the mail's receipt, however late this runs."""
    made, ends = tags.get("t"), tags.get("x")
    if any(one is not None and not _NUMBER.fullmatch(one) for one in (made, ends)):
        return "the signature has an unreadable time"
    received = now.timestamp()
    if ends is not None and int(ends) < received:
        return "the signature was expired when the mail came (x=), which counts as none"
    if made is not None and int(made) > received + _AHEAD:
        return "the signature is of a later day than the mail"
    if made is not None and ends is not None and int(ends) < int(made):
        return "the signature ends before it begins"
    return None


def check(signature: Signature, mail: SignedMail, inquiry: Inquiry) -> Finding:
    """Check one signature.  Raises OSError when the body's file cannot be read; nothing else."""
    outcome, words = _judged(signature, mail, inquiry)
    return Finding(
        method="dkim",
        domain=signature.domain,
        selector=signature.selector,
        outcome=outcome,
        words=words,
    )


def _judged(signature: Signature, mail: SignedMail, inquiry: Inquiry) -> tuple[Outcome, str]:
    more = unsigned_twin(signature.names, mail)
    if more is not None:
        return Outcome.PERMANENT, f"the mail has another {more} beside the one that can be signed"
    # The body first: a mail that was changed on its way costs no question.
    if not covers_body(signature.tags, signature.body_form, mail):
        return Outcome.FAIL, "the body is not the one that was signed"
    key = key_at(signature.domain, signature.selector, inquiry)
    match key:
        case Temporary(why):
            return Outcome.TEMPORARY, why
        case Unusable(why):
            return Outcome.PERMANENT, why
        case Key():
            return _by_key(signature, mail, key)


def _by_key(signature: Signature, mail: SignedMail, key: Key) -> tuple[Outcome, str]:
    if key.kind != _ALGORITHMS[signature.algorithm]:
        return Outcome.PERMANENT, "its key is of another kind than the signature"
    if key.is_exact and "i" in signature.tags and _agent_domain(signature.tags) != signature.domain:
        return Outcome.PERMANENT, "its key is not for agents of names below the domain"
    if signs(signature.tags, signature.names, signature.field, mail.fields, key):
        return Outcome.PASS, "the signature is good"
    return Outcome.FAIL, "the header is not the one that was signed"


def unsigned_twin(names: Sequence[str], mail: SignedMail) -> str | None:
    """Return a field that mails have once, and that stands here where the signature does not reach.

    `names`: the signed fields.
    """
    there = Counter(field.key for field in mail.fields)
    for key in ONCE:
        name = key.decode()
        if key in mail.spaced or there[key] > max(1, names.count(name)):
            return name
    return None


def covers_body(tags: Mapping[str, str], form: str, mail: SignedMail) -> bool:
    """Say whether the body is the signed one.  Raises OSError."""
    packed = base64_of(tags["bh"])
    return packed is not None and base64.b64decode(packed) == mail.body_digest(form)


def _broken(domain: str, selector: str, why: str) -> Finding:
    return Finding(
        method="dkim", domain=domain, selector=selector, outcome=Outcome.PERMANENT, words=why
    )
