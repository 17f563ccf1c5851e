"""Drop addresses: what one looks like, and how it is shown without giving it away (U7).  Pure."""

from __future__ import annotations

import re

from maild.model.address import Address, InvalidAddressError

LENGTH = 26
"""Characters of a tag: 130 bits of chance."""
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
HIDDEN = "***"
_TAG = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}", re.ASCII)


def drop_tag(text: str) -> str | None:
    """Return the tag of what may be a drop address; None for every other text."""
    if "+" not in text:
        return None
    try:
        tag = Address.parse(text).tag
    except InvalidAddressError:
        return None
    return tag if tag is not None and _TAG.fullmatch(tag) else None


def masked(text: str) -> str:
    """Return a drop address as it may be shown: crm+***@acme.example."""
    address = Address.parse(text)
    return f"{address.base.local}+{HIDDEN}@{address.domain}"


def hidden(text: str) -> str:
    """Return an address as it may be stored for lists and shown: masked if it may be a drop address."""
    return text if drop_tag(text) is None else masked(text)
