"""What reading found in a mail: plain values, no bytes of bodies or attachments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

PARSER_VERSION = 6
"""Rises whenever the same bytes may give another Letter; kept with each stored reading."""


LOOP_HEADER = "X-Maild-Loop"
"""The field by which a mail that maild wrote itself is known when it comes back (LOOP_STOPPED)."""
REFERENCES_MAX = 50
"""How many of the newest References are looked up; a thread longer than that is found by its later mails."""


class UnreadableError(Exception):
    """These bytes cannot be made into a Letter at all; the message says why (UNPARSEABLE)."""


class Kind(StrEnum):
    """Who made the mail: a person, or which sort of machine (F7)."""

    NORMAL = "normal"
    LIST = "list"
    BOUNCE = "bounce"
    AUTO_REPLY = "auto-reply"
    REPORT = "report"
    CALENDAR = "calendar"


class How(StrEnum):
    """How an original was carried inside a forward."""

    ATTACHED = "attached"
    INLINE = "inline"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address and a display name as the mail gives them; the address is not canonical and may be nonsense."""

    address: str
    name: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"address": self.address, "name": self.name}


@dataclass(frozen=True, slots=True)
class Author:
    """The one mailbox that the strict From names, beyond doubt (I2)."""

    address: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """The mail does not say clearly who sent it; `why` is for a person (SENDER_UNCLEAR)."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A part that is not the mail's own text.  Its bytes are read from the stored body when asked for, by `path`."""

    name: str
    """Decoded, without control characters and path separators; empty when the mail gives none."""
    type: str
    size: int
    """Octets after decoding, computed without decoding where the encoding allows."""
    path: str
    """The part's place in the MIME tree as IMAP numbers it: "2", "1.3"."""
    inline: bool = False
    content_id: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form, with the part path."""
        return {"name": self.name, "type": self.type, "size": self.size, "path": self.path}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """The outermost original in a forward (F1).  `from_` is None when a forward is there but its sender is not readable."""

    from_: Mailbox | None
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    subject: str = ""
    date: str = ""
    """As written in the original; never parsed here."""
    body: str = ""
    how: How
    confidence: float
    """0 to 1: how sure maild is that `from_` is the original's sender."""
    message_id: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "from": self.from_.as_dict() if self.from_ else None,
            "to": [box.address for box in self.to],
            "cc": [box.address for box in self.cc],
            "subject": self.subject,
            "date": self.date,
            "body": self.body,
            "how": self.how.value,
            "confidence": self.confidence,
            "message_id": self.message_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What a bounce says (RFC 3464, or a server's own words), and what it brings back of the mail that it is about."""

    status: str = ""
    """The code of the first of `recipients`, as 5.2.2 (RFC 3463); of an SMTP reply alone its class, 5.0.0.  Empty: none."""
    recipients: tuple[str, ...] = ()
    """Whom the mail did not reach, as written there; empty where the bounce does not say."""
    is_delayed: bool = False
    """The server still tries: nothing has come back yet."""
    message_id: str | None = None
    """Of the mail that came back."""
    loop_mark: str | None = None
    """By which a maild knows its own; whether it is ours, its key says."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; the mark stays inside."""
        return {
            "status": self.status,
            "recipients": list(self.recipients),
            "delayed": self.is_delayed,
            "message_id": self.message_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One reading of one mail."""

    from_: tuple[Mailbox, ...] = ()
    """Every mailbox of every From field, in order."""
    sender: Author | Unclear
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    delivered_to: tuple[str, ...] = ()
    """Addresses of Delivered-To, X-Original-To, Envelope-To, X-Gm-Original-To, X-Forwarded-To, topmost first (D14)."""
    subject: str = ""
    date: datetime | None = None
    """UTC; None when missing or not readable."""
    message_id: str | None = None
    """Without angle brackets; None when missing or malformed."""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    kind: Kind = Kind.NORMAL
    kind_proof: str = ""
    """The field or shape that shows the kind, for the trace; empty for normal."""
    text: str = ""
    """What a person reads: the text part, or the HTML part as text where there is no other."""
    html: str | None = None
    note: str = ""
    """What the forwarder wrote above the original; empty when nothing is forwarded."""
    attachments: tuple[Attachment, ...] = ()
    forwarded: Forwarded | None = None
    looks_forwarded: bool = False
    """A forward by its subject or its parts, whether or not the original could be read (FORWARD_NOT_FOUND)."""
    loop_mark: str | None = None
    """What stands in the field by which a maild knows its own mail; whether it is ours, its key says (LOOP_STOPPED)."""
    returned: Returned | None = None
    """Of a bounce: the mail that it is about."""
    degraded: tuple[str, ...] = ()
    """What could not be read, each in a few words (PARSE_DEGRADED)."""

    def as_dict(self) -> dict[str, Any]:
        """Return the reading as `maild inspect --json` prints it."""
        sender: dict[str, Any] = (
            {"address": self.sender.address}
            if isinstance(self.sender, Author)
            else {"address": None, "unclear": self.sender.why}
        )
        return {
            "readable": True,
            "degraded": list(self.degraded),
            "from": [box.as_dict() for box in self.from_],
            "sender": sender,
            "to": [box.address for box in self.to],
            "cc": [box.address for box in self.cc],
            "reply_to": [box.address for box in self.reply_to],
            "subject": self.subject,
            "date": None
            if self.date is None
            else self.date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "message_id": self.message_id,
            "in_reply_to": list(self.in_reply_to),
            "references": list(self.references),
            "delivered_to": list(self.delivered_to),
            "kind": self.kind.value,
            "kind_proof": self.kind_proof,
            "returned": self.returned.as_dict() if self.returned else None,
            "text": self.text,
            "html": self.html,
            "note": self.note,
            "attachments": [part.as_dict() for part in self.attachments],
            "forwarded": self.forwarded.as_dict() if self.forwarded else None,
            "looks_forwarded": self.looks_forwarded,
        }


def references_in(letter: Letter) -> list[str]:
    """Return the Message-IDs that a mail answers, the nearest first, and no more than are looked up."""
    nearest = [*letter.in_reply_to, *reversed(letter.references)]
    return list(dict.fromkeys(nearest))[:REFERENCES_MAX]
