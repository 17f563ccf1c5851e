"""To whom an answer goes: whom the mail asks to be answered, and never an address of ours (M8).  Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maild.model.letter import Letter, Mailbox
from maild.model.writing import RECIPIENTS_MAX, without_ours

IsOurs = Callable[[Mailbox], bool]


@dataclass(frozen=True, slots=True)
class Addressees:
    """Who gets an answer."""

    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()


def addressees(
    letter: Letter, is_ours: IsOurs, *, is_outgoing: bool, is_users: bool, everyone: bool
) -> Addressees:
    """Return who gets an answer to a mail.

    What somebody wrote from here goes on to whom it was written to; a user's forward is answered to who wrote its
    original; any other mail as its Reply-To asks, else to its From.  `everyone` adds the rest of To and Cc.  Who is ours
    by the address alone gets no copy: it would come back to where it was written.
    """
    asked, others = _asked(letter, is_outgoing=is_outgoing, is_users=is_users)
    to = _outside(asked, is_ours) or _outside(letter.from_, is_ours)
    if not everyone:
        return Addressees(to)
    return Addressees(to, without_ours(_outside(others, is_ours), [box.address for box in to]))


def _asked(
    letter: Letter, *, is_outgoing: bool, is_users: bool
) -> tuple[Sequence[Mailbox], Sequence[Mailbox]]:
    """Return who is asked for, and everybody else in the mail."""
    if is_outgoing:
        return letter.to, letter.cc
    original = letter.forwarded
    if is_users and original is not None and original.from_ is not None:
        return (original.from_,), (*original.to, *original.cc)
    return letter.reply_to or letter.from_, (*letter.to, *letter.cc)


def _outside(boxes: Sequence[Mailbox], is_ours: IsOurs) -> tuple[Mailbox, ...]:
    # More than a mail can have are not cut off here: who writes hears of it, and nobody is left out unsaid.
    return without_ours([box for box in boxes[: RECIPIENTS_MAX * 10] if not is_ours(box)], ())
