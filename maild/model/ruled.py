"""What people answered about one delivery, as an input of its decision (E2).  Pure.

An answer is of the delivery that it was given about, and of no other: whatever is remembered for later mail is a standing
answer of the account, and comes in with its directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from maild.model.facts import Binding, Ruling
from maild.model.match import Hit
from maild.model.reason import Reason
from maild.model.trace import Trace

RETRACTABLE = frozenset(
    {"sender", "substitute", "original", "file", "unfile", "trust", "recipient"}
)
"""Questions whose answers a later act can take back as a whole; a dismissal is released instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A person said who sent this mail."""

    binding: Binding
    """The user, by the From address where it is theirs, else by the primary one."""
    ruling: Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A person put it away."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """A person filed it, or took it off a client: then `hits` is empty and `taken_off` says which."""

    hits: tuple[Hit, ...] = ()
    taken_off: dict[str, Any] | None = None


def standing(rulings: Sequence[Ruling]) -> tuple[Ruling, ...]:
    """Return the answers that nobody took back.

    A withdrawal takes the newest release away; a retraction everything that its act had answered.
    """
    gone = {ruling.takes_back for ruling in rulings if ruling.question == "retract"}
    kept: list[Ruling] = []
    for ruling in rulings:
        if ruling.question == "withdraw":
            at = max((at for at, one in enumerate(kept) if one.question == "release"), default=None)
            if at is not None:
                del kept[at]
        elif ruling.question != "retract" and (
            ruling.question not in RETRACTABLE or ruling.change not in gone
        ):
            kept.append(ruling)
    return tuple(kept)


def newest(rulings: Sequence[Ruling], question: str) -> Ruling | None:
    """Return the answer that counts; the rulings are standing ones."""
    return next((one for one in reversed(rulings) if one.question == question), None)


def is_released(rulings: Sequence[Ruling]) -> bool:
    """Whether somebody said that it is to be treated as any other mail."""
    return any(ruling.question == "release" for ruling in rulings)


def put_aside(rulings: Sequence[Ruling]) -> Aside | None:
    """Return who put it away, unless somebody released it since."""
    last = next((one for one in reversed(rulings) if one.question in {"dismiss", "release"}), None)
    if last is None or last.question == "release":
        return None
    return Aside(user=last.answer.get("user", "?"))


def filed_by_hand(rulings: Sequence[Ruling]) -> ByHand | None:
    """Return what people filed it under; None where nobody said anything, or everything was taken back."""
    hits: dict[int, Hit] = {}
    taken_off: dict[str, Any] | None = None
    for ruling in rulings:
        if ruling.question == "file":
            client = ruling.answer["client"]
            fact = f"{within(ruling.answer['user'])} filed it"
            hits[client.id] = Hit(client, Reason.FILED_BY_HAND, fact)
            taken_off = None
        elif ruling.question == "unfile":
            client = ruling.answer["client"]
            hits.pop(client.id, None)
            taken_off = {"user": ruling.answer["user"], "client": client.name}
    if not hits and taken_off is None:
        return None
    return ByHand(hits=tuple(hits.values()), taken_off=None if hits else taken_off)


def ruled_original(rulings: Sequence[Ruling], trace: Trace) -> str | None:
    """Return the address that somebody said wrote the original of a forward, if somebody did."""
    ruling = newest(rulings, "original")
    if ruling is None:
        return None
    address = str(ruling.answer["address"])
    trace.say(
        "match",
        f"{who_said(ruling)} that the original is from {address}.",
        "said_original",
        address=address,
        user=ruling.answer.get("user", ""),
    )
    return address


def within(name: str) -> str:
    """Return who somebody is, as it stands within a sentence."""
    return "the operator" if name == "The operator" else name


def who_said(ruling: Ruling) -> str:
    """Return the beginning of a sentence: who said something, and when."""
    who = ruling.answer.get("user", "Somebody")
    return f"{who} said" if ruling.at is None else f"{who} said on {ruling.at.day} {ruling.at:%b}"
