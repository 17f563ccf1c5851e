"""Names on an IMAP line: modified UTF-7 for mailboxes (RFC 3501 5.1.3), quoted strings (RFC 3501 4.3), sets of UIDs.

It must never let a line end, or an octet that is not ASCII, into a command.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence

_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")
_OUTSIDE = re.compile(r"[^\x20-\x7e]+")


def to_wire(name: str) -> str:
    """Return a mailbox name in modified UTF-7."""
    return _OUTSIDE.sub(lambda run: _shifted(run[0]), name.replace("&", "&-"))


def _shifted(run: str) -> str:
    units = base64.b64encode(run.encode("utf-16-be", "surrogatepass"), b"+,")
    return f"&{units.decode('ascii').rstrip('=')}-"


def from_wire(name: bytes) -> str:
    """Return a mailbox name as people read it.  What is not modified UTF-7 stays as the server wrote it."""
    return _SHIFTED.sub(_unshifted, name.decode("utf-8", "replace"))


def _unshifted(run: re.Match[str]) -> str:
    if not run[1]:
        return "&"
    try:
        units = base64.b64decode(run[1] + "=" * (-len(run[1]) % 4), b"+,", validate=True)
        return units.decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError):
        return run[0]


def quoted(text: str) -> str:
    """Return an IMAP quoted string.  Raises ValueError for what such a string cannot hold."""
    if not is_quotable(text):
        raise ValueError("a quoted string holds ASCII without line ends and NUL")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def is_quotable(text: str) -> bool:
    """Whether a quoted string can hold it; else it needs a literal."""
    return text.isascii() and not any(letter in text for letter in "\r\n\0")


def mailbox(name: str) -> str:
    """Return a mailbox name ready for a command."""
    return quoted(to_wire(name))


def uid_set(uids: Iterable[int]) -> str:
    """Return UIDs as the shortest set: `3:5,9`."""
    runs: list[list[int]] = []
    for uid in sorted(set(uids)):
        if runs and runs[-1][1] == uid - 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(low) if low == high else f"{low}:{high}" for low, high in runs)


def members(text: str, at_most: int) -> list[int]:
    """Return the UIDs of a set that a server wrote, in its order.  Raises ValueError for other text, or more than that."""
    found: list[int] = []
    for part in text.split(","):
        low, colon, high = part.partition(":")
        first, last = sorted((int(low), int(high if colon else low)))
        if len(found) + last - first >= at_most:
            raise ValueError("more than was asked about")
        found.extend(range(first, last + 1))
    return found


def batches(uids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Cut UIDs into batches."""
    for start in range(0, len(uids), size):
        yield uids[start : start + size]
