"""Names of files that came by mail, fit for any disk and for a header field (RFC 6266, RFC 8187, RFC 5987).  Pure."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

NAME_MAX = 120
"""Characters; with a folder before it, some systems take no more."""
_OCTETS_MAX = 240
"""In UTF-8: a disk takes 255, and an archive may add a number."""
_UNFIT = frozenset('<>:"/\\|?*')
_DEVICES = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$"}) | {
    f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)
}
_ATTRIBUTE = "!#$&+-.^_`|~"
"""What RFC 8187 leaves as it is, beside letters and digits."""


def file_name(name: str, instead: str) -> str:
    """Return a name that is one everywhere: no path, no device, nothing that cannot be seen; `instead` where none is left."""
    shown = "".join(
        "_" if char in _UNFIT else char
        for char in unicodedata.normalize("NFC", name)
        if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    )
    shown = " ".join(shown.split()).lstrip(". -").rstrip(". ")
    stem, dot, ending = shown.rpartition(".")
    if len(shown) > NAME_MAX or len(shown.encode()) > _OCTETS_MAX:
        ending = dot + ending if dot and len(ending) <= 16 else ""
        room = _OCTETS_MAX - len(ending.encode())
        stem = (stem if ending else shown)[: NAME_MAX - len(ending)]
        shown = stem.encode()[:room].decode(errors="ignore").rstrip(". ") + ending
    if shown.partition(".")[0].strip().lower() in _DEVICES:
        shown = f"_{shown}"
    return shown or instead


def disposition(kind: str, name: str) -> str:
    """Return a Content-Disposition; old browsers read the first name, all others the second."""
    plain = "".join(char if " " <= char < "\x7f" and char not in '"\\%' else "_" for char in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_ATTRIBUTE)}"
