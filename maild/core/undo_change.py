"""Taking a change of e-mail back, and forgetting what that would need when its time is over (U11).

The inverse of a change is again a change of bindings, dated now: nothing that was stored meanwhile is rewritten.  What
makes it impossible is said before anything is done; what merely changed since stays as it is, and is listed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from maild.core.app import Actor, App
from maild.core.changing import (
    Making,
    Passing,
    Undone,
    cannot_undo,
    end_access,
    hold_people,
    mend_usernames,
    note_change,
    pass_on,
    people_of,
    registered_again,
    require_operator_alone,
    send_link_again,
    tell,
    undoable,
    wake_logins,
)
from maild.core.person_facts import is_client_of, person
from maild.core.standing import active_accounts
from maild.core.waiting import let_heal
from maild.model.changes import RESTS_FOR
from maild.model.people import AddressKind, NameKind
from maild.store.addresses import AddressRow
from maild.store.people_changes import ChangeRow
from maild.store.store import Tx

KINDS = ("rename", "swap")
LISTED_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeView:
    """A change, as a list shows it."""

    id: str
    kind: str
    what: str
    reason: str
    at: datetime
    undo_until: datetime | None
    """None: it was taken back, or stands for good."""
    undone_at: datetime | None


def list_changes(app: App, *, limit: int = 100, by: Actor) -> tuple[ChangeView, ...]:
    """Return the newest changes of e-mail addresses and merges, newest first.  Reads only.  Raises OPERATOR_ONLY."""
    require_operator_alone(by)
    with app.store.read() as tx:
        rows = tx.changes.newest(min(limit, LISTED_MAX))
    now = app.clock()
    return tuple(
        ChangeView(
            id=row.ulid,
            kind=row.kind,
            what=_what(row),
            reason=row.reason,
            at=row.at,
            undo_until=None if row.kept is None or row.undo_until <= now else row.undo_until,
            undone_at=row.undone_at,
        )
        for row in rows
    )


def _what(row: ChangeRow) -> str:
    if row.kind == "merge":
        return f"{row.plan['from_email']} into {row.plan['into_email']}"
    between = "with" if row.kind == "swap" else "to"
    return f"{row.plan['old']} {between} {row.plan['new']}"


def undo_change(app: App, change_id: str, *, by: Actor) -> Undone:
    """Take a change of e-mail back.

    Commits one transaction.  Sessions and tokens end again and drop addresses are replaced.  Raises RefusedError
    (OPERATOR_ONLY, NOT_FOUND, CANNOT_UNDO); then nothing is changed.
    """
    require_operator_alone(by)
    with app.store.write() as tx:
        change, _ = undoable(tx, app, change_id, KINDS)
        hold_people(tx, people_of(change))
        change, kept = undoable(tx, app, change_id, KINDS)
        making = Making(change.ulid, app.clock(), by)
        if change.kind == "rename":
            stayed = _undo_rename(tx, app, change, kept, making)
        else:
            stayed = _undo_swap(tx, app, change, kept, making)
        tx.changes.undone(change.id, making.at)
        note_change(tx, app, "user.change_undone", making, people_of(change))
        return Undone(id=change.ulid, kind=change.kind, stayed=tuple(stayed))


# -- a free address ----------------------------------------------------------------------------------------------------


def _undo_rename(
    tx: Tx, app: App, change: ChangeRow, kept: dict[str, Any], making: Making
) -> list[str]:
    given_up, now_used = tx.people.address(kept["old"]), tx.people.address(kept["new"])
    user = person(tx, change.user_id)
    if user.primary is None or user.primary.norm != now_used.norm:
        raise cannot_undo(f"{now_used.norm} is not the primary address of {user.name} any more")
    source = _still_free(tx, given_up)
    client = is_client_of(tx, user, [given_up.norm])
    if client is not None:
        raise cannot_undo(f"{given_up.norm} is in use as a {client.kind} meanwhile")
    end_access(tx, app, user, making)
    tx.people.end_address(user.primary.id, making.at, resting_until=making.at + RESTS_FOR)
    pass_on(
        tx,
        [Passing(source, change.user_id, AddressKind.PRIMARY, was_primary=False)],
        making.at,
    )
    let_heal(tx, app, active_accounts(tx, change.user_id), [given_up.norm])
    stayed = wake_logins(tx, change.user_id, kept, making.at) + mend_usernames(tx, change.user_id)
    send_link_again(tx, app, change.user_id, making.by)
    if user.is_active:
        for address in (given_up.norm, now_used.norm):
            tell(
                tx,
                app,
                address,
                user.name,
                Making(f"{making.id}-undone", making.at, making.by),
                f"the change of your address to {now_used.norm} was taken back: it is {given_up.norm} again, with the "
                "password that it had.",
            )
    return stayed


def _still_free(tx: Tx, given_up: AddressRow) -> AddressRow:
    """Return the binding from which an address is taken back, confirmed as the one that was given up.

    Raises RefusedError when it is somebody else's.
    """
    name, source = tx.people.name(given_up.norm), None
    if name is None and registered_again(tx, given_up):
        source = given_up
    elif name is not None and given_up.user_id in {name.rested_user_id, name.user_id}:
        source = tx.people.address(name.rested_address_id or name.address_id or given_up.id)
    if source is None:
        raise cannot_undo(f"{given_up.norm} was given to somebody else")
    return replace(source, verified_at=source.verified_at or given_up.verified_at)


# -- a swap ------------------------------------------------------------------------------------------------------------


def _undo_swap(
    tx: Tx, app: App, change: ChangeRow, kept: dict[str, Any], making: Making
) -> list[str]:
    assert change.other_id is not None  # noqa: S101 - a swap is of two
    people = {number: person(tx, number) for number in (change.user_id, change.other_id)}
    passing, stayed = _back(tx, kept["moved"], (change.user_id, change.other_id))
    for move in passing:
        client = is_client_of(tx, people[move.to], [move.row.norm])
        if client is not None:
            raise cannot_undo(f"{move.row.norm} is in use as a {client.kind} meanwhile")
    for user in people.values():
        end_access(tx, app, user, making)
    pass_on(tx, passing, making.at)
    tx.changes.exchange_logins(change.user_id, change.other_id, seat=app.ids(), now=making.at)
    for number in people:
        stayed += mend_usernames(tx, number)
        send_link_again(tx, app, number, making.by)
    for move in passing:
        if move.kind is AddressKind.PRIMARY:
            tell(
                tx,
                app,
                move.row.norm,
                people[move.row.user_id].name,
                Making(f"{making.id}-undone", making.at, making.by),
                f"{move.row.norm} opens the work of {people[move.to].name} again. Your password stays as it is; you are "
                "signed out everywhere.",
            )
    return stayed


def _back(
    tx: Tx, moved: list[dict[str, Any]], pair: tuple[int, int]
) -> tuple[list[Passing], list[str]]:
    """Return the bindings that pass back, and a sentence for each that does not.

    Raises RefusedError when the two do not have each other's primary addresses any more.
    """
    passing, stayed = [], []
    for one in moved:
        row, kind = _today(tx, tx.people.address(one["new"])), AddressKind(one["kind"])
        is_theirs = row.valid_to is None and row.user_id in pair and row.user_id != one["back_to"]
        if kind is AddressKind.PRIMARY and not (is_theirs and row.kind is kind):
            raise cannot_undo(f"{row.norm} is not a primary address of the two any more")
        if is_theirs and (row.kind is AddressKind.PRIMARY) is (kind is AddressKind.PRIMARY):
            passing.append(Passing(row, one["back_to"], kind, was_primary=one["was_primary"]))
        else:
            stayed.append(f"{row.norm} was changed since, and stays as it is.")
    return passing, stayed


def _today(tx: Tx, row: AddressRow) -> AddressRow:
    """Return the live binding of the same address: later changes that were taken back have made new ones."""
    name = tx.people.name(row.norm)
    if name is None or name.kind is not NameKind.USER or name.address_id is None:
        return row
    return tx.people.address(name.address_id)


# -- when the time is over ---------------------------------------------------------------------------------------------


def forget_changes(app: App) -> int:
    """Erase what changes kept whose time to be taken back is over, and release addresses that have rested.

    Commits one transaction.  Safe to repeat.  Return how many changes stand for good now.
    """
    now = app.clock()
    with app.store.read() as tx:
        if not tx.changes.expired(now) and not tx.people.has_rested(now):
            return 0  # Nearly always: nobody waits for a write that writes nothing.
    with app.store.write() as tx:
        over = tx.changes.expired(now)
        for change in over:
            kept = change.kept or {}
            for login in kept.get("logins", ()):
                tx.changes.erase_password(login["login_id"], change.at)
            tx.changes.erase_identities(kept.get("identities", []), change.at)
            tx.changes.erase_kept(change.id)
        tx.people.release_rested(now)
    return len(over)
