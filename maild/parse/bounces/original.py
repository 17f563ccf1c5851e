"""What a bounce brings back of the mail that it is about: the mail attached, its header attached, or both in the text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from maild.parse.bounces.words import folded_text, table
from maild.parse.header_block import capped, fields, split
from maild.parse.headers import read_headers
from maild.parse.parts import Part

_MAIL_TYPES = frozenset(
    {
        "message/rfc822",
        "message/global",
        "text/rfc822-headers",
        "message/rfc822-headers",
        "message/global-headers",
    }
)
_LINE = re.compile(r"([> \t|]{0,8}+)([A-Za-z][A-Za-z0-9-]{0,60}+):(?!//)")
_HEADER = frozenset(
    {
        "received",
        "return-path",
        "delivered-to",
        "message-id",
        "from",
        "to",
        "cc",
        "subject",
        "date",
        "mime-version",
        "sender",
        "reply-to",
        "content-type",
        "dkim-signature",
        "in-reply-to",
        "references",
        "content-transfer-encoding",
        "user-agent",
        "importance",
        "precedence",
    }
)
"""Names that a block must begin with, or it is the server's own list: Exchange writes To, Subject and Sent there."""
_SURE = frozenset({"received", "message-id", "return-path", "mime-version", "from"})
_NEEDED = 3
_TEXT_MAX = 64 * 1024
_LINES_MAX = 2_000
_HEADER_LINES_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """Of the mail that came back; empty where the bounce does not say."""

    message_id: str | None = None
    loop_mark: str | None = None
    recipients: tuple[str, ...] = ()


def attached_original(raw: bytes, leaves: Sequence[Part]) -> Original | None:
    """Read the mail that is attached, or what is left of its header; None where there is neither."""
    mail = next((part for part in leaves if part.type in _MAIL_TYPES), None)
    if mail is None:
        return None
    original = _read(mail.octets(raw))
    # Some servers attach an empty part, and put what they mean into the text.
    return original if original != Original() else None


def quoted_original(text: str) -> tuple[Original | None, int]:
    """Return the mail whose header stands in a text, and where what the server itself says ends.

    A header is three fields in a row, one of which only a mail's header has: no word of a language is needed for it.
    """
    text = text[:_TEXT_MAX]
    lines = text.splitlines(keepends=True)[:_LINES_MAX]
    at = 0
    ends = len(text)
    row = _Row()
    for number, line in enumerate(lines):
        if row.takes(line):
            if row.is_header:
                return _read(_block(lines, row.first, row.indent)), min(ends, row.at)
        else:
            row = _Row()
            row.begins(line, number, at)
        if _is_announced(line):
            ends = min(ends, at)
        at += len(line)
    return None, ends


def _is_announced(line: str) -> bool:
    """Whether a server says that the mail comes next."""
    return folded_text(line[:200]).lstrip(" -=*|>_:").startswith(table().begins_original)


class _Row:
    """Fields that stand one below the other, each as far to the right as the first."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.first = self.at = 0
        self.indent = ""

    def begins(self, line: str, number: int, at: int) -> None:
        match = _LINE.match(line)
        if match is not None and match[2].lower() in _HEADER:
            self.names = {match[2].lower()}
            self.first, self.at, self.indent = number, at, match[1]

    def takes(self, line: str) -> bool:
        if not self.names or not line.startswith(self.indent):
            return False
        rest = line[len(self.indent) :]
        if rest[:1] in {" ", "\t"} and rest.strip():
            return True
        match = _LINE.match(rest)
        if match is None or match[1]:
            return False
        self.names.add(match[2].lower())
        return True

    @property
    def is_header(self) -> bool:
        return len(self.names & _HEADER) >= _NEEDED and bool(self.names & _SURE)


def _block(lines: Sequence[str], first: int, indent: str) -> bytes:
    """Return the header up to the empty line; what stands below is a stranger's text, not the mail's header."""
    block: list[str] = []
    for line in lines[first : first + _HEADER_LINES_MAX]:
        if not line.startswith(indent) or not line[len(indent) :].strip():
            break
        block.append(line[len(indent) :].rstrip("\r\n"))
    return "\r\n".join(block).encode("utf-8", "replace")


def _read(octets: bytes) -> Original:
    unread: list[str] = []
    block = split(octets.lstrip(b"\r\n \t")).block
    headers = read_headers(capped(fields(block), unread), charset="", notes=unread)
    boxes = (*headers.to, *headers.cc)
    return Original(
        message_id=headers.message_id,
        loop_mark=headers.loop_mark,
        recipients=tuple(dict.fromkeys(box.address for box in boxes if "@" in box.address)),
    )
