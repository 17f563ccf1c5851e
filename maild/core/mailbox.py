"""What people do with mail: give, take, read, and undo.

Nothing here touches how a mail came in or what is known of its server: the ledger is apart from the mailbox (D5).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

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
from maild.core.rulings import release, withdraw
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
        for row in mails(tx, ulids):
            require_right(tx, row, by)
            if seen_version is not None and row.version != seen_version:
                raise _owner_changed(tx, row)
            if row.owner_id == to:
                unchanged.append(row.ulid)
                continue
            require_reader(tx, row.account_id, to)
            _transfer(tx, row, to, act)
            moved.append(row.ulid)
    return Change(id=act.change_id, moved=tuple(moved), unchanged=tuple(unchanged))


def take(app: App, ulid: str, *, by: Actor, seen_version: int | None = None) -> Change:
    """Take a mail into one's own mailbox, as from All Received (M5).  Commits and raises as `give`."""
    if by.user_id is None:
        raise RefusedError(Reason.NOT_ALLOWED, why="Say who takes it: --by EMAIL.")
    return give(app, [ulid], to=by.user_id, by=by, seen_version=seen_version)


def _transfer(tx: Tx, row: EntryRow, to: int, act: Act) -> None:
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
        found = tx.mailbox.last_change(account_id, by.user_id)
    if found is None:
        raise RefusedError(Reason.NOTHING_TO_UNDO)
    return found


def undo(app: App, reader: Reader, *, by: Actor, change_id: str) -> Change:
    """Undo an act: owners and read flags are restored (M4).

    A mail that somebody moved since is left alone and listed.  Commits one transaction for owner changes; a dismissal
    is released by a ruling, a release withdrawn by one, and the mail decided again.  Raises RefusedError NOT_FOUND.
    """
    act = new_act(app, by, "undone", undoes=change_id)
    moved: list[str] = []
    unchanged: list[str] = []
    released: list[EntryRow] = []
    with app.store.write() as tx:
        transfers = tx.mailbox.transfers_of_change(change_id)
        dismissed = tx.mailbox.dismissals_of_change(change_id)
        taken_back = tx.mailbox.releases_of_change(change_id)
        if not transfers and not dismissed and not taken_back:
            raise RefusedError(
                Reason.NOT_FOUND,
                noun="change",
                value=short(change_id),
                hint="Nothing was undone.",
            )
        for transfer in transfers:
            row = tx.mailbox.entries_of([transfer.delivery_id])[transfer.delivery_id]
            require_right(tx, row, by)
            (moved if _take_back(tx, row, transfer, act) else unchanged).append(row.ulid)
        for delivery_id, answer in dismissed:
            row = tx.mailbox.entries_of([delivery_id])[delivery_id]
            require_right(tx, row, by)
            if row.state is State.IGNORED:
                release(tx, row, act, answer)
                released.append(row)
            else:
                unchanged.append(row.ulid)
        for delivery_id, at in taken_back:
            row = tx.mailbox.entries_of([delivery_id])[delivery_id]
            require_right(tx, row, by)
            if _withdrawn(tx, row, at, act):
                released.append(row)
            else:
                unchanged.append(row.ulid)
    decide_again(app, reader, [row.id for row in released])
    moved += [row.ulid for row in released]
    return Change(id=act.change_id, moved=tuple(moved), unchanged=tuple(unchanged))


def _withdrawn(tx: Tx, row: EntryRow, since: datetime, act: Act) -> bool:
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
    with app.store.write() as tx:
        for row in mails(tx, ulids):
            _require_entry(row)
            if by.user_id not in {None, row.owner_id}:
                raise RefusedError(
                    Reason.NOT_ALLOWED,
                    why="Only its owner marks a mail read or unread; take it first.",
                )
            tx.mailbox.set_unread(row.id, unread=unread, cause=None)


def set_status(app: App, ulids: Sequence[str], status: str, *, by: Actor) -> None:
    """Set the status; it never touches unread (M7).  Commits one transaction.  Raises RefusedError."""
    act = new_act(app, by)
    with app.store.write() as tx:
        for row in mails(tx, ulids):
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
        for row in mails(tx, [ulid]):
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
