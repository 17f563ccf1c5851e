"""Mailboxes of other servers as the rest of maild sees them: where, with what proof, in what time, and what can go wrong.

Shared by the two doors that fetch.  No protocol here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from typing_extensions import override

from maild.model.source import TlsMode

Tls = TlsMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server."""

    host: str
    port: int
    tls: TlsMode
    ca_file: str = ""
    """Certificates that are trusted instead of the system's; empty: the system's."""


@dataclass(frozen=True, slots=True)
class Password:
    """Sign-in by name and password."""

    username: str
    secret: str

    @override
    def __repr__(self) -> str:
        """Show the name alone."""
        return f"Password({self.username!r})"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Sign-in by XOAUTH2: the mailbox's name, and an access token that may be another's."""

    username: str
    token: str

    @override
    def __repr__(self) -> str:
        """Show the name alone."""
        return f"Bearer({self.username!r})"


Proof = Password | Bearer


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each step may take, in seconds.  Tests set about one."""

    connect: float = 20.0
    sign_in: float = 30.0
    command: float = 60.0
    """Any other answer: to SELECT, SEARCH, UIDL, a move."""
    idle_data: float = 60.0
    """Between two pieces of a long answer."""
    whole_fetch: float = 900.0
    """One batch or one large mail from begin to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a server may make us keep in memory or take in."""

    batch_mails: int = 200
    batch_octets: int = 8 * 1024 * 1024
    piece: int = 1024 * 1024
    """Larger mails are fetched in pieces of this."""
    listing: int = 200_000
    """Mails in one listing."""
    listing_octets: int = 16 * 1024 * 1024
    line: int = 1024 * 1024
    """Octets of a line that is not mail."""
    mail: int = 256 * 1024 * 1024
    """Octets of one mail, where the caller names no other limit."""


class Trouble(StrEnum):
    """What can go wrong with another server; each has a sentence of its own for the admin."""

    NO_SUCH_HOST = "no_such_host"
    FORBIDDEN_ADDRESS = "forbidden_address"
    """The host's address is private and the operator did not name its network (T17)."""
    NOT_REACHED = "not_reached"
    """Refused, unreachable, or no answer to the connection."""
    TLS_FAILED = "tls_failed"
    """Certificate, name, version; or the server does not offer STARTTLS."""
    NOT_THIS_PROTOCOL = "not_this_protocol"
    """No greeting, or another protocol's."""
    NO_SECRET = "no_secret"  # noqa: S105 - a word, not one
    """Ours: the secret or the set-up of the sign-in is not as it must be."""
    REFUSED_LOGIN = "refused_login"
    LOGIN_LATER = "login_later"
    """The credentials may be right: in use, too many connections, LOGIN-DELAY, a fault of the server (RFC 3206)."""
    SIGN_IN_AGAIN = "sign_in_again"
    """The token's grant is gone: a person must sign in."""
    NO_SUCH_FOLDER = "no_such_folder"
    NOT_ALLOWED = "not_allowed"
    """Signed in, but the server does not let this user at the mailbox."""
    QUOTA = "quota"
    TIMED_OUT = "timed_out"
    LINE_LOST = "line_lost"
    BROKEN_PROTOCOL = "broken_protocol"
    """An answer that no server may give, or one beyond the bounds."""
    REFUSED_ACT = "refused_act"
    """The server said no to a deletion, a move, a flag."""
    NO_DATES = "no_dates"
    """A POP server without TOP, and a first run that is to begin with a date."""
    NO_NAMES = "no_names"
    """A POP server with neither UIDL nor TOP: nothing tells its mails apart."""
    BUSY = "busy"
    """The server asks to come again later."""


class RemoteError(Exception):
    """Something went wrong with another server; the connection is not to be used any more."""

    def __init__(self, trouble: Trouble, said: str = "", *, not_before_s: int = 0) -> None:
        """`said` is the server's or the library's words: short, one line, printable, never a secret.

        `not_before_s`: how many seconds the server wants to be left alone.
        """
        super().__init__(f"{trouble.value}: {said}" if said else trouble.value)
        self.trouble = trouble
        self.said = said
        self.not_before_s = not_before_s
