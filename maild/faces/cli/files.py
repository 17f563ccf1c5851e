"""Files that a command reads: a password, a table of users or clients."""

from __future__ import annotations

import sys
from pathlib import Path

from maild.faces.cli.output import printable
from maild.model.reason import Reason, RefusedError

PASSWORD_FILE_MAX = 64 * 1024
TEXT_FILE_MAX = 2**20
IMPORT_MAX = 64 * 2**20
"""Octets of a file that is imported."""


def first_line(path: Path) -> str:
    """Return the first line of a file (- is stdin): a password.  Raises RefusedError; it never repeats the content."""
    raw = content_of(path, "The password file", PASSWORD_FILE_MAX)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _wrong("The password file", path, "it is not UTF-8 text") from None
    return text.split("\n", 1)[0].removesuffix("\r")


def read_text(path: Path) -> str:
    """Return the text of a file (- is stdin): what somebody writes.  Raises RefusedError with a sentence."""
    raw = content_of(path, "The text file", TEXT_FILE_MAX)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _wrong("The text file", path, "it is not UTF-8 text") from None


def content_of(path: Path, what: str, most: int) -> bytes:
    """Return the bytes of a file (- is stdin).  Raises RefusedError with a sentence."""
    try:
        if str(path) == "-":
            raw = sys.stdin.buffer.read(most + 1)
        else:
            with path.open("rb") as file:
                raw = file.read(most + 1)
    except (OSError, ValueError) as error:
        why = (
            getattr(error, "strerror", None) or "the name has characters that no file name can have"
        )
        raise _wrong(what, path, f"it cannot be read: {why.lower()}") from None
    if len(raw) > most:
        raise _wrong(what, path, f"it is larger than {most // 1024} KiB")
    return raw


def _wrong(what: str, path: Path, why: str) -> RefusedError:
    return RefusedError(Reason.INVALID_VALUE, what=what, value=printable(str(path)[:200]), why=why)
