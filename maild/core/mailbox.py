"""What people do with mail: give, take, read, and undo.

Nothing here touches how a mail came in or what is known of its server: the ledger is apart from the mailbox (D5).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from maild.core.acts import (
    Act,
    Change,
    mails,
    new_act,
    note_event,
    require_reader,
    require_right,
    require_rights,
    right_to,
)
from maild.core.app import Actor, App
from maild.core.decide import Reader, decide_again
from maild.core.handing import hand_over, owner_changed, require_place, take_back
from maild.core.portions import GoOn, in_portions
from maild.core.rulings import release, retract, withdraw
from maild.core.standing import in_sight
from maild.model.plain_text import short, storable
from maild.model.reason import Reason, RefusedError
from maild.model.states import IN_A_MAILBOX, State
from maild.store.mailbox import EntryRow, TransferRow
from maild.store.store import Tx

NOTE_MAX = 10_000
"""Characters of a note."""
PORTION = 500
"""Mails of one transaction of an act on many: others wait no longer than for these."""


def give(
    app: App,
    ulids: Sequence[str],
    *,
    to: int,
    by: Actor,
    note: str = "",
    seen_version: int | Collection[int] | None = None,
) -> Change:
    """Give mails to another user's mailbox (M1, M2).

    Commits one transaction: entries, transfers, events.  A mail that is the user's already is left as it is.  Unread
    for the new owner by the account's setting; giving to oneself leaves the flag.  `seen_version` is the entry version
    that the giver saw, or several of which it was one: OWNER_CHANGED if it moved since.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, OWNER_CHANGED);
    then nothing was moved.
    """
    if note:
        require_note(note)
    act = new_act(app, by, note)
    seen = {seen_version} if isinstance(seen_version, int) else seen_version
    with app.store.write() as tx:
        rows = mails(tx, ulids, by)
        require_rights(tx, rows, by)
        for row in rows:
            require_place(row)
            if seen is not None and row.version not in seen:
                raise owner_changed(tx, row, act.at)
        given = [row for row in rows if row.owner_id != to]
        for account_id in {row.account_id for row in given}:
            require_reader(tx, account_id, to)
        moved = hand_over(tx, given, to, act)
        done = {row.id for row in moved}
        late = next((row for row in given if row.id not in done), None)
        if late is not None:
            raise owner_changed(tx, late, act.at)
    unchanged = tuple(row.ulid for row in rows if row.owner_id == to)
    return Change(id=act.change_id, moved=tuple(row.ulid for row in moved), unchanged=unchanged)


def take(
    app: App, ulid: str, *, by: Actor, seen_version: int | Collection[int] | None = None
) -> Change:
    """Take a mail into one's own mailbox, as from All Received (M5).  Commits and raises as `give`."""
    if by.user_id is None:
        raise RefusedError(Reason.NOT_ALLOWED, why="Say who takes it: --by EMAIL.")
    return give(app, [ulid], to=by.user_id, by=by, seen_version=seen_version)


def transfer_in(tx: Tx, row: EntryRow, to: int, act: Act) -> None:
    """Give a mail to another owner within an open transaction.  Raises RefusedError NOT_ALLOWED, OWNER_CHANGED."""
    if not hand_over(tx, [row], to, act):
        raise owner_changed(tx, row, act.at)


def newest_change(app: App, account_id: int, *, by: Actor) -> str:
    """Return the newest act in the account that can be undone: one's own, or for the operator anybody's.

    Reads only.  Raises RefusedError when there is none.
    """
    with app.store.read() as tx:
        is_there = in_sight(tx, account_id, by)
        found = tx.undoing.last_change(account_id, by.user_id) if is_there else None
    if found is None:
        raise RefusedError(Reason.NOTHING_TO_UNDO)
    return found


