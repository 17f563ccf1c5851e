"""User names: unique in the installation, and no addresses (U8)."""

from __future__ import annotations

import unicodedata
from collections.abc import Set as AbstractSet

from maild.model.address import Address, InvalidAddressError
from maild.model.plain_text import one_line
from maild.model.reason import Reason, RefusedError

USERNAME_MAX = 254


def canonical_username(text: str, own_addresses: AbstractSet[str]) -> str:
    """Return the spelling by which a user name is kept and compared: NFC, case-folded.

    It may look like an address only if it is one of the user's own.  Raises RefusedError INVALID_VALUE.
    """
    clean = one_line("The user name", text, most=USERNAME_MAX)
    folded = unicodedata.normalize("NFC", clean.casefold())
    if "@" in folded:
        norm = _norm_of(folded)
        if norm not in own_addresses:
            raise _wrong(clean, "it looks like an address that is not one of this user's own")
        return norm
    if len(folded) > USERNAME_MAX:
        raise _wrong(clean[:40], f"it is longer than {USERNAME_MAX} characters")
    if any(char.isspace() for char in folded):
        raise _wrong(clean, "it holds a space")
    return folded


def _norm_of(text: str) -> str:
    try:
        return Address.parse(text).norm
    except InvalidAddressError:
        return ""


def _wrong(value: str, why: str) -> RefusedError:
    return RefusedError(Reason.INVALID_VALUE, what="The user name", value=value, why=why)


def username_taken(name: str) -> RefusedError:
    """Return the refusal of a taken user name."""
    return RefusedError(Reason.USERNAME_IN_USE, name=name)
