"""Changing a person's e-mail address: to a free one, or by exchange with somebody else (U11, U12).

The operator looks at a plan, and applies that plan: what it was made from is compared under locks, so that a stale one
does nothing.  No stored mail is touched: bindings end and begin, and each mail keeps the one that it was resolved by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from maild.core.app import Actor, App
from maild.core.changing import (
    REASON_MAX,
    Changed,
    Making,
    Passing,
    end_access,
    hold_people,
    note_change,
    pass_on,
    record,
    refused,
    require_consent,
    require_operator_alone,
    send_link_again,
    suspend_logins,
    tell,
    with_amounts,
)
from maild.core.names import claim_for_user, other_kind
from maild.core.person_facts import counted, is_client_of, person_at, taken_by
from maild.core.standing import active_accounts, parse_address
from maild.core.waiting import let_heal
from maild.model.address import Address
from maild.model.change_words import sentences_of
from maild.model.changes import (
    RESTS_FOR,
    EmailAsk,
    Refuse,
    Rename,
    RenamePlan,
    Swap,
    SwapPlan,
    plan_email_change,
)
from maild.model.merges import MergePlan
from maild.model.people import AddressKind
from maild.model.person import Amounts, OfPerson, PersonFact
from maild.model.plain_text import one_line
from maild.model.reason import Reason, RefusedError
from maild.store.store import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailRequest:
    """A change that is asked for, in people's own words."""

    old: str
    new: str
    allow_sso: bool = False
    swap_roles: bool = False
    claim_resting: bool = False
    """NEW may be an address that somebody gave up not long ago."""
    alias_travels: tuple[str, ...] = ()
    """Hand-made aliases that go along on a swap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, and what it says."""

    plan: RenamePlan | SwapPlan | MergePlan
    sentences: tuple[str, ...]


def plan_change(app: App, request: EmailRequest, *, by: Actor) -> Planned:
    """Return what a change would do.  Reads only; consent that is missing is listed, not refused.

    Raises RefusedError (OPERATOR_ONLY, INVALID_EMAIL, CURRENT_EMAIL_NOT_FOUND, SAME_EMAIL, EMAIL_IS_ALIAS,
    EMAIL_IN_USE, EMAIL_IN_USE_OTHER_KIND, INVALID_VALUE).
    """
    require_operator_alone(by)
    ask = _ask(request)
    with app.store.read() as tx:
        plan = _worked_out(tx, app, ask, _amounts(tx, ask)).plan
    return Planned(plan=plan, sentences=sentences_of(plan))


def change_email(
    app: App, request: EmailRequest, *, reason: str, digest: str, by: Actor
) -> Changed:
    """Make the change that a plan with this digest describes.

    Commits one transaction: addresses, logins, what ends, the record, the mails that tell of it.  Raises as
    `plan_change`, and PLAN_OUTDATED, SSO_USER, ROLES_DIFFER, USERNAME_IN_USE; then nothing is changed.  Repeated with
    the same digest it is PLAN_OUTDATED.
    """
    require_operator_alone(by)
    ask = _ask(request)
    why = one_line("The reason", reason, most=REASON_MAX)
    with app.store.read() as tx:
        amounts = _amounts(tx, ask)
        people = _people(_worked_out(tx, app, ask, amounts))
    with app.store.write() as tx:
        hold_people(tx, people)
        found = _worked_out(tx, app, ask, amounts)
        if found.plan.digest != digest or _people(found) != people:
            raise RefusedError(Reason.PLAN_OUTDATED)
        require_consent(found.plan.needs, _given(request))
        making = Making(app.ids(), app.clock(), by)
        match found:
            case Rename():
                return _rename(tx, app, found, request, making, why)
            case Swap():
                return _swap(tx, app, found, making, why)


def _ask(request: EmailRequest) -> EmailAsk:
    return EmailAsk(
        old=parse_address(request.old),
        new=parse_address(request.new),
        claim_resting=request.claim_resting,
        travels=frozenset(parse_address(text).norm for text in request.alias_travels),
    )


def _given(request: EmailRequest) -> set[str]:
    given = {"--allow-sso": request.allow_sso, "--swap-roles": request.swap_roles}
    return {option for option, is_given in given.items() if is_given}


def _amounts(tx: Tx, ask: EmailAsk) -> dict[int, Amounts]:
    """Count what the people in question have."""
    people: list[PersonFact] = []
    for address in (ask.old, ask.new):
        found = person_at(tx, address)
        if found is not None:
            people.append(found)
    return {one.id: counted(tx, one).amounts for one in people}


