"""How a mail came: what the door knows and the bytes do not say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from maild.model.written import SpamHeader


class Door(StrEnum):
    """The ways in (D1)."""

    SMTP = "smtp"
    LMTP = "lmtp"
    PIPE = "pipe"
    HTTP = "http"
    IMAP = "imap"
    POP = "pop"
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the operator declared about the listener that a mail came through (I3).  Empty: nothing is trusted."""

    authenticated_for: tuple[str, ...] = ()
    """Canonical domains whose users alone can send through this listener, after signing in upstream."""
    authserv_ids: tuple[str, ...] = ()
    """Lower-case authserv-ids whose topmost Authentication-Results field counts."""
    spam_headers: tuple[SpamHeader, ...] = ()
    """The fields by which the filter in front of the listener calls a mail spam."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Where a collected mail was found."""

    source_id: int
    copy_id: int
    """Its row in the ledger: what has one of its own is never a retry of another (D6)."""
    origin: str | None = None
    """The field that told the recipient; `none`: no field did; None: the source has one inbox (D14)."""
    whole_size: int | None = None
    """Octets of the mail on the server, when these bytes are its header alone (D12)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an archive says of a mail of the past (D13)."""

    mark: str
    """What tells it from every other mail of archives: only the same one is a retry (D6)."""
    is_unread: bool
    """Whether it is to lie unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One coming-in of a mail, set by the door and never changed."""

    door: Door
    mail_from: str
    """The reverse-path as given, without brackets; empty for the null sender (RFC 5321 4.5.5)."""
    recipients: tuple[str, ...]
    """The forward-paths that the door accepted, as given."""
    peer: str
    """The peer's IP address, `unix` for a unix socket, `local` for the pipe."""
    received_at: datetime
    helo: str = ""
    tls: bool = False
    trust: Trust = Trust()
    collected: Collected | None = None
    imported: Imported | None = None
    signed_in_user_id: int | None = None
    """Who signed in at the door, with user name and password or a token."""
    is_direct: bool = False
    """Whether the peer is a server of the world: what its sender policy says of it means something (SPF)."""
