"""Mails of which only the header was taken, because they are too large: the rest comes when somebody asks (D12).

The header's record is never edited: the whole mail is a mail of its own, and puts the record away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maild.core.acts import Act, mails, note_event, require_right
from maild.core.app import Actor, App
from maild.core.standing import home, require_admin
from maild.model.reason import Reason, RefusedError
from maild.model.states import State
from maild.store.store import Tx

BY_ITSELF = "maild (the whole mail is here)"
"""Who puts a header's record away, in history and `explain`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked of servers."""

    mails: tuple[str, ...]
    sources: tuple[str, ...]
    """Which fetch them, at a round that is asked for at once."""


def ask_for_whole(app: App, ulids: Sequence[str], *, max_size: int, by: Actor) -> Asked:
    """Have the next rounds fetch mails whole.  `max_size`: octets that a source may take.

    Commits one transaction.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, CONFLICT: not a header's record, its server
    has it no more, or it is still too large); then nothing was asked for.
    """
    with app.store.write() as tx:
        return ask_for_whole_in(tx, app, ulids, max_size=max_size, by=by)


def ask_for_whole_in(tx: Tx, app: App, ulids: Sequence[str], *, max_size: int, by: Actor) -> Asked:
    """Do as `ask_for_whole`, within an open transaction."""
    now = app.clock()
    names: list[str] = []
    for row in mails(tx, ulids, by):
        require_right(tx, row, by)
        copies = tx.ledger.of_message(row.message_id)
        if not copies:
            _conflict(f"There is nothing more to fetch of the mail {row.ulid}.")
        copy = copies[0]
        if copy.is_gone:
            _conflict(f"The server of {copy.source} no longer has the mail {row.ulid}.")
        most = min(max_size, copy.inbox_max_size or max_size)
        if copy.size > most:
            _conflict(
                f"The mail {row.ulid} has {copy.size} octets; {most} are allowed. Raise sources.max_size in "
                "maild.toml, and max_size of the inbox if it has one, then ask again."
            )
        tx.ledger.open_again([copy.id])
        tx.sources.note(copy.source_id, asked_at=now)
        names.append(copy.source)
    return Asked(mails=tuple(dict.fromkeys(ulids)), sources=tuple(dict.fromkeys(names)))


def ask_for_failed(app: App, source: str, *, account: str | None, by: Actor) -> int:
    """Try mails again whose fetch failed too often; return how many.  Commits.  Raises RefusedError."""
    with app.store.write() as tx:
        where = home(tx, account, by)
        require_admin(tx, where, by)
        row = tx.sources.by_name(where.id, source)
        return 0 if row is None else tx.ledger.open_failed(row.id)


def put_away(app: App, tx: Tx, header_messages: Iterable[int]) -> None:
    """Put the records of headers away whose whole mails are stored in this transaction."""
    act = Act(by=Actor(None), at=app.clock(), change_id=app.ids())
    for ulid in tx.intake.deliveries_of(header_messages).values():
        row = tx.mailbox.entry(ulid, for_update=True)
        if row is None or row.state in {State.IGNORED, State.ERASED}:
            continue
        tx.deliveries.add_ruling(
            {
                "account_id": row.account_id,
                "delivery_id": row.id,
                "question": "dismiss",
                "answer": {
                    "user": BY_ITSELF,
                    "owner_id": row.owner_id,
                    "unread": row.unread,
                    "status_id": row.status_id,
                },
                "by_user_id": None,
                "at": act.at,
                "change_id": act.change_id,
                "undoes": None,
            }
        )
        note_event(tx, row, act, "ruled", {"question": "dismiss"})
        tx.intake.decide_soon(row.id, act.at)


def _conflict(why: str) -> None:
    raise RefusedError(Reason.CONFLICT, why=why)
