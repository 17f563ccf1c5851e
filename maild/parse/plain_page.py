"""A text as HTML: escaped, its links live, what it quotes marked.  Linear, and every letter of it passes `escape`."""

from __future__ import annotations

import html as entities
import re
from collections import Counter
from itertools import groupby

from maild.parse.links import safe_link

_URL = re.compile(r"\bhttps?://[^\s<>\"]{1,2000}|\bmailto:[^\s<>\"]{1,300}", re.IGNORECASE)
_AFTER = ".,;:!?'*_"
_PAIRS = {")": "(", "]": "[", "}": "{"}
_QUOTED = re.compile(r"(?:>[ ]?)+")
_DEEPEST = 5
"""Levels of quotes that look different."""
_LINKS_MAX = 5_000
"""Live links of one text; a browser bears more, nobody reads them."""


def text_as_html(text: str) -> str:
    """Return the text, line by line as it stands."""
    left = [_LINKS_MAX]
    pieces = []
    for depth, lines in groupby(text.split("\n"), _depth):
        written = _linked("\n".join(lines), left)
        pieces.append(
            f'<div class="text q{depth}">{written}</div>'
            if depth
            else f'<div class="text">{written}</div>'
        )
    return "".join(pieces)


def _depth(line: str) -> int:
    """How often a line is quoted (RFC 3676 4.5, and as people write it)."""
    match = _QUOTED.match(line)
    return 0 if match is None else min(match[0].count(">"), _DEEPEST)


def _linked(text: str, left: list[int]) -> str:
    pieces = []
    at = 0
    for match in _URL.finditer(text):
        if left[0] <= 0:
            break
        shown = _without_end(match[0])
        link = safe_link(shown)
        if link is None:
            continue
        left[0] -= 1
        pieces.append(entities.escape(text[at : match.start()]))
        pieces.append(
            f'<a href="{entities.escape(link)}" target="_blank"'
            f' rel="noopener noreferrer nofollow">{entities.escape(shown)}</a>'
        )
        at = match.start() + len(shown)
    pieces.append(entities.escape(text[at:]))
    return "".join(pieces)


def _without_end(url: str) -> str:
    """Leave to the sentence what is the sentence's: its full stop, its bracket."""
    count = Counter(url)
    end = len(url)
    while end:
        last = url[end - 1]
        if last not in _AFTER and (last not in _PAIRS or count[_PAIRS[last]] >= count[last]):
            break
        count[last] -= 1
        end -= 1
    return url[:end]
