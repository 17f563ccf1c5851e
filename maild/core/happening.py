"""One thing that happened to a mail, as its history tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

OPERATOR_NAME = "The operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that happened to a mail."""

    at: datetime
    kind: str
    """answered, arrived, decided, owner.changed, noted, returned, rule.applied, ruled, sent, status.changed, written."""
    by: str | None
    """The primary address of who did it; None: maild itself or the operator."""
    text: str
    """One sentence."""
    note: str = ""
    """A person's own words."""
    change: str | None = None
    """The act that `maild mail undo` takes."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "at": self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "kind": self.kind,
            "by": self.by,
            "text": self.text,
            "note": self.note,
            "change": self.change,
        }
