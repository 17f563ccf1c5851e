"""Repairs: what a person says about a mail is a ruling, and the mail is decided again in place (E2).

Nothing here pokes state.  Entry, owner, unread, history and notes stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from maild.core.acts import Act, Change, mails, name_of, new_act, note_event, require_right
from maild.core.app import Actor, App
from maild.core.decide import Reader, decide_again
from maild.core.standing import is_admin
from maild.core.standing_rulings import forget_of_change
from maild.model.facts import ClientRef
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.ruled import RETRACTABLE, newest, put_aside, standing
from maild.model.states import State
from maild.store.mailbox import EntryRow
from maild.store.sql import could_be_id
from maild.store.store import Tx

_PLACE = ("owner_id", "unread", "status_id")
"""What is kept of a mail's place in a mailbox while it lies in none."""


def dismiss(app: App, reader: Reader, ulids: Sequence[str], *, by: Actor) -> Change:
    """Take mails out of the mailboxes: IGNORED, DISMISSED; nothing is deleted and `undo` brings them back (M4).

    What somebody has put away already is left as it is: its place is kept by who was first.
    Commits the rulings, then decides again in place.  Raises RefusedError; then nothing was done.
    """
    return _rule_and_decide(app, reader, ulids, by, "dismiss")


def file_by_hand(
    app: App, reader: Reader, ulids: Sequence[str], *, client: str, by: Actor
) -> Change:
    """File mails under a client by a person's word (FILED_BY_HAND).  Commits and raises as `dismiss`."""
    return _rule_and_decide(app, reader, ulids, by, "file", client)


def unfile(app: App, reader: Reader, ulids: Sequence[str], *, client: str, by: Actor) -> Change:
    """Take mails off a client (UNFILED_BY_HAND); what is not filed there is left as it is.  Commits and raises as `dismiss`."""
    return _rule_and_decide(app, reader, ulids, by, "unfile", client)


def retry(app: App, reader: Reader, ulids: Sequence[str], *, by: Actor) -> Change:
    """Decide mails again in place, with today's directory (D11, I4).  Commits one transaction for some 50 mails.

    A mail that could not be read is read again.
    """
    with app.store.write() as tx:
        rows = mails(tx, ulids, by)
        for row in rows:
            require_right(tx, row, by)
    decide_again(app, reader, [row.id for row in rows])
    return Change(id="", moved=tuple(row.ulid for row in rows))


def release_mails(app: App, reader: Reader, ulids: Sequence[str], *, by: Actor) -> Change:
    """Take back what put mails aside: a dismissal, an upstream's spam mark, or that a machine wrote them.

    They are decided as if nothing had; one that had lain in a mailbox comes back there.  Commits the rulings, then
    decides again in place.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, CONFLICT); then nothing was done.
    """
    act = new_act(app, by)
    with app.store.write() as tx:
        rows = mails(tx, ulids, by)
        for row in rows:
            require_right(tx, row, by)
            if row.state is not State.IGNORED:
                raise RefusedError(
                    Reason.CONFLICT,
                    why=f"The mail {row.ulid} is {row.state.value}; only what was put aside can be released.",
                )
            release(tx, row, act, lying(tx, row))
        _decide_soon(tx, rows, act)
    decide_again(app, reader, [row.id for row in rows])
    return Change(id=act.change_id, moved=tuple(row.ulid for row in rows))


def release(tx: Tx, row: EntryRow, act: Act, aside: dict[str, Any]) -> None:
    """Record that a mail is wanted back where it lay; the caller decides it again after the commit."""
    record(tx, row, act, "release", {key: aside.get(key) for key in _PLACE})


def withdraw(tx: Tx, row: EntryRow, act: Act) -> None:
    """Record that a release is taken back; the caller decides it again after the commit."""
    record(tx, row, act, "withdraw", {key: getattr(row, key) for key in _PLACE})


