"""A line of a list that could not even be read as what the list is of."""

from __future__ import annotations

from dataclasses import dataclass

from maild.model.reason import RefusedError


@dataclass(frozen=True, slots=True)
class Wrong:
    """What it was about, as far as that can be said, and why it is refused."""

    subject: str
    refusal: RefusedError
