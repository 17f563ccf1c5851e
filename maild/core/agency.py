"""Working for other accounts: asking for access, and granting or refusing it (U9).

Asking for access tells nothing: whether there is such an account, and what it answers, is seen only when it has answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from maild.core.app import Actor, App
from maild.core.join_letters import post_request
from maild.core.joining import (
    MemberView,
    answer_invitation,
    changed,
    could_be_member_id,
    member_in_sight,
    member_view,
    needs_own_login,
    require_no_client_among,
)
from maild.core.standing import note, require_admin
from maild.model.people import MemberState, Role
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.way import Way
from maild.store.accounts import AccountRow
from maild.store.store import Tx
from maild.store.users import MemberRow, UserRow

REQUESTS_A_DAY = 20
"""Requests for access that one person may make within a day."""
TOLD_MAX = 100
"""Admins who are told of a request by mail; each of them sees it in maild."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """A request was made; the same words whether there is such an account or not."""

    account: str
    """As it was written."""
    message: str


def request_access(app: App, account: str, *, by: Actor) -> Requested:
    """Ask an account's admins for access; they grant a role or refuse.  Safe to repeat.

    Commits one transaction.  Raises RefusedError: NOT_ALLOWED for who is no person, TOO_MANY_TRIES, CONFLICT for who is a
    member already, or is invited.
    """
    with app.store.write() as tx:
        person = _person(tx, by)
        key, now = f"asked-access:{person.id}", app.clock()
        if not tx.throttles.count(key, now=now, window=DAY, most=REQUESTS_A_DAY):
            minutes = tx.throttles.minutes_left(key, now=now, window=DAY)
            raise RefusedError(Reason.TOO_MANY_TRIES, minutes=minutes)
        where = tx.people.account(account) if account.isascii() and account.isprintable() else None
        if where is not None:
            _ask(tx, app, person, where, by)
    return Requested(
        account=short(account),
        message=f"If there is an account “{short(account)}”, its admins have been asked. "
        "You see it among your memberships when they have answered.",
    )


def _person(tx: Tx, by: Actor) -> UserRow:
    if by.user_id is None or by.account_id is not None:
        raise RefusedError(
            Reason.NOT_ALLOWED,
            why="Only a person asks for access, with all of their login; say who: --by EMAIL.",
        )
    tx.people.hold_user(by.user_id)
    return tx.people.user(by.user_id)


def _ask(tx: Tx, app: App, person: UserRow, where: AccountRow, by: Actor) -> None:
    """Write the request; one that is open stays as it is, and its admins are told once a day."""
    tx.people.hold_account(where.id)
    member = tx.people.member(where.id, person.id)
    if member is not None and member.state in {MemberState.ACTIVE, MemberState.INVITED}:
        raise _is_there(member, where)
    if member is None:
        tx.people.add_member(
            app.ids(),
            where.id,
            person.id,
            role=Role.MEMBER,
            state=MemberState.REQUESTED,
            now=app.clock(),
        )
    elif member.state is not MemberState.REQUESTED:
        tx.people.set_member(member.id, role=Role.MEMBER, state=MemberState.REQUESTED)
    asked = tx.people.member(where.id, person.id)
    assert asked is not None  # noqa: S101 - it was just made
    admins = tx.people.admins(where.id, TOLD_MAX)
    mailed = post_request(tx, app, asked, where, admins)
    note(tx, app, by, "member.requested", where.id, user=person.id, mailed=mailed)


def _is_there(member: MemberRow, where: AccountRow) -> RefusedError:
    if member.state is MemberState.ACTIVE:
        return RefusedError(Reason.CONFLICT, why=f"You are a member of {where.name} already.")
    return RefusedError(
        Reason.CONFLICT,
        actions=(Way("ACCEPT", "Accept it", f"maild member accept {member.ulid}"),),
        why=f"{where.name} has invited you already; accept that.",
    )


def grant_access(app: App, member_id: str, *, role: Role, by: Actor) -> MemberView:
    """Let in somebody who asked for access, with a role.  Safe to repeat with the same role.

    Where the account asks for a login of its own, they are invited instead, and join when they have chosen it.  Commits one
    transaction.  Raises RefusedError: NOT_FOUND, NOT_ALLOWED, CONFLICT, EMAIL_IN_USE_OTHER_KIND.
    """
    with app.store.write() as tx:
        member, where = _asked_of(tx, member_id, by)
        if (member.state, member.role) == (MemberState.ACTIVE, role):
            return member_view(tx, member, where, by)
        _require_asked(member)
        require_no_client_among(tx, member, where)
        state = MemberState.INVITED if needs_own_login(tx, member, where) else MemberState.ACTIVE
        return changed(tx, app, by, member, (state, role), "member.granted")


def refuse_access(app: App, member_id: str, *, by: Actor) -> MemberView:
    """Refuse somebody who asked for access.  Safe to repeat.

    Commits one transaction.  Raises RefusedError: NOT_FOUND, NOT_ALLOWED, CONFLICT.
    """
    with app.store.write() as tx:
        member, where = _asked_of(tx, member_id, by)
        if member.state is MemberState.REFUSED:
            return member_view(tx, member, where, by)
        _require_asked(member)
        refused = (MemberState.REFUSED, member.role)
        return changed(tx, app, by, member, refused, "member.request_refused")


def refuse_membership(app: App, member_id: str, *, by: Actor) -> MemberView:
    """Refuse what the membership is: an invitation, as the invited person, or a request, as an admin.  Safe to repeat.

    Commits one transaction.  Raises RefusedError: NOT_FOUND, NOT_ALLOWED, CONFLICT.
    """
    with app.store.read() as tx:
        member = tx.people.member_by_ulid(member_id) if could_be_member_id(member_id) else None
    if member is None or (
        member.state is not MemberState.REQUESTED
        and (by.is_operator or by.user_id == member.user.id)
    ):
        return answer_invitation(app, member_id, accept=False, by=by)
    return refuse_access(app, member_id, by=by)


def _asked_of(tx: Tx, member_id: str, by: Actor) -> tuple[MemberRow, AccountRow]:
    member = member_in_sight(tx, member_id, by)
    where = tx.people.account_by_id(member.account_id)
    require_admin(tx, where, by)
    return member, where


def _require_asked(member: MemberRow) -> None:
    if member.state is not MemberState.REQUESTED:
        raise RefusedError(
            Reason.CONFLICT,
            why=f"This membership is {member.state.value}; only a request can be granted or refused.",
        )
