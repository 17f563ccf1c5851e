"""Which parts are the text of a mail, and which are attachments, with names that are safe to show."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from maild.model.letter import Attachment
from maild.parse.encoded_words import decode_words
from maild.parse.limits import FILE_NAME
from maild.parse.parts import Part

_BODY_TYPES = frozenset({"text/plain", "text/html"})
# RFC 3464, 8098, 5965: the machine's half of a report.  Its kind says all that a person wants to know of it.
_RECORDS = frozenset(
    {"message/delivery-status", "message/disposition-notification", "message/feedback-report"}
)
# Direction marks make `exe.fdp` out of `pdf.exe`; the rest separates paths on some system.
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_BLANKS = re.compile(r"[ \t\r\n]+")
_NAME_READ = 16 * FILE_NAME
"""Characters of a name that are decoded: a thousand names of 64 KiB would take seconds."""
_PATH = re.compile(r"[/\\:]+")


def is_text(part: Part) -> bool:
    """Whether a part is text that a reader of the mail sees as the mail's own."""
    if part.type not in _BODY_TYPES:
        return False
    if part.disposition.value == "attachment":
        return False
    return part.disposition.value == "inline" or not _raw_name(part)


def attachments(
    raw: bytes, leaves: Sequence[Part], texts: Sequence[Part]
) -> tuple[Attachment, ...]:
    """Return what is left when the mail's own text and the records of machines are taken away, in order."""
    own = {id(part) for part in texts}
    return tuple(
        _attachment(raw, part)
        for part in leaves
        if id(part) not in own and (part.type not in _RECORDS or _raw_name(part))
    )


def _attachment(raw: bytes, part: Part) -> Attachment:
    return Attachment(
        name=name_of(part),
        type=part.type,
        size=part.size(raw),
        path=part.path,
        inline=part.disposition.value == "inline"
        or (bool(part.content_id) and part.disposition.value != "attachment"),
        content_id=safe_name(part.content_id),
    )


def _raw_name(part: Part) -> str:
    return part.disposition.get("filename") or part.content_type.get("name")


def name_of(part: Part) -> str:
    """Return the name that the mail gives: RFC 2231 or RFC 2047, Content-Disposition first."""
    return safe_name(decode_words(_raw_name(part)[:_NAME_READ]))


def safe_name(name: str) -> str:
    """Make a name fit to be shown and to be a file's: one line, no path, no direction marks; 255 characters."""
    name = _DIRECTION.sub("", _PATH.sub("_", name))
    name = "".join(
        " " if char in "\t\r\n" else char
        for char in name
        if char in "\t\r\n" or unicodedata.category(char) not in {"Cc", "Cs"}
    )
    name = _BLANKS.sub(" ", name).strip().lstrip(".")
    if len(name) <= FILE_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    keep = dot + ending if dot and len(ending) <= 16 else ""
    return (stem if keep else name)[: FILE_NAME - len(keep)] + keep
