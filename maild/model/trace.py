"""The decision trace: what was looked at, in order, in sentences (E1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at."""

    verb: str
    """The part of a mail's life: accept, parse, identify, match, file, place."""
    text: str
    """For people: may be said better one day."""
    name: str
    """For programs: what was looked at or found, by a name that stays."""
    facts: Mapping[str, Any]
    """What the sentence says, each for itself."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"verb": self.verb, "name": self.name, "text": self.text, "facts": dict(self.facts)}


@dataclass(slots=True)
class Trace:
    """Grows while a decision is made; never read by it."""

    steps: list[Step] = field(default_factory=list)

    def say(self, verb: str, text: str, name: str = "note", /, **facts: Any) -> None:
        """Add a sentence; `facts` are texts, numbers and lists of them."""
        self.steps.append(Step(verb, text, name, facts))
