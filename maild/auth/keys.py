"""The public keys that domains publish for their signatures (RFC 6376 3.6.1, RFC 8463), and checking one signature.

dkimpy hashes the header fields and does the arithmetic.  What it would take too long over, take too lightly or choke
on is kept from it: enormous keys and fields, revoked and foreign keys, keys of another kind than the signature's.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dkim

from maild.auth.dns import Answer, Inquiry, Missing, Temporary
from maild.auth.signed import Field
from maild.auth.tags import base64_of, listed, tags_of

RSA_MIN = 1024
RSA_MAX = 8192
_EXPONENT_BITS_MAX = 64

# dkimpy and pyspf assume well-meant input, and say what they cannot bear in all of these.
HOSTILE = (
    dkim.DKIMException,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
)
# It repeats addresses and hostile text in what it logs.
SILENT = logging.getLogger("maild.auth.dkimpy")
SILENT.setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Key:
    """A key that may be used."""

    kind: str
    """`rsa` or `ed25519`."""
    bits: int
    public: Any
    """What dkimpy made of it."""
    is_exact: bool
    """Whether it signs for its own domain only, not for names below it (t=s)."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """There is no key to check with, now or later; `why` is a clause for the trace."""

    why: str


def key_at(domain: str, selector: str, inquiry: Inquiry) -> Key | Unusable | Temporary:
    """Fetch a domain's key."""
    match inquiry.txt(f"{selector}._domainkey.{domain}"):
        case Temporary() as later:
            return later
        case Missing():
            return Unusable(f"{domain} publishes no key named {selector}")
        case Answer(values):
            return _only_key(values, domain, selector)


def _only_key(values: Sequence[bytes], domain: str, selector: str) -> Key | Unusable:
    # A wildcard's other texts lie beside the key in some domains.
    found = [tags for tags in map(_tags, values) if tags is not None and "p" in tags]
    if len(found) != 1:
        return Unusable(f"{domain} publishes {len(found)} keys named {selector} where one must be")
    return key_of(found[0])


def _tags(record: bytes) -> dict[str, str] | None:
    return tags_of(record.decode("ascii", "replace"))


def key_of(tags: Mapping[str, str]) -> Key | Unusable:
    """Read a key record's tags."""
    kind = tags.get("k", "rsa")
    flags = listed(tags.get("t", ""))
    packed = base64_of(tags["p"])
    findings = (
        (tags.get("v", "DKIM1") != "DKIM1", "its key is of an unknown version"),
        (not tags["p"], "its key is revoked"),
        (kind not in {"rsa", "ed25519"}, "its key is of an unknown kind"),
        (not {"*", "email"} & set(listed(tags.get("s", "*"))), "its key is not for mail"),
        ("sha256" not in listed(tags.get("h", "sha256")), "its key does not allow SHA-256"),
        # RFC 6376 3.6.1: not to be treated otherwise than an unsigned mail.
        ("y" in flags, "its domain only tests signing (t=y), which counts as unsigned"),
    )
    for true, why in findings:
        if true:
            return Unusable(why)
    if packed is None:
        return Unusable("its key is damaged")
    read = _rsa(packed) if kind == "rsa" else _ed25519(packed)
    if isinstance(read, Unusable):
        return read
    public, bits = read
    return Key(kind, bits, public, "s" in flags)


def _rsa(packed: str) -> tuple[Any, int] | Unusable:
    try:
        public, bits, _, _ = dkim.evaluate_pk("key", f"p={packed}".encode())
        exponent = public["publicExponent"]
        odd = public["modulus"] % 2 == 1 and exponent % 2 == 1
    except (*HOSTILE, dkim.UnparsableKeyError):
        return Unusable("its key is damaged")
    if bits < RSA_MIN:
        return Unusable(f"its key has only {bits} bits; {RSA_MIN} are the least that count")
    if bits > RSA_MAX or exponent.bit_length() > _EXPONENT_BITS_MAX:
        return Unusable("its key is too large to be computed with")
    if exponent < 3 or not odd:
        return Unusable("its key is no RSA key")
    return public, bits


def _ed25519(packed: str) -> tuple[Any, int] | Unusable:
    try:
        octets = base64.b64decode(packed, validate=True)
        public, bits, _, _ = dkim.evaluate_pk("key", f"k=ed25519; p={packed}".encode())
    except (*HOSTILE, binascii.Error):
        return Unusable("its key is damaged")
    return (public, bits) if len(octets) == 32 else Unusable("its key is damaged")


def signs(
    tags: Mapping[str, str],
    names: Sequence[str],
    signature: Field,
    fields: Sequence[Field],
    key: Key,
) -> bool:
    """Say whether the signature over these header fields was made with the key.

    The body is compared elsewhere.  `names` are the signed fields in the order of hashing, in lower case.
    """
    wanted = {name.encode() for name in names}
    checker = dkim.DKIM(logger=SILENT, minkey=RSA_MIN)
    checker.headers = [[one.name, one.value] for one in fields if one.key in wanted]
    checker.pk, checker.keysize, checker.ktag = key.public, key.bits, key.kind.encode()
    # Without `bh` and `l` it leaves the body alone.
    part = {b"a": tags["a"].lower().encode(), b"b": tags["b"].encode()}
    part[b"c"] = tags.get("c", "simple").lower().encode()
    try:
        good = checker.verify_sig_process(
            part, [name.encode() for name in names], (signature.name, signature.value), None
        )
    except HOSTILE:
        return False
    return good is True
