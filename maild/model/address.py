"""Mail addresses: one parser, one canonical form, used everywhere (U2)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna
from typing_extensions import override

# RFC 5321 4.5.3.1: octets of a local part, of a domain, of a path less its brackets.
LOCAL_MAX = 64
DOMAIN_MAX = 253
ADDRESS_MAX = 254

_PLAIN = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)
_ATEXT_ASCII = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+/=?^_`{|}~-."
)
_PLAIN_DOMAIN = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII
)


class InvalidAddressError(ValueError):
    """The text is not one mail address; the message says why, in words for a person."""


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox name.  Two addresses are the same exactly when they compare equal.

    `norm` is the canonical form, the only one that is stored for comparing; `local` and `domain` are its halves.
    """

    local: str
    domain: str

    @property
    def norm(self) -> str:
        """The canonical spelling: local part case-folded, domain as lower-case A-labels."""
        return f"{self.local}@{self.domain}"

    @property
    def tag(self) -> str | None:
        """What stands behind the first plus sign of the local part, or None (U6).

        None, too, where what stands before it could be no local part by itself, as in `a.+b`.
        """
        base, plus, tag = self.local.partition("+")
        return tag if plus and base and not base.endswith(".") else None

    @property
    def base(self) -> Address:
        """The address without its +tag; itself when it has none (U6)."""
        if self.tag is None:
            return self
        return Address(self.local.partition("+")[0], self.domain)

    @property
    def shown(self) -> str:
        """For people: the domain in its own script where it has one."""
        if "xn--" not in self.domain:
            return self.norm
        try:
            return f"{self.local}@{idna.decode(self.domain)}"
        except idna.IDNAError:
            return self.norm

    @override
    def __str__(self) -> str:
        """Return the canonical form."""
        return self.norm

    @staticmethod
    def parse(text: str) -> Address:
        """Read one bare address (no display name, no angle brackets).

        Raises InvalidAddressError.  RFC 5321 4.1.2 dot-strings and RFC 6531 are accepted; quoted local parts and
        address literals are not, because nobody's mailbox that maild works for has one and parsers disagree on them.
        """
        return _parse(text)


@lru_cache(maxsize=65536)
def _parse(text: str) -> Address:
    text = text.strip()
    if not text:
        raise InvalidAddressError("an address is empty; write one like name@example.com")
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise InvalidAddressError(
            f"“{_short(text)}” is not an email address; write one like name@example.com"
        )
    address = Address(_canonical_local(local, text), canonical_domain(domain))
    if len(address.norm.encode()) > ADDRESS_MAX:
        raise InvalidAddressError(f"“{_short(text)}” is longer than {ADDRESS_MAX} characters")
    return address


def _canonical_local(local: str, whole: str) -> str:
    if local.isascii():
        folded = local.lower()
        good = _PLAIN.fullmatch(folded) is not None
    else:
        folded = _fold(local)
        good = _is_eai_dot_string(folded)
    if not good:
        raise InvalidAddressError(
            f"“{_short(whole)}” is not an email address that can be used: “{_short(local)}” has characters, "
            "quotes or dots where none may be"
        )
    if len(folded.encode()) > LOCAL_MAX:
        raise InvalidAddressError(
            f"the part before the @ of “{_short(whole)}” is longer than {LOCAL_MAX} octets"
        )
    return folded


def _fold(local: str) -> str:
    """NFC(casefold(NFC)), repeated until it stands still, so that canonical(canonical(x)) == canonical(x)."""
    for _ in range(4):
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).casefold())
        if folded == local:
            return folded
        local = folded
    return local


def _is_eai_dot_string(local: str) -> bool:
    """RFC 6531 3.3: atext grows by every character beyond ASCII; controls, spaces and separators stay out."""
    if not all(local.split(".")):
        return False
    for char in local:
        if char.isascii():
            if char not in _ATEXT_ASCII:
                return False
        elif unicodedata.category(char)[0] in "CZ":
            return False
    return True


def spellings(part: str) -> tuple[str, ...]:
    """Return how a part of an address may stand in one: as it is typed, and with its labels as domains are kept."""
    typed = part.casefold()
    local, at, labels = typed.rpartition("@")
    try:
        kept = f"{local}{at}{canonical_domain(labels)}"
    except InvalidAddressError:
        return (typed,)
    return (typed,) if kept == typed else (typed, kept)


@lru_cache(maxsize=16384)
def canonical_domain(domain: str) -> str:
    """Return the domain as lower-case A-labels (IDNA 2008 with UTS 46).  Raises InvalidAddressError."""
    lowered = domain.strip().lower()
    if (
        not lowered.startswith("xn--")
        and ".xn--" not in lowered
        and _PLAIN_DOMAIN.fullmatch(lowered)
    ):
        encoded = lowered
    else:
        try:
            encoded = (
                idna.encode(lowered, uts46=True, std3_rules=True, transitional=False)
                .decode("ascii")
                .lower()
            )
        except (idna.IDNAError, UnicodeError) as error:
            raise InvalidAddressError(f"“{_short(domain)}” is not a domain name") from error
    if len(encoded) > DOMAIN_MAX or not _PLAIN_DOMAIN.fullmatch(encoded):
        raise InvalidAddressError(f"“{_short(domain)}” is not a domain name")
    return encoded


def _short(text: str) -> str:
    """Make hostile input fit to be repeated in a sentence."""
    clean = "".join(char if char.isprintable() else "�" for char in text[:80])
    return clean + "…" if len(text) > 80 else clean
