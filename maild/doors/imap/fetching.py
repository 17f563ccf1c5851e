"""Reads FETCH answers token by token (RFC 3501 7.4.2), whatever the order and the company of their items.

A server writes them, so they are hostile input.  It must never guess: what does not parse is BROKEN_PROTOCOL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from maild.core.remote import RemoteError, Trouble
from maild.doors.imap.words import printable

Answer = Sequence[bytes]
"""One untagged answer without its `* `: line, literal, line, literal, ..., line."""

_BEGIN = re.compile(rb"[0-9]{1,10} FETCH (?=\()", re.IGNORECASE)
_TOKEN = re.compile(
    rb"""[ ]*(?:
      (?P<mark>[()])
    | "(?P<quoted>(?:[^"\\]|\\.)*)"
    | (?P<literal>\{[0-9]+\})$
    | (?P<atom>(?:[^\s()"{\[]|\[[^\]]*\])+)
    )[ ]*""",
    re.VERBOSE,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_MONTHS = b"jan feb mar apr may jun jul aug sep oct nov dec".split()
_DATE = re.compile(rb" ?(\d{1,2})-([a-z]{3})-(\d{4}) (\d\d:\d\d:\d\d) ([+-]\d{4})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string or a literal."""

    content: bytes


Token = bytes | Text
"""A parenthesis or an atom; or a text."""


@dataclass(frozen=True, slots=True)
class Items:
    """What one FETCH answer says."""

    values: dict[bytes, Token | None]
    """By name in capitals, as `BODY[]<0>`; None: a list, which nobody here wants."""

    def number(self, name: bytes) -> int | None:
        """Return a number, or None where there is none."""
        value = self.values.get(name)
        is_one = isinstance(value, bytes) and value.isdigit() and len(value) <= 20
        return int(value) if is_one and isinstance(value, bytes) else None

    def text(self, beginning: bytes) -> bytes | None:
        """Return the text of the item whose name begins so; NIL is None."""
        for name, value in self.values.items():
            if name.startswith(beginning) and isinstance(value, Text):
                return value.content
        return None

    def is_about_mail(self) -> bool:
        """Whether there is a size or a text: flags alone come unasked, when another client changes them."""
        return any(name.startswith((b"RFC822.SIZE", b"BODY[")) for name in self.values)

    def date(self) -> datetime | None:
        """Return INTERNALDATE; None when it is no date."""
        return internal_date(self.text(b"INTERNALDATE"))


def internal_date(text: bytes | None) -> datetime | None:
    """Return an INTERNALDATE; None for anything else."""
    parts = _DATE.fullmatch(text) if text else None
    if parts is None or parts[2].lower() not in _MONTHS:
        return None
    month = _MONTHS.index(parts[2].lower()) + 1
    written = f"{parts[3].decode()}-{month:02}-{int(parts[1]):02}T{parts[4].decode()}"
    try:
        return datetime.fromisoformat(written + parts[5].decode())
    except ValueError:
        return None


def tokens(answer: Answer, start: int) -> Iterator[Token]:
    """Yield an answer's tokens, from an offset in its first line."""
    for number in range(0, len(answer), 2):
        line = answer[number]
        at = start if number == 0 else 0
        while at < len(line):
            token = _TOKEN.match(line, at)
            if token is None:
                raise RemoteError(Trouble.BROKEN_PROTOCOL, f"not an answer: {printable(line[at:])}")
            at = token.end()
            if token["literal"] is not None:
                if number + 1 == len(answer):
                    raise RemoteError(Trouble.BROKEN_PROTOCOL, "a literal without its octets")
                yield Text(answer[number + 1])
            elif token["quoted"] is not None:
                yield Text(_ESCAPED.sub(rb"\1", token["quoted"]))
            else:
                yield token["mark"] or token["atom"]


def items_of(answer: Answer) -> Items | None:
    """Return what a FETCH answer says; None for any other answer.  Raises RemoteError where it does not parse."""
    begin = _BEGIN.match(answer[0])
    if begin is None:
        return None
    stream = tokens(answer, begin.end())
    next(stream)  # The parenthesis that _BEGIN has seen.
    values: dict[bytes, Token | None] = {}
    for name in stream:
        if name == b")":
            if next(stream, None) is not None:
                break
            return Items(values)
        value = next(stream, b")")
        if isinstance(name, Text) or name == b"(" or value == b")":
            break
        if value == b"(":
            _skip_list(stream)
        values.setdefault(name.upper(), None if value == b"(" else value)
    raise RemoteError(Trouble.BROKEN_PROTOCOL, f"not a FETCH answer: {printable(answer[0])}")


def _skip_list(stream: Iterator[Token]) -> None:
    depth = 1
    for token in stream:
        depth += (token == b"(") - (token == b")")
        if depth == 0:
            return
