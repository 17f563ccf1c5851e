"""What happened, as the interface tells it: closed words, and ids only.  No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SCHEMA = 1
"""The version of an event's document; it rises when a field changes its meaning, not when one is added."""

_OF_MAILS = {
    "received": "mail.received",
    "owner.changed": "mail.owner_changed",
    "status.changed": "mail.status_changed",
    "written": "mail.written",
    "answered": "mail.answered",
    "returned": "mail.returned",
    "noted": "mail.noted",
    "read": "mail.read",
    "unread": "mail.unread",
    "ruled": "mail.ruled",
    "rule.applied": "mail.rule_applied",
}
_DECIDED = tuple(f"mail.{state}" for state in ("filed", "unfiled", "held", "ignored", "failed"))
_OTHERS = (
    "user.added",
    "user.email_changed",
    "user.email_swapped",
    "user.merged",
    "user.change_undone",
    "member.invited",
    "member.requested",
    "member.accepted",
    "member.refused",
    "client.added",
    "client.changed",
    "source.added",
    "source.changed",
    "source.failed",
    "source.recovered",
)
EVENT_TYPES: tuple[str, ...] = (*_OF_MAILS.values(), *_DECIDED, *_OTHERS)
"""Every type that an event of the interface can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicEvent:
    """Something that happened in an account."""

    id: str
    """Its place in the feed, and the cursor to go on behind it."""
    type: str
    """One of EVENT_TYPES."""
    schema: int
    at: datetime
    account: str
    actor: str | None
    """The id of the user who did it; None: maild itself, or the operator."""
    mail: str | None
    """The id of the mail; None: it is about none."""
    detail: Mapping[str, Any]
    """Ids and codes: never addresses, names of people or subjects."""


def type_of(kind: str, subject: Mapping[str, Any]) -> str | None:
    """Return the type that a stored event is told as; None: it is not told."""
    if subject.get("imported"):
        return None  # What happened long ago is no news (D13).
    if kind == "decided":
        told = f"mail.{subject.get('state')}"
        return told if told in _DECIDED else None
    return _OF_MAILS.get(kind, kind if kind in _OTHERS else None)
