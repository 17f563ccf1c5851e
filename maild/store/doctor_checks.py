"""What is told of a broken invariant, and the list of all that are looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken invariant: which, and on what."""

    check: str
    subject: str


Check = Callable[[Connection], Iterator[str]]
CHECKS: dict[str, Check] = {}
"""By the sentence that must be true; each yields what breaks it."""


def check(sentence: str) -> Callable[[Check], Check]:
    """Add an invariant to the list."""

    def register(added: Check) -> Check:
        CHECKS[sentence] = added
        return added

    return register
