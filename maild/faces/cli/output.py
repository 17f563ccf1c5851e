"""Values to JSON, and to text for people."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from maild.faces.documents import document

# What JSON lets through and a terminal obeys: DEL, C1 controls, and the marks that turn text around.
_STEERING = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def as_json(value: Any) -> str:
    """Return one JSON document on one line."""
    text = json.dumps(document(value), ensure_ascii=False, default=str)
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def printable(text: str) -> str:
    """Return text that a terminal cannot be steered by: no controls, and no lone surrogates."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\t" else "�" for char in text)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows in columns, as wide as what is in them."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )


def fields(pairs: Iterable[tuple[str, object]]) -> str:
    """Return one `name: value` line for each pair; several values stand below each other."""
    shown = [(name, _lines(value)) for name, value in pairs]
    wide = max((_width(name) for name, _ in shown), default=0) + 2
    lines = []
    for name, values in shown:
        head, *rest = values or ["-"]
        lines.append(f"{name}:".ljust(wide) + head)
        lines += [" " * wide + text for text in rest]
    return "\n".join(lines)


def _lines(value: object) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [_cell(item) for item in value]
    return [_cell(value)]


def _cell(value: object) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
        case Enum():
            return str(value.value)
        case list() | tuple():
            return ", ".join(map(_cell, value)) or "-"
        case _:
            return printable(str(value))


def _width(text: str) -> int:
    """Return the columns that a terminal gives to a text."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
