"""Where the header block ends, and which fields it has: bytes only, linear, and no mail parser.

This runs once for each mail on its way in, so it must stay cheap to import and to call.  It decodes nothing, and it
never decides who sent a mail: `strict_from` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from maild.parse.limits import FIELD, HEADER_BLOCK

_END = re.compile(rb"\r?\n\r?\n")
# RFC 5322 2.2: a name is printable ASCII without colon; white space before the colon is obsolete (4.5) but read.
# [^\n] keeps a bare CR inside its field: for us it never is a line end.
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.MULTILINE)
_MESSAGE_ID = re.compile(rb"<([^<>\s\x00-\x1f\x7f]{1,998})>")
_BARE_ID = re.compile(rb"[^<>\s,;()\"\x00-\x1f\x7f]{1,998}")


class Field(NamedTuple):
    """One header field."""

    name: bytes
    """In lower case."""
    value: bytes
    """As it came, folds included, without white space around it."""


class Head(NamedTuple):
    """A header block, and where the body begins."""

    block: bytes
    """With the line end of its last field, without the empty line; cut at 256 KiB."""
    body: int
    cut: bool
    """Whether the block was longer than the limit."""


def split(raw: bytes) -> Head:
    """Cut the header block off.  A mail that begins with an empty line has no headers (RFC 5322 2.1)."""
    if raw.startswith(b"\n"):
        return Head(b"", 1, cut=False)
    if raw.startswith(b"\r\n"):
        return Head(b"", 2, cut=False)
    end = _END.search(raw)
    length, body = (len(raw), len(raw)) if end is None else (_first_line_end(end), end.end())
    if length <= HEADER_BLOCK:
        return Head(raw[:length], body, cut=False)
    last_line = raw.rfind(b"\n", 0, HEADER_BLOCK) + 1
    return Head(raw[: last_line or HEADER_BLOCK], body, cut=True)


def _first_line_end(end: re.Match[bytes]) -> int:
    return end.start() + (2 if end.group().startswith(b"\r") else 1)


def fields(block: bytes) -> list[Field]:
    """Return the fields, topmost first.  What is not a field is passed over."""
    return [Field(match[1].lower(), match[2].strip()) for match in _FIELD.finditer(block)]


def capped(found: list[Field], notes: list[str]) -> list[Field]:
    """Return the fields, none longer than 64 KiB; say in `notes` which ones were cut."""
    if all(len(field.value) <= FIELD for field in found):
        return found
    notes.extend(
        f"the field {field.name[:40].decode('ascii', 'replace').title()} is longer than {FIELD // 1024} KiB"
        for field in found
        if len(field.value) > FIELD
    )
    return [Field(field.name, field.value[:FIELD]) for field in found]


def topmost(found: Iterable[Field], name: bytes) -> bytes | None:
    """Return the value of the first field of that (lower-case) name, or None."""
    for field in found:
        if field.name == name:
            return field.value
    return None


def every(found: Iterable[Field], name: bytes) -> list[bytes]:
    """Return the values of all fields of that (lower-case) name, topmost first."""
    return [field.value for field in found if field.name == name]


def unfold(value: bytes) -> bytes:
    """Take the line breaks of folding out (RFC 5322 2.2.3); the white space that follows them stays."""
    return value.replace(b"\r\n", b"").replace(b"\n", b"") if b"\n" in value else value


def content_fields(block: bytes) -> tuple[bytes | None, bytes | None, bytes | None]:
    """Return the topmost Message-ID, From and Date as they came: the header part of a content key (D6)."""
    found = fields(block)
    return topmost(found, b"message-id"), topmost(found, b"from"), topmost(found, b"date")


def authentication_results(block: bytes) -> tuple[str, ...]:
    """Return all Authentication-Results values, topmost first and on one line each (RFC 8601).

    Whoever trusts one has to know that the sender can write any of them but those of our own border.
    """
    return tuple(
        b" ".join(value.split()).decode("utf-8", "replace")
        for value in every(fields(block), b"authentication-results")
    )


def message_id_of(value: bytes) -> str | None:
    """Return the Message-ID in a field's value without its brackets, or None if it has no usable shape.

    RFC 5322 3.6.4 asks for brackets and an at sign; ids that lack one or both are in use and kept if they are one word.
    """
    found = _MESSAGE_ID.search(unfold(value))
    bare = found[1] if found else value.strip()
    if found is None and not _BARE_ID.fullmatch(bare):
        return None
    try:
        return bare.decode("utf-8")
    except UnicodeDecodeError:
        return None
