"""An account's rules (M11): its own list, in the order in which they are heard.

Distributors and admins keep it; whoever works in the account may read it, because it says where mail goes.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime

from maild.core.app import Actor, App
from maild.core.rules_applied import ready_rules, when_of
from maild.core.standing import find_user, home, note, require_member
from maild.model.facts import ClientRef
from maild.model.people import MemberState, Role
from maild.model.plain_text import few_marks, one_line, short
from maild.model.reason import Reason, RefusedError
from maild.model.rule_text import (
    Acts,
    RuleSyntaxError,
    Written,
    read_rule,
    read_when,
    write_rule,
    write_when,
)
from maild.model.rules import Assignee, Rule, StatusRef
from maild.store.accounts import AccountRow
from maild.store.rules import RuleRow
from maild.store.store import Tx
from maild.store.users import MemberRow

RULES_MAX = 200
"""Rules of one account: each is heard for every mail."""
NAME_MAX = 60
_CANDIDATES = 5
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A rule as the interface shows it."""

    id: str
    name: str
    position: int
    """Counted from 1."""
    text: str
    """The rule itself; typed so, it means the same."""
    on: bool
    broken: str | None
    """Why it cannot do all that it says; None: it can."""
    created_at: datetime


def list_rules(app: App, *, account: str | None = None, by: Actor) -> list[RuleView]:
    """Return an account's rules in their order.  Reads only.  Raises RefusedError (account's)."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return _views(tx, where)


def show_rule(app: App, name: str, *, account: str | None = None, by: Actor) -> RuleView:
    """Return the rule of that name or id.  Reads only.  Raises RefusedError (NOT_FOUND, account's)."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return _view_of(tx, where, find_rule(tx, where, name))


def add_rule(
    app: App, name: str, text: str, *, on: bool = False, account: str | None = None, by: Actor
) -> RuleView:
    """Add a rule at the end of the list; it is heard from the next mail on if it is `on`.

    Commits one transaction.  Raises RefusedError (INVALID_VALUE, ALREADY_EXISTS, NOT_FOUND for whom or what it names,
    NOT_ALLOWED, CONFLICT when the list is full, account's).
    """
    name = _checked_name(name)
    written = parsed(text)
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_rule_keeper(tx, where, by)
        rows = tx.rules.of([where.id])
        if any(_fold(row.name) == _fold(name) for row in rows):
            raise RefusedError(
                Reason.ALREADY_EXISTS, noun="rule", value=name, hint="Choose another name."
            )
        if len(rows) >= RULES_MAX:
            raise RefusedError(
                Reason.CONFLICT,
                why=f"{where.name} has {RULES_MAX} rules, which is as many as there can be; remove one.",
            )
        rule = rule_in(tx, where, name, written, by)
        ulid = app.ids()
        tx.rules.add(
            ulid=ulid,
            account_id=where.id,
            name=name,
            rank=1 + max((row.rank for row in rows), default=0),
            conditions=write_when(written.when),
            owner_id=None if rule.owner is None else rule.owner.user_id,
            status_id=None if rule.status is None else rule.status.id,
            client_id=None if rule.client is None else rule.client.id,
            unread=rule.unread,
            stops=rule.stops,
            is_on=on,
            by_user_id=by.user_id,
            at=app.clock(),
        )
        note(tx, app, by, "rule.added", where.id, rule=ulid)
        return _view_of(tx, where, find_rule(tx, where, ulid))


def remove_rule(app: App, name: str, *, account: str | None = None, by: Actor) -> RuleView:
    """Remove a rule; what it did stays.  Commits one transaction.  Raises RefusedError."""
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_rule_keeper(tx, where, by)
        row = find_rule(tx, where, name)
        view = _view_of(tx, where, row)
        tx.rules.remove(row.id, now=app.clock())
        note(tx, app, by, "rule.removed", where.id, rule=row.ulid)
        return replace(view, on=False)


def switch_rule(
    app: App, name: str, *, on: bool, account: str | None = None, by: Actor
) -> RuleView:
    """Let a rule be heard from the next mail on, or not any more.  Commits one transaction.  Raises RefusedError.

    A rule that is broken is not switched on (CONFLICT).
    """
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_rule_keeper(tx, where, by)
        row = find_rule(tx, where, name)
        broken = _view_of(tx, where, row).broken
        if on and broken is not None:
            raise RefusedError(
                Reason.CONFLICT, why=f"The rule “{row.name}” cannot be switched on: {broken}."
            )
        tx.rules.switch(row.id, on=on)
        note(tx, app, by, "rule.on" if on else "rule.off", where.id, rule=row.ulid)
        return _view_of(tx, where, find_rule(tx, where, row.ulid))


def order_rule(
    app: App, name: str, position: int, *, account: str | None = None, by: Actor
) -> list[RuleView]:
    """Move a rule to a position, counted from 1; return the list.  Commits one transaction.  Raises RefusedError."""
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_rule_keeper(tx, where, by)
        row = find_rule(tx, where, name)
        rows = tx.rules.of([where.id])
        if not 1 <= position <= len(rows):
            raise RefusedError(
                Reason.INVALID_VALUE,
                what="The position",
                value=position,
                why=f"it is between 1 and {len(rows)}",
            )
        order = [one.id for one in rows if one.id != row.id]
        order.insert(position - 1, row.id)
        tx.rules.set_ranks(order)
        note(tx, app, by, "rule.moved", where.id, rule=row.ulid)
        return _views(tx, where)


# --- steps that a trial shares --------------------------------------------------------------------------------------


def parsed(text: str) -> Written:
    """Return a rule as it was typed.  Raises RefusedError INVALID_VALUE with the place and the nearest word."""
    try:
        written = read_rule(text)
        read_when(write_when(written.when))  # Its one form may be longer than what was typed.
        return written
    except RuleSyntaxError as error:
        raise RefusedError(
            Reason.INVALID_VALUE, what="The rule", value=short(error.word or text), why=str(error)
        ) from None


def find_rule(tx: Tx, where: AccountRow, name: str) -> RuleRow:
    """Return the account's rule of that name or id.  Raises RefusedError NOT_FOUND."""
    wanted = _fold(name)
    for row in tx.rules.of([where.id]):
        if row.ulid == name or _fold(row.name) == wanted:
            return row
    raise RefusedError(
        Reason.NOT_FOUND, noun="rule", value=short(name), hint="`maild rule list` shows them."
    )


def rule_in(tx: Tx, where: AccountRow, name: str, written: Written, by: Actor) -> Rule:
    """Return a rule with whom and what its words mean.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, INVALID_VALUE)."""
    acts = written.acts
    return Rule(
        id=0,
        name=name,
        when=written.when,
        owner=None if acts.owner is None else _owner(tx, where, acts.owner, by),
        status=None if acts.status is None else _status(tx, where, acts.status),
        client=None if acts.file is None else _client(tx, where, acts.file),
        unread=acts.unread,
        stops=acts.stop,
    )


def require_rule_keeper(tx: Tx, where: AccountRow, by: Actor) -> None:
    """Refuse everybody but the account's distributors and admins, and the operator."""
    require_member(tx, where, by)
    if by.user_id is None:
        return
    if tx.rights.active_role(where.id, by.user_id) not in {Role.ADMIN, Role.DISTRIBUTOR}:
        raise RefusedError(
            Reason.NOT_ALLOWED,
            why=f"Only a distributor or an admin of {where.name} may do this.",
        )


def _checked_name(name: str) -> str:
    clean = one_line("The rule's name", name, most=NAME_MAX)
    if ":" in clean:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The rule's name",
            value=short(clean),
            why="it has a colon, as a rule has: the name comes first, then the rule",
        )
    return clean


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", few_marks(text.strip())).casefold()


