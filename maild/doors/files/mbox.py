"""Mails out of an mbox file, one at a time, whatever its dialect (RFC 4155; mboxo, mboxrd, mboxcl, mboxcl2).

A line is a separator if it begins with "From ", tells a time and a year, and stands first, after an empty line, or right
before a line of a header: what people write at the start of a line does not look like that.  A Content-Length that ends exactly before a separator, or
the file, is believed; it spares what lies within.  Never holds more than one mail, and of that no more than the limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import BinaryIO

LINE = 64 * 1024
"""Octets of a line that are looked at together; a longer one is taken in pieces."""
EMPTY_LINES = 3
"""How many may stand between the end of a mail and the next separator."""
SEPARATOR = b"From "
BOM = b"\xef\xbb\xbf"
"""What some editors put before a text."""
_LOOKS_LIKE_ONE = re.compile(rb"From [^\n]{0,990}?\b\d{1,2}:\d\d\b[^\n]{0,990}")
_YEAR = re.compile(rb"\b(?:19|20)\d\d\b")
_STAMP = re.compile(
    rb"\b([A-Z][a-z]{2})\s+(\d{1,2})\s+(\d{1,2}):(\d\d)(?::(\d\d))?\s+"
    rb"(?:[A-Z]{1,5}\s+)?(?:([+-]\d{4})\s+)?((?:19|20)\d\d)(?:\s+([+-]\d{4}))?"
)
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,12})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_STATUS = re.compile(rb"^status:[ \t]*([A-Za-z]{0,8})", re.IGNORECASE | re.MULTILINE)
_MOZILLA = re.compile(rb"^x-mozilla-status:[ \t]*([0-9a-f]{4})\b", re.IGNORECASE | re.MULTILINE)
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_UNQUOTED = re.compile(rb"^From ", re.MULTILINE)
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_HEADER_LINE = re.compile(rb"[!-9;-~]{1,100}[ \t]*:")
_STATE = re.compile(rb"^x-status:[ \t]*([A-Za-z]{0,8})", re.IGNORECASE | re.MULTILINE)
_READ_BY_MOZILLA = 0x0001
_EXPUNGED_BY_MOZILLA = 0x0008


@dataclass(frozen=True, slots=True)
class FromMbox:
    """One mail of an mbox; lines end as they do in the file."""

    offset: int
    """Where its separator begins."""
    content: bytes | None
    """None: it is larger than the limit."""
    size: int
    received_at: datetime | None
    is_read: bool | None
    """As a mail program noted; None: none did."""


def read_mbox(file: BinaryIO, *, max_size: int) -> Iterator[FromMbox]:
    """Yield every mail of a file that can be sought in, in order, but those that were deleted and lie there still.

    Raises OSError.
    """
    offset, line = _first_line(file)
    while line:
        if not is_separator(line):
            # No mbox begins so; what stands before the first separator is one mail of its own.
            file.seek(offset)
            stamp = b""
        else:
            stamp = line
        mail, following = _one(file, max_size)
        if not _is_deleted(mail):
            yield _told(offset, stamp, mail)
        offset, line = following


def _first_line(file: BinaryIO) -> tuple[int, bytes]:
    """Return the first separator behind a mark and empty lines, with where it stands; else how the file begins."""
    first = file.readline(LINE)
    offset, line = 0, first
    if line.startswith(BOM):
        offset, line = len(BOM), line.removeprefix(BOM)
    while line in {b"\n", b"\r\n"}:
        offset, line = offset + len(line), file.readline(LINE)
    if is_separator(line):
        return offset, line
    file.seek(len(first))
    return 0, first


def is_separator(line: bytes) -> bool:
    """Whether a line can stand between mails."""
    return (
        line.startswith(SEPARATOR)
        and _LOOKS_LIKE_ONE.match(line) is not None
        and _YEAR.search(line) is not None
    )


@dataclass(slots=True)
class _Taken:
    lines: list[bytes]
    size: int = 0
    is_by_length: bool = False


def _one(file: BinaryIO, max_size: int) -> tuple[_Taken, tuple[int, bytes]]:
    """Take one mail; return it, and the separator behind it with where it stands (an empty one at the end)."""
    taken = _Taken([])
    is_head, was_empty, is_start = True, False, True
    while True:
        offset = file.tell() if was_empty else 0
        line = file.readline(LINE)
        if not line:
            if was_empty:
                _drop_empty_line(taken)
            return taken, (0, b"")
        if line.startswith(SEPARATOR) and is_separator(line):
            if was_empty:
                _drop_empty_line(taken)
                return taken, (offset, line)
            if is_start and not is_head and _is_before_header(file):
                return taken, (file.tell() - len(line), line)
        taken.size += len(line)
        if taken.size <= max_size:
            taken.lines.append(line)
        was_empty = is_start and line in {b"\n", b"\r\n"}
        is_start = line.endswith(b"\n")
        if is_head and was_empty:
            is_head = False
            found = _by_length(file, taken, max_size)
            if found is not None:
                return taken, found


def _is_before_header(file: BinaryIO) -> bool:
    """Whether a line of a header comes next; reads nothing away."""
    at = file.tell()
    line = file.readline(LINE)
    file.seek(at)
    return _HEADER_LINE.match(line) is not None


def _by_length(file: BinaryIO, taken: _Taken, max_size: int) -> tuple[int, bytes] | None:
    """Take the body by its Content-Length, if that ends where a mail can end."""
    told = _LENGTH.search(b"".join(taken.lines))
    if told is None or int(told[1]) + taken.size > max_size:
        return None
    start = file.tell()
    length = int(told[1])
    if length:
        file.seek(start + length - 1)
        last = file.read(1)
        if len(last) < 1 or (last != b"\n" and file.read(1) not in {b"\n", b"\r", b""}):
            file.seek(start)
            return None
    file.seek(start + length)
    offset, line = start + length, file.readline(LINE)
    for _ in range(EMPTY_LINES):
        if line in {b"\n", b"\r\n"}:
            offset, line = offset + len(line), file.readline(LINE)
    if line and not is_separator(line):
        file.seek(start)
        return None
    following = file.tell()
    file.seek(start)
    body = file.read(length)
    file.seek(following)
    taken.lines.append(body)
    taken.size += length
    taken.is_by_length = True
    return offset, line


def _drop_empty_line(taken: _Taken) -> None:
    """Take the empty line away that belongs to the separator behind it."""
    if taken.lines and taken.lines[-1] in {b"\n", b"\r\n"} and len(taken.lines) > 1:
        taken.size -= len(taken.lines.pop())


def _told(offset: int, stamp: bytes, taken: _Taken) -> FromMbox:
    whole = b"".join(taken.lines)
    is_whole = len(whole) == taken.size
    head, empty, body = _cut(whole)
    # In mboxcl2 nothing is quoted: then some line of a body that has a length begins so.
    if not (taken.is_by_length and _UNQUOTED.search(body)):
        body = _QUOTED.sub(rb"\1", body)
    return FromMbox(
        offset=offset,
        content=head + empty + body if is_whole else None,
        size=taken.size,
        received_at=stamp_of(stamp),
        is_read=_is_read(head),
    )


def _cut(whole: bytes) -> tuple[bytes, bytes, bytes]:
    head, empty, body = whole.partition(b"\n\n")
    other, other_empty, other_body = whole.partition(b"\r\n\r\n")
    return (other, other_empty, other_body) if len(other) < len(head) else (head, empty, body)


def _is_deleted(taken: _Taken) -> bool:
    """Whether a mail program deleted it, and has not rewritten the file since."""
    head = _cut(b"".join(taken.lines))[0]
    by_mozilla, state = _MOZILLA.search(head), _STATE.search(head)
    if by_mozilla is not None and int(by_mozilla[1], 16) & _EXPUNGED_BY_MOZILLA:
        return True
    return state is not None and b"D" in state[1].upper()


def _is_read(head: bytes) -> bool | None:
    by_mozilla = _MOZILLA.search(head)
    if by_mozilla is not None:
        return bool(int(by_mozilla[1], 16) & _READ_BY_MOZILLA)
    status = _STATUS.search(head)
    return None if status is None else b"R" in status[1].upper()


def stamp_of(line: bytes) -> datetime | None:
    """Return the time in a separator; without a zone it is UTC (RFC 4155)."""
    found = _STAMP.search(line)
    if found is None or found[1] not in _MONTHS:
        return None
    zone = found[6] or found[8]
    shift = timedelta()
    if zone:
        minutes = int(zone[1:3]) * 60 + int(zone[3:5])
        shift = timedelta(minutes=-minutes if zone.startswith(b"-") else minutes)
    try:
        return datetime(
            int(found[7]),
            _MONTHS.index(found[1]) + 1,
            int(found[2]),
            int(found[3]),
            int(found[4]),
            int(found[5] or 0),
            tzinfo=timezone(shift),
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
