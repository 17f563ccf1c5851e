"""An answer from the client re-opens what was done (M7): in the transaction that decides the answer.

Some programs quote our answer alone, and not the mail that it answered; that is meant as well.

Whoever has seen a Message-ID can quote it.  So the answer counts only of who has a part in that conversation, or is a
contact of the client that it is filed under (F4); and never of a machine, a list, or a colleague.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from maild.core.settled import Done
from maild.model.letter import Author, Kind, references_in
from maild.model.states import IN_A_MAILBOX, State
from maild.store.reopening import ClosedRow
from maild.store.store import Tx


def reopen(tx: Tx, done: Sequence[Done], at: datetime) -> None:
    """Give what these mails answer, and was done, the status of what is re-opened.  Within the caller's transaction."""
    asked = {
        one.claimed.id: references_in(one.letter)
        for one in done
        if one.letter is not None and _counts(one)
    }
    wanted: dict[int, set[str]] = defaultdict(set)
    for one in done:
        if asked.get(one.claimed.id):
            wanted[one.claimed.account_id] |= set(asked[one.claimed.id])
    for account, ids in wanted.items():
        closed = tx.reopening.closed(account, ids)
        if closed:
            answers = [one for one in done if one.claimed.account_id == account]
            _reopen(tx, account, [one for one in answers if asked.get(one.claimed.id)], closed, at)


def _counts(one: Done) -> bool:
    """Whether a mail is an answer of somebody outside, that is decided for the first time."""
    return (
        one.letter is not None
        and not one.imported
        and one.letter.kind is Kind.NORMAL
        and isinstance(one.letter.sender, Author)
        and one.claimed.state in {State.RECEIVED, State.FAILED}
        and one.state in IN_A_MAILBOX
        and one.decision.user is None
        and one.decision.claimed is None
    )


def _reopen(
    tx: Tx, account: int, answers: Sequence[Done], closed: Sequence[ClosedRow], at: datetime
) -> None:
    status = tx.reopening.reopened_status(account)
    if status is None:
        return
    parts = tx.reopening.participants(row.message_id for row in closed)
    contacts = tx.reopening.contacts_of(row.delivery_id for row in closed)
    events = []
    left = {row.delivery_id: row for row in closed}
    for one in answers:
        letter = one.letter
        if letter is None or not isinstance(letter.sender, Author):
            continue
        quoted = set(references_in(letter))
        for row in _answered(letter.sender.address, quoted, left.values(), parts, contacts):
            del left[row.delivery_id]
            tx.mailbox.set_status(row.delivery_id, status)
            events.append(
                {
                    "at": at,
                    "account_id": account,
                    "kind": "status.changed",
                    "delivery_id": row.delivery_id,
                    "subject": {"status": status, "reopened_by": one.claimed.ulid},
                }
            )
    tx.deliveries.add_events(events)


def _answered(
    norm: str,
    quoted: set[str],
    closed: Iterable[ClosedRow],
    parts: Mapping[int, frozenset[str]],
    contacts: Mapping[int, frozenset[str]],
) -> list[ClosedRow]:
    """Return which closed mails of the conversation the sender answers: one of who has a part in any that is quoted."""
    named = [row for row in closed if row.known_by & quoted]
    is_part = any(norm in parts.get(row.message_id, ()) for row in named)
    return [row for row in named if is_part or norm in contacts.get(row.delivery_id, ())]
