"""A mail's history in sentences: who, when, from, to, why (M3).  Only reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from maild.core.documents import arrivals_of
from maild.core.happening import OPERATOR_NAME, Happening
from maild.core.writing_shown import happenings_of_writing
from maild.store.mailbox import EntryRow, TransferRow
from maild.store.rules import APPLIED
from maild.store.store import Tx
from maild.store.views import EventRow, RulingRow

Namer = Callable[[int | None], str]


_RANK = {"arrived": 0, "written": 0, "decided": 2, APPLIED: 3}
"""Within one instant: it comes in, people act, it is decided, and rules say whose it is."""


def history_of(tx: Tx, row: EntryRow) -> list[Happening]:
    """Return everything that happened to a delivery, oldest first."""
    transfers = tx.mailbox.transfers(row.id)
    notes = tx.mailbox.notes(row.id)
    rulings = tx.views.rulings(row.id)
    events = tx.views.events(row.id)
    ids = {event.actor_id for event in events} | {by for _, by, _ in notes}
    ids |= {ruling.by_user_id for ruling in rulings}
    ids |= {event.subject.get("owner") for event in events if event.kind == APPLIED}
    titles = tx.rules.names(
        rule for event in events if event.kind == APPLIED for rule in event.subject["rules"]
    )
    for transfer in transfers:
        ids |= {transfer.from_user_id, transfer.to_user_id, transfer.by_user_id}
    people = {number for number in ids if number is not None}
    names, emails = tx.views.names(people), tx.lists.emails(people)
    statuses = {
        number: status for status, number in tx.mailbox.status_names(row.account_id).items()
    }

    def name(user_id: int | None) -> str:
        return OPERATOR_NAME if user_id is None else names[user_id]

    found = [_arrived(one) for one in arrivals_of(tx, row)]
    found += happenings_of_writing(tx, row, events)
    found += [_transferred(one, name, emails.get(one.by_user_id)) for one in transfers]
    found += [
        Happening(
            at=at, kind="noted", by=emails.get(by), text=f"{name(by)} wrote a note.", note=text
        )
        for at, by, text in notes
    ]
    found += [_ruled(one, name, emails.get(one.by_user_id)) for one in rulings]
    found += [
        _told(one, name, emails.get(one.actor_id), statuses)
        for one in events
        if one.kind in {"decided", "status.changed"}
    ]
    found += [_by_rules(one, name, statuses, titles) for one in events if one.kind == APPLIED]
    return sorted(found, key=lambda one: (one.at, _RANK.get(one.kind, 1)))


def _arrived(row: dict[str, Any]) -> Happening:
    times = row["retries"]
    how_often = "once" if times == 1 else f"{times} times"
    again = f", and was offered again {how_often}" if times else ""
    marked = f", marked as spam ({row['spam_mark']})" if row["spam_mark"] else ""
    peer = f" from {row['peer']}" if row["peer"] else ""
    return Happening(
        at=row["at"],
        kind="arrived",
        by=None,
        text=f"It came in by {row['door']}{peer}{marked}{again}.",
    )


def _transferred(row: TransferRow, name: Namer, by: str | None) -> Happening:
    who, giver, taker = name(row.by_user_id), name(row.from_user_id), name(row.to_user_id)
    how = ", unread" if row.became_unread else ""
    if row.by_user_id == row.to_user_id:
        text = f"{who} took it from {giver}."
    elif row.by_user_id == row.from_user_id:
        text = f"{who} gave it to {taker}{how}."
    else:
        text = f"{who} gave it from {giver} to {taker}{how}."
    return Happening(
        at=row.at, kind="owner.changed", by=by, text=text, note=row.note, change=row.change_id
    )


def _ruled(row: RulingRow, name: Namer, by: str | None) -> Happening:
    who, client = name(row.by_user_id), row.ruling.answer.get("client_name", "?")
    text = {
        "dismiss": f"{who} put it away.",
        "release": f"{who} wanted it back.",
        "withdraw": f"{who} put it aside again.",
        "file": f"{who} filed it under {client}.",
        "unfile": f"{who} took it off {client}.",
        "sender": f"{who} said that it is from {row.ruling.answer.get('sender', '?')}.",
        "substitute": f"{who} said that {row.ruling.answer.get('to', '?')} is to have it.",
        "original": f"{who} said that the original is from {row.ruling.answer.get('address', '?')}.",
        "trust": f"{who} said whom to trust: {row.ruling.answer.get('text', '?')}",
        "recipient": f"{who} said that it was sent to {row.ruling.answer.get('inbox', '?')}.",
        "retract": f"{who} took back what was answered.",
    }.get(row.ruling.question, f"{who} answered: {row.ruling.question}.")
    return Happening(at=row.at, kind="ruled", by=by, text=text, change=row.change_id)


def _told(row: EventRow, name: Namer, by: str | None, statuses: dict[int, str]) -> Happening:
    if row.kind == "decided":
        text = f"Decided: {row.subject.get('state', '?')}, {row.subject.get('reason', '?')}."
    else:
        status = statuses.get(row.subject.get("status", 0), "one that is gone")
        answer = row.subject.get("reopened_by")
        text = (
            f"{name(row.actor_id)} set its status to {status}."
            if answer is None
            else f"An answer came in ({answer}); its status is {status} again."
        )
    return Happening(at=row.at, kind=row.kind, by=by, text=text)


def _by_rules(
    row: EventRow, name: Namer, statuses: dict[int, str], titles: dict[int, str]
) -> Happening:
    named = ", ".join(f"“{titles.get(rule, '?')}”" for rule in row.subject["rules"])
    did = []
    if "client" in row.subject:
        did.append("filed it")
    if "owner" in row.subject:
        did.append(f"gave it to {name(row.subject['owner'])}")
    if "status" in row.subject:
        did.append(f"set its status to {statuses.get(row.subject['status'], 'one that is gone')}")
    what = " and ".join(did) or "matched"
    noun = "rule" if len(row.subject["rules"]) == 1 else "rules"
    return Happening(at=row.at, kind=row.kind, by=None, text=f"The {noun} {named} {what}.")
