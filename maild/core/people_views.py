"""Users as they are shown: each with addresses, a login, and memberships.  Only reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from maild.core.app import Actor, App
from maild.core.standing import (
    find_user,
    home,
    in_sight,
    require_member,
)
from maild.model.people import AddressKind, MemberState, Role
from maild.model.plain_text import one_line
from maild.model.reason import Reason, RefusedError
from maild.store.addresses import AddressRow
from maild.store.store import Tx
from maild.store.users import UserRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressView:
    """One address of a user, as the interface shows it."""

    address: str
    shown: str
    """As it was typed."""
    kind: AddressKind
    verified: bool
    valid_from: datetime
    valid_to: datetime | None
    delivers_to: str | None = None
    """The physical inbox that it ends in, where somebody said so (U14)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingView:
    """What a user is in one account."""

    id: str
    account: str
    role: Role
    state: MemberState


@dataclass(frozen=True, slots=True, kw_only=True)
class UserView:
    """A user as the interface shows it."""

    id: str
    email: str | None
    """The primary address; of a communal user the inbox."""
    name: str
    kind: str
    username: str | None
    """None: no login (communal)."""
    has_password: bool
    active: bool
    disabled_at: datetime | None
    created_at: datetime
    digest: str
    """on, off, or paused: the mailbox was full (U14)."""
    notices: str
    """on or off: whether they are told of mail that they are given (M12)."""
    outcome_line: str
    """on or off: whether they hear what became of their forwards, where the account has it on (M12)."""
    addresses: tuple[AddressView, ...]
    memberships: tuple[StandingView, ...]


def show_user(app: App, email: str, *, by: Actor) -> UserView:
    """Return the user with this live address.  Reads only.  Raises RefusedError INVALID_EMAIL, NOT_FOUND."""
    with app.store.read() as tx:
        return view_of(tx, find_user(tx, email, by), by)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLine:
    """One user in a list of an account's users."""

    id: str
    email: str | None
    name: str
    kind: str
    username: str | None
    role: Role
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPage:
    """A page of a list; `next` begins the following one."""

    users: tuple[MemberLine, ...]
    next: str | None


def list_users(
    app: App, *, account: str | None = None, after: str | None = None, limit: int = 1000, by: Actor
) -> UserPage:
    """Return an account's active members, oldest first.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        start = cursor(after)
        members = tx.people.members(where.id, after=start, limit=limit + 1)
        lines = tuple(
            MemberLine(
                id=member.user.ulid,
                email=member.user.email,
                name=member.user.display_name,
                kind=member.user.kind,
                username=member.user.username,
                role=member.role,
                active=member.user.disabled_at is None,
            )
            for member in members[:limit]
            if member.state is MemberState.ACTIVE
        )
        more = len(members) > limit
        return UserPage(users=lines, next=str(members[limit - 1].id) if more else None)


def cursor(after: str | None) -> int:
    """Return where a page begins.  Raises RefusedError INVALID_VALUE for what no page gave."""
    if after is None:
        return 0
    if not after.isascii() or not after.isdigit() or len(after) > 18:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="--after",
            value=one_line("--after", after),
            why="it is the `next` of the page before",
        )
    return int(after)


def view_of(tx: Tx, user: UserRow, by: Actor) -> UserView:
    """Return a user with addresses and memberships, as far as who asks works in the same accounts (R15)."""
    notices_off, outcome_off = tx.notices.off(user.id)
    return UserView(
        id=user.ulid,
        email=user.email,
        name=user.display_name,
        kind=user.kind,
        username=user.username,
        has_password=user.has_password,
        active=user.disabled_at is None,
        disabled_at=user.disabled_at,
        created_at=user.created_at,
        digest=tx.digest.state_of(user.id),
        notices="off" if notices_off else "on",
        outcome_line="off" if outcome_off else "on",
        addresses=tuple(address_view(row) for row in tx.people.addresses_of(user.id)),
        memberships=tuple(
            StandingView(
                id=member.ulid,
                account=tx.people.account_by_id(member.account_id).slug,
                role=member.role,
                state=member.state,
            )
            for member in tx.people.memberships_of(user.id)
            if in_sight(tx, member.account_id, by)
            or (_is_ones_own(user, by) and member.state is not MemberState.REQUESTED)
        ),
    )


def _is_ones_own(user: UserRow, by: Actor) -> bool:
    """Whether they look at themselves; not even to them is it told which accounts they asked are there (`core.agency`)."""
    return by.user_id == user.id and by.account_id is None


def address_view(row: AddressRow) -> AddressView:
    """Return an address as the interface shows it."""
    return AddressView(
        address=row.norm,
        shown=row.shown,
        kind=row.kind,
        verified=row.verified_at is not None,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        delivers_to=row.delivers_to,
    )
