"""What of a style attribute may stay: looks, and nothing that loads, moves over something else, or hides a page (T8, T9).

A declaration stays if its property is on the list and its value is of a few harmless letters: no URL, no escape, no
function but colours, nothing negative.  Linear.
"""

from __future__ import annotations

import re

STYLE_MAX = 4_000
"""Characters of one style attribute."""
_SIDES = ("top", "right", "bottom", "left")
_NAMES = """
    color background background-color direction display float clear font font-family font-size font-style font-variant
    font-weight text-align text-decoration text-transform text-indent line-height letter-spacing white-space word-break
    word-wrap overflow-wrap vertical-align width height min-width max-width min-height max-height margin padding border
    border-collapse border-spacing border-color border-style border-width border-radius table-layout list-style-type
"""
_PROPERTIES = frozenset(_NAMES.split()) | {
    f"{name}{end}"
    for side in _SIDES
    for name, end in (
        ("margin-", side),
        ("padding-", side),
        ("border-", side),
        ("border-", f"{side}-color"),
        ("border-", f"{side}-style"),
        ("border-", f"{side}-width"),
    )
}
_VALUE = re.compile(
    r"(?:(?:rgb|hsl)a?\([\d\s.,%/]{0,60}\)|[\w#%.,+!/ '\"-])*+", re.IGNORECASE | re.ASCII
)
_NEGATIVE = re.compile(r"(?<![\w-])-[\d.]", re.ASCII)
_LOADS = re.compile(r"url\s{0,9}\(|image", re.IGNORECASE)


def safe_style(style: str) -> tuple[str, bool]:
    """Return the declarations that may stay, and whether one was left out that would have loaded something."""
    kept: list[str] = []
    style = style[:STYLE_MAX]
    for declaration in style.split(";"):
        name, colon, value = declaration.partition(":")
        name, value = name.strip().lower(), value.strip()
        if colon and name in _PROPERTIES and _is_harmless(value):
            kept.append(f"{name}:{value}")
    return ";".join(kept), _LOADS.search(style) is not None


def _is_harmless(value: str) -> bool:
    return (
        _VALUE.fullmatch(value) is not None
        and _NEGATIVE.search(value) is None
        and value.count("'") % 2 == 0
        and value.count('"') % 2 == 0
    )
