"""Ways out of a refusal: a phrase for people, and for programs a stable code with the command that goes it (U3).  Pure."""

from __future__ import annotations

from dataclasses import dataclass

_COMMAND = "maild "
_SPOKEN = "READ"
"""The code of a way that is no command, where who refuses names no other."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way out."""

    code: str
    """Stable; programs match it."""
    text: str
    """What it is, without a full stop."""
    command: str | None = None
    """The command that goes it; what is still to be filled in stands in capitals.  None: no one command does."""

    @property
    def phrase(self) -> str:
        """It in one line, for a person."""
        if self.command is None or self.command == self.text:
            return self.text
        return f"{self.text}: {self.command}"


def way_of(phrase: str) -> Way:
    """Return the way that a phrase names: the code of a command is its first two words, as ADDRESS_ADD."""
    text, found, rest = phrase.partition(_COMMAND)
    if not found or (text and not text.endswith(": ")):
        return Way(_SPOKEN, phrase)
    command = f"{_COMMAND}{rest}"
    words = [word for word in rest.split()[:2] if word.replace("-", "").isalpha()]
    verbs = [word for word in words if word.islower()]
    code = "_".join(verbs).upper().replace("-", "_")
    return Way(code or _SPOKEN, text.removesuffix(": ") or command, command)
