"""Errands: what is to be done in the world after a commit, how often it is tried, and when it is given up.

Pure: no clock, no chance.  Who works an errand is `daemon`; what a row of it is, `store.outbox_tables`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

GIVE_UP_AFTER = timedelta(days=5)
"""How long an errand is tried, where who queues it says nothing else (RFC 5321 4.5.4.1: four to five days)."""
TRIES_MAX = 300
"""Tries before an errand is given up whatever its time: more than the back-off allows in five days."""
FIRST_REST = timedelta(minutes=1)
LONGEST_REST = timedelta(hours=1)


class Topic(StrEnum):
    """What sort of errand it is; each has its worker."""

    MAIL = "mail"
    """What maild itself writes."""
    LETTER = "letter"
    """What somebody wrote here, to one of its recipients (M8)."""


class ErrandState(StrEnum):
    """How far an errand has come.  Being worked on is a lease, not a state."""

    WAITING = "waiting"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Done:
    """The world has taken it."""

    said: str = ""
    """What it answered."""


@dataclass(frozen=True, slots=True)
class Later:
    """It did not go this time, and may go another time."""

    why: str


@dataclass(frozen=True, slots=True)
class Never:
    """It was refused for good; only a person can have it tried again."""

    why: str


Fate = Done | Later | Never


def rest_after(attempts: int, ulid: str) -> timedelta:
    """Return how long to wait after the N-th try: twice as long each time, up to an hour, give or take a quarter.

    What spreads them is taken from the errand's own name, so that a thousand errands that failed together do not come
    back together.
    """
    rest = min(FIRST_REST * (1 << min(attempts - 1, 16)), LONGEST_REST)
    lot = hashlib.sha256(f"{ulid} {attempts}".encode()).digest()[0] / 255
    return rest * (0.75 + lot / 2)
