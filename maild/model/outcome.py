"""The one line that a forwarder gets about what became of a forward (M12): whom it may go to, and what it says.  Pure.

Only a person who is proven hears anything, and only of a forward of their own; a machine's mail, one that a maild wrote,
and whatever is put aside are never answered (RFC 3834 2).
"""

from __future__ import annotations

from maild.model.case import Case, Decision
from maild.model.digest import plain
from maild.model.facts import Proven
from maild.model.letter import Kind
from maild.model.people import InboxKind
from maild.model.states import Move

LINE_MAX = 300
"""Characters: what is said holds addresses that strangers wrote."""
_TOLD = frozenset({Move.FILE, Move.PLACE, Move.HOLD})


def outcome_of(case: Case, decision: Decision) -> str | None:
    """Return what the forwarder may be told; None: nobody is told anything."""
    is_told = (
        decision.user is not None
        and decision.move in _TOLD
        and _is_proven(case)
        and _is_forward(case, decision)
        and case.letter.kind is Kind.NORMAL
        and case.letter.loop_mark is None
        and case.marked is None
    )
    if not is_told:
        return None
    if decision.move is Move.FILE:
        names = ", ".join(hit.client.name for hit in decision.hits)
        return plain(f"Filed under {names}", LINE_MAX)
    why = decision.reason.say(**decision.facts)
    return plain(f"Could not be filed: {why[:1].lower()}{why[1:]}", LINE_MAX)


def _is_proven(case: Case) -> bool:
    """Whether the mail itself proves whose it is: a person's later word about it ("yes, that is Eva") is not enough."""
    if case.drop is not None:
        return True
    return isinstance(case.proof, Proven) and case.named is None


def _is_forward(case: Case, decision: Decision) -> bool:
    """Whether it is a forward, or something else that a user sent to the inbox for forwards alone.

    Not a copy of what they wrote to others: that would be a line for each mail that they write.
    """
    if case.letter.forwarded is not None or case.letter.looks_forwarded:
        return True
    to_us_alone = case.inbox.kind is InboxKind.FORWARD and decision.direction == "in"
    return to_us_alone and case.drop is None
