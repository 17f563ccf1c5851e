"""Bytes to text: the declared charset first, then UTF-8, then a guess, and always an answer.

No string that leaves this package may hold NUL or a lone surrogate: databases and JSON refuse them.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from maild.parse.limits import GUESS_SAMPLE

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_LABEL = re.compile(r"[a-z0-9][a-z0-9_.:+-]{0,39}")
_UNFIT = re.compile("[\0\ud800-\udfff]")

# Each is replaced by the larger charset that senders really use under its name (as the WHATWG encoding list does).
_LARGER = {
    "ascii": "utf-8",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso2022_jp": "iso2022_jp_ext",
    "big5": "big5hkscs",
}
_ODD_NAMES = {
    "x-gbk": "gb18030",
    "x-sjis": "cp932",
    "x-euc-jp": "euc_jp",
    "x-mac-roman": "mac_roman",
    "iso-8859-8-i": "iso8859-8",
    "unicode-1-1-utf-7": "utf-7",
    "uft-8": "utf-8",
    "ansi": "cp1252",
    "ks_c_5601-1987": "cp949",
}
# Codecs that are no charsets of mail, or that cost more than linear time.
_REFUSED = frozenset(
    {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "unicode_escape", "undefined"}
    | {"raw_unicode_escape", "mbcs", "oem"}
)


def clean(text: str) -> str:
    """Replace what no database and no JSON takes: NUL and lone surrogates."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return _UNFIT.sub("\ufffd", text)


@lru_cache(maxsize=512)
def codec_name(label: str) -> str | None:
    """Return Python's name for a charset label of a mail, or None when it names none that is fit for text."""
    wanted = label.strip(" \t\"'\\").lower().removeprefix("charset=")
    if "$" in wanted:
        wanted = wanted.partition("$")[0].lstrip("_")
    wanted = _ODD_NAMES.get(wanted, wanted)
    if _LABEL.fullmatch(wanted) is None:
        return None
    try:
        name = codecs.lookup(wanted).name
        b"a".decode(name)
    except (LookupError, UnicodeError, ValueError):
        return None
    return None if name in _REFUSED else name


def decode(octets: bytes, label: str = "") -> tuple[str, bool]:
    """Return the text, and whether it is beyond doubt what was written."""
    name = codec_name(label) if label else None
    for candidate in _candidates(name):
        try:
            return clean(octets.decode(candidate)), name is not None or octets.isascii()
        except UnicodeError:
            continue
    return clean(_guess(octets, name)), False


def _candidates(name: str | None) -> list[str]:
    if name is None:
        return ["utf-8"]
    larger = _LARGER.get(name)
    return [*([larger] if larger else []), name, "utf-8"]


def _guess(octets: bytes, name: str | None) -> str:
    """Read what is neither its declared charset nor UTF-8."""
    if name is not None and name not in {"ascii", "utf-8"}:
        return octets.decode(name, "replace")
    first = _BEYOND_ASCII.search(octets)
    start = first.start() if first else 0
    sample = octets[max(0, start - GUESS_SAMPLE // 4) : start + GUESS_SAMPLE]
    if _damaged_utf8(sample):
        return octets.decode("utf-8", "replace")
    guess = _likely(sample)
    return octets.decode(guess, "replace")


def _damaged_utf8(sample: bytes) -> bool:
    """Whether most of what is not ASCII is UTF-8 all the same: a cut character does not make it Latin-1."""
    text = sample.decode("utf-8", "replace")
    beyond = sum(1 for char in text if char > "\x7f")
    return beyond > 0 and text.count("\ufffd") * 4 <= beyond


def _likely(sample: bytes) -> str:
    # Imported here: it costs 60 ms, and hardly any mail needs it.
    from charset_normalizer import from_bytes  # noqa: PLC0415

    best = from_bytes(sample).best()
    name = codec_name(best.encoding) if best is not None else None
    return name or "cp1252"


def decode_field(value: bytes, label: str = "") -> str:
    """Read an unfolded header field that may hold raw octets: UTF-8 (RFC 6532), else the mail's charset, else cp1252."""
    if value.isascii():
        if b"\x1b$" in value:
            return clean(value.decode("iso2022_jp", "replace"))
        return clean(value.decode("ascii"))
    try:
        return clean(value.decode("utf-8"))
    except UnicodeDecodeError:
        name = codec_name(label) if label else None
    if name in {None, "ascii", "utf-8"}:
        name = "cp1252"
    return clean(value.decode(_LARGER.get(str(name), str(name)), "replace"))