def undo(
    app: App, reader: Reader, *, by: Actor, change_id: str, go_on: GoOn | None = None
) -> Change:
    """Undo an act: owners and read flags are restored (M4).

    Who did an act takes it back, whatever right to its mails that took; others need a right to each of them.  A mail that
    somebody moved since is left alone and listed.  Commits one transaction for owner changes, of an act on many mails one
    for each portion of them: `stopped` says what ended it before all was taken back, as `go_on`, and doing it again goes
    on.  A dismissal is released by a ruling, a release withdrawn by one, another answer retracted by one, and the mail
    decided again.  Raises RefusedError NOT_FOUND, NOT_ALLOWED, CONFLICT before anything is done.
    """
    act = new_act(app, by, "undone", undoes=change_id)
    with app.store.read() as tx:
        transfers = tx.mailbox.transfers_of_change(change_id)
        is_own = _require_change(tx, transfers, change_id, by)
    undone = _Undone()

    def some_back(tx: Tx, some: Sequence[TransferRow]) -> _Undone:
        done = _Undone()
        _take_back(tx, some, act, done, is_own=is_own)
        if some[-1:] == transfers[-1:]:
            # With the last ones: an act that moved and answered is taken back as one where it is small.
            _take_back_answers(tx, act, change_id, done, is_own=is_own)
        return done

    stopped = in_portions(app, transfers, PORTION, some_back, undone.add, go_on)
    decide_again(app, reader, [row.id for row in undone.released])
    moved = list(dict.fromkeys([*undone.moved, *(row.ulid for row in undone.released)]))
    unchanged = tuple(undone.unchanged)
    return Change(id=act.change_id, moved=tuple(moved), unchanged=unchanged, stopped=stopped)


@dataclass(slots=True)
class _Undone:
    moved: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    released: list[EntryRow] = field(default_factory=list)
    """To be decided again."""

    def add(self, more: _Undone) -> None:
        """Add what was committed."""
        self.moved += more.moved
        self.unchanged += more.unchanged
        self.released += more.released


def _held(tx: Tx, delivery_ids: Iterable[int], by: Actor, *, is_own: bool) -> dict[int, EntryRow]:
    """Hold mails, and refuse who has no right to one of them, unless the act was their own.

    What was erased is not held, as nobody moves it.
    """
    rows = tx.mailbox.entries_of(delivery_ids)
    there = [row.ulid for row in rows.values() if row.state is not State.ERASED]
    held = mails(tx, there, by)
    if not is_own:
        require_rights(tx, held, by)
    return rows | {row.id: row for row in held}


def _take_back(
    tx: Tx, transfers: Sequence[TransferRow], act: Act, undone: _Undone, *, is_own: bool
) -> None:
    rows = _held(tx, (one.delivery_id for one in transfers), act.by, is_own=is_own)
    done = take_back(tx, transfers, rows, act)
    for one in transfers:
        (undone.moved if one.id in done else undone.unchanged).append(rows[one.delivery_id].ulid)


def _take_back_answers(tx: Tx, act: Act, change_id: str, undone: _Undone, *, is_own: bool) -> None:
    answers = _answers_of(tx, act, change_id)
    rows = _held(tx, (delivery_id for delivery_id, _ in answers), act.by, is_own=is_own)
    for delivery_id, takes_back in answers:
        row = rows[delivery_id]
        if takes_back(row):
            undone.released.append(row)
        else:
            undone.unchanged.append(row.ulid)
    tx.healing.decide_soon([row.id for row in undone.released], act.at)


def _answers_of(tx: Tx, act: Act, change_id: str) -> list[tuple[int, Callable[[EntryRow], bool]]]:
    """Return what an act answered, by delivery, each with what takes it back; False where somebody changed it since."""
    return [
        *(
            (delivery_id, partial(_released, tx, act, answer))
            for delivery_id, answer in tx.undoing.dismissals_of_change(change_id)
        ),
        *(
            (delivery_id, partial(_withdrawn, tx, act, at))
            for delivery_id, at in tx.undoing.releases_of_change(change_id)
        ),
        *(
            (delivery_id, partial(_retracted, tx, act))
            for delivery_id in tx.undoing.answers_of_change(change_id)
        ),
    ]


def _released(tx: Tx, act: Act, answer: dict[str, Any], row: EntryRow) -> bool:
    if row.state is not State.IGNORED:
        return False
    release(tx, row, act, answer)
    return True


def _retracted(tx: Tx, act: Act, row: EntryRow) -> bool:
    # What is known of a mail is for those to say who have a right to it now, also where they said it first.
    return right_to(tx, row.account_id, act.by)(row) and retract(tx, row, act)


