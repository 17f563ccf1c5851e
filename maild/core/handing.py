"""Handing mails from owner to owner within a transaction: entries, history and events as one (M1-M4).

Statements are over sets: a thousand mails cost some twenty statements.  The callers hold the rows and have asked for rights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from maild.core.acts import Act, name_of, reads_mail
from maild.core.app import Actor
from maild.model.reason import Reason, RefusedError
from maild.store.handing import History, Move
from maild.store.mailbox import EntryRow, TransferRow
from maild.store.store import Tx


def hand_over(tx: Tx, rows: Sequence[EntryRow], to: int, act: Act) -> list[EntryRow]:
    """Give mails to a user; return those that were given: who somebody moved since is left out.

    Unread for the new owner by the account's setting, with its cause; giving to oneself leaves the flag (M2).
    Raises RefusedError NOT_ALLOWED for a mail in no mailbox.
    """
    cause = {"by": name_of(tx, act.by), "at": act.at.isoformat()}
    accounts = {row.account_id for row in rows}
    settings = {account: tx.rights.setting(account, "unread_on_transfer") for account in accounts}
    moves = []
    for row in rows:
        was_unread = require_place(row)
        if act.by.user_id == to:
            moves.append(Move(row=row, to=to, unread=was_unread, cause=row.unread_cause))
        else:
            unread = was_unread or bool(settings[row.account_id])
            moves.append(Move(row=row, to=to, unread=unread, cause=cause if unread else None))
    moved = [move.row for move in tx.handing.move(moves, _history(act))]
    _owe_notice(tx, moved, to, act)
    return moved


def _owe_notice(tx: Tx, rows: Sequence[EntryRow], to: int, act: Act) -> None:
    """Have a person told of what became theirs by another one's act (M12); `core.notices` does, or does not."""
    if act.by.user_id == to:
        return
    tx.handing.owe_notices([row.id for row in rows], to, _history(act))


def require_place(row: EntryRow) -> bool:
    """Return whether a mail is unread for its owner.  Raises RefusedError NOT_ALLOWED for one in no mailbox."""
    if row.owner_id is None or row.unread is None:
        raise RefusedError(
            Reason.NOT_ALLOWED,
            why=f"The mail {row.ulid} is {row.state.value} and lies in no mailbox.",
        )
    return row.unread


def take_back(
    tx: Tx, transfers: Iterable[TransferRow], rows: Mapping[int, EntryRow], act: Act
) -> set[int]:
    """Reverse owner changes; return the transfers that were.

    Left alone is what moved since, and what was of somebody who has left, or of a mailbox that nobody opens.  `rows` are
    the mails by delivery.
    """
    transfers = list(transfers)
    newest = tx.mailbox.newest_transfers(rows)
    former = {(rows[one.delivery_id].account_id, one.from_user_id) for one in transfers}
    # Nobody leaves or is merged away until the mail is theirs again.
    tx.people.heirs({user_id for _, user_id in former}, hold=True)
    there = {key for key in former if reads_mail(tx, *key)}
    gifts = tx.undoing.gifts_before(one.id for one in transfers if one.was_unread)
    names = {by: name_of(tx, Actor(by)) for by, _ in gifts.values()}
    back = {}
    for one in transfers:
        row = rows[one.delivery_id]
        if (
            newest[row.id] == one.id
            and row.owner_id == one.to_user_id
            and (row.account_id, one.from_user_id) in there
        ):
            by, at = gifts.get(row.id, (None, None))
            cause = None if at is None else {"by": names[by], "at": at.isoformat()}
            move = Move(row=row, to=one.from_user_id, unread=one.was_unread, cause=cause)
            back[row.id] = one.id, move
    done = tx.handing.move([move for _, move in back.values()], _history(act))
    return {back[move.row.id][0] for move in done}


def _history(act: Act) -> History:
    return History(
        by_user_id=act.by.user_id,
        at=act.at,
        note=act.note,
        change_id=act.change_id,
        undoes=act.undoes,
    )


def owner_changed(tx: Tx, row: EntryRow, now: datetime) -> RefusedError:
    """Return the refusal of who comes too late (M1)."""
    last = next(reversed(tx.mailbox.transfers(row.id)), None)
    return RefusedError(
        Reason.OWNER_CHANGED,
        other=name_of(tx, Actor(last.by_user_id)) if last else "Somebody",
        user=tx.rights.display_name(last.to_user_id) if last else "somebody else",
        time=_moment(last.at, now) if last else "this moment",
    )


def _moment(at: datetime, now: datetime) -> str:
    """Return a time as a sentence has it; its zone is said, because whoever reads it may live in another one."""
    return f"{at:%H:%M} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M} UTC"