def _owner(tx: Tx, where: AccountRow, word: str, by: Actor) -> Assignee:
    """Return whom an owner's word means: an address, or a name that one member of the account has."""
    if "@" in word:
        user = find_user(tx, word, by)
        member = tx.people.member(where.id, user.id)
        found = [] if member is None or member.state is not MemberState.ACTIVE else [member]
    else:
        found = _called(tx, where, word)
    if not found:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun=f"active member of {where.name}",
            value=short(word),
            hint="`maild member list` shows them.",
        )
    if len(found) > 1:
        several = ", ".join(one.user.email or one.user.display_name for one in found[:_CANDIDATES])
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="owner",
            value=short(word),
            why=f"several people are called that; say the address: {several}",
        )
    user = found[0].user
    if user.disabled_at is not None:
        raise RefusedError(
            Reason.NOT_ALLOWED, why=f"{user.display_name} cannot own mail: inactive."
        )
    return Assignee(user.id, user.display_name)


def _called(tx: Tx, where: AccountRow, word: str) -> list[MemberRow]:
    """Return the active members who have a name, or whose first name it is where nobody has it whole."""
    wanted, after = _fold(word), 0
    whole: list[MemberRow] = []
    first: list[MemberRow] = []
    while page := tx.people.members(where.id, after=after, limit=_PAGE):
        after = page[-1].id
        active = [one for one in page if one.state is MemberState.ACTIVE]
        whole += [one for one in active if _fold(one.user.display_name) == wanted]
        first += [one for one in active if _fold(one.user.display_name).split(" ")[0] == wanted]
    return whole or first


def _status(tx: Tx, where: AccountRow, word: str) -> StatusRef:
    names = tx.mailbox.status_names(where.id)
    found = next((name for name in names if _fold(name) == _fold(word)), None)
    if found is None:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="status",
            value=short(word),
            hint=f"There are: {', '.join(names)}.",
        )
    return StatusRef(names[found], found)


def _client(tx: Tx, where: AccountRow, word: str) -> ClientRef:
    found = tx.rules.clients_called(where.id, word)
    if not found:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="client",
            value=short(word),
            hint="`maild client list` shows them.",
        )
    if len(found) > 1:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="file",
            value=short(word),
            why="several clients are called that; say the id, which `maild client list` shows",
        )
    return found[0]


def _views(tx: Tx, where: AccountRow) -> list[RuleView]:
    rows = tx.rules.of([where.id])
    ready = ready_rules(tx, rows)
    emails = tx.lists.emails({one.owner.user_id for one in ready if one.owner is not None})
    return [
        RuleView(
            id=row.ulid,
            name=row.name,
            position=position,
            text=_text(row, one, emails),
            on=row.is_on,
            broken=_broken(one),
            created_at=row.at,
        )
        for position, (row, one) in enumerate(zip(rows, ready, strict=True), 1)
    ]


def _view_of(tx: Tx, where: AccountRow, row: RuleRow) -> RuleView:
    return next(one for one in _views(tx, where) if one.id == row.ulid)


def _text(row: RuleRow, ready: Rule, emails: dict[int | None, str]) -> str:
    owner = None
    if ready.owner is not None:
        owner = emails.get(ready.owner.user_id, ready.owner.name)
    acts = Acts(
        owner=owner,
        status=row.status,
        file=row.client_word,
        unread=row.unread,
        stop=row.stops,
    )
    return write_rule(Written(when_of(row), acts))


def _broken(rule: Rule) -> str | None:
    if rule.owner is None or not rule.owner.trouble:
        return None
    return f"{rule.owner.name} {rule.owner.trouble}; mail that it gives goes to the inbox's owners"
