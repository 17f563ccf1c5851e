"""The decision trace: what was looked at, in order, in sentences (E1)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at."""

    verb: str
    """The part of a mail's life: accept, parse, identify, match, file, place."""
    text: str

    def as_dict(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"verb": self.verb, "text": self.text}


@dataclass(slots=True)
class Trace:
    """Grows while a decision is made; never read by it."""

    steps: list[Step] = field(default_factory=list)

    def say(self, verb: str, text: str) -> None:
        """Add a sentence."""
        self.steps.append(Step(verb, text))
