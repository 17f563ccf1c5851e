"""Lists of tag=value as signatures, keys and policies write them (RFC 6376 3.2).  Never raises for hostile text."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*+={0,2}")
TAGS_MAX = 64


def tags_of(text: str) -> dict[str, str] | None:
    """Return the tags in their order, or None for text that is no such list, or repeats a tag."""
    specs = text.split(";", TAGS_MAX + 1)
    if not specs[-1].strip():
        specs.pop()
    if len(specs) > TAGS_MAX:
        return None
    tags: dict[str, str] = {}
    for spec in specs:
        name, equals, value = spec.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or name in tags or not _NAME.fullmatch(name):
            return None
        tags[name] = value.strip(" \t\r\n")
    return tags


def listed(value: str) -> list[str]:
    """Return the words of a list with colons, folded to lower case."""
    return [word.strip(" \t\r\n").lower() for word in value.split(":")]


def base64_of(value: str) -> str | None:
    """Return base64 without the folds in it, or None where it is none."""
    packed = "".join(value.split())
    good = packed and len(packed) % 4 == 0 and _BASE64.fullmatch(packed)
    return packed if good else None
