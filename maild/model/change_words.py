"""Plans in sentences: what a person reads before saying yes (U11, U13).  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from maild.model.changes import RenamePlan, Side, SwapPlan
from maild.model.merges import MergePlan
from maild.model.people import AddressKind
from maild.model.plain_text import so_many

_KINDS = {
    AddressKind.ALIAS: "an alias",
    AddressKind.SENDS_AS: "a sending address",
}


def sentences_of(plan: RenamePlan | SwapPlan | MergePlan) -> tuple[str, ...]:
    """Return the plan as sentences, the most important first."""
    match plan:
        case RenamePlan():
            return tuple(_rename(plan))
        case SwapPlan():
            return tuple(_swap(plan))
        case MergePlan():
            return tuple(_merge(plan))


def _rename(plan: RenamePlan) -> Iterator[str]:
    who = plan.person.name
    yield f"{who} gets {plan.new} instead of {plan.old}, which is nobody's for 30 days."
    yield (
        f"{who} signs up again by a link mailed to {plan.new}; until then nobody signs in, and mail from {plan.new} "
        f"is {who}'s already."
    )
    yield from _record(plan.person)
    yield f"{plan.old} is told."
    yield from _ends(plan.in_hand, plan.ambiguous)


def _swap(plan: SwapPlan) -> Iterator[str]:
    one, other = plan.person, plan.other
    yield (
        f"{one.name} and {other.name} exchange {plan.old} and {plan.new}, and their logins: passwords, second steps and "
        "identities go with the address."
    )
    yield (
        f"Who signs in with {plan.old} works in {other.name}'s record then, and who signs in with {plan.new} in "
        f"{one.name}'s."
    )
    for change in plan.roles:
        before = "nobody" if change.before is None else change.before.value
        after = "nobody" if change.after is None else change.after.value
        yield f"Who has {change.address} is {after} in {change.account}, and was {before}."
    for side in (one, other):
        yield from _record(side)
    for choice in plan.choices:
        where = f"goes along with {choice.of}" if choice.travels else "stays with the record"
        hint = (
            ""
            if choice.travels
            else f" (to let it go along: --alias-travels {quote(choice.address)})"
        )
        yield f"{choice.address} {where}{hint}."
    yield f"{plan.old} and {plan.new} are told."
    yield from _ends(plan.in_hand, plan.ambiguous)


def _record(side: Side) -> Iterator[str]:
    roles = ", ".join(f"{one.role.value} in {one.account}" for one in side.memberships)
    yield (
        f"With {side.name}'s record stay {so_many(side.mails_owned)} in the mailbox, {so_many(side.mails_sent)} sent"
        + (f", and what {side.name} is: {roles}." if roles else ".")
    )
    if side.keeps:
        yield f"{side.name} keeps {', '.join(side.keeps)}."
    if side.gives:
        yield f"With {side.before} go {', '.join(side.gives)}."
    for login in side.logins:
        which = f" for {login.account}" if login.account else ""
        named = (
            ""
            if login.username == login.username_after
            else f", and is called {login.username_after}"
        )
        at = f" with its identity at {', '.join(login.identities)}" if login.identities else ""
        yield f"The login {login.username}{which}{at} {_becomes(login.becomes)}{named}."
    if side.drop_addresses:
        yield f"The drop address of {side.name} is replaced in {', '.join(side.drop_addresses)}."
    if side.sessions or side.tokens:
        yield f"{side.name}'s {_count(side.sessions, 'session')} and {_count(side.tokens, 'token')} end."


def _becomes(word: str) -> str:
    return "is suspended" if word == "suspended" else word


def _merge(plan: MergePlan) -> Iterator[str]:
    yield f"{plan.from_name} ({plan.from_email}) turns out to be {plan.into_name} ({plan.into_email})."
    for line in plan.addresses:
        yield f"{line.address} becomes {_KINDS[line.becomes]} of {plan.into_name}."
    yield f"{so_many(plan.mails_moved)} move to {plan.into_name}'s mailbox, read or unread as they are."
    yield f"{so_many(plan.mails_sent)} sent by {plan.from_name} stay as they were resolved."
    yield from plan.conflicts
    for what, where in (
        ("owns the mail of", plan.owner_of),
        ("is the last owner of", plan.default_owner_of),
        ("opens", plan.opens),
    ):
        if where:
            yield f"{plan.into_name} {what} {', '.join(where)} in the place of {plan.from_name}."
    if plan.identities_suspended:
        yield f"{plan.from_name}'s identity at {', '.join(plan.identities_suspended)} is suspended."
    yield f"{plan.from_name}'s {_count(plan.sessions, 'session')} and {_count(plan.tokens, 'token')} end."
    if plan.drop_addresses:
        yield f"{plan.from_name}'s drop address in {', '.join(plan.drop_addresses)} ends."
    yield from _ends(plan.in_hand, ())


def _ends(in_hand: int, ambiguous: tuple[str, ...]) -> Iterator[str]:
    yield from ambiguous
    if in_hand:
        yield (
            f"{so_many(in_hand)} of these accounts are not decided yet; each is whose it was when it came in."
        )
    yield "The operator can take this back for 30 days."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
