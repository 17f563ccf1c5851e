"""What merging two users would do, worked out before anything is done (U13).  Pure; a plan as in `changes`.

FROM turns out to be INTO: INTO keeps its login and gets the rest.  Nothing is lost by a conflict, and nothing is decided
silently: what both have is listed with what comes of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from shlex import quote
from typing import Literal

from maild.model.address import Address
from maild.model.changes import Refuse, StandingLine, standings_of
from maild.model.people import AddressKind, MemberState, Role
from maild.model.person import MembershipFact, PersonFact, digest_of
from maild.model.reason import Reason
from maild.model.way import Way

_RANK = {Role.MEMBER: 0, Role.DISTRIBUTOR: 1, Role.ADMIN: 2}
_NEARNESS = {
    MemberState.REFUSED: 0,
    MemberState.REQUESTED: 1,
    MemberState.INVITED: 2,
    MemberState.ACTIVE: 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where else FROM is named."""

    inboxes: tuple[str, ...]
    """Whose owner chains name FROM."""
    defaults: tuple[str, ...]
    """Accounts whose last owner FROM is."""
    communal: tuple[str, ...]
    """Communal inboxes that FROM opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeAsk:
    """What is asked for."""

    from_: Address
    into: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressLine:
    """An address of FROM, and what it is of INTO's then."""

    address: str
    becomes: AddressKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """INTO's membership in an account then."""

    account: str
    role: Role
    state: MemberState
    of_into: MembershipFact | None
    """As it is now; None: INTO is not in that account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """FROM becomes INTO."""

    kind: Literal["merge"] = "merge"
    from_user: str
    from_name: str
    from_email: str
    into_user: str
    into_name: str
    into_email: str
    addresses: tuple[AddressLine, ...]
    memberships: tuple[StandingLine, ...]
    """INTO's, in the accounts that FROM is in."""
    logins_suspended: tuple[str, ...]
    """User names of FROM's logins."""
    identities_suspended: tuple[str, ...]
    """Issuers of FROM's identities."""
    owner_of: tuple[str, ...]
    default_owner_of: tuple[str, ...]
    opens: tuple[str, ...]
    """Communal inboxes."""
    mails_moved: int
    """To INTO's mailbox, read or unread as they are."""
    mails_sent: int
    """Which stay resolved to FROM, as they were (U12)."""
    in_hand: int
    sessions: int
    tokens: int
    drop_addresses: tuple[str, ...]
    conflicts: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Both records, the plan for them, and INTO's memberships then."""

    plan: MergePlan
    from_: PersonFact
    into: PersonFact
    joined: tuple[Joined, ...]


def plan_merge(
    ask: MergeAsk, from_: PersonFact | None, into: PersonFact | None, places: Places
) -> Merge | Refuse:
    """Say what merging FROM into INTO does."""
    for address, person in ((ask.from_, from_), (ask.into, into)):
        if person is None or person.primary is None:
            return Refuse(
                Reason.CURRENT_EMAIL_NOT_FOUND,
                {"addr": address.norm},
                ("See who there is: maild user list",),
            )
    assert from_ is not None  # noqa: S101 - just looked at
    assert into is not None  # noqa: S101 - just looked at
    if from_.id == into.id:
        return Refuse(Reason.SAME_EMAIL, {"addr": ask.into.norm})
    if not into.is_active:
        enable = Way(
            "USER_ENABLE", f"Enable {into.name} first", f"maild user enable {quote(ask.into.norm)}"
        )
        return Refuse(Reason.CONFLICT, {"why": f"{into.name} is disabled."}, (enable,))
    joined = tuple(_joined(from_, into))
    return Merge(_plan(from_, into, joined, places), from_, into, joined)


def _plan(
    from_: PersonFact, into: PersonFact, joined: tuple[Joined, ...], places: Places
) -> MergePlan:
    return MergePlan(
        from_user=from_.ulid,
        from_name=from_.name,
        from_email=_email(from_),
        into_user=into.ulid,
        into_name=into.name,
        into_email=_email(into),
        addresses=tuple(
            AddressLine(address=one.norm, becomes=kind_then(one.kind)) for one in from_.addresses
        ),
        memberships=tuple(
            StandingLine(account=one.account, role=one.role, state=one.state) for one in joined
        ),
        logins_suspended=tuple(login.username for login in from_.logins),
        identities_suspended=tuple(one.issuer for one in from_.identities),
        owner_of=places.inboxes,
        default_owner_of=places.defaults,
        opens=places.communal,
        mails_moved=from_.amounts.owned,
        mails_sent=from_.amounts.sent,
        in_hand=from_.amounts.in_hand,
        sessions=from_.amounts.sessions,
        tokens=from_.amounts.tokens,
        drop_addresses=tuple(one.account for one in from_.memberships if one.has_drop),
        conflicts=tuple(_conflicts(from_, into, joined)),
        digest=digest_of(from_, into, places.inboxes, places.defaults, places.communal),
    )


def kind_then(kind: AddressKind) -> AddressKind:
    """Return what an address of FROM is as INTO's: the primary becomes an alias."""
    return AddressKind.ALIAS if kind is AddressKind.PRIMARY else kind


def _email(person: PersonFact) -> str:
    return "" if person.primary is None else person.primary.norm


def _joined(from_: PersonFact, into: PersonFact) -> Iterable[Joined]:
    """Say what INTO is then where FROM is: the higher role, and in if either is in."""
    theirs = {one.account: one for one in into.memberships}
    for ours in from_.memberships:
        its = theirs.get(ours.account)
        if its is None and ours.state is MemberState.REFUSED:
            continue  # FROM is not there any more, or never was.
        both = [ours] if its is None else [ours, its]
        state = max((one.state for one in both), key=lambda one: _NEARNESS[one])
        yield Joined(account=ours.account, role=_higher(both, state), state=state, of_into=its)


def _higher(both: Iterable[MembershipFact], state: MemberState) -> Role:
    """Return the higher role of those that are as near: an invitation, or what is over, raises nobody who is nearer."""
    return max((one.role for one in both if one.state is state), key=lambda one: _RANK[one])


def _standing(one: Joined | StandingLine | MembershipFact) -> str:
    """Say what somebody is in an account."""
    match one.state:
        case MemberState.ACTIVE:
            return one.role.value
        case MemberState.INVITED:
            return f"invited as {one.role.value}"
        case MemberState.REQUESTED:
            return "asking for access"
        case MemberState.REFUSED:
            return "not in it"


def _conflicts(from_: PersonFact, into: PersonFact, joined: tuple[Joined, ...]) -> Iterable[str]:
    ours = {one.account: one for one in standings_of(from_)}
    for one in joined:
        if one.of_into is None and one.state is MemberState.ACTIVE:
            yield f"{into.name} joins {one.account} as {one.role.value}, because {from_.name} is there."
        elif one.of_into is None:
            yield f"In {one.account} {into.name} is {_standing(one)} then, because {from_.name} is."
        elif (one.of_into.role, one.of_into.state) != (one.role, one.state):
            yield (
                f"In {one.account} {from_.name} is {_standing(ours[one.account])} and {into.name} "
                f"{_standing(one.of_into)}: {into.name} is {_standing(one)} then."
            )
    if from_.logins:
        names = ", ".join(login.username for login in from_.logins)
        yield f"{into.name}'s login stays; {from_.name}'s is suspended: {names}."
    if any(not one.is_verified for one in from_.addresses):
        waiting = ", ".join(one.norm for one in from_.addresses if not one.is_verified)
        yield f"Not confirmed, and not so by merging: {waiting}."
