"""What changes of e-mail, merges and their undoing share: who may, what is held, what ends, what is recorded.

A change is the operator's alone.  Nothing here commits by itself.  Locks are taken in one order: users, their accounts,
then names, each by id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import chain, count
from typing import Any

from maild.core.app import Actor, App
from maild.core.drops import replace_drops
from maild.core.letters import Notice, post
from maild.core.resets import send_sign_up
from maild.core.sessions import close_user
from maild.core.standing import active_accounts, note
from maild.core.usernames import username_taken
from maild.model.address import Address
from maild.model.changes import (
    UNDO_FOR,
    Need,
    Refuse,
    RenamePlan,
    SwapPlan,
)
from maild.model.lookalike import skeleton
from maild.model.merges import MergePlan
from maild.model.people import AddressKind, NameKind
from maild.model.person import Amounts, PersonFact
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.way import Way
from maild.store.addresses import AddressRow
from maild.store.people_changes import ChangeRow, Credentials
from maild.store.store import Tx

_VERBS = {"rename": "undo-change", "swap": "undo-change", "merge": "unmerge"}
REASON_MAX = 500
"""Characters of the reason that an operator gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A change was made."""

    id: str
    """By which it is taken back."""
    plan: RenamePlan | SwapPlan | MergePlan
    undo_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """A change was taken back."""

    id: str
    kind: str
    stayed: tuple[str, ...] = ()
    """What was changed since, and is as it is now; in sentences."""


@dataclass(frozen=True, slots=True)
class Making:
    """A change that is being made, or taken back: its id, its time, and who does it."""

    id: str
    at: datetime
    by: Actor


@dataclass(frozen=True, slots=True)
class Passing:
    """A binding that passes to a user, and as what."""

    row: AddressRow
    to: int
    kind: AddressKind
    was_primary: bool


def require_operator_alone(by: Actor) -> None:
    """Refuse everybody but the operator, before anything is looked up."""
    if not by.is_operator:
        raise RefusedError(Reason.OPERATOR_ONLY)


def refused(no: Refuse) -> RefusedError:
    """Return the refusal that a plan came to."""
    return RefusedError(no.reason, actions=no.actions, **no.facts)


def require_consent(needs: Iterable[Need], given: set[str]) -> None:
    """Refuse what a person has not said yes to."""
    for need in needs:
        if need.option not in given:
            raise RefusedError(
                Reason[need.code],
                actions=(Way("SAY_YES", f"Look at the plan (--plan); then say {need.option}"),),
                why=need.why,
                needs=need.option,
            )


def hold_people(tx: Tx, user_ids: Iterable[int], *, wholly: bool = False) -> None:
    """Let changes of these people, of their accounts' directories, and of names wait until this transaction ends.

    Mail that comes in waits for its account, too: none is received between the moment of a change and its commit (U12).
    `wholly`: everything waits that is about to refer to one of them.
    """
    people = sorted(set(user_ids))
    for user in people:
        if wholly:
            tx.changes.hold_wholly(user)
        else:
            tx.people.hold_user(user)
    accounts = {member.account_id for user in people for member in tx.people.memberships_of(user)}
    for account in sorted(accounts):
        tx.people.hold_account(account)
    tx.people.hold_names()


def end_access(tx: Tx, app: App, person: PersonFact, making: Making) -> None:
    """End what is open in a person's name: sessions, tokens, links, pending confirmations; drop addresses change."""
    for login in tx.logins.of(person.id):
        tx.logins.hold(login.id)  # Who is just signing in waits, and is refused then.
    close_user(tx, person.id)
    tx.tokens.revoke_of(person.id, making.at)
    for row in tx.people.addresses_of(person.id):
        tx.verifications.withdraw(row.id)
    replace_drops(app, tx, person.id, making.by)