def _require_change(tx: Tx, transfers: Sequence[TransferRow], change_id: str, by: Actor) -> bool:
    """Refuse a change that is not there, or somebody else's of whose mails one is not there for who asks, or not theirs.

    Return whether it was their own act.
    """
    touched = [
        *(transfer.delivery_id for transfer in transfers),
        *(delivery_id for delivery_id, _ in tx.undoing.dismissals_of_change(change_id)),
        *(delivery_id for delivery_id, _ in tx.undoing.releases_of_change(change_id)),
        *tx.undoing.answers_of_change(change_id),
    ]
    rows = list(tx.mailbox.entries_of(touched).values())
    accounts = {row.account_id for row in rows}
    if not rows or not all(in_sight(tx, account_id, by) for account_id in accounts):
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="change",
            value=short(change_id),
            hint="Nothing was undone.",
        )
    is_own = by.user_id is not None and tx.undoing.actors_of_change(change_id) == {by.user_id}
    if not is_own:
        require_rights(tx, rows, by)
    if tx.changes.change(change_id) is not None:
        raise RefusedError(
            Reason.CONFLICT,
            actions=(f"The operator takes it back: maild user unmerge {change_id}",),
            why="These mails changed hands because two users turned out to be one (a merge); mails alone do not go back.",
        )
    return is_own


def _withdrawn(tx: Tx, act: Act, since: datetime, row: EntryRow) -> bool:
    """Take a release back, unless the mail moved since."""
    if row.state not in IN_A_MAILBOX:
        return False
    if any(transfer.at > since for transfer in tx.mailbox.transfers(row.id)):
        return False
    withdraw(tx, row, act)
    return True


def set_unread(app: App, ulids: Sequence[str], *, unread: bool, by: Actor) -> None:
    """Set or clear the owner's unread flag.

    A colleague who reads a mail in All Received does not clear the owner's flag (M2): refused as NOT_ALLOWED.  What lies
    in a communal mailbox is read when one of its members has read it (M9), who leaves a mark: `marking.readers_of`.
    Commits one transaction.  Raises RefusedError NOT_FOUND, NOT_ALLOWED, OWNER_CHANGED; then nothing was done.
    """
    act = new_act(app, by)
    with app.store.write() as tx:
        for row in mails(tx, ulids, by):
            require_place(row)
            if not _is_reader(tx, row, by):
                raise RefusedError(
                    Reason.NOT_ALLOWED,
                    why="Only its owner marks a mail read or unread; take it first.",
                )
            if not tx.mailbox.set_unread(row.id, unread=unread, cause=None, version=row.version):
                raise owner_changed(tx, row, act.at)  # By a merge, which holds no mails.
            if row.unread is not unread:
                note_event(tx, row, act, "unread" if unread else "read", {})
            if not unread and by.user_id is not None and by.user_id != row.owner_id:
                tx.marks.add([row.id], by.user_id, act.at)


def _is_reader(tx: Tx, row: EntryRow, by: Actor) -> bool:
    """Whether somebody's reading is the owner's: the owner's own, a communal owner's members', or the operator's."""
    if by.user_id is None or by.user_id == row.owner_id:
        return True
    return row.owner_id in tx.people.mailboxes_opened(row.account_id, by.user_id)


def set_status(app: App, ulids: Sequence[str], status: str, *, by: Actor) -> None:
    """Set the status; it never touches unread (M7).  Commits one transaction.  Raises RefusedError."""
    act = new_act(app, by)
    with app.store.write() as tx:
        for row in mails(tx, ulids, by):
            require_right(tx, row, by)
            require_place(row)
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


def add_note(app: App, ulid: str, text: str, *, by: Actor) -> None:
    """Append a note; it never touches unread.  Commits one transaction.  Raises RefusedError."""
    require_note(text)
    act = new_act(app, by)
    with app.store.write() as tx:
        for row in mails(tx, [ulid], by):
            require_right(tx, row, by)
            tx.mailbox.add_note(
                {"delivery_id": row.id, "by_user_id": by.user_id, "at": act.at, "text": text}
            )
            note_event(tx, row, act, "noted", {})


def require_note(text: str) -> None:
    """Refuse a note that is none.  Raises RefusedError INVALID_VALUE."""
    if not text.strip() or len(text) > NOTE_MAX or storable(text) != text:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The note",
            value=short(text, 20),
            why=f"it must have 1 to {NOTE_MAX} characters of text",
        )
