"""MIME fields with parameters: Content-Type, Content-Disposition (RFC 2045 5.1, RFC 2183, RFC 2231).

Linear whatever is in them: the standard library's reader counts the quotation marks anew at each semicolon.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from maild.parse.charsets import decode, decode_field
from maild.parse.header_block import unfold
from maild.parse.limits import PARAMETERS

_PARAMETER = re.compile(
    r"[;\s]*+([^=;\"\s]++)\s*+=\s*+(?:\"((?:[^\"\\]|\\.)*+)\\?\"?|([^;]*+))[^;]*+"
    # What is no parameter is passed over as a whole, or each of its letters would be tried as the first of a name.
    r"|[;\s]++[^;]*+|[^;]++",
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\([\"\\])")
_PIECE = re.compile(r"(.+?)\*(\d{1,4})(\*?)")


class Valued(NamedTuple):
    """A field's value and its parameters."""

    value: str
    """In lower case."""
    parameters: Mapping[str, str]
    """By lower-case name, RFC 2231 joined and decoded; the first of two of a name."""

    def get(self, name: str) -> str:
        """Return a parameter, or an empty text."""
        return self.parameters.get(name, "")


NOTHING = Valued("", {})


def read_valued(raw: bytes | None, charset: str = "") -> Valued:
    """Read a field such as `text/plain; charset=utf-8`.  Never raises."""
    if not raw:
        return NOTHING
    text = decode_field(unfold(raw), charset)
    value, _, rest = text.partition(";")
    value = value.partition("(")[0].strip().lower()
    return Valued(value, _joined(_pairs(rest)) if rest else {})


def _pairs(rest: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for match in _PARAMETER.finditer(rest):
        if match[1] is None:
            continue
        value = match[3].strip() if match[2] is None else _ESCAPED.sub(r"\1", match[2])
        pairs.append((match[1].lower(), value))
        if len(pairs) == PARAMETERS:
            break
    return pairs


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Put RFC 2231 pieces together.  An extended value is preferred to the plain one beside it."""
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, value in pairs:
        if (piece := _PIECE.fullmatch(name)) is not None:
            pieces.setdefault(piece[1], {}).setdefault(int(piece[2]), (value, bool(piece[3])))
        elif name.endswith("*"):
            extended.setdefault(name[:-1], _extended([(value, True)]))
        else:
            plain.setdefault(name, value)
    for name, numbered in pieces.items():
        extended.setdefault(name, _extended([numbered[at] for at in sorted(numbered)]))
    return plain | extended


def _extended(pieces: list[tuple[str, bool]]) -> str:
    """Decode `charset'language'text` with percent signs, in one piece or several (RFC 2231 3 and 4)."""
    charset = ""
    first, is_encoded = pieces[0]
    if is_encoded and first.count("'") >= 2:
        charset, _, first = first.split("'", 2)
        pieces = [(first, True), *pieces[1:]]
    octets = b"".join(
        unquote_to_bytes(text) if is_percent else text.encode("utf-8", "replace")
        for text, is_percent in pieces
    )
    return decode(octets, charset)[0]
