"""RFC 2047: encoded words to text, the broken ones too, in linear time.

The standard library's decoder needs quadratic time on many words, and mail-parser's drops octets of unknown charsets.
"""

from __future__ import annotations

import binascii
import re

from maild.parse.charsets import clean, decode

# Blanks inside the encoded text are against RFC 2047 2 but common; a question mark inside is not read.
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*+)\?=")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")


def decode_words(text: str) -> str:
    """Return the text with its encoded words decoded; blanks between two of them fall away (RFC 2047 6.2)."""
    if "=?" not in text:
        return clean(text)
    pieces: list[str] = []
    pending: list[bytes] = []
    charset = ""
    at = 0
    for match in _WORD.finditer(text):
        between = text[at : match.start()]
        label = match[1].partition("*")[0].lower()
        # Octets of neighbours are joined before decoding: senders split characters between words.
        if pending and (between.strip() or label != charset):
            pieces.append(decode(b"".join(pending), charset)[0])
            pending = []
            if between.strip():
                pieces.append(between)
        elif not pending:
            pieces.append(between)
        pending.append(_octets(match[2], match[3]))
        charset, at = label, match.end()
    if pending:
        pieces.append(decode(b"".join(pending), charset)[0])
    pieces.append(text[at:])
    return clean("".join(pieces))


def _octets(encoding: str, text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return _HEX.sub(lambda found: bytes.fromhex(found[1].decode()), raw.replace(b"_", b" "))
    return base64_octets(raw)


_NOT_BASE64 = bytes(
    octet
    for octet in range(256)
    if octet not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)


def base64_octets(encoded: bytes) -> bytes:
    """Decode base64, passing over whatever is not of its alphabet and mending the padding."""
    try:
        return binascii.a2b_base64(encoded)
    except binascii.Error:
        pass
    letters = encoded.translate(None, _NOT_BASE64)
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def base64_letters(encoded: bytes) -> int:
    """Return how many letters of base64 there are up to the padding, which ends them when decoding, too."""
    padding = encoded.find(b"=")
    return len((encoded if padding < 0 else encoded[:padding]).translate(None, _NOT_BASE64))
