"""The life of a delivery: five living states, a beginning, a tombstone, and the only table of legal moves."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a delivery stands.  Being worked on is a lease, never a state."""

    RECEIVED = "received"
    FILED = "filed"
    UNFILED = "unfiled"
    HELD = "held"
    IGNORED = "ignored"
    FAILED = "failed"
    ERASED = "erased"


class Move(StrEnum):
    """What can be done with a delivery."""

    FILE = "file"
    PLACE = "place"
    HOLD = "hold"
    IGNORE = "ignore"
    FAIL = "fail"
    ERASE = "erase"


_DECIDED = {
    Move.FILE: State.FILED,
    Move.PLACE: State.UNFILED,
    Move.HOLD: State.HELD,
    Move.IGNORE: State.IGNORED,
    Move.FAIL: State.FAILED,
}

MOVES: dict[State, dict[Move, State]] = {
    State.RECEIVED: dict(_DECIDED),
    **{state: {**_DECIDED, Move.ERASE: State.ERASED} for state in _DECIDED.values()},
    State.ERASED: {},
}

IN_A_MAILBOX = frozenset({State.HELD, State.UNFILED, State.FILED, State.FAILED})
"""The states in which a delivery has an entry, and so an owner (M1)."""


class IllegalMoveError(Exception):
    """A fault in maild: no such move leaves that state."""


def moved(state: State, move: Move) -> State:
    """Return the state after the move.  Raises IllegalMoveError."""
    try:
        return MOVES[state][move]
    except KeyError:
        raise IllegalMoveError(f"{move} does not leave {state}") from None
