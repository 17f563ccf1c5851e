"""Merging two users who turn out to be one person, and taking that back (U13).

FROM's addresses become INTO's, dated now; FROM's mailbox becomes INTO's, read and unread as it is; what FROM sent stays
resolved to FROM.  A mailbox of any size moves in a fixed number of statements.
"""

from __future__ import annotations

from typing import Any

from maild.core.app import Actor, App
from maild.core.change_email import Planned
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
    require_operator_alone,
    suspend_logins,
    tell,
    with_amounts,
)
from maild.core.names import other_kind
from maild.core.person_facts import counted, is_client_of, person_at
from maild.core.readers import keeping_readers
from maild.core.standing import active_accounts, parse_address
from maild.core.waiting import let_heal
from maild.model.address import Address
from maild.model.change_words import sentences_of
from maild.model.changes import Refuse
from maild.model.merges import Joined, Merge, MergeAsk, Places, kind_then, plan_merge
from maild.model.people import AddressKind
from maild.model.person import Amounts, PersonFact
from maild.model.plain_text import one_line
from maild.model.reason import Reason, RefusedError
from maild.store.store import Tx

DEFAULT_REASON = "They are one person"


def plan_merging(app: App, email: str, into: str, *, by: Actor) -> Planned:
    """Return what merging the user EMAIL into another one would do.  Reads only.

    Raises RefusedError (OPERATOR_ONLY, INVALID_EMAIL, CURRENT_EMAIL_NOT_FOUND, SAME_EMAIL, CONFLICT,
    EMAIL_IN_USE_OTHER_KIND).
    """
    require_operator_alone(by)
    ask = MergeAsk(from_=parse_address(email), into=parse_address(into))
    with app.store.read() as tx:
        plan = _worked_out(tx, ask, _amounts(tx, ask)).plan
    return Planned(plan=plan, sentences=sentences_of(plan))


def merge_users(
    app: App, email: str, into: str, *, digest: str, reason: str = DEFAULT_REASON, by: Actor
) -> Changed:
    """Merge as the plan with this digest says.

    Commits one transaction.  Raises as `plan_merging`, and PLAN_OUTDATED; then nothing is changed.
    """
    require_operator_alone(by)
    ask = MergeAsk(from_=parse_address(email), into=parse_address(into))
    why = one_line("The reason", reason, most=REASON_MAX)
    with app.store.read() as tx:
        amounts = _amounts(tx, ask)
        first = _worked_out(tx, ask, amounts)
    people = (first.from_.id, first.into.id)
    with app.store.write() as tx:
        hold_people(tx, people, wholly=True)
        found = _worked_out(tx, ask, amounts)
        if found.plan.digest != digest or (found.from_.id, found.into.id) != people:
            raise RefusedError(Reason.PLAN_OUTDATED)
        making = Making(app.ids(), app.clock(), by)
        kept = _merge(tx, app, found, making)
        changed = record(tx, making, found.plan, people, reason=why, kept=kept)
        note_change(tx, app, "user.merged", making, people)
        _tell(tx, app, found, making)
        return changed


def _amounts(tx: Tx, ask: MergeAsk) -> dict[int, Amounts]:
    found = person_at(tx, ask.from_)
    return {} if found is None else {found.id: counted(tx, found).amounts}


def _worked_out(tx: Tx, ask: MergeAsk, amounts: dict[int, Amounts]) -> Merge:
    """Return what is to be done.  Raises RefusedError."""
    from_, into = person_at(tx, ask.from_), person_at(tx, ask.into)
    places = Places(inboxes=(), defaults=(), communal=())
    if from_ is not None:
        from_ = with_amounts(from_, amounts)
        places = Places(
            inboxes=tuple(norm for _, norm in tx.merging.chains_of(from_.id)),
            defaults=tuple(slug for _, slug in tx.merging.defaults_of(from_.id)),
            communal=tuple(norm for _, norm in tx.merging.communal_of(from_.id)),
        )
    found = plan_merge(ask, from_, into, places)
    if isinstance(found, Refuse):
        raise refused(found)
    _require_no_clients(tx, found)
    return found


def _require_no_clients(tx: Tx, found: Merge) -> None:
    """Each one's addresses come into the other's accounts (U4)."""
    for person, other in ((found.from_, found.into), (found.into, found.from_)):
        for address in other.addresses:
            client = is_client_of(tx, person, [address.norm])
            if client is not None:
                raise other_kind(Address.parse(address.norm), client.kind)


