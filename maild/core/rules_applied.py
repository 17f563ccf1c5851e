"""What an account's rules do to a mail that is being decided (M11).

They speak when a mail is decided for the first time.  When it is decided again they are asked too, because what it is
filed under may hang on them; but whose it is, and its status, only changes where nobody has moved or set it, and what a
rule once gave stays with whom it gave it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from maild.core.settled import Done
from maild.model.absence import Reader, Roster
from maild.model.case import Case, Decision
from maild.model.facts import ClientRef
from maild.model.people import InboxKind
from maild.model.rule_text import read_when
from maild.model.ruled import newest, standing
from maild.model.rules import (
    NOTHING,
    Assignee,
    Heard,
    Rule,
    Seen,
    StatusRef,
    When,
    filed_by_rule,
    hear,
    is_heard,
    may_file,
)
from maild.model.states import Move, State
from maild.model.trace import Trace
from maild.store.deliveries import Claimed
from maild.store.mailbox import EntryRow
from maild.store.rules import APPLIED, RuleRow, Standing
from maild.store.store import Tx

_WHEN = lru_cache(maxsize=4096)(read_when)
"""Conditions are read anew for each batch of mails, and are the same for months."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mail goes."""

    owner: int | None
    """None: there is nobody who could have it."""
    unread: bool
    status_id: int | None
    absence_id: int | None = None
    """The absence because of which it is not somebody else's."""
    by_chain: bool = False
    """Whether it is the inbox's reader's because neither a rule nor a forwarder says whose it is."""


def rules_of(tx: Tx, account_ids: Collection[int], now: datetime) -> Mapping[int, Sequence[Rule]]:
    """Return the rules of accounts that are on, in their order, as they can be applied today (M10)."""
    found: dict[int, list[Rule]] = {}
    rows = tx.rules.of(account_ids, only_on=True)
    for rule, row in zip(ready_rules(tx, rows), rows, strict=True):
        found.setdefault(row.account_id, []).append(rule)
    return {account: _with_stand_ins(tx, account, own, now) for account, own in found.items()}


def _with_stand_ins(tx: Tx, account: int, rules: Sequence[Rule], now: datetime) -> list[Rule]:
    """Let whoever stands in have what a rule gives to somebody who is away."""
    owners = {rule.owner.user_id for rule in rules if rule.owner is not None}
    roster = tx.absences.roster(account, owners, now) if owners else Roster()
    return [
        rule
        if rule.owner is None or rule.owner.trouble
        else replace(rule, owner=_standing_in(tx, rule.owner, roster, now))
        for rule in rules
    ]


def _standing_in(tx: Tx, owner: Assignee, roster: Roster, now: datetime) -> Assignee:
    absence = roster.absence(owner.user_id, now)
    if absence is None:
        return owner
    found = roster.stands_in(owner.user_id, now)
    if found is None:
        return replace(owner, trouble=f"is away until {absence.ends:%F}, as are all substitutes")
    name = f"{tx.rights.display_name(found)}, in place of {owner.name}, who is away"
    return Assignee(found, name, absence_id=absence.id)


def ready_rules(tx: Tx, rows: Sequence[RuleRow]) -> list[Rule]:
    """Return rules with whom they give mail to as that one stands today; who was merged is who they are by now (U13)."""
    if not rows:
        return []
    owners = {row.owner_id for row in rows if row.owner_id is not None}
    heirs = tx.people.heirs(owners) if owners else {}
    standings = tx.rules.standings(
        (row.account_id, heirs[row.owner_id]) for row in rows if row.owner_id is not None
    )
    return [_ready(row, heirs, standings) for row in rows]


def _ready(
    row: RuleRow, heirs: Mapping[int, int], standings: Mapping[tuple[int, int], Standing]
) -> Rule:
    owner = None
    if row.owner_id is not None:
        user = heirs[row.owner_id]
        owner = _assignee(user, standings.get((row.account_id, user)))
    return Rule(
        id=row.id,
        name=row.name,
        when=when_of(row),
        owner=owner,
        status=None if row.status_id is None else StatusRef(row.status_id, row.status or ""),
        client=None if row.client_id is None else ClientRef(row.client_id, row.client or ""),
        unread=row.unread,
        stops=row.stops,
    )


def when_of(row: RuleRow) -> When:
    """Return a stored rule's conditions."""
    return _WHEN(row.conditions)


def _assignee(user_id: int, found: Standing | None) -> Assignee:
    if found is None or not found.is_member:
        name = "somebody" if found is None else found.name
        return Assignee(user_id, name, "is no active member of this account")
    if found.is_unread_by_all:
        return Assignee(user_id, found.name, "has a mailbox that nobody opens")
    return Assignee(user_id, found.name, "is inactive" if found.is_disabled else "")


