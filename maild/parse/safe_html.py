"""The HTML of a mail as a page may show it: a guard, then the sanitiser, and nothing after that (T8, T9; ux.md 2.1).

What may stay is said in `html_guard`; what values may be is said here.  No address stays but links to the web, to
mailboxes and to telephones, pictures that the mail itself brings, and, where somebody asked for them, pictures of
the web by https.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

import nh3

from maild.parse.html_guard import ATTRIBUTES, TAGS, Guard
from maild.parse.links import safe_link
from maild.parse.safe_css import safe_style

PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Pictures that a browser may draw.  SVG is none of them: it is a page."""
ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg"}
"""What programs write, and the type that it is."""
_DATA = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=\s]*+", re.IGNORECASE)
_REMOTE = re.compile(r"\s*+(?:https?:)?//", re.IGNORECASE)
_SIZE = re.compile(r"\d{1,4}%?", re.ASCII)
_SPAN = re.compile(r"[1-9]\d{0,2}", re.ASCII)
_NUMBERS = frozenset({"border", "cellpadding", "cellspacing", "height", "start", "value", "width"})
_WORD_MAX = 200


@dataclass(slots=True)
class Sanitised:
    """HTML that is safe in a page of ours, and what was left out of it."""

    html: str
    blocked: int = 0
    """Pictures from elsewhere that are not loaded."""
    pixels: int = 0
    """Pictures from elsewhere, or from nowhere, that nobody could see."""
    lost: int = 0
    """Pictures that the mail names and does not bring."""

    def __iadd__(self, other: Sanitised) -> Self:
        """Add what stands behind it."""
        self.html += other.html
        self.blocked += other.blocked
        self.pixels += other.pixels
        self.lost += other.lost
        return self


@dataclass(slots=True)
class _Values:
    """Says of each attribute what it may be; the sanitiser asks."""

    pictures: Mapping[str, str]
    images: bool
    blocked: int = 0
    lost: int = 0

    def __call__(self, tag: str, name: str, value: str) -> str | None:
        match name:
            case "href":
                return safe_link(value)
            case "src":
                return self._picture(value)
            case "style":
                return safe_style(value)[0] or None
            case "colspan" | "rowspan" | "span":
                return value if _SPAN.fullmatch(value) else None
            case _ if name in _NUMBERS:
                return value if _SIZE.fullmatch(value.strip().removesuffix("px")) else None
            case _:
                return value[:_WORD_MAX]

    def _picture(self, value: str) -> str | None:
        value = value.strip()
        if value[:4].lower() == "cid:":
            name = value[4:].strip().strip("<>")
            # As it stands, for many write it so, and as RFC 2392 2 has it.
            found = self.pictures.get(name) or self.pictures.get(unquote(name).strip("<>"))
            self.lost += found is None
            return found
        if _DATA.fullmatch(value) is not None:
            return value
        if _REMOTE.match(value) is None:
            self.lost += 1
            return None
        if self.images:
            link = safe_link(value)
            if link is not None:
                return link if link.lower().startswith("https:") else f"https:{link[5:]}"
        self.blocked += 1
        return None


def sanitised(html: str, pictures: Mapping[str, str], *, images: bool = False) -> Sanitised:
    """Return the HTML made safe; `pictures` tells by Content-ID the address of what the mail brings.

    Raises TooMuchError beyond the guard.  Linear up to there; what the sanitiser itself takes is the caller's to bound.
    """
    guard = Guard()
    guarded = guard.read(html)
    values = _Values(pictures, images)
    safe = nh3.clean(
        guarded,
        tags=set(TAGS),
        clean_content_tags={"script", "style"},
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        attribute_filter=values,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
    )
    return Sanitised(
        safe,
        blocked=values.blocked + guard.backgrounds,
        pixels=guard.pixels,
        lost=values.lost,
    )
