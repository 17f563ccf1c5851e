"""What people do with mail: give, take, read, and undo.

Nothing here touches how a mail came in or what is known of its server: the ledger is apart from the mailbox (D5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from maild.core.acts import (
    Act,
    Change,
    mails,
    name_of,
    new_act,
    note_event,
    require_reader,
    require_right,
)
from maild.core.app import Actor, App
from maild.core.decide import Reader, decide_again
from maild.core.rulings import release, retract, withdraw
from maild.core.standing import in_sight
from maild.model.plain_text import short, storable
from maild.model.reason import Reason, RefusedError
from maild.model.states import IN_A_MAILBOX, State
from maild.store.mailbox import EntryRow, TransferRow
from maild.store.store import Tx

NOTE_MAX = 10_000
"""Characters of a note."""


def give(
    app: App,
    ulids: Sequence[str],
    *,
    to: int,
    by: Actor,
    note: str = "",
    seen_version: int | None = None,
) -> Change:
    """Give mails to another user's mailbox (M1, M2).

    Commits one transaction: entries, transfers, events.  A mail that is the user's already is left as it is.  Unread
    for the new owner by the account's setting; giving to oneself leaves the flag.  `seen_version` is the entry version
    that the giver saw: OWNER_CHANGED if it moved since.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, OWNER_CHANGED);
    then nothing was moved.
    """
    if note:
        _require_note(note)
    act = new_act(app, by, note)
    moved, unchanged = [], []
    with app.store.write() as tx:
        for row in mails(tx, ulids, by):
            require_right(tx, row, by)
            if seen_version is not None and row.version != seen_version:
                raise _owner_changed(tx, row)
            if row.owner_id == to:
                unchanged.append(row.ulid)
                continue
            require_reader(tx, row.account_id, to)
            transfer_in(tx, row, to, act)
            moved.append(row.ulid)
    return Change(id=act.change_id, moved=tuple(moved), unchanged=tuple(unchanged))


def take(app: App, ulid: str, *, by: Actor, seen_version: int | None = None) -> Change:
    """Take a mail into one's own mailbox, as from All Received (M5).  Commits and raises as `give`."""
    if by.user_id is None:
        raise RefusedError(Reason.NOT_ALLOWED, why="Say who takes it: --by EMAIL.")
    return give(app, [ulid], to=by.user_id, by=by, seen_version=seen_version)


def transfer_in(tx: Tx, row: EntryRow, to: int, act: Act) -> None:
    """Give a mail to another owner within an open transaction.  Raises RefusedError NOT_ALLOWED, OWNER_CHANGED."""
    if row.owner_id is None or row.unread is None:
        raise RefusedError(
            Reason.NOT_ALLOWED,
            why=f"The mail {row.ulid} is {row.state.value} and lies in no mailbox.",
        )
    unread, cause = row.unread, row.unread_cause
    if act.by.user_id != to:
        unread = row.unread or tx.rights.setting(row.account_id, "unread_on_transfer")
        cause = {"by": name_of(tx, act.by), "at": act.at.isoformat()}
    if not tx.mailbox.move(row, to=to, unread=unread, cause=cause if unread else None):
        raise _owner_changed(tx, row)
    _append(tx, row, act, to=to, unread=unread)


def _append(tx: Tx, row: EntryRow, act: Act, *, to: int, unread: bool) -> None:
    """Write the owner change into history and events (M3)."""
    tx.mailbox.add_transfer(
        {
            "delivery_id": row.id,
            "from_user_id": row.owner_id,
            "to_user_id": to,
            "by_user_id": act.by.user_id,
            "at": act.at,
            "note": act.note,
            "was_unread": bool(row.unread),
            "became_unread": unread,
            "change_id": act.change_id,
            "undoes": act.undoes,
        }
    )
    note_event(tx, row, act, "owner.changed", {"from": row.owner_id, "to": to})