def apply_rules(
    rules: Sequence[Rule], case: Case, decision: Decision, size: int, trace: Trace
) -> tuple[Decision, Heard]:
    """Return what becomes of a decision by these rules, and what they say of owner, status and unread.  Pure."""
    if not rules or not is_heard(decision):
        return decision, NOTHING
    seen = Seen(
        case.letter,
        inbox=case.inbox.norm,
        size=size,
        direction=decision.direction,
        clients=[hit.client.name for hit in decision.hits],
    )
    heard = hear(rules, seen, may_file=may_file(decision.reason, decision.move), trace=trace)
    decision = filed_by_rule(
        decision, heard, trace, is_forward_inbox=case.inbox.kind is InboxKind.FORWARD
    )
    if newest(standing(case.rulings), "substitute") is not None:
        # A person said who is to have it; that word counts.
        heard = Heard(rules=heard.rules, status=heard.status, unread=heard.unread)
    return decision, heard


def place_of(decision: Decision, heard: Heard, reader: Reader | None) -> Place:
    """Return where a mail goes: to whom a rule says, else the forwarder's, read; else to the inbox's reader, unread."""
    owner, absence = (None, None) if reader is None else (reader.user_id, reader.absence_id)
    unread = by_chain = True
    if heard.owner is not None:
        if not heard.owner.trouble:
            owner, absence = heard.owner.user_id, heard.owner.absence_id
            unread, by_chain = owner != decision.owner, False
    elif decision.owner is not None:
        owner, absence, unread, by_chain = decision.owner, None, False, False
    if heard.unread is not None:
        unread = heard.unread
    status = None if heard.status is None else heard.status.id
    return Place(owner, unread, status, absence, by_chain)


def stays(tx: Tx, one: Done, place: Place, row: EntryRow) -> bool:
    """Whether a mail that is decided again stays whose it is, whoever would have it today.

    Always where somebody gave or took it.  An inbox's reader, and who stands in, get new mail alone (M9, M10): their
    answer changes by the clock.  But what was somebody's by a word that was taken back, or by a proof that is none, is
    held, and then it is theirs no more.  What a rule, gone or changed since, gave once stays too, also a forward: it
    would be its forwarder's, of whom the rule took it.
    """
    if tx.mailbox.transfers(row.id):
        return True
    if place.by_chain:
        is_doubted_now = one.decision.move is Move.HOLD and one.claimed.state is not State.HELD
        return not is_doubted_now
    if place.absence_id is not None:
        return True
    if one.heard.owner is None:
        return tx.rules.gave(row.id)
    stood_in = tx.absences.stand_in(row.id)
    return stood_in is not None and stood_in[1] == place.owner


Placed = tuple[Claimed, Heard, EntryRow | None]
"""A mail, what rules said of it, and where it lay before it was placed."""


def note_rules(tx: Tx, placed: Iterable[Placed], at: datetime) -> None:
    """Write what rules did into the histories (M3); set the status of mails that lay somewhere without one."""
    events = []
    for claimed, heard, row in placed:
        if not heard.rules:
            continue
        done = (
            _done_anew(heard)
            if row is None or row.owner_id is None
            else _done_again(tx, heard, row)
        )
        if done is not None:
            events.append(
                {
                    "at": at,
                    "account_id": claimed.account_id,
                    "kind": APPLIED,
                    "delivery_id": claimed.id,
                    "subject": {"rules": [rule.id for rule in heard.rules], **done},
                }
            )
    if events:
        tx.deliveries.add_events(events)


def _done_anew(heard: Heard) -> dict[str, int]:
    done: dict[str, int] = {}
    if heard.owner is not None and not heard.owner.trouble:
        done["owner"] = heard.owner.user_id
    if heard.status is not None:
        done["status"] = heard.status.id
    if heard.client is not None:
        done["client"] = heard.client.id
    return done


def _done_again(tx: Tx, heard: Heard, row: EntryRow) -> dict[str, int] | None:
    """Return what changed of a mail that lay in a mailbox before; None: nothing."""
    if tx.mailbox.transfers(row.id):
        return None
    done = _done_anew(heard)
    done.pop("client", None)  # What it is filed under is told by the decision.
    if done.get("owner") == row.owner_id:
        del done["owner"]
    if heard.status is None or row.status_id is not None:
        done.pop("status", None)
    else:
        tx.mailbox.set_status(row.id, heard.status.id)
    return done or None