def _merge(tx: Tx, app: App, found: Merge, making: Making) -> dict[str, Any]:
    """Do it; return what taking it back needs."""
    from_, into = found.from_, found.into
    disabled_at = tx.people.user(from_.id).disabled_at
    end_access(tx, app, from_, making)
    for member in from_.memberships:
        tx.drops.end(member.id, making.at)
    kept = suspend_logins(tx, from_, _laid_aside(from_, making), making)
    # Who INTO is now may be away when FROM is not (M10).
    with keeping_readers(tx, active_accounts(tx, from_.id), making.at):
        kept["addresses"] = _addresses(tx, from_, into, making)
        kept["members"] = _members(tx, app, found, making)
        kept |= _places(tx, from_.id, into.id, making)
        tx.merging.move_entries(
            from_.id,
            into.id,
            {
                "by_user_id": making.by.user_id,
                "at": making.at,
                "note": f"{from_.name} turned out to be {into.name}",
                "change_id": making.id,
                "undoes": None,
            },
        )
        tx.people.set_disabled(from_.id, making.at)
        tx.changes.set_merged(from_.id, into.id)
    own = [one.norm for one in (*into.addresses, *from_.addresses)]
    let_heal(tx, app, active_accounts(tx, into.id), own)
    kept["disabled_at"] = None if disabled_at is None else disabled_at.isoformat()
    return kept


def _laid_aside(from_: PersonFact, making: Making) -> dict[int, str]:
    """Return user names for FROM's logins that are not addresses, which are INTO's from now on (U8)."""
    return {
        login.id: f"merged-{login.id}-{making.id.lower()}"
        for login in from_.logins
        if "@" in login.username
    }


def _addresses(tx: Tx, from_: PersonFact, into: PersonFact, making: Making) -> list[dict[str, Any]]:
    passing = [
        Passing(tx.people.address(one.id), into.id, kind_then(one.kind), was_primary=False)
        for one in from_.addresses
    ]
    made = pass_on(tx, passing, making.at)
    return [
        {
            "old": one.id,
            "new": made[one.id],
            "kind": one.kind.value,
            "was_primary": one.was_primary and one.kind is not AddressKind.PRIMARY,
        }
        for one in from_.addresses
    ]


def _members(tx: Tx, app: App, found: Merge, making: Making) -> list[dict[str, Any]]:
    accounts = {
        tx.people.account_by_id(member.account_id).slug: member.account_id
        for member in tx.people.memberships_of(found.from_.id)
    }
    return [
        _join(tx, app, one, accounts[one.account], found.into.id, making) for one in found.joined
    ]


def _join(
    tx: Tx, app: App, one: Joined, account_id: int, user_id: int, making: Making
) -> dict[str, Any]:
    before: dict[str, Any] | None = None
    if one.of_into is None:
        tx.people.add_member(
            app.ids(), account_id, user_id, role=one.role, state=one.state, now=making.at
        )
    else:
        before = {"role": one.of_into.role.value, "state": one.of_into.state.value}
        tx.people.set_member(one.of_into.id, role=one.role, state=one.state)
    after = {"role": one.role.value, "state": one.state.value}
    return {"account": account_id, "before": before, "after": after}


def _places(tx: Tx, from_: int, into: int, making: Making) -> dict[str, Any]:
    """Put INTO where FROM is named: owner chains, last owners, communal inboxes."""
    chains = []
    before = tx.merging.chains_at([inbox for inbox, _ in tx.merging.chains_of(from_)])
    for inbox, users in sorted(before.items()):
        after = (
            [user for user in users if user != from_]
            if into in users
            else [into if user == from_ else user for user in users]
        )
        tx.people.set_owner_chain(inbox, after)
        chains.append({"inbox": inbox, "before": users, "after": after})
    defaults = [account for account, _ in tx.merging.defaults_of(from_)]
    tx.merging.set_default_owner_if(defaults, from_, into)
    communal = []
    for inbox, _ in tx.merging.communal_of(from_):
        had = tx.people.is_communal_member(inbox, into)
        tx.people.remove_communal_member(inbox, from_)
        if not had:
            tx.people.add_communal_member(inbox, into, now=making.at)
        communal.append({"inbox": inbox, "had": had})
    return {"chains": chains, "defaults": defaults, "communal": communal}


def _tell(tx: Tx, app: App, found: Merge, making: Making) -> None:
    plan = found.plan
    for address, name in ((plan.from_email, plan.from_name), (plan.into_email, plan.into_name)):
        tell(
            tx,
            app,
            address,
            name,
            making,
            f"the work of {plan.from_name} ({plan.from_email}) and of {plan.into_name} ({plan.into_email}) is one from "
            f"now on. Sign in as {plan.into_email}; {plan.from_email} is an address of the same person.",
        )
