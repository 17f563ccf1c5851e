"""What each key of a source may be: the words of an admin, checked before any transaction."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.source import SourceKind, TlsMode, read_after, read_since
from maild.model.written import domain, duration_in_seconds

PORTS = {
    (SourceKind.IMAP, TlsMode.IMPLICIT): 993,
    (SourceKind.IMAP, TlsMode.STARTTLS): 143,
    (SourceKind.IMAP, TlsMode.NONE): 143,
    (SourceKind.POP, TlsMode.IMPLICIT): 995,
    (SourceKind.POP, TlsMode.STARTTLS): 110,
    (SourceKind.POP, TlsMode.NONE): 110,
}
EVERY_MIN_S, EVERY_MAX_S = 5, 86_400


def invalid(what: str, value: str, why: str) -> None:
    """Refuse a value."""
    raise RefusedError(Reason.INVALID_VALUE, what=what, value=short(value), why=why)


def checked(what: str, value: str, read: Callable[[str], Any]) -> Any:
    """Return what `read` makes of a value.  Raises RefusedError INVALID_VALUE with its words."""
    try:
        return read(value)
    except ValueError as error:
        raise RefusedError(
            Reason.INVALID_VALUE, what=what, value=short(value), why=str(error)
        ) from None


def host(text: str) -> str:
    """Return a host name or an IP address as it is stored."""
    name = text.strip()
    if re.fullmatch(r"[0-9a-fA-F:.]+", name) and (":" in name or name.replace(".", "").isdigit()):
        return name.casefold()
    return str(checked("host", name, domain))


def username(text: str) -> str:
    """Return a user name."""
    if not text.strip() or not text.isprintable() or len(text) > 320:
        invalid("username", text, "it is printable, and has 1 to 320 characters")
    return text.strip()


def folder(kind: SourceKind, text: str) -> str:
    """Return a folder; empty: INBOX."""
    name = text.strip()
    if kind is SourceKind.POP and name and name.upper() != "INBOX":
        invalid("folder", text, "POP knows no folders")
    if not name.isprintable() and name:
        invalid("folder", text, "it is printable")
    return "" if name.upper() == "INBOX" else name


def after(kind: SourceKind, text: str) -> str:
    """Return what is to happen on the server after storing."""
    after = checked("after", text, read_after)
    if kind is SourceKind.POP and after.what in {"seen", "move"}:
        invalid("after", text, "POP can keep or delete, no more")
    return str(after)


def since(text: str) -> str:
    """Return what the first run begins with."""
    return str(checked("since", text, read_since))


def every(text: str) -> int:
    """Return seconds between rounds."""
    seconds = int(checked("every", text, duration_in_seconds))
    if not EVERY_MIN_S <= seconds <= EVERY_MAX_S:
        invalid("every", text, "it is between 5s and 1d")
    return seconds


def port(text: str) -> int:
    """Return a port."""
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 65535:
        invalid("port", text, "it is a number from 1 to 65535")
    return int(text)
