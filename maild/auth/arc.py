"""ARC (RFC 8617): what a forwarder whom the admin named says that it saw before it changed a mail.

A seal says that nothing was changed after it, and nothing about the truth of what others wrote before: a chain that
begins with an invented set is sealed by honest forwarders like any other.  So every sealer of the chain must be a
trusted one, not only the last.  Anything else adds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dkim

from maild.auth.dkim import FIELD_MAX, covers_body, unfit, unsigned_twin
from maild.auth.dns import Inquiry, Temporary
from maild.auth.finding import Finding, Outcome
from maild.auth.keys import HOSTILE, RSA_MIN, SILENT, Key, key_at, signs
from maild.auth.results import TEXT_MAX, is_dmarc_pass, read_results
from maild.auth.signed import Field, SignedMail
from maild.auth.tags import tags_of
from maild.model.address import InvalidAddressError, canonical_domain

INSTANCES_MAX = 10

_RESULTS = b"arc-authentication-results"
_MESSAGE = b"arc-message-signature"
_SEAL = b"arc-seal"
_KEYS = (_RESULTS, _MESSAGE, _SEAL)
_INSTANCE = re.compile(r"i[ \t]*=[ \t]*([1-9][0-9]?)[ \t]*;(.*)", re.ASCII | re.DOTALL)


class _LaterError(Exception):
    """A key could not be fetched now.  Not one of dkimpy's, which it would take for a bad signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """What one forwarder added."""

    results: str
    """The text behind the instance."""
    sealer: str
    """The canonical domain of its seal."""


def check_chain(
    mail: SignedMail, author_domain: str, trusted_sealers: Collection[str], inquiry: Inquiry
) -> Finding | None:
    """Check the chain, if there is one.  A question is sent only when everything else speaks for the From.

    Raises OSError when the body's file cannot be read; nothing else.
    """
    fields = [field for field in mail.fields if field.key in _KEYS]
    if not fields:
        return None
    sets = _sets(fields)
    if isinstance(sets, str):
        return _found("", Outcome.PERMANENT, sets)
    sealer = sets[-1].sealer
    strangers = [one.sealer for one in sets if one.sealer not in trusted_sealers]
    if strangers:
        # The one who is not trusted: an admin may be asked about that one.
        return _found(strangers[-1], Outcome.NONE, f"{strangers[-1]} is not a trusted sealer")
    if not is_dmarc_pass(read_results("first;" + sets[0].results), author_domain):
        why = f"its first forwarder saw no dmarc=pass for {author_domain}"
        return _found(sealer, Outcome.FAIL, why)
    finding = _found(sealer, *_verified(mail, len(sets), inquiry))
    if finding.outcome is not Outcome.PASS:
        return finding
    return replace(finding, sealers=tuple(dict.fromkeys(one.sealer for one in sets)))


def _found(sealer: str, outcome: Outcome, words: str) -> Finding:
    return Finding(method="arc", domain=sealer, outcome=outcome, words=words)


def _sets(fields: Sequence[Field]) -> list[_Set] | str:
    """Return the sets in their order, or what is wrong with them."""
    found: dict[int, dict[bytes, str]] = {}
    if len(fields) > INSTANCES_MAX * len(_KEYS):
        return f"the chain has more than {INSTANCES_MAX} sets"
    for field in fields:
        if len(field.value) > (TEXT_MAX if field.key == _RESULTS else FIELD_MAX):
            return "a field of the chain is too long"
        instance = _instance_of(field)
        if instance is None or field.key in found.setdefault(instance, {}):
            return "the chain is damaged"
        found[instance][field.key] = field.text
    if sorted(found) != list(range(1, len(found) + 1)) or any(
        len(one) != 3 for one in found.values()
    ):
        return "the chain has a gap"
    read = [_set_of(found[instance]) for instance in range(1, len(found) + 1)]
    good = [one for one in read if one is not None]
    return good if len(good) == len(read) else "a seal names no domain"


def _instance_of(field: Field) -> int | None:
    if field.key == _RESULTS:
        match = _INSTANCE.match(field.text)
        own = match[1] if match else ""
    else:
        own = (tags_of(field.text) or {}).get("i", "")
    # dkimpy takes the first number behind any i= for it: where that is another one, nobody knows what it would verify.
    first = dkim.ARC.INSTANCE_RE.search(field.text.encode())
    if first is None or first[1].decode() != own or not 1 <= len(own) <= 2:
        return None
    return int(own)


def _set_of(texts: Mapping[bytes, str]) -> _Set | None:
    match = _INSTANCE.match(texts[_RESULTS])
    seal = tags_of(texts[_SEAL]) or {}
    try:
        sealer = canonical_domain(seal.get("d", ""))
    except InvalidAddressError:
        return None
    return _Set(results=match[2], sealer=sealer) if match else None


def _verified(mail: SignedMail, newest: int, inquiry: Inquiry) -> tuple[Outcome, str]:
    chain = dkim.ARC(logger=SILENT, minkey=RSA_MIN)
    chain.headers = [[one.name, one.value] for one in mail.fields]
    # Its own way to a key and a body takes hostile ones as they come; ours is bounded.
    chain.verify_sig = _checker(mail, newest, inquiry)
    try:
        result, _, why = chain.verify(dnsfunc=None)
    except _LaterError as later:
        return Outcome.TEMPORARY, str(later)
    except HOSTILE:
        return Outcome.FAIL, "the chain cannot be read"
    if result == dkim.CV_Pass:
        return Outcome.PASS, "the chain is whole"
    return Outcome.FAIL, _clause(str(why))


def _checker(
    mail: SignedMail, newest: int, inquiry: Inquiry
) -> Callable[[dict[bytes, bytes], list[bytes], tuple[bytes, bytes], Any], bool]:
    def verify_sig(
        sig: dict[bytes, bytes], include: list[bytes], header: tuple[bytes, bytes], _: Any
    ) -> bool:
        tags = {name.decode("ascii"): value.decode("ascii") for name, value in sig.items()}
        names = [name.decode("ascii") for name in include]
        if header[0].lower() == _MESSAGE:
            # Only the newest one must still fit the mail; the seals vouch for those before it (RFC 8617 5.2).
            if int(tags["i"]) != newest or unfit(tags, names) or unsigned_twin(names, mail):
                return False
            if not covers_body(tags, tags["c"].lower().partition("/")[2] or "simple", mail):
                return False
        key = key_at(canonical_domain(tags["d"]), tags["s"], inquiry)
        if isinstance(key, Temporary):
            raise _LaterError(key.why)
        if not isinstance(key, Key) or key.kind != "rsa":
            return False
        return signs(tags, names, Field(*header), mail.fields, key)

    return verify_sig


def _clause(text: str) -> str:
    """dkimpy repeats hostile text in what it says."""
    clean = "".join(char if char.isascii() and char.isprintable() else "?" for char in text[:80])
    return f"the chain is broken ({clean})"
