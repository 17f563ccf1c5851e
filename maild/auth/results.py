"""Reading Authentication-Results (RFC 8601): what an upstream server that the operator trusts found out.

Which field may be read at all is decided at the door; here its text is taken apart.  What cannot be read says nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TEXT_MAX = 16 * 1024
"""Octets of one field that are read; a longer one says nothing."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"]+')


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method's verdict, such as dmarc=pass header.from=acme.example."""

    method: str
    result: str
    properties: dict[str, str]


def read_results(text: str) -> tuple[MethodResult, ...]:
    """Return the verdicts of one field's value, in its order; nothing for text that is not such a field."""
    if len(text) > TEXT_MAX:
        return ()
    _, *sections = _split(_without_comments(text))
    found = []
    for section in sections:
        tokens = _TOKEN.findall(section)
        if not tokens or "=" not in tokens[0]:
            continue
        method, _, result = tokens[0].partition("=")
        properties: dict[str, str] = {}
        for token in tokens[1:]:
            name, equals, value = token.partition("=")
            if equals:
                properties.setdefault(name.lower(), value.strip('"'))
        found.append(MethodResult(method.partition("/")[0].lower(), result.lower(), properties))
    return tuple(found)


def _without_comments(text: str) -> str:
    """Drop (nested) comments, which may hold anything, and the spaces around equals signs and dots."""
    kept = []
    depth = 0
    quoted = escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif depth == 0 and char == '"':
            quoted = not quoted
        elif not quoted and char == "(":
            depth += 1
        elif not quoted and char == ")" and depth:
            depth -= 1
            kept.append(" ")
            continue
        if depth == 0:
            kept.append(char)
    return re.sub(r"\s*=\s*", "=", "".join(kept))


def _split(text: str) -> list[str]:
    """Split at semicolons outside quotes."""
    sections = [""]
    quoted = escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        if char == ";" and not quoted:
            sections.append("")
        else:
            sections[-1] += char
    return sections
