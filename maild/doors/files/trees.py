"""Every mail below a path: Maildir and its subfolders, mbox files, folders of .eml, one after the other (D13).

Symbolic links within a tree are not followed, and nothing is ever changed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from maild.core.given_bytes import LineEnds
from maild.doors.files.mbox import BOM, is_separator, read_mbox

_BEGUN_AT = re.compile(r"(\d{9,11})\.", re.ASCII)
"""How names in a Maildir begin: with the second of the delivery."""
_FLAGS = re.compile(r"[:;!]2,([A-Za-z]*)$", re.ASCII)
_HEADER_LINE = re.compile(rb"[!-9;-~]{1,100}[ \t]*:")
SNIFF = 1024


class Kind(Enum):
    """What a file holds."""

    MBOX = "mbox"
    MAILDIR = "maildir"
    EML = "eml"


@dataclass(frozen=True, slots=True)
class Archive:
    """A file that holds mail."""

    path: Path
    kind: Kind
    size: int
    changed_at: datetime
    trouble: str = ""
    """Why nobody can say what it holds; empty: it can be read."""


@dataclass(frozen=True, slots=True)
class Found:
    """One mail, or why it could not be taken."""

    place: str
    """File, and where in it."""
    size: int
    """Octets of the archive that it took."""
    content: bytes = b""
    """Its lines end with CRLF."""
    received_at: datetime | None = None
    is_read: bool | None = None
    trouble: str = ""
    """Why it cannot be taken; empty: it can."""


class NoArchiveError(Exception):
    """A path names nothing that holds mail; the message says what and why."""


def archives_in(path: Path) -> Iterator[Archive]:
    """Yield the files of mail that a path names, in the order of their names.  Raises NoArchiveError, OSError."""
    if not path.is_dir():
        found = archive_at(path, is_named=True)
        if found is None:
            raise NoArchiveError(f"{path} is no file of mail")
        yield found
        return
    for folder, below, names in os.walk(path, onerror=_raise):
        # A mail that moves from `new` to `cur` meanwhile is met in one of them, or in both.
        below.sort(key=lambda name: (name == "cur", name))
        here = Path(folder)
        is_maildir = here.name in {"cur", "new"} and (here.parent / "cur").is_dir()
        if "tmp" in below and "cur" in below and "new" in below:
            below.remove("tmp")
        for name in sorted(names):
            found = _in_maildir(here / name) if is_maildir else archive_at(here / name)
            if found is not None:
                yield found


def _raise(error: OSError) -> None:
    raise error


def _in_maildir(path: Path) -> Archive | None:
    flags = _FLAGS.search(path.name)
    if path.name.startswith(".") or (flags is not None and {"T", "D"} & set(flags[1])):
        return None  # Thrown away, or never sent.
    try:
        return _archive(path, Kind.MAILDIR)
    except FileNotFoundError:
        return _renamed(path)


def _renamed(path: Path) -> Archive | None:
    """Find a mail whose flags were changed, or that was moved to `cur`, while its folder was gone through."""
    name = _FLAGS.sub("", path.name)
    for folder in (path.parent.parent / "cur", path.parent.parent / "new"):
        for one in folder.iterdir():
            if one != path and one.name.startswith(name) and _FLAGS.sub("", one.name) == name:
                return _in_maildir(one)
    return None


def archive_at(path: Path, *, is_named: bool = False) -> Archive | None:
    """Return what a file holds; None: no mail.  Who names a file means it: then one mail is what it has at least."""
    follows = 0 if is_named else os.O_NOFOLLOW
    try:
        # A pipe that nobody writes to would be waited for.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | follows)
        with open(number, "rb") as file:  # noqa: PTH123 - a descriptor has no path
            start = file.read(SNIFF) if stat.S_ISREG(os.fstat(number).st_mode) else b""
    except OSError as error:
        if is_named:
            raise
        return _unreadable(path, error)
    first = start.removeprefix(BOM).lstrip(b"\r\n").partition(b"\n")[0]
    if is_separator(first):
        return _archive(path, Kind.MBOX, is_named=is_named)
    is_mail = path.suffix.lower() == ".eml" or (is_named and _HEADER_LINE.match(start) is not None)
    return _archive(path, Kind.EML, is_named=is_named) if is_mail else None


def _unreadable(path: Path, error: OSError) -> Archive | None:
    """Return a file that may hold mail and cannot be read; None for what is no file, or went."""
    try:
        found = _archive(path, Kind.EML)
    except OSError:
        return None
    said = f"cannot be read: {error.strerror}"
    return None if found is None else replace(found, trouble=said)


def _archive(path: Path, kind: Kind, *, is_named: bool = False) -> Archive | None:
    found = path.stat(follow_symlinks=is_named)
    if not stat.S_ISREG(found.st_mode):
        return None
    return Archive(path, kind, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def mails_in(archive: Archive, *, max_size: int) -> Iterator[Found]:
    """Yield the mails of a file, one in memory at a time; a broken one never stops the next.  Raises OSError."""
    if archive.trouble:
        yield Found(str(archive.path), archive.size, trouble=archive.trouble)
        return
    if archive.kind is Kind.MBOX:
        with archive.path.open("rb") as file:
            for one in read_mbox(file, max_size=max_size):
                place = f"{archive.path} at {one.offset}"
                if one.content is None:
                    yield _too_large(place, one.size, max_size)
                else:
                    yield Found(place, one.size, _crlf(one.content), one.received_at, one.is_read)
        return
    place = str(archive.path)
    if archive.size > max_size:
        yield _too_large(place, archive.size, max_size)
        return
    with archive.path.open("rb") as file:
        content = file.read(max_size + 1)
    at, is_read = archive.changed_at, None
    if archive.kind is Kind.MAILDIR:
        begun, flags = _BEGUN_AT.match(archive.path.name), _FLAGS.search(archive.path.name)
        at = at if begun is None else datetime.fromtimestamp(int(begun[1]), UTC)
        is_read = flags is not None and "S" in flags[1]
    yield Found(place, archive.size, _crlf(content), at, is_read)


def _too_large(place: str, size: int, limit: int) -> Found:
    said = f"{size} octets are more than a mail may have ({limit})"
    return Found(place, size, trouble=said)


def _crlf(content: bytes) -> bytes:
    ends = LineEnds()
    return ends.feed(content) + ends.end()
