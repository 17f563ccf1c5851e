"""What a change of e-mail would do, worked out before anything is done (U11).  Pure.

A plan is a value that people read and agree to.  Its digest covers everything that decides what is done to whom, and
nothing that comes and goes by itself (mails, sessions): who applies a plan says its digest, and is refused when what it
was made from has changed.  A plan holds no secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from shlex import quote
from typing import Any, Literal

from maild.model.address import Address
from maild.model.ambiguous import left_base, of_base, stays_behind
from maild.model.people import AddressKind, MemberState, Role
from maild.model.person import (
    AddressFact,
    Free,
    IdentityFact,
    OfPerson,
    OtherKind,
    PersonFact,
    Resting,
    Taken,
    digest_of,
)
from maild.model.reason import Reason
from maild.model.way import Way

UNDO_FOR = timedelta(days=30)
"""How long an operator can take a change back; then what it needs for that is erased."""
RESTS_FOR = timedelta(days=30)
"""How long an address that was given up is nobody's."""
SIGN_UP_FOR = timedelta(days=7)
"""How long the link to sign up again is good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailAsk:
    """What is asked for."""

    old: Address
    new: Address
    allow_sso: bool = False
    swap_roles: bool = False
    claim_resting: bool = False
    travels: frozenset[str] = frozenset()
    """Hand-made aliases that go with their owner's primary address on a swap."""


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a person must say yes to, by an option of the command."""

    option: str
    code: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginLine:
    """What becomes of one login."""

    username: str
    username_after: str
    account: str | None
    identities: tuple[str, ...]
    """Issuers of its identities."""
    becomes: str
    """`suspended`, or whose record it opens then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingLine:
    """What somebody is in an account."""

    account: str
    role: Role
    state: MemberState


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What becomes of one person's record."""

    user: str
    name: str
    before: str
    after: str
    keeps: tuple[str, ...]
    """Other addresses that stay."""
    gives: tuple[str, ...]
    """Other addresses that go to the other record."""
    mails_sent: int
    mails_owned: int
    """They stay with the record, as everything else that it holds."""
    memberships: tuple[StandingLine, ...]
    logins: tuple[LoginLine, ...]
    drop_addresses: tuple[str, ...]
    """Accounts in which the drop address is replaced."""
    sessions: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChange:
    """Who stands behind an address has another role in an account then."""

    account: str
    address: str
    before: Role | None
    after: Role | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A hand-made alias, and where it goes on a swap."""

    address: str
    of: str
    """The primary address beside which it stands."""
    travels: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamePlan:
    """NEW is free: the same record gets it."""

    kind: Literal["rename"] = "rename"
    old: str
    new: str
    person: Side
    in_hand: int
    ambiguous: tuple[str, ...]
    needs: tuple[Need, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapPlan:
    """NEW is somebody else's primary: the two exchange addresses and logins."""

    kind: Literal["swap"] = "swap"
    old: str
    new: str
    person: Side
    other: Side
    roles: tuple[RoleChange, ...]
    choices: tuple[Choice, ...]
    in_hand: int
    ambiguous: tuple[str, ...]
    needs: tuple[Need, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Rename:
    """The record and the plan for it."""

    plan: RenamePlan
    person: PersonFact


@dataclass(frozen=True, slots=True)
class Swap:
    """Both records, and which further addresses go over from either."""

    plan: SwapPlan
    person: PersonFact
    other: PersonFact
    travels: tuple[AddressFact, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """It cannot be done, and why."""

    reason: Reason
    facts: dict[str, Any]
    actions: tuple[str | Way, ...] = ()


def plan_email_change(
    ask: EmailAsk, holder: PersonFact | None, taken: Taken
) -> Rename | Swap | Refuse:
    """Say what a change of OLD to NEW does; `holder` is whose live address OLD is, `taken` whose NEW is."""
    if holder is None or holder.primary is None or holder.primary.norm != ask.old.norm:
        return _no_such(ask.old.norm, holder)
    if ask.old.norm == ask.new.norm:
        return Refuse(Reason.SAME_EMAIL, {"addr": ask.new.norm})
    match taken:
        case OtherKind(kind):
            return Refuse(Reason.EMAIL_IN_USE_OTHER_KIND, {"addr": ask.new.norm, "kind": kind})
        case OfPerson(other):
            return _with_other(ask, holder, other)
        case Resting(until, was_of) if was_of != holder.id and not ask.claim_resting:
            return _rests(ask.new.norm, until)
        case Free() | Resting():
            return _rename(ask, holder, taken)


def _rests(new: str, until: datetime) -> Refuse:
    date = f"{until:%Y-%m-%d}"
    return Refuse(
        Reason.EMAIL_IN_USE,
        {"addr": f"{new} (released on {date})", "released_on": date},
        (
            Way("WAIT", f"Wait: {new} was given up, and is released on {date}"),
            Way("CLAIM_RESTING", "Give it away before: the same with --claim-resting"),
        ),
    )


def _with_other(ask: EmailAsk, holder: PersonFact, other: PersonFact) -> Swap | Refuse:
    if other.primary is None or other.primary.norm != ask.new.norm:
        return _is_alias(ask.new.norm, holder, other)
    return _swap(ask, holder, other)


def _no_such(old: str, holder: PersonFact | None) -> Refuse:
    if holder is None or holder.primary is None:
        return Refuse(
            Reason.CURRENT_EMAIL_NOT_FOUND, {"addr": old}, ("See who there is: maild user list",)
        )
    return Refuse(
        Reason.CURRENT_EMAIL_NOT_FOUND,
        {"addr": old},
        (
            Way(
                "CHANGE_EMAIL",
                f"{old} is another address of {holder.name}, whose primary one is {holder.primary.norm}; change that",
                f"maild user change-email {quote(holder.primary.norm)} NEW --reason TEXT",
            ),
        ),
    )


def _is_alias(new: str, holder: PersonFact, other: PersonFact) -> Refuse:
    # Ways with their commands apart: a name may look like one.
    if other.id == holder.id:
        text, act = f"It is {holder.name}'s own; make it the primary", "primary"
    else:
        text = f"It is an address of {other.name} beside the primary one; take it away first"
        act = "remove"
    ways = (Way(f"ADDRESS_{act.upper()}", text, f"maild address {act} {quote(new)}"),)
    return Refuse(Reason.EMAIL_IS_ALIAS, {"addr": new, "user": other.name}, ways)


def _rename(ask: EmailAsk, person: PersonFact, taken: Taken) -> Rename | Refuse:
    old, new = ask.old.norm, ask.new.norm
    if ask.travels:
        return _cannot_travel(min(ask.travels), "nobody exchanges addresses here")
    plan = RenamePlan(
        old=old,
        new=new,
        person=_side(person, new, logins=_suspended(person, old, new)),
        in_hand=person.amounts.in_hand,
        ambiguous=(*of_base(person, ask.new), *left_base(person, ask.old)),
        needs=_sso_need(person.identities, "suspends"),
        digest=digest_of(ask.old, ask.new, person, taken),
    )
    return Rename(plan, person)


def _suspended(person: PersonFact, old: str, new: str) -> tuple[LoginLine, ...]:
    return tuple(
        LoginLine(
            username=login.username,
            username_after=login.follows(old, new),
            account=login.account,
            identities=tuple(one.issuer for one in login.identities),
            becomes="suspended",
        )
        for login in person.logins
    )


def _cannot_travel(address: str, why: str) -> Refuse:
    return Refuse(Reason.INVALID_VALUE, {"what": "--alias-travels", "value": address, "why": why})


def _swap(ask: EmailAsk, person: PersonFact, other: PersonFact) -> Swap | Refuse:
    old, new = ask.old.norm, ask.new.norm
    known = {one.norm for side in (person, other) for one in side.addresses} - {old, new}
    if ask.travels - known:
        return _cannot_travel(min(ask.travels - known), "it is no other address of either of them")
    travels = tuple(one for side in (person, other) for one in _following(side, ask.travels))
    gone = frozenset(one.norm for one in travels)
    roles = _role_changes(person, other, old, new)
    needs = list(_sso_need((*person.identities, *other.identities), "exchanges"))
    if roles:
        who = "; ".join(_says_role(one) for one in roles)
        needs.append(Need("--swap-roles", Reason.ROLES_DIFFER.code, who))
    plan = SwapPlan(
        old=old,
        new=new,
        person=_side(person, new, gone, _exchanged(person, new)),
        other=_side(other, old, gone, _exchanged(other, old)),
        roles=roles,
        choices=tuple(_choices(person, gone)) + tuple(_choices(other, gone)),
        in_hand=max(person.amounts.in_hand, other.amounts.in_hand),
        ambiguous=(*stays_behind(person, other, gone), *stays_behind(other, person, gone)),
        needs=tuple(needs),
        digest=digest_of(ask.old, ask.new, person, other, sorted(gone)),
    )
    return Swap(plan, person, other, travels)


def _following(person: PersonFact, chosen: frozenset[str]) -> Iterable[AddressFact]:
    """Yield the addresses that go with the primary one: former primaries, user names of the logins, and the chosen."""
    usernames = {login.username for login in person.logins}
    for one in person.addresses:
        is_other = one.kind is not AddressKind.PRIMARY
        if is_other and (one.was_primary or one.norm in usernames or one.norm in chosen):
            yield one


def _choices(person: PersonFact, gone: frozenset[str]) -> Iterable[Choice]:
    primary = "" if person.primary is None else person.primary.norm
    for one in person.addresses:
        if one.kind is not AddressKind.PRIMARY and not one.was_primary:
            yield Choice(address=one.norm, of=primary, travels=one.norm in gone)


def _exchanged(person: PersonFact, after: str) -> tuple[LoginLine, ...]:
    return tuple(
        LoginLine(
            username=login.username,
            username_after=login.username,
            account=login.account,
            identities=tuple(one.issuer for one in login.identities),
            becomes=f"opens the record that {after} has now",
        )
        for login in person.logins
    )


def _role_changes(
    person: PersonFact, other: PersonFact, old: str, new: str
) -> tuple[RoleChange, ...]:
    # Who is disabled works nowhere: their login gets in by the swap, and the other one's does not any more.
    ours, theirs = (one.roles() if one.is_active else {} for one in (person, other))
    found = []
    for account in sorted(ours.keys() | theirs.keys()):
        mine, its = ours.get(account), theirs.get(account)
        if mine is not its:
            found.append(RoleChange(account=account, address=old, before=mine, after=its))
            found.append(RoleChange(account=account, address=new, before=its, after=mine))
    return tuple(found)


def _says_role(change: RoleChange) -> str:
    before = "nobody" if change.before is None else change.before.value
    after = "nobody" if change.after is None else change.after.value
    return f"who signs in with {change.address} is {after} in {change.account} instead of {before}"


def _sso_need(found: tuple[IdentityFact, ...], does: str) -> tuple[Need, ...]:
    if not found:
        return ()
    issuers = ", ".join(sorted({one.issuer for one in found}))
    return (Need("--allow-sso", Reason.SSO_USER.code, f"it {does} the identities at {issuers}"),)


def _side(
    person: PersonFact,
    after: str,
    gone: frozenset[str] = frozenset(),
    logins: tuple[LoginLine, ...] = (),
) -> Side:
    others = [one for one in person.addresses if one.kind is not AddressKind.PRIMARY]
    return Side(
        user=person.ulid,
        name=person.name,
        before="" if person.primary is None else person.primary.norm,
        after=after,
        keeps=tuple(one.norm for one in others if one.norm not in gone),
        gives=tuple(one.norm for one in others if one.norm in gone),
        mails_sent=person.amounts.sent,
        mails_owned=person.amounts.owned,
        memberships=standings_of(person),
        logins=logins,
        drop_addresses=tuple(one.account for one in person.memberships if one.has_drop),
        sessions=person.amounts.sessions,
        tokens=person.amounts.tokens,
    )


def standings_of(person: PersonFact) -> tuple[StandingLine, ...]:
    """Return what a person is in each account, as a plan shows it."""
    return tuple(
        StandingLine(account=one.account, role=one.role, state=one.state)
        for one in person.memberships
    )
