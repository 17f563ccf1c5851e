"""Finding known mails again when a server has numbered all of them anew (D5): UIDVALIDITY changed, or all UIDLs did.

Pure.  It must never call two mails the same that differ in their header's print.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

TRUSTED_SHARE = 0.8
"""With fewer of the listed mails found again, a person is asked: perhaps it is another mailbox."""
FEW = 20
"""With so few known mails nobody is asked."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What tells one mail from another without its body."""

    header_print: str
    """Of Message-ID, Date, From and Subject; empty: there is none of them."""
    size: int | None
    internal_date: datetime | None


@dataclass(frozen=True, slots=True)
class Match:
    """What is known of a newly numbered mailbox."""

    pairs: dict[int, int] = field(default_factory=dict)
    """The known mail of each listed one, both by their place in what was given."""
    unsure: dict[int, list[int]] = field(default_factory=dict)
    """Listed ones that may be one of several known mails: their bodies must say."""

    @property
    def found(self) -> int:
        """How many were found again for sure."""
        return len(self.pairs)


def match(known: Sequence[Marks], listed: Sequence[Marks]) -> Match:
    """Pair listed mails with known ones, each at most once, in their order among equals.

    By print, size and date; by print and size, where a move lost the dates; by the print alone if it is unique on both
    sides.  What then is left and shares a print with a known mail that is left is unsure.
    """
    pairs: dict[int, int] = {}
    ways: tuple[Callable[[Marks], Hashable], ...] = (
        lambda marks: (marks.header_print, marks.size, marks.internal_date),
        lambda marks: (marks.header_print, marks.size),
    )
    for way in ways:
        _pair(known, listed, pairs, way, only_unique=False)
    _pair(known, listed, pairs, lambda marks: marks.header_print, only_unique=True)
    taken = set(pairs.values())
    left: defaultdict[str, list[int]] = defaultdict(list)
    for place, marks in enumerate(known):
        if place not in taken:
            left[marks.header_print].append(place)
    unsure = {
        place: list(left[marks.header_print])
        for place, marks in enumerate(listed)
        if place not in pairs and marks.header_print in left
    }
    return Match(pairs, unsure)


def _pair(
    known: Sequence[Marks],
    listed: Sequence[Marks],
    pairs: dict[int, int],
    way: Callable[[Marks], Hashable],
    *,
    only_unique: bool,
) -> None:
    taken = set(pairs.values())
    there: defaultdict[Hashable, list[int]] = defaultdict(list)
    here: defaultdict[Hashable, list[int]] = defaultdict(list)
    for place, marks in enumerate(known):
        if place not in taken and marks.header_print:
            there[way(marks)].append(place)
    for place, marks in enumerate(listed):
        if place not in pairs and marks.header_print:
            here[way(marks)].append(place)
    for key, places in here.items():
        candidates = there.get(key, [])
        if len(candidates) == len(places) and (len(places) == 1 or not only_unique):
            pairs.update(zip(places, candidates, strict=True))


def is_same_mailbox(listed: int, found: int) -> bool:
    """Whether so many of the listed mails were found again that it can be no other mailbox."""
    return found > 0 and found >= TRUSTED_SHARE * listed


def needs_a_person(known: int, listed: int, found: int) -> bool:
    """Whether too few of the listed mails were found again to go on without asking."""
    return known > FEW and listed > 0 and found < TRUSTED_SHARE * listed
