"""One delivery to decide, and what is decided of it.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from maild.model.facts import (
    Binding,
    ClientRef,
    Directory,
    Drop,
    InboxFacts,
    Proven,
    Ruling,
    ThreadHit,
    TokenHit,
    Unproven,
    Witness,
    Written,
)
from maild.model.letter import Letter
from maild.model.match import Hit
from maild.model.reason import Reason
from maild.model.ruled import Named
from maild.model.states import Move


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One delivery to decide."""

    letter: Letter
    inbox: InboxFacts
    directory: Directory
    proof: Proven | Unproven
    thread: tuple[ThreadHit, ...] = ()
    tokens: tuple[TokenHit, ...] = ()
    rulings: tuple[Ruling, ...] = ()
    is_ours: bool = False
    """This installation wrote it, and it came back."""
    brings_back_ours: bool = False
    """It is a report on a mail that this installation wrote."""
    same_id_other_content: bool = False
    marked: Witness | None = None
    """The first arrival that its listener's upstream called spam."""
    whole_size: int = 0
    """Octets on the server of a mail that came in as its header alone; 0: it is whole (D12)."""
    tells_no_recipient: bool = False
    """It was collected from a mailbox of many, and no field says for whom (D14)."""
    drop: Drop | None = None
    """It came to a drop address (U7)."""
    rivals: tuple[Binding, ...] = ()
    """The users to whose drop addresses it came, where they are several: it is one's at most."""
    named: Named | None = None
    """Who a person said that it is from."""
    written: Written | None = None
    """Somebody wrote it here."""
    about: tuple[ClientRef, ...] = ()
    """Of a report on a mail that somebody wrote here: the clients of that one."""
    lies_in_a_mailbox: bool = False
    """It was decided before, and its owner has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done with a delivery.  `owner` None: the inbox's owner chain has it, unread."""

    move: Move
    reason: Reason
    facts: dict[str, Any] = field(default_factory=dict)
    hits: tuple[Hit, ...] = ()
    direction: str = "in"
    user: Binding | None = None
    claimed: Binding | None = None
    owner: int | None = None
    """The forwarder keeps what went through a forward inbox, read."""
    beside: tuple[tuple[Reason, dict[str, Any]], ...] = ()
