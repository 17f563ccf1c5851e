"""Memberships: one person, one login, many accounts (U9)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from maild.core.app import Actor, App
from maild.core.names import in_use, require_no_client
from maild.core.standing import home, note, parse_address, require_admin, require_member
from maild.model.address import Address
from maild.model.people import AddressKind, MemberState, NameKind, Role
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
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
    name: str | None
    """None until the person has joined: who invites learns no more than the address they know."""
    role: Role
    state: MemberState
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinView:
    """Somebody who has a login was asked to join."""

    membership: MemberView
    message: str
    outcome: Literal["join_requested"] = "join_requested"
    code: str = Reason.JOIN_REQUESTED.code


def answer_known(
    tx: Tx, app: App, account: AccountRow, address: Address, *, role: Role, by: Actor
) -> JoinView | None:
    """Return the join request where the address is the primary of a person known elsewhere; None for a free address.

    Raises RefusedError EMAIL_IN_USE, EMAIL_IN_USE_OTHER_KIND.  Within the caller's transaction.
    """
    taken = tx.people.name(address.norm)
    if taken is None:
        return None
    if taken.kind is not NameKind.USER or taken.user_id is None or taken.address_id is None:
        raise in_use(tx, address, account_id=account.id, by=by)
    member = tx.people.member(account.id, taken.user_id)
    is_primary = tx.people.address(taken.address_id).kind is AddressKind.PRIMARY
    if not is_primary or (member is not None and member.state is MemberState.ACTIVE):
        raise in_use(tx, address, account_id=account.id, by=by)
    require_no_client(tx, address, [account.id])
    if member is None:
        tx.people.add_member(
            app.ids(),
            account.id,
            taken.user_id,
            role=role,
            state=MemberState.INVITED,
            now=app.clock(),
        )
    else:
        tx.people.set_member(member.id, role=role, state=MemberState.INVITED)
    member = tx.people.member(account.id, taken.user_id)
    assert member is not None  # noqa: S101 - it was just made
    note(tx, app, by, "member.invited", account.id, user=taken.user_id)
    return JoinView(
        membership=_view(tx, member),
        message=Reason.JOIN_REQUESTED.say(addr=address.norm, account=account.name),
    )


def invite(app: App, email: str, *, role: Role, account: str | None = None, by: Actor) -> JoinView:
    """Ask somebody who has a login to join an account.  Safe to repeat.

    Commits one transaction.  Raises RefusedError (NOT_FOUND for an address nobody has, EMAIL_IN_USE for a member).
    """
    address = parse_address(email)
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_admin(tx, where, by)
        joined = answer_known(tx, app, where, address, role=role, by=by)
        if joined is None:
            raise RefusedError(
                Reason.NOT_FOUND,
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
        return [_view(tx, member, where.slug) for member in found]


def answer_invitation(app: App, member_id: str, *, accept: bool, by: Actor) -> MemberView:
    """Accept or refuse an invitation: the invited person does it, or the operator for them.  Safe to repeat.

    Commits one transaction.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, CONFLICT, EMAIL_IN_USE_OTHER_KIND).
    """
    wanted = MemberState.ACTIVE if accept else MemberState.REFUSED
    with app.store.write() as tx:
        member = tx.people.member_by_ulid(member_id) if _ULID.fullmatch(member_id) else None
        if member is None or by.user_id not in {None, member.user.id}:
            raise RefusedError(
                Reason.NOT_FOUND,
                noun="membership",
                value=short(member_id),
                hint="`maild member list` shows them.",
            )
        tx.people.hold_account(member.account_id)
        member = tx.people.member_by_ulid(member_id)
        assert member is not None  # noqa: S101 - memberships are not deleted
        if member.state is wanted:
            return _view(tx, member)
        if member.state is not MemberState.INVITED:
            raise RefusedError(
                Reason.CONFLICT,
                why=f"This membership is {member.state.value}; only an invitation can be answered.",
            )
        if accept:
            for row in tx.people.addresses_of(member.user.id):
                if row.valid_to is None:
                    require_no_client(tx, Address.parse(row.norm), [member.account_id])
        tx.people.set_member(member.id, role=member.role, state=wanted)
        kind = "member.accepted" if accept else "member.refused"
        note(tx, app, by, kind, member.account_id, user=member.user.id)
        changed = tx.people.member_by_ulid(member_id)
        assert changed is not None  # noqa: S101 - as above
        return _view(tx, changed)


def _view(tx: Tx, member: MemberRow, slug: str | None = None) -> MemberView:
    has_joined = member.state is MemberState.ACTIVE
    return MemberView(
        id=member.ulid,
        account=slug or tx.people.account_by_id(member.account_id).slug,
        email=member.user.email,
        name=member.user.display_name if has_joined else None,
        role=member.role,
        state=member.state,
        created_at=member.created_at,
    )
