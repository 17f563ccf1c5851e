"""The words of sources: mailboxes of other servers that maild collects from.  No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from typing_extensions import override


class SourceKind(StrEnum):
    """The protocol that it is collected by."""

    IMAP = "imap"
    POP = "pop"


class TlsMode(StrEnum):
    """How the line is protected."""

    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    NONE = "none"


class SignIn(StrEnum):
    """What signs in, and where its secret is."""

    PASSWORD = "password"  # noqa: S105 - a word, not one
    """Sealed in the database."""
    FILE = "file"
    COMMAND = "command"
    CREDENTIAL = "credential"
    GOOGLE = "google"
    MICROSOFT = "microsoft"
    REFRESH = "refresh"
    """Any provider's refresh token."""


class SourceState(StrEnum):
    """How a source goes; it is always one of these (D9)."""

    OK = "OK"
    CONNECTING = "CONNECTING"
    """It was never tried yet."""
    BACKOFF = "BACKOFF"
    """The last round failed by what may heal by itself."""
    AUTH_FAILED = "AUTH_FAILED"
    CONSENT_EXPIRED = "CONSENT_EXPIRED"
    TLS_FAILED = "TLS_FAILED"
    FOLDER_MISSING = "FOLDER_MISSING"
    PAUSED = "PAUSED"
    """By a person, or because nobody has said yet what the first run begins with."""


class Condition(StrEnum):
    """What holds of a source beside its state."""

    WAITING_FOR_APPROVAL = "WAITING_FOR_APPROVAL"
    """For `since`, or for a person's word that it is the same mailbox."""
    RENUMBERED = "RENUMBERED"
    """At the last round all mails had new numbers."""
    UIDL_UNRELIABLE = "UIDL_UNRELIABLE"
    """At the last round names of known mails stood for others; nothing was deleted then."""


class CopyState(StrEnum):
    """What became of a mail on a server."""

    OPEN = "open"
    """Seen, and not yet taken: it is tried again."""
    STORED = "stored"
    SKIPPED = "skipped"
    """From before the date that the first run was to begin with."""
    HEADER_ONLY = "header_only"
    """Too large: its header is stored, the rest is fetched when somebody asks (D12)."""
    FAILED = "failed"
    """Could not be fetched in several tries; it is tried again when somebody asks."""


class Acted(StrEnum):
    """How far what happens on the server after storing has come."""

    NONE = "none"
    DUE = "due"
    """It is to be done, now or when its days are over."""
    BEGUN = "begun"
    """The server was, or is about to be, told: it may have happened."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class After:
    """What happens on the server after a mail is stored (D3, D4)."""

    what: str
    """keep, delete, seen or move."""
    wait: timedelta = timedelta()
    """How long after storing."""
    folder: str = ""

    @override
    def __str__(self) -> str:
        """Return it as an admin writes it."""
        if self.what == "move":
            return f"move:{self.folder}"
        return f"{self.what}:{self.wait.days}d" if self.wait else self.what

    @property
    def deletes(self) -> bool:
        """Whether mails go from the server."""
        return self.what == "delete"


def read_after(text: str) -> After:
    """Return what an admin wrote: keep, delete, delete:14d, seen or move:FOLDER.  Raises ValueError with the reason."""
    what, colon, rest = text.strip().partition(":")
    match what.casefold():
        case "keep" | "seen" as word if not colon:
            return After(word)
        case "delete" if not colon:
            return After("delete")
        case "delete" if rest.casefold().endswith("d") and rest[:-1].isdecimal():
            days = int(rest[:-1])
            if days <= 3650:
                return After("delete", timedelta(days=days))
        case "move" if rest.strip():
            return After("move", folder=rest.strip())
        case _:
            pass
    raise ValueError("it is keep, delete, delete:14d (days after storing), seen or move:FOLDER")


def read_since(text: str) -> str:
    """Return `all`, `none` or a date as ISO text.  Raises ValueError with the reason."""
    word = text.strip().casefold()
    if word in {"all", "none"}:
        return word
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError as error:
        raise ValueError("it is all, none or a date such as 2026-11-20") from error
