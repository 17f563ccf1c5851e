"""Memberships: one person, one login, many accounts (U9).

Who invites learns no more of a person than the address they typed, until that person has joined.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from maild.core.app import Actor, App
from maild.core.asking import answering
from maild.core.join_letters import post_invitation
from maild.core.names import in_use, require_no_client
from maild.core.standing import home, in_sight, note, parse_address, require_admin, require_member
from maild.core.waiting import let_heal
from maild.model.address import Address
from maild.model.people import AddressKind, MemberState, NameKind, Role
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.way import Way
from maild.store.accounts import AccountRow
from maild.store.store import Tx
from maild.store.users import MemberRow

_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberView:
    """A membership as the interface shows it."""

    id: str
    account: str
    email: str | None
    """None where somebody would hear a new address by it: that of a person who has not joined, or has left, and has had
    another primary one since they were invited."""
    name: str | None
    """None until the person has joined, or has asked to: who invites learns no more than the address they know."""
    role: Role
    state: MemberState
    """A membership that ended, or was never wanted, is refused."""
    needs_own_login: bool
    """Whether the person has to choose a user name for this account before they can join."""
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinView:
    """Somebody who has a login was asked to join."""

    membership: MemberView
    message: str
    mailed: bool
    """False: no mail goes, for want of a relay, or because one went today; they see it when they sign in."""
    outcome: Literal["join_requested"] = "join_requested"
    code: str = Reason.JOIN_REQUESTED.code


def answer_known(
    tx: Tx, app: App, account: AccountRow, address: Address, *, role: Role, by: Actor
) -> JoinView | None:
    """Return the join request where the address is the primary of a person known elsewhere; None for a free address.

    Raises RefusedError EMAIL_IN_USE, EMAIL_IN_USE_OTHER_KIND.  Within the caller's transaction, which `core.asking` counts.
    """
    taken = tx.people.name(address.norm)
    if taken is None or taken.is_free(app.clock()):
        return None
    if taken.kind is not NameKind.USER or taken.user_id is None or taken.address_id is None:
        raise in_use(tx, address, account_id=account.id, by=by)
    member = tx.people.member(account.id, taken.user_id)
    is_primary = tx.people.address(taken.address_id).kind is AddressKind.PRIMARY
    if not is_primary or (member is not None and member.state is MemberState.ACTIVE):
        raise in_use(tx, address, account_id=account.id, by=by)
    require_no_client(tx, address, [account.id])
    member = _invited(tx, app, account, taken.user_id, role)
    mailed = post_invitation(tx, app, member, account)
    note(tx, app, by, "member.invited", account.id, user=taken.user_id, mailed=mailed)
    return JoinView(
        membership=replace(member_view(tx, member, account, by), email=address.norm),
        message=Reason.JOIN_REQUESTED.say(addr=address.norm, account=account.name),
        mailed=mailed,
    )


def _invited(tx: Tx, app: App, account: AccountRow, user_id: int, role: Role) -> MemberRow:
    """Write the invitation; one that is open already has this role from now on."""
    tx.people.add_member(
        app.ids(), account.id, user_id, role=role, state=MemberState.INVITED, now=app.clock()
    )
    member = tx.people.member(account.id, user_id)
    assert member is not None  # noqa: S101 - it was just made, or was there
    if (member.role, member.state) != (role, MemberState.INVITED):
        tx.people.set_member(member.id, role=role, state=MemberState.INVITED)
        member = tx.people.member(account.id, user_id)
        assert member is not None  # noqa: S101 - as above
    return member


def is_join(outcome: object) -> bool:
    """Whether an answer says that somebody is known elsewhere."""
    return isinstance(outcome, JoinView)


def invite(app: App, email: str, *, role: Role, account: str | None = None, by: Actor) -> JoinView:
    """Ask somebody who has a login to join an account.  Safe to repeat.

    Commits one transaction.  Raises RefusedError (NOT_FOUND for an address nobody has, EMAIL_IN_USE for a member,
    TOO_MANY_TRIES).
    """
    address = parse_address(email)

    def ask(tx: Tx) -> JoinView:
        where = home(tx, account, by, hold=True)
        require_admin(tx, where, by)
        return invite_in(tx, app, where, address, role=role, by=by)

    return answering(app, by, ask, is_join)


def invite_in(
    tx: Tx, app: App, where: AccountRow, address: Address, *, role: Role, by: Actor
) -> JoinView:
    """Invite within an open transaction; the account is held.  Raises RefusedError, and then nothing may be kept."""
    joined = answer_known(tx, app, where, address, role=role, by=by)
    if joined is None:
        raise RefusedError(
            Reason.NOT_FOUND,
            actions=(
                Way(
                    "ADD_USER",
                    "Make them a user",
                    f"maild user add --email {address.norm} --name NAME --role {role.value}",
                ),
            ),
            noun="login with the address",
            value=address.norm,
            hint="`maild user add --email ADDR --name NAME` makes one.",
        )
    return joined


def list_members(app: App, *, account: str | None = None, by: Actor) -> list[MemberView]:
    """Return an account's memberships in every state.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        found: list[MemberRow] = []
        while page := tx.people.members(where.id, after=found[-1].id if found else 0):
            found += page
        return [member_view(tx, member, where, by) for member in found]


