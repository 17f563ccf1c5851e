"""Taking a merge back (U13): FROM is somebody of their own again, with the mailbox that they had.

What came to FROM's addresses meanwhile was INTO's, and stays so.  What somebody changed since stays as it is, and is
listed; only where FROM's own primary address cannot come back is the whole refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from maild.core.app import Actor, App
from maild.core.changing import (
    Making,
    Passing,
    Undone,
    cannot_undo,
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
from maild.core.readers import keeping_readers
from maild.core.standing import active_accounts
from maild.model.people import AddressKind, MemberState, NameKind, Role
from maild.store.addresses import AddressRow
from maild.store.people_changes import ChangeRow
from maild.store.store import Tx

LISTED_MAX = 10
"""Mails that stayed which are named."""


def unmerge(app: App, change_id: str, *, by: Actor) -> Undone:
    """Take a merge back.

    Commits one transaction.  Raises RefusedError (OPERATOR_ONLY, NOT_FOUND, CANNOT_UNDO, NOBODY_READS); then nothing is
    changed.
    """
    require_operator_alone(by)
    with app.store.write() as tx:
        change, _ = undoable(tx, app, change_id, ("merge",))
        hold_people(tx, people_of(change), wholly=True)
        change, kept = undoable(tx, app, change_id, ("merge",))
        making = Making(app.ids(), app.clock(), by)
        with keeping_readers(tx, _accounts(tx, change), making.at):
            stayed = list(_unmerge(tx, change, kept, making))
        send_link_again(tx, app, change.user_id, by)
        _tell(tx, app, change, making)
        tx.changes.undone(change.id, making.at)
        note_change(tx, app, "user.change_undone", making, people_of(change))
        return Undone(id=change.ulid, kind=change.kind, stayed=tuple(stayed))


def _accounts(tx: Tx, change: ChangeRow) -> set[int]:
    both = people_of(change)
    return {account for user in both for account in active_accounts(tx, user)}


def _unmerge(tx: Tx, change: ChangeRow, kept: dict[str, Any], making: Making) -> Iterable[str]:
    assert change.other_id is not None  # noqa: S101 - a merge is of two
    from_, into = change.user_id, change.other_id
    stayed = _addresses(tx, kept["addresses"], (from_, into), making)
    at = kept["disabled_at"]
    tx.people.set_disabled(from_, None if at is None else datetime.fromisoformat(at))
    tx.changes.set_merged(from_, None)
    stayed += mend_usernames(tx, into)
    stayed += wake_logins(tx, from_, kept, making.at)
    stayed += mend_usernames(tx, from_)
    stayed += _chains(tx, kept)
    stayed += _other_places(tx, kept, (from_, into), making)
    stayed += _mails(tx, change, making)
    stayed += _members(tx, kept["members"], into, making.at)
    return stayed


def _addresses(
    tx: Tx, moved: list[dict[str, Any]], pair: tuple[int, int], making: Making
) -> list[str]:
    from_, into = pair
    stayed: list[str] = []
    passing: list[Passing] = []
    for one in moved:
        old, kind = tx.people.address(one["old"]), AddressKind(one["kind"])
        source = _source(tx, old, into)
        if source is not None:
            source = replace(source, verified_at=source.verified_at or old.verified_at)
            passing.append(Passing(source, from_, kind, was_primary=one["was_primary"]))
        elif kind is AddressKind.PRIMARY:
            raise cannot_undo(
                f"{old.norm} is not an address beside {_name(tx, into)}'s primary one"
            )
        else:
            stayed.append(f"{old.norm} was changed since, and stays as it is.")
    for move in passing:
        client = is_client_of(tx, person(tx, from_), [move.row.norm])
        if client is not None:
            raise cannot_undo(f"{move.row.norm} is in use as a {client.kind} meanwhile")
        tx.verifications.withdraw(move.row.id)
    pass_on(tx, passing, making.at)
    return stayed


def _source(tx: Tx, old: AddressRow, into: int) -> AddressRow | None:
    """Return the binding from which an address of FROM comes back; None when it is INTO's primary, or not INTO's."""
    name = tx.people.name(old.norm)
    if name is None or name.kind is not NameKind.USER or name.user_id != into:
        return old if name is None and registered_again(tx, old) else None
    assert name.address_id is not None  # noqa: S101 - a live name has its address
    row = tx.people.address(name.address_id)
    return None if row.kind is AddressKind.PRIMARY else row


def _name(tx: Tx, user_id: int) -> str:
    return tx.people.user(user_id).display_name


def _chains(tx: Tx, kept: dict[str, Any]) -> list[str]:
    today = tx.merging.chains_at([one["inbox"] for one in kept["chains"]])
    stayed = []
    for one in kept["chains"]:
        if today[one["inbox"]] == one["after"]:
            tx.people.set_owner_chain(one["inbox"], one["before"])
        else:
            stayed.append("An inbox has other owners since, and keeps them.")
    return stayed


def _other_places(tx: Tx, kept: dict[str, Any], pair: tuple[int, int], making: Making) -> list[str]:
    from_, into = pair
    stayed = []
    back = tx.merging.set_default_owner_if(kept["defaults"], into, from_)
    if len(back) < len(kept["defaults"]):
        stayed.append("The last owner of an account was changed since, and stays so.")
    for one in kept["communal"]:
        if not tx.people.is_communal_member(one["inbox"], into):
            stayed.append(
                f"{_name(tx, into)} was taken out of a communal inbox since; so it stays."
            )
            continue
        if not tx.people.is_communal_member(one["inbox"], from_):
            tx.people.add_communal_member(one["inbox"], from_, now=making.at)
        if not one["had"]:
            tx.people.remove_communal_member(one["inbox"], into)
    return stayed


def _mails(tx: Tx, change: ChangeRow, making: Making) -> list[str]:
    tx.merging.move_back(
        change.ulid,
        change.user_id,
        {
            "by_user_id": making.by.user_id,
            "at": making.at,
            "note": "the merge was taken back",
            "change_id": making.id,
        },
    )
    count, first = tx.merging.not_moved_back(change.ulid, LISTED_MAX)
    if not count:
        return []
    more = f" and {count - len(first)} more" if count > len(first) else ""
    return [f"Changed since, and left where they are: {', '.join(first)}{more}."]


def _members(tx: Tx, members: list[dict[str, Any]], into: int, now: datetime) -> list[str]:
    stayed = []
    for one in members:
        member = tx.people.member(one["account"], into)
        after = (Role(one["after"]["role"]), MemberState(one["after"]["state"]))
        if member is None or (member.role, member.state) != after:
            stayed.append(f"{_name(tx, into)}'s role was changed since, and stays as it is.")
            continue
        before = one["before"] or {"role": member.role, "state": MemberState.REFUSED}
        role, state = Role(before["role"]), MemberState(before["state"])
        leaves = member.state is MemberState.ACTIVE and state is not MemberState.ACTIVE
        if leaves and _is_needed(tx, one["account"], into):
            stayed.append(_still_in(tx, one["account"], into))
            continue
        tx.people.set_member(member.id, role=role, state=state)
        if leaves:  # What hung on it ends with it, as when somebody is taken out of an account.
            tx.leaving.end_duties(one["account"], into)
            tx.leaving.end_drop(member.id, now)
            tx.leaving.end_ways_in(one["account"], into, now)
    return stayed


def _tell(tx: Tx, app: App, change: ChangeRow, making: Making) -> None:
    """Mail both that they are two again."""
    assert change.other_id is not None  # noqa: S101 - a merge is of two
    one, other = tx.people.user(change.user_id), tx.people.user(change.other_id)
    named = Making(f"{change.ulid}-undone", making.at, making.by)
    for user in (one, other):
        if user.disabled_at is None and user.email is not None:
            tell(
                tx,
                app,
                user.email,
                user.display_name,
                named,
                f"the work of {one.display_name} ({one.email}) and of {other.display_name} ({other.email}) is apart "
                f"again. Sign in as {user.email}.",
            )


def _is_needed(tx: Tx, account_id: int, user_id: int) -> bool:
    """Whether mail would have no reader if a user left an account (M1, M10)."""
    return tx.merging.owns_mail(account_id, user_id) or tx.merging.names_in_chains(
        account_id, user_id
    )


def _still_in(tx: Tx, account_id: int, user_id: int) -> str:
    account = tx.people.account_by_id(account_id)
    return f"{_name(tx, user_id)} has mail in {account.name} by now, and stays in it."
