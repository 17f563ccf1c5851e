"""What a trusted upstream filter wrote on a mail (the row “spam” of the table of outcomes).

A mark counts only where the operator named its field on the listener: anybody can write such a field, but the filter in
front of the listener writes the topmost one.  Nothing here judges a mail by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from maild.model.plain_text import short, storable
from maild.model.written import SpamHeader
from maild.parse import header_block

SHOWN_MAX = 100
"""Characters of the field's value that are kept."""


def mark_of(fields: Iterable[header_block.Field], known: Sequence[SpamHeader]) -> str | None:
    """Return the field that calls the mail spam, as sentences show it; None when no field does.

    A field does when the topmost one of its name has the value that the operator wrote, or begins with it at the end
    of a word; case does not count: “Yes” fits `Yes, score=12.3` and not `Yesterday`.
    """
    if not known:
        return None
    topmost: dict[bytes, bytes] = {}
    for field in fields:
        topmost.setdefault(field.name, field.value)
    for header in known:
        value = topmost.get(header.name.lower().encode("ascii"))
        if value is not None and _says(value, header.value):
            text = b" ".join(value.split()).decode("utf-8", "replace")
            return f"{header.name}: {short(storable(text), SHOWN_MAX)}"
    return None


def _says(value: bytes, wanted: str) -> bool:
    text = b" ".join(value.split()).lower()
    begin = b" ".join(wanted.encode("ascii").split()).lower()
    return text.startswith(begin) and not text[len(begin) : len(begin) + 1].isalnum()