def _owner_changed(tx: Tx, row: EntryRow) -> RefusedError:
    last = next(reversed(tx.mailbox.transfers(row.id)), None)
    return RefusedError(
        Reason.OWNER_CHANGED,
        other=name_of(tx, Actor(last.by_user_id)) if last else "Somebody",
        user=tx.rights.display_name(last.to_user_id) if last else "somebody else",
        time=f"{last.at:%H:%M}" if last else "this moment",
    )


def newest_change(app: App, account_id: int, *, by: Actor) -> str:
    """Return the newest act in the account that can be undone: one's own, or for the operator anybody's.

    Reads only.  Raises RefusedError when there is none.
    """
    with app.store.read() as tx:
        is_there = in_sight(tx, account_id, by)
        found = tx.mailbox.last_change(account_id, by.user_id) if is_there else None
    if found is None:
        raise RefusedError(Reason.NOTHING_TO_UNDO)
    return found


def undo(app: App, reader: Reader, *, by: Actor, change_id: str) -> Change:
    """Undo an act: owners and read flags are restored (M4).

    A mail that somebody moved since is left alone and listed.  Commits one transaction for owner changes; a dismissal
    is released by a ruling, a release withdrawn by one, another answer retracted by one, and the mail decided again.
    Raises RefusedError NOT_FOUND.
    """
    act = new_act(app, by, "undone", undoes=change_id)
    moved: list[str] = []
    unchanged: list[str] = []
    released: list[EntryRow] = []
    with app.store.write() as tx:
        _require_change(tx, change_id, by)
        for transfer in tx.mailbox.transfers_of_change(change_id):
            row = _entry(tx, transfer.delivery_id)
            (moved if _take_back(tx, row, transfer, act) else unchanged).append(row.ulid)
        for delivery_id, takes_back in _answers_of(tx, act, change_id):
            row = _entry(tx, delivery_id)
            if takes_back(row):
                released.append(row)
            else:
                unchanged.append(row.ulid)
        tx.healing.decide_soon([row.id for row in released], act.at)
    decide_again(app, reader, [row.id for row in released])
    moved = list(dict.fromkeys([*moved, *(row.ulid for row in released)]))
    return Change(id=act.change_id, moved=tuple(moved), unchanged=tuple(unchanged))


def _answers_of(tx: Tx, act: Act, change_id: str) -> list[tuple[int, Callable[[EntryRow], bool]]]:
    """Return what an act answered, by delivery, each with what takes it back; False where somebody changed it since."""
    return [
        *(
            (delivery_id, partial(_released, tx, act, answer))
            for delivery_id, answer in tx.mailbox.dismissals_of_change(change_id)
        ),
        *(
            (delivery_id, partial(_withdrawn, tx, act, at))
            for delivery_id, at in tx.mailbox.releases_of_change(change_id)
        ),
        *(
            (delivery_id, partial(_retracted, tx, act))
            for delivery_id in tx.mailbox.answers_of_change(change_id)
        ),
    ]


def _released(tx: Tx, act: Act, answer: dict[str, Any], row: EntryRow) -> bool:
    if row.state is not State.IGNORED:
        return False
    release(tx, row, act, answer)
    return True


def _retracted(tx: Tx, act: Act, row: EntryRow) -> bool:
    return retract(tx, row, act)


def _require_change(tx: Tx, change_id: str, by: Actor) -> None:
    """Hold a change's mails; refuse one that is not there, or of whose mails one is not there for who asks, or not theirs."""
    touched = [
        *(transfer.delivery_id for transfer in tx.mailbox.transfers_of_change(change_id)),
        *(delivery_id for delivery_id, _ in tx.mailbox.dismissals_of_change(change_id)),
        *(delivery_id for delivery_id, _ in tx.mailbox.releases_of_change(change_id)),
        *tx.mailbox.answers_of_change(change_id),
    ]
    rows = tx.mailbox.entries_of(touched).values()
    if not rows or not all(in_sight(tx, row.account_id, by) for row in rows):
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="change",
            value=short(change_id),
            hint="Nothing was undone.",
        )
    for row in rows:
        require_right(tx, row, by)
    if tx.changes.change(change_id) is not None:
        raise RefusedError(
            Reason.CONFLICT,
            actions=(f"The operator takes it back: maild user unmerge {change_id}",),
            why="These mails changed hands because two users turned out to be one (a merge); mails alone do not go back.",
        )
    # All are held before one is touched, in the order of everybody who takes several.
    mails(tx, [row.ulid for row in rows if row.state is not State.ERASED], by)