def list_own(app: App, *, by: Actor) -> list[MemberView]:
    """Return the memberships of the person who asks, in every account, with the invitations that wait for an answer.

    Not what they asked an account for and was not answered: that would tell which accounts there are.  Reads only.
    Raises RefusedError NOT_ALLOWED for who is no person.
    """
    if by.user_id is None:
        raise RefusedError(
            Reason.NOT_ALLOWED, why="Only a person has memberships; say whose: --by EMAIL."
        )
    with app.store.read() as tx:
        return [
            member_view(tx, member, tx.people.account_by_id(member.account_id), by)
            for member in tx.people.memberships_of(by.user_id)
            if member.state is not MemberState.REQUESTED
            and by.account_id in {None, member.account_id}
        ]


def answer_invitation(app: App, member_id: str, *, accept: bool, by: Actor) -> MemberView:
    """Accept or refuse an invitation: the invited person does it, or the operator for them.  Safe to repeat.

    Commits one transaction.  Raises RefusedError (NOT_FOUND, CONFLICT, EMAIL_IN_USE_OTHER_KIND, OWN_LOGIN_NEEDED).
    """
    with app.store.write() as tx:
        member = held_member(tx, member_id)
        if member is None or not _may_answer(member, by):
            raise no_membership(member_id)
        wanted = MemberState.ACTIVE if accept else MemberState.REFUSED
        where = tx.people.account_by_id(member.account_id)
        if member.state is wanted:
            return member_view(tx, member, where, by)
        if member.state is not MemberState.INVITED:
            raise RefusedError(
                Reason.CONFLICT,
                why=f"This membership is {member.state.value}; only an invitation can be answered.",
            )
        if accept:
            require_no_client_among(tx, member, where)
            _require_own_login(tx, member, where)
        kind = "member.accepted" if accept else "member.refused"
        return changed(tx, app, by, member, (wanted, member.role), kind)


def _require_own_login(tx: Tx, member: MemberRow, where: AccountRow) -> None:
    if needs_own_login(tx, member, where):
        choose = f"maild login add {member.user.email} --username U --password-file F --account {where.slug}"
        raise RefusedError(
            Reason.OWN_LOGIN_NEEDED,
            actions=(Way("CHOOSE_OWN_LOGIN", "Choose it", choose),),
            account=where.name,
        )


def _may_answer(member: MemberRow, by: Actor) -> bool:
    return by.is_operator or (
        by.user_id == member.user.id and by.account_id in {None, member.account_id}
    )


def held_member(tx: Tx, member_id: str) -> MemberRow | None:
    """Return a membership that nobody else changes before this transaction ends, with its person and its account."""
    if not could_be_member_id(member_id):
        return None
    member = tx.people.member_by_ulid(member_id)
    if member is None:
        return None
    tx.people.hold_user(member.user.id)
    tx.people.hold_account(member.account_id)
    return tx.people.member_by_ulid(member_id)


def could_be_member_id(text: str) -> bool:
    """Whether a text can be a membership's id at all: what else people type may not even be storable text."""
    return _ULID.fullmatch(text) is not None


def member_in_sight(tx: Tx, member_id: str, by: Actor) -> MemberRow:
    """Return a membership, held, of an account that the actor works in.  Raises RefusedError NOT_FOUND."""
    member = held_member(tx, member_id)
    if member is None or not in_sight(tx, member.account_id, by):
        raise no_membership(member_id)
    return member


def no_membership(member_id: str) -> RefusedError:
    """Return the refusal of a membership that is not there, or not there for who asks."""
    return RefusedError(
        Reason.NOT_FOUND,
        noun="membership",
        value=short(member_id),
        hint="`maild member list` shows them.",
    )


def require_no_client_among(tx: Tx, member: MemberRow, where: AccountRow) -> None:
    """Refuse who has an address that is a client's of the account.  Raises RefusedError EMAIL_IN_USE_OTHER_KIND."""
    for row in tx.people.addresses_of(member.user.id):
        if row.valid_to is None:
            require_no_client(tx, Address.parse(row.norm), [where.id])


def needs_own_login(tx: Tx, member: MemberRow, where: AccountRow) -> bool:
    """Whether somebody has to choose a user name for the account before they can join."""
    if member.state is MemberState.ACTIVE or not where.settings.get("own_login_required", False):
        return False
    return all(login.account_id != where.id for login in tx.logins.of(member.user.id))


def changed(
    tx: Tx, app: App, by: Actor, member: MemberRow, become: tuple[MemberState, Role], kind: str
) -> MemberView:
    """Write a membership's new state and role, and the event of it; return how it stands."""
    state, role = become
    tx.people.set_member(member.id, role=role, state=state)
    note(tx, app, by, kind, member.account_id, user=member.user.id)
    if state is MemberState.ACTIVE:
        own = tx.people.addresses_of(member.user.id)
        let_heal(tx, app, [member.account_id], [row.norm for row in own if row.valid_to is None])
    now = tx.people.member(member.account_id, member.user.id)
    assert now is not None  # noqa: S101 - memberships are not deleted
    return member_view(tx, now, tx.people.account_by_id(member.account_id), by)


def member_view(tx: Tx, member: MemberRow, where: AccountRow, by: Actor) -> MemberView:
    """Return a membership as the interface shows it to somebody."""
    is_known = member.state in {MemberState.ACTIVE, MemberState.REQUESTED}
    may_know = is_known or by.is_operator or by.user_id == member.user.id
    return MemberView(
        id=member.ulid,
        account=where.slug,
        email=member.user.email if may_know or not member.has_moved else None,
        name=member.user.display_name if is_known else None,
        role=member.role,
        state=member.state,
        needs_own_login=needs_own_login(tx, member, where),
        created_at=member.created_at,
    )
