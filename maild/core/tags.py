"""What is asked when an address with a +tag is saved (U6)."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote

from maild.model.address import Address
from maild.model.way import Way
from maild.store.store import Tx


@dataclass(frozen=True, slots=True)
class Question:
    """A question for a person, and the command that says yes."""

    text: str
    action: str
    code: str = "ACCEPT_BASE"
    """Which question it is: stable."""

    @property
    def way(self) -> Way:
        """Saying yes, as a way that programs know."""
        return Way(self.code, "Yes", self.action)


def question_about(tx: Tx, address: Address, user_email: str) -> Question | None:
    """Return what to ask about a tagged address; None when its base is the same user's already.

    Whether somebody else has the base is not told here: only who says yes hears SENDS_AS_IN_USE.
    """
    if address.tag is None:
        return None
    base, own = tx.people.name(address.base.norm), tx.people.name(address.norm)
    if base is not None and own is not None and base.user_id == own.user_id:
        return None
    return Question(
        f"Mail you forward will come from {address.base.norm}, not from {address.norm}. "
        f"Shall we accept {address.base.norm} as your sending address?",
        f"maild address add {quote(user_email)} {quote(address.base.norm)} --sends-as",
    )