def _entry(tx: Tx, delivery_id: int) -> EntryRow:
    return tx.mailbox.entries_of([delivery_id])[delivery_id]


def _withdrawn(tx: Tx, act: Act, since: datetime, row: EntryRow) -> bool:
    """Take a release back, unless the mail moved since."""
    if row.state not in IN_A_MAILBOX:
        return False
    if any(transfer.at > since for transfer in tx.mailbox.transfers(row.id)):
        return False
    withdraw(tx, row, act)
    return True


def _take_back(tx: Tx, row: EntryRow, transfer: TransferRow, act: Act) -> bool:
    """Reverse one owner change, unless the mail moved since or its former owner has left."""
    newest = tx.mailbox.transfers(row.id)[-1]
    if newest.id != transfer.id or row.owner_id != transfer.to_user_id:
        return False
    if tx.rights.active_role(row.account_id, transfer.from_user_id) is None:
        return False
    if not tx.mailbox.move(row, to=transfer.from_user_id, unread=transfer.was_unread, cause=None):
        return False
    _append(tx, row, act, to=transfer.from_user_id, unread=transfer.was_unread)
    return True


def set_unread(app: App, ulids: Sequence[str], *, unread: bool, by: Actor) -> None:
    """Set or clear the owner's unread flag.

    A colleague who reads a mail in All Received does not clear the owner's flag (M2): refused as NOT_ALLOWED.
    Commits one transaction.
    """
    act = new_act(app, by)
    with app.store.write() as tx:
        for row in mails(tx, ulids, by):
            _require_entry(row)
            if by.user_id not in {None, row.owner_id}:
                raise RefusedError(
                    Reason.NOT_ALLOWED,
                    why="Only its owner marks a mail read or unread; take it first.",
                )
            if row.unread is not unread:
                note_event(tx, row, act, "unread" if unread else "read", {})
            tx.mailbox.set_unread(row.id, unread=unread, cause=None)


def set_status(app: App, ulids: Sequence[str], status: str, *, by: Actor) -> None:
    """Set the status; it never touches unread (M7).  Commits one transaction.  Raises RefusedError."""
    act = new_act(app, by)
    with app.store.write() as tx:
        for row in mails(tx, ulids, by):
            require_right(tx, row, by)
            _require_entry(row)
            names = tx.mailbox.status_names(row.account_id)
            found = next((name for name in names if name.casefold() == status.casefold()), None)
            if found is None:
                raise RefusedError(
                    Reason.NOT_FOUND,
                    noun="status",
                    value=status,
                    hint="There are: " + ", ".join(names) + ".",
                )
            tx.mailbox.set_status(row.id, names[found])
            note_event(tx, row, act, "status.changed", {"status": names[found]})


def _require_entry(row: EntryRow) -> None:
    if row.owner_id is None:
        raise RefusedError(
            Reason.NOT_ALLOWED,
            why=f"The mail {row.ulid} is {row.state.value} and lies in no mailbox.",
        )


def add_note(app: App, ulid: str, text: str, *, by: Actor) -> None:
    """Append a note; it never touches unread.  Commits one transaction.  Raises RefusedError."""
    _require_note(text)
    act = new_act(app, by)
    with app.store.write() as tx:
        for row in mails(tx, [ulid], by):
            require_right(tx, row, by)
            tx.mailbox.add_note(
                {"delivery_id": row.id, "by_user_id": by.user_id, "at": act.at, "text": text}
            )
            note_event(tx, row, act, "noted", {})


def _require_note(text: str) -> None:
    if not text.strip() or len(text) > NOTE_MAX or storable(text) != text:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The note",
            value=short(text, 20),
            why=f"it must have 1 to {NOTE_MAX} characters of text",
        )
