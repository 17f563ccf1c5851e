"""Content-Transfer-Encoding, decoded and measured (RFC 2045 6).  What is no known encoding is taken as it stands."""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple

from maild.parse.encoded_words import base64_letters, base64_octets

_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} [^\r\n]*\r?\n", re.MULTILINE)
_UU = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})
AS_IT_STANDS = frozenset({"", "7bit", "8bit", "binary"})
"""Encodings that encode nothing."""
KNOWN = frozenset({*AS_IT_STANDS, "base64", "quoted-printable", *_UU})
_CLEAN = re.compile(rb"[A-Za-z0-9+/\r\n]*+={0,2}[\r\n \t]*+")


class Measured(NamedTuple):
    """What counting the letters of base64 tells."""

    size: int
    """Octets that `decoded` gives."""
    is_torn: bool
    """Whether it stops in the middle of a group of four (RFC 4648 4)."""


def measured(content: bytes) -> Measured:
    """Measure base64; it is counted, and decoded only where letters stand behind the padding."""
    padding = content.find(b"=")
    signs = 0 if padding < 0 else content.count(b"=", padding)
    letters = base64_letters(content)
    if signs and base64_letters(content[padding:].replace(b"=", b"")):
        size = len(base64_octets(content))  # Which of those letters count, only decoding tells.
    else:
        size = letters // 4 * 3 + (0, 0, 1, 2)[letters % 4]
    return Measured(size, is_torn=letters % 4 == 1 or (letters + signs) % 4 != 0)


def is_clean(content: bytes) -> bool:
    """Whether base64 has nothing in it but letters and line ends, and is whole: then it may be decoded in pieces."""
    return _CLEAN.fullmatch(content) is not None and not measured(content).is_torn


def decoded(content: bytes, encoding: str) -> bytes:
    """Return the octets that the content encodes.  Never raises: damage is decoded as far as it goes."""
    if encoding == "base64":
        return base64_octets(content)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(content)
    if encoding in _UU:
        return _uudecoded(content)
    return content


def _uudecoded(content: bytes) -> bytes:
    begin = _UU_BEGIN.search(content)
    if begin is None:
        return content
    lines = []
    for line in content[begin.end() :].splitlines():
        if line == b"end":
            break
        try:
            lines.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Encoders that count a line wrongly: as many octets as its length character says (as uu.py does).
            wanted = (((line[0] - 32) & 63) * 4 + 5) // 3 if line else 0
            try:
                lines.append(binascii.a2b_uu(line[:wanted]))
            except binascii.Error:
                break
    return b"".join(lines)