def _worked_out(tx: Tx, app: App, ask: EmailAsk, amounts: dict[int, Amounts]) -> Rename | Swap:
    """Return what is to be done.  Raises RefusedError."""
    holder, taken = person_at(tx, ask.old), taken_by(tx, ask.new, app.clock())
    if holder is not None:
        holder = with_amounts(holder, amounts)
    if isinstance(taken, OfPerson):
        taken = OfPerson(with_amounts(taken.person, amounts))
    found = plan_email_change(ask, holder, taken)
    if isinstance(found, Refuse):
        raise refused(found)
    _require_no_clients(tx, found, ask)
    return found


def _require_no_clients(tx: Tx, found: Rename | Swap, ask: EmailAsk) -> None:
    """Nobody gets an address that is a client's in one of their accounts (U4)."""
    receives: list[tuple[PersonFact, Address]] = [(found.person, ask.new)]
    if isinstance(found, Swap):
        receives.append((found.other, ask.old))
        own = {one.id for one in found.person.addresses}
        receives += [
            (found.other if one.id in own else found.person, Address.parse(one.norm))
            for one in found.travels
        ]
    for person, address in receives:
        client = is_client_of(tx, person, [address.norm])
        if client is not None:
            raise other_kind(address, client.kind)


def _people(found: Rename | Swap) -> list[int]:
    match found:
        case Rename():
            return [found.person.id]
        case Swap():
            return [found.person.id, found.other.id]


def _rename(
    tx: Tx, app: App, found: Rename, request: EmailRequest, making: Making, reason: str
) -> Changed:
    person, plan = found.person, found.plan
    new = parse_address(request.new)
    old_id = _primary_id(person)
    end_access(tx, app, person, making)
    names = {login.id: login.follows(plan.old, plan.new) for login in person.logins}
    kept: dict[str, Any] = suspend_logins(tx, person, names, making)
    tx.people.end_address(old_id, making.at, resting_until=making.at + RESTS_FOR)
    new_id = tx.people.add_address(
        person.id,
        new,
        kind=AddressKind.PRIMARY,
        shown=request.new.strip(),
        verified_at=making.at,
        now=making.at,
    )
    claim_for_user(tx, new, new_id, account_id=0, by=making.by, even_resting=request.claim_resting)
    let_heal(tx, app, active_accounts(tx, person.id), [plan.new])
    changed = record(
        tx,
        making,
        plan,
        (person.id, None),
        reason=reason,
        kept={**kept, "old": old_id, "new": new_id},
    )
    note_change(tx, app, "user.email_changed", making, [person.id])
    if person.is_active:
        tell(
            tx,
            app,
            plan.old,
            person.name,
            making,
            f"from now on your address here is {plan.new} instead of {plan.old}. Sign up again by the link that was "
            f"mailed to {plan.new}.",
        )
        send_link_again(tx, app, person.id, making.by)
    return changed


def _primary_id(person: PersonFact) -> int:
    assert person.primary is not None  # noqa: S101 - without one there is no plan
    return person.primary.id


def _swap(tx: Tx, app: App, found: Swap, making: Making, reason: str) -> Changed:
    one, other = found.person, found.other
    for person in (one, other):
        end_access(tx, app, person, making)
    passing = _passing(tx, found)
    made = pass_on(tx, passing, making.at)
    tx.changes.exchange_logins(one.id, other.id, seat=app.ids(), now=making.at)
    for person in (one, other):
        send_link_again(tx, app, person.id, making.by)
    back = {one.id: other.id, other.id: one.id}
    moved = [
        {
            "new": made[move.row.id],
            "back_to": back[move.to],
            "kind": move.kind.value,
            "was_primary": move.was_primary,
        }
        for move in passing
    ]
    changed = record(
        tx, making, found.plan, (one.id, other.id), reason=reason, kept={"moved": moved}
    )
    note_change(tx, app, "user.email_swapped", making, [one.id, other.id])
    for side, record_of in ((found.plan.person, other), (found.plan.other, one)):
        if record_of.is_active:
            tell(
                tx,
                app,
                side.before,
                side.name,
                making,
                f"from now on {side.before} opens the work of {record_of.name}. Your password stays as it is; you are "
                "signed out everywhere.",
            )
    return changed


def _passing(tx: Tx, found: Swap) -> list[Passing]:
    """Return every binding that changes hands."""
    one, other = found.person, found.other
    primaries = [(_primary_id(one), other.id), (_primary_id(other), one.id)]
    passing = [
        Passing(tx.people.address(number), to, AddressKind.PRIMARY, was_primary=False)
        for number, to in primaries
    ]
    own = {address.id for address in one.addresses}
    return passing + [
        Passing(
            tx.people.address(address.id),
            other.id if address.id in own else one.id,
            address.kind,
            was_primary=address.was_primary,
        )
        for address in found.travels
    ]
