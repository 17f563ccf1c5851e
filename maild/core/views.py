"""What people are shown of one mail: its text, its bytes, its history, and why it is as it is (M3, E1).

Everything here only reads.  Documents never hold what their reader may not see.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maild.core.acts import no_mail, require_right
from maild.core.app import Actor, App
from maild.core.decide import Reader
from maild.core.documents import arrivals_of, documents, iso
from maild.core.happening import Happening
from maild.core.history import history_of
from maild.core.opening import Shower, within
from maild.core.senders import sender_of
from maild.core.writing_shown import writing_document
from maild.model.letter import PARSER_VERSION, Letter
from maild.model.reason import Reason, RefusedError
from maild.model.shown import may_hold_more
from maild.model.states import State
from maild.parse import codec
from maild.store.mailbox import EntryRow
from maild.store.store import Tx

TWINS_SHOWN = 100
"""Other mails of one Message-ID that are named, the oldest first: a device may use one for ever (D6)."""


def show_mail(app: App, reader: Shower, ulid: str, *, by: Actor) -> dict[str, Any]:
    """Return everything about one mail but its bytes.  Raises RefusedError NOT_FOUND, NOT_ALLOWED.

    `text` and all that comes from reading is null where the mail could not be read, or is not read yet.
    """
    with app.store.read() as tx:
        row = visible_mail(tx, ulid, by)
        document = documents(tx, row.account_id, [tx.lists.mail(row.id)], app.clock())[0]
        document |= {
            "arrivals": [_arrival(one) for one in arrivals_of(tx, row)],
            "notes": [
                {"at": iso(one.at), "by": one.by, "text": one.note}
                for one in history_of(tx, row)
                if one.kind == "noted"
            ],
        }
        document |= writing_document(tx, row)
        stored = None
        if row.state is not State.ERASED:
            stored = tx.deliveries.readings([row.message_id], PARSER_VERSION).get(row.message_id)
    letter = _read_now(app, reader, row) if stored is None else codec.load(stored)
    document |= _reading(letter)
    if letter is not None and may_hold_more(letter):
        with app.store.read() as tx:
            content = bytes_of(app, tx, row)
        document |= within(reader, content, letter)
    return document


def _read_now(app: App, reader: Reader, row: EntryRow) -> Letter | None:
    """Read a mail whose stored reading is another version's; the outcome is shown and not stored."""
    if row.state in {State.RECEIVED, State.FAILED, State.ERASED}:
        return None
    with app.store.read() as tx:
        content = bytes_of(app, tx, row)
    found = next(reader.read_many([content]))
    return found if isinstance(found, Letter) else None


def _reading(letter: Letter | None) -> dict[str, Any]:
    if letter is None:
        return {
            "readable": False,
            "text": None,
            "attachments": [],
            "note": None,
            "forwarded": None,
            "calendar": [],
            "protection": None,
        }
    read = letter.as_dict()
    keys = ("readable", "degraded", "date", "reply_to", "kind", "text", "note", "attachments")
    shown = {key: read[key] for key in (*keys, "forwarded")}
    return {**shown, "calendar": [], "protection": None}


def _arrival(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "at": iso(row["at"]),
        "door": row["door"],
        "peer": row["peer"],
        "mail_from": row["mail_from"],
        "recipients": row["recipients"],
        "digest": f"sha256:{row['digest']}",
        "retries": row["retries"],
        "last_retry_at": None if row["last_retry_at"] is None else iso(row["last_retry_at"]),
        "spam_mark": row["spam_mark"],
        "source": row["source"],
        "origin": row["origin"],
        "whole_size": row["whole_size"],
        "spf": row["spf"]["words"].rpartition(" ")[2] if row["spf"] else None,
    }


def raw_mail(app: App, ulid: str, *, by: Actor) -> bytes | Path:
    """Return a mail's bytes as they were received, or the file that holds them.

    Raises RefusedError NOT_FOUND, NOT_ALLOWED, CONFLICT (erased).
    """
    with app.store.read() as tx:
        return bytes_of(app, tx, visible_mail(tx, ulid, by))


def bytes_of(app: App, tx: Tx, row: EntryRow) -> bytes | Path:
    """Return a mail's bytes, or the file that holds them.  Raises RefusedError CONFLICT for an erased one."""
    # The same mail in another inbox may have its bytes still; this one has none.
    if row.state is State.ERASED:
        raise RefusedError(
            Reason.CONFLICT, why=f"The mail {row.ulid} was erased; its bytes are gone."
        )
    body = tx.views.body(row.id)
    inline = tx.deliveries.inline_body(body.account_id, body.digest)
    return app.store.bodies.path(body.account_id, body.digest) if inline is None else inline


def visible_mail(tx: Tx, ulid: str, by: Actor) -> EntryRow:
    """Return a mail that this person may see.  Raises RefusedError NOT_FOUND, NOT_ALLOWED."""
    row = tx.mailbox.entry(ulid)
    if row is None:
        raise no_mail(ulid)
    require_right(tx, row, by)
    return row


def mail_history(app: App, ulid: str, *, by: Actor) -> list[Happening]:
    """Return what happened to a mail, oldest first (M3).  Raises RefusedError NOT_FOUND, NOT_ALLOWED."""
    with app.store.read() as tx:
        return history_of(tx, visible_mail(tx, ulid, by))


def explain_mail(app: App, ulid: str, *, by: Actor) -> dict[str, Any]:
    """Return why a mail is as it is: sender, arrivals, the latest trace, earlier decisions, marks, history (E1, U12).

    Raises RefusedError NOT_FOUND, NOT_ALLOWED.
    """
    with app.store.read() as tx:
        row = visible_mail(tx, ulid, by)
        shown = tx.lists.mail(row.id)
        document = documents(tx, row.account_id, [shown], app.clock())[0]
        decisions = [{"at": iso(at), "trace": steps} for at, steps in tx.deliveries.traces(row.id)]
        arrivals = [_arrival(one) for one in arrivals_of(tx, row)]
        history = [one.as_dict() for one in history_of(tx, row)]
        twins = tx.views.twins(row.message_id, TWINS_SHOWN)
        sender = sender_of(tx, row.id)
    latest: dict[str, Any] = decisions[-1] if decisions else {"at": None, "trace": []}
    return document | {
        "repair": Reason[shown["reason"]].value.repair if shown["reason"] else "",
        "sender": sender,
        "arrivals": arrivals,
        "decided_at": latest["at"],
        "trace": latest["trace"],
        "earlier": decisions[:-1],
        "marks": [_mark(mark) for mark in shown["beside"]],
        "same_message_id": twins,
        "history": history,
    }


def _mark(mark: dict[str, Any]) -> dict[str, str]:
    reason = Reason[mark["code"]]
    return {"code": reason.code, "text": reason.say(**mark["facts"]), "repair": reason.value.repair}