def suspend_logins(
    tx: Tx, person: PersonFact, names: dict[int, str], making: Making
) -> dict[str, Any]:
    """Suspend a person's logins and identities; return what is kept of them.  `names` are the user names then."""
    kept = tx.changes.credentials(person.id)
    woken: list[int] = []
    for one in kept:
        username = names.get(one.login_id, one.username)
        if not tx.changes.username_is_free(username, but=one.login_id):
            raise username_taken(username)
        tx.changes.suspend(one.login_id, username, making.at)
        woken += tx.changes.suspend_identities(one.login_id, making.at)
    return {"logins": [_plain(asdict(one)) for one in kept], "identities": woken}


def wake_logins(tx: Tx, user_id: int, kept: dict[str, Any], now: datetime) -> list[str]:
    """Give a person's logins back what was kept; what was set since is gone.  Return what could not be given back.

    A login that was made since opens nothing any more.  Raises RefusedError CANNOT_UNDO when a user name is somebody's
    meanwhile.
    """
    stayed, there = _suspend_later_ones(tx, user_id, kept, now), []
    for values in kept["logins"]:
        one = _in_time(_credentials(values), now)
        login = tx.logins.login(one.login_id)
        if login is None or login.user_id != user_id:
            stayed.append(f"The login {one.username} is gone.")
            continue
        if not tx.changes.username_is_free(one.username, but=one.login_id):
            raise cannot_undo(f"the user name {one.username} is somebody's now")
        tx.changes.give_back(one)
        for identity in tx.identities.of(one.login_id):
            # Of who signed up meanwhile: it must open nothing here.
            if identity.id not in kept["identities"] and identity.suspended_at is None:
                tx.identities.detach(identity.id)
        there.append(one.login_id)
    woken = tx.changes.wake_identities(kept["identities"], there)
    if woken < len(kept["identities"]):
        stayed.append("An identity of theirs was attached elsewhere, or taken away, meanwhile.")
    return stayed


def _suspend_later_ones(tx: Tx, user_id: int, kept: dict[str, Any], now: datetime) -> list[str]:
    """Suspend logins that were made since, by whoever signed up meanwhile; return what is said of that."""
    before = {values["login_id"] for values in kept["logins"]}
    said = []
    for login in tx.logins.of(user_id):
        if login.id in before:
            continue
        tx.identities.detach_all(login.id)
        tx.changes.suspend(login.id, login.username, now)
        said.append(
            f"The login {login.username} was made since; it is suspended until its person signs up for it by a link."
        )
    return said


def _in_time(one: Credentials, now: datetime) -> Credentials:
    """Return what is given back; not the password of a login that was suspended so long ago that it would be erased."""
    is_over = one.suspended_at is not None and one.suspended_at + UNDO_FOR <= now
    return replace(one, password_hash=None) if is_over else one


def registered_again(tx: Tx, row: AddressRow) -> bool:
    """Register the name of an ended binding anew; False when it is somebody's, or an inbox's as its +tag (U4)."""
    address = Address.parse(row.norm)
    base = tx.people.name(address.base.norm)
    if address.tag is not None and base is not None and base.kind is NameKind.INBOX:
        return False
    return tx.people.claim(row.norm, NameKind.USER, row.id, skeleton=skeleton(address))


def mend_usernames(tx: Tx, user_id: int) -> list[str]:
    """Give logins another user name whose name is an address that is not this user's (U8); return what was renamed."""
    own = {row.norm for row in tx.people.addresses_of(user_id) if row.valid_to is None}
    primary = tx.people.user(user_id).email or ""
    mended = []
    for login in tx.logins.of(user_id):
        if "@" not in login.username or login.username in own:
            continue
        # Anybody may have called themselves `login-7`.
        names = chain([primary], (f"login-{login.id}{'-' * number}" for number in count()))
        username = next(name for name in names if tx.logins.set_username(login.id, name))
        mended.append(
            f"The login {login.username} is called {username}: the address is somebody else's."
        )
    return mended


def send_link_again(tx: Tx, app: App, user_id: int, by: Actor) -> None:
    """Mail the link to sign up to who still has to: the one before has just ended."""
    login = tx.logins.general(user_id)
    if login is not None and login.suspended_at is not None and login.disabled_at is None:
        send_sign_up(tx, app, user_id, by=by)