def retract(tx: Tx, row: EntryRow, act: Act) -> bool:
    """Record that what an act answered does not count any more, unless somebody answered the same since.

    The caller decides it again after the commit.  Raises RefusedError NOT_ALLOWED for what an admin alone may answer.
    """
    given = standing(tx.facts.rulings([row.id]).get(row.id, ()))
    own = [one for one in given if one.change == act.undoes and one.question in RETRACTABLE]
    if not own or any(
        (last := newest(given, one.question)) is None or last.change != act.undoes for one in own
    ):
        return False
    if any(one.question == "trust" for one in own) and not is_admin(tx, row.account_id, act.by):
        raise RefusedError(
            Reason.NOT_ALLOWED, why="Only an admin of the account ends what it trusts."
        )
    record(tx, row, act, "retract", {})
    if act.undoes is not None:
        forget_of_change(tx, row.account_id, act.undoes, act.at)
    return True


def lying(tx: Tx, row: EntryRow) -> dict[str, Any]:
    """Return what the newest ruling that took the mail out of a mailbox says of its place there."""
    for given in reversed(tx.views.rulings(row.id)):
        if given.ruling.question in {"dismiss", "withdraw"}:
            return given.ruling.answer
    return {}


def _rule_and_decide(
    app: App,
    reader: Reader,
    ulids: Sequence[str],
    by: Actor,
    question: str,
    client: str | None = None,
) -> Change:
    act = new_act(app, by)
    ruled: list[EntryRow] = []
    with app.store.write() as tx:
        rows = mails(tx, ulids, by)
        given = tx.facts.rulings(row.id for row in rows) if client is None else {}
        for row in rows:
            require_right(tx, row, by)
            if row.state is State.RECEIVED:
                raise RefusedError(
                    Reason.CONFLICT,
                    why=f"The mail {row.ulid} is being read; try again in a moment.",
                )
            if client is not None and question == "unfile":
                client_answer(tx, row, client)  # Of another account it is not there.
                filed = {one["id"]: one["name"] for one in tx.lists.mail(row.id)["clients"]}
                if client not in filed:
                    continue
                take_off(tx, row, act, client, filed)
            elif client is not None:
                record(tx, row, act, question, client_answer(tx, row, client))
            elif put_aside(standing(given.get(row.id, ()))) is None:
                record(tx, row, act, question, {key: getattr(row, key) for key in _PLACE})
            else:
                continue
            ruled.append(row)
        _decide_soon(tx, ruled, act)
    decide_again(app, reader, [row.id for row in ruled])
    moved = tuple(row.ulid for row in ruled)
    unchanged = tuple(row.ulid for row in rows if row not in ruled)
    return Change(id=act.change_id, moved=moved, unchanged=unchanged)


def take_off(tx: Tx, row: EntryRow, act: Act, client: str, filed: Mapping[str, str]) -> None:
    """Record that a mail is not about a client; with the others of `filed` it stays, as a person saw it there."""
    for ulid in filed:
        if ulid != client:
            record(tx, row, act, "file", client_answer(tx, row, ulid))
    record(tx, row, act, "unfile", client_answer(tx, row, client))


def _decide_soon(tx: Tx, rows: Sequence[EntryRow], act: Act) -> None:
    """Who dies between the answer and the decision leaves the decision to the workers."""
    tx.healing.decide_soon([row.id for row in rows], act.at)


def client_answer(tx: Tx, row: EntryRow, ulid: str) -> dict[str, Any]:
    """Return the answer that names a client of the mail's account.  Raises RefusedError NOT_FOUND."""
    client = client_named(tx, row.account_id, ulid)
    if client is None:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="client",
            value=short(ulid),
            hint="`maild client list` shows the ids.",
        )
    return {"client_id": client.id, "client_name": client.name}


def client_named(tx: Tx, account_id: int, ulid: str) -> ClientRef | None:
    """Return the account's client of that id; what people type may not even be text that a database takes."""
    return tx.deliveries.client_ref(account_id, ulid) if could_be_id(ulid) else None


def record(tx: Tx, row: EntryRow, act: Act, question: str, answer: dict[str, Any]) -> None:
    """Write down what a person answered; the caller decides the mail again after the commit."""
    tx.deliveries.add_ruling(
        {
            "account_id": row.account_id,
            "delivery_id": row.id,
            "question": question,
            "answer": {"user": name_of(tx, act.by), **answer},
            "by_user_id": act.by.user_id,
            "at": act.at,
            "change_id": act.change_id,
            "undoes": act.undoes,
        }
    )
    note_event(tx, row, act, "ruled", {"question": question})
