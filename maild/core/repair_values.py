"""What a repair is, as it is offered (E2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from maild.core.look import Look

CHOICES_MAX = 20
LOOKED_MAX = 5 * CHOICES_MAX
"""Addresses of a mail that are looked up for choices: who wrote it says how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One thing that VALUE can be."""

    value: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One thing that a person can do about a mail."""

    action: str
    text: str
    """What it does, as one sentence."""
    value: str | None = None
    """What VALUE is; None: there is none."""
    value_needed: bool = False
    choices: tuple[Choice, ...] = ()
    """What VALUE can be, where that is known."""
    can_remember: bool = False
    """Whether it can be remembered for the account's next mail."""
    command: str


@dataclass(frozen=True, slots=True)
class Value:
    """The VALUE of a repair."""

    what: str
    is_needed: bool = True
    choices: Iterable[Choice] = ()


Maker: TypeAlias = Callable[[Look], Repair | None]
"""Makes the offer of one action, where the mail and the person are such that it can be done."""


def offer(
    look: Look,
    action: str,
    text: str,
    asked: Value | None = None,
    *,
    remember: bool = False,
) -> Repair:
    """Return a repair with the command that does it."""
    words = ["maild mail repair", look.row.ulid, action]
    if asked is not None:
        words.append("VALUE" if asked.is_needed else "[VALUE]")
    return Repair(
        action=action,
        text=text,
        value=None if asked is None else asked.what,
        value_needed=asked is not None and asked.is_needed,
        choices=() if asked is None else tuple(asked.choices)[:CHOICES_MAX],
        can_remember=remember,
        command=" ".join(words),
    )