def pass_on(tx: Tx, passing: Iterable[Passing], now: datetime) -> dict[int, int]:
    """Let bindings end and begin anew with other users (U12); return the new ones by the old ones.

    All end before the first begins: nobody has two primary addresses at any moment.
    """
    some = list(passing)
    for one in some:
        if one.row.valid_to is None:
            tx.people.end_address(one.row.id, now)
    return {
        one.row.id: tx.people.succeed(
            one.row, one.to, kind=one.kind, was_primary=one.was_primary, now=now
        )
        for one in some
    }


def record(
    tx: Tx,
    making: Making,
    plan: RenamePlan | SwapPlan | MergePlan,
    people: tuple[int, int | None],
    *,
    reason: str,
    kept: dict[str, Any],
) -> Changed:
    """Record a change with what taking it back needs."""
    until = making.at + UNDO_FOR
    tx.changes.add(
        {
            "ulid": making.id,
            "kind": plan.kind,
            "user_id": people[0],
            "other_id": people[1],
            "by_user_id": making.by.user_id,
            "reason": reason,
            "at": making.at,
            "plan": asdict(plan),
            "kept": kept,
            "undo_until": until,
        }
    )
    return Changed(id=making.id, plan=plan, undo_until=until)


def note_change(tx: Tx, app: App, kind: str, making: Making, user_ids: Iterable[int]) -> None:
    """Append to the events of every account that these people are in."""
    people = sorted(set(user_ids))
    accounts = {account for user in people for account in active_accounts(tx, user)}
    for account in _or_none(accounts):
        note(tx, app, making.by, kind, account, users=people, change=making.id)


def _or_none(accounts: set[int]) -> list[int | None]:
    return [*sorted(accounts)] or [None]


def tell(tx: Tx, app: App, address: str, name: str, making: Making, text: str) -> None:
    """Mail somebody what was done; the transaction commits that, too."""
    post(
        tx,
        app,
        Notice(
            to=address,
            to_name=name,
            subject="Your email address here was changed",
            text=f"Hello {name},\n\n{text}\n\nIf you did not expect this, tell whoever runs this service, and name this "
            f"change: {making.id}",
        ),
        key=f"change:{making.id}:{address}",
    )


def undoable(
    tx: Tx, app: App, change_id: str, kinds: tuple[str, ...]
) -> tuple[ChangeRow, dict[str, Any]]:
    """Return a change that can be taken back, as far as its record says, and what it kept.  Raises RefusedError."""
    change = tx.changes.change(change_id)
    if change is None or change.kind not in kinds:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="change",
            value=short(change_id),
            hint="`maild user changes` shows them.",
        )
    if change.undone_at is not None:
        raise cannot_undo(f"that was done on {change.undone_at:%Y-%m-%d %H:%M} UTC already")
    if change.kept is None or change.undo_until <= app.clock():
        raise cannot_undo(
            f"its time ended on {change.undo_until:%Y-%m-%d}, and what stood before is erased"
        )
    later = tx.changes.standing_after(change.id, people_of(change))
    if later:
        raise cannot_undo(
            "a later change of the same people stands; take back that one first",
            f"Take back the later one: maild user {_VERBS[later[0][1]]} {later[0][0]}",
        )
    return change, change.kept


def people_of(change: ChangeRow) -> list[int]:
    """Return whom a change is about."""
    return [change.user_id, *([] if change.other_id is None else [change.other_id])]


def cannot_undo(why: str, *actions: str) -> RefusedError:
    """Return the refusal of taking a change back."""
    return RefusedError(Reason.CANNOT_UNDO, actions=actions, why=f"{why}.")


def with_amounts(person: PersonFact, amounts: dict[int, Amounts]) -> PersonFact:
    """Return the record with amounts that were counted before, outside of the transaction."""
    return replace(person, amounts=amounts.get(person.id, person.amounts))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in values.items()
    }


def _credentials(values: dict[str, Any]) -> Credentials:
    times = {
        key: None if values[key] is None else datetime.fromisoformat(values[key])
        for key in ("terms_at", "suspended_at")
    }
    return Credentials(**{**values, **times})
