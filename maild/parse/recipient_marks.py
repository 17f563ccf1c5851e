"""Who a collected mail was for, by the traces that servers leave in it (D14).  Only the topmost field of a name counts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from maild.parse import header_block

TRACES = (
    "X-Gm-Original-To",
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Forwarded-To",
    "Resent-To",
    "Resent-Cc",
    "To",
    "Cc",
)
"""In the order in which they are believed."""
_ADDRESS = re.compile(rb"[^\s<>(),;:\"\[\]\\@]{1,64}@[^\s<>(),;:\"\[\]\\@]{1,255}")
_MOST = 100
"""Addresses of one field that are looked at."""


def recipients_by_trace(head: bytes, only: str | None = None) -> Sequence[tuple[str, list[str]]]:
    """Return (field's name, addresses in it) for each trace that the header block has, in the order of belief.

    `only` is the one field that the source's server is known to write.
    """
    fields = header_block.fields(head)
    found = []
    for name in TRACES if only is None else (only,):
        value = header_block.topmost(fields, name.lower().encode())
        if value is None:
            continue
        texts = [
            match.decode("utf-8", "replace") for match in _ADDRESS.findall(value[:65536])[:_MOST]
        ]
        if texts:
            found.append((name, texts))
    return found
