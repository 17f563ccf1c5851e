"""What a mail is shown as: pages, files, cards.  What is asked of a reader, and what it answers; nothing is opened here (M13)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from maild.model.letter import Letter

SHOWING_VERSION = 2
"""Rises whenever the same bytes may be shown otherwise; part of the key of every page that is kept."""
INTO = "~"
"""Between the numbers of parts: `2~1` is the first part within the mail, or the first file within the winmail.dat, that part 2 is."""
PATH_MAX = 200
"""Characters of the name of a part; a hundred levels of two digits have fewer."""


_HOLDING = frozenset(
    {
        "application/ms-tnef",
        "application/vnd.ms-tnef",
        "application/ics",
        "text/calendar",
        "application/pkcs7-mime",
        "application/x-pkcs7-mime",
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "application/pgp-encrypted",
        "application/pgp-signature",
    }
)


def may_hold_more(letter: Letter) -> bool:
    """Whether a look into a mail's parts would tell more than its reading does."""
    return letter.text.lstrip()[:14] == "-----BEGIN PGP" or any(
        one.type in _HOLDING or one.name.lower() == "winmail.dat" for one in letter.attachments
    )


class NoSuchPartError(Exception):
    """The mail has no part of that name."""


class What(StrEnum):
    """What is to be shown."""

    PAGE = "page"
    FILE = "file"
    FILES = "files"
    PLACES = "places"
    """The files, and where each of them stands: one reading for all that an archive takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to see of a mail."""

    what: What
    path: str = ""
    """Of which part; of a page: the attached mail that it is to show, empty: the mail itself."""
    plain: bool = False
    """The page of the text part, not of the HTML."""
    images: bool = False
    """With pictures from elsewhere; the browser loads them, maild never does."""
    name: str = ""
    """Text of chance: it stands in the page where the ticket for its own pictures will stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where the content of a part stands in the bytes of the mail."""

    start: int
    end: int
    is_base64: bool
    """Clean base64, to be decoded piece by piece; otherwise the bytes are the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One file of a mail, in lists."""

    name: str
    type: str
    size: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What an invitation says; empty where it does not."""

    method: str
    """REQUEST, CANCEL, REPLY and so on (RFC 5546)."""
    summary: str
    starts: str
    """UTC, as 2026-11-20T10:42:00Z; a day, as 2026-11-20; without a zone, the time of wherever one is."""
    ends: str
    whole_day: bool
    zone: str
    """In which zone it was written."""
    where: str
    organizer: str
    attendees: int
    status: str
    repeats: bool
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """How a mail is signed or encrypted."""

    kind: str
    """signed or encrypted."""
    by: str
    """S/MIME, OpenPGP or unknown."""
    opaque: bool
    """What it says cannot be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a reader found.  Everything in it is safe text; `octets` are whatever the mail has."""

    type: str = ""
    """As the mail says it; what a browser may hear is decided elsewhere."""
    name: str = ""
    size: int = 0
    seems: str = ""
    """The type that the first octets of a file show: a picture's or a PDF's, empty for every other."""
    span: Span | None = None
    """Of a file: where it stands, if it can be taken from there."""
    files: tuple[Listed, ...] = ()
    """Of the list of files: all of them, those within winmail.dat too."""
    spans: tuple[Span | None, ...] = ()
    """Of the places: of each file where it stands, if it can be taken from there."""
    events: tuple[Event, ...] = ()
    """Of the list of files: what the calendar files among them say."""
    protection: Protection | None = None
    """Of the list of files: of the mail."""
    octets: bytes = field(default=b"", repr=False)
    """A page, or a file without a span."""
