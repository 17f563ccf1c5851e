"""Mail on a terminal: hostile text made harmless, columns, and sentences.

A subject must not move the cursor, colour the screen, or turn the writing direction around.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_SPACES = frozenset("\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029")
_KEPT = frozenset("\u200c\u200d")
"""Zero-width joiners: scripts and emoji need them, and they move nothing."""


def line(text: object) -> str:
    """Return text on one line, without control, bidirectional and invisible characters."""
    shown = str(text)
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(map(_harmless, shown))


def block(text: str) -> str:
    """Return text with its lines, each made harmless."""
    return "\n".join(line(one.replace("\t", "    ")) for one in text.splitlines())


def _harmless(char: str) -> str:
    if char in _SPACES:
        return " "
    if char in _KEPT:
        return char
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    return "\ufffd" if category in {"Cc", "Cs", "Cn", "Co"} else char


def short(text: object, width: int) -> str:
    """Return text on one line of at most so many columns; what is cut is shown."""
    shown = line(text)
    if _width(shown) <= width:
        return shown
    kept, used = [], 0
    for char in shown:
        used += _width(char)
        if used > width - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(char) or char in _KEPT
        else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def columns(rows: Sequence[Sequence[str]], *, gap: str = "  ") -> Iterator[str]:
    """Yield rows with their columns below each other; the last one is as long as it is."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = [
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ]
        yield gap.join([*padded[:-1], row[-1]]).rstrip()


def field_lines(fields: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """Yield `Name   value` for every field that has a value."""
    there = [(name, line(value)) for name, value in fields if value not in {None, ""}]
    return columns(there) if there else iter(())


def clock_time(iso: str) -> str:
    """Return an instant of a document for people: 2026-11-20 10:42 UTC."""
    return f"{iso[:10]} {iso[11:16]} UTC"


def mailbox(name: str, address: str | None) -> str:
    """Return a mailbox as people write it."""
    shown = address or "nobody"
    return f"{line(name)} <{line(shown)}>" if name and name != address else line(shown)
