"""Whether a mail is of the past: it came by an import of old mail, and by nothing since (D13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maild.model.facts import Witness
from maild.store.deliveries import Claimed
from maild.store.store import Tx


def imported_among(
    tx: Tx, witnesses: Mapping[int, Sequence[Witness]], mails: Sequence[Claimed]
) -> frozenset[int]:
    """Return those of these deliveries that an import made; asks nothing where none has any part in them."""
    imported = {
        message
        for message, some in witnesses.items()
        if any(one.left_unread is not None for one in some)
    }
    return tx.facts.imported(one.id for one in mails if one.message_id in imported)


def is_past(witnesses: Sequence[Witness], *, imported: bool) -> bool:
    """Whether an inbox has a mail, whose arrivals are these, by an import alone; `imported`: it was one that put it there.

    How it came to another inbox before that is no news to this one.  What came in since is of today.
    """
    return imported and witnesses[-1].left_unread is not None
