"""What is to be written of one delivery that was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maild.auth.finding import Finding, Verdict
from maild.core.outcome import Outcome
from maild.model.case import Decision
from maild.model.letter import Letter
from maild.model.rules import NOTHING, Heard
from maild.model.states import State, moved
from maild.model.trace import Trace
from maild.store.deliveries import Claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One delivery's outcome before it is written."""

    claimed: Claimed
    decision: Decision
    trace: Trace
    letter: Letter | None = None
    proof: str = ""
    twins: Sequence[int] = ()
    returned: str | None = None
    """The errand whose mail it reports on."""
    released: dict[str, Any] | None = None
    """Where it lay before it was put away, if somebody released it."""
    verdict: Verdict | None = None
    """What verifying it found out, if it was verified now."""
    due_at: datetime | None = None
    """When it is to be verified again."""
    senders: Mapping[int, Finding] = field(default_factory=dict)
    """What sender policies said now of the peers that handed it over, by arrival."""
    policies: tuple[str, ...] = ()
    """What they said of all of them, in sentences."""
    heard: Heard = NOTHING
    """What the account's rules say of owner, status and unread."""
    outcome: Outcome | None = None
    """What its forwarder may be told (M12)."""
    imported: bool = False
    """Whether it is a mail of the past, decided for the first time (D13)."""

    @property
    def state(self) -> State:
        """The state that the decision leads to."""
        return moved(self.claimed.state, self.decision.move)
