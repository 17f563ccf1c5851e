"""What is shown of a mail that somebody wrote here, and of one that was answered.  Only reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maild.core.happening import Happening
from maild.core.writing_fates import RETURNED, FateView, fates_of
from maild.model.writing import Act, ReportFate
from maild.store.mailbox import EntryRow
from maild.store.store import Tx
from maild.store.views import EventRow
from maild.store.writing import Outgoing

_DID = {
    Act.REPLY: "answered it",
    Act.FORWARD: "passed it on",
    Act.COMPOSE: "wrote about it",
}
NAMED_MAX = 5


def writing_document(tx: Tx, row: EntryRow) -> dict[str, Any]:
    """Return `written`: by whom, as whom, and its fate, null for a mail that came in; and `answers`: what was written to it."""
    mail = tx.writing.of_delivery(row.id)
    answers = tx.writing.answers_to(row.id)
    people = {one.author_id for one in answers} | ({mail.author_id} if mail else set())
    emails, names = tx.lists.emails(people), tx.views.names(people)
    return {
        "written": None
        if mail is None
        else {
            "act": mail.act.value,
            "author": emails.get(mail.author_id),
            "author_name": names[mail.author_id],
            "sender": mail.sender,
            "answers": _ulid(tx, mail.answers_id),
            "recipients": [_fate(one) for one in fates_of(tx, mail)],
        },
        "answers": [
            {
                "id": one.ulid,
                "act": one.act.value,
                "at": _iso(one.at),
                "by": emails.get(one.author_id),
                "by_name": names[one.author_id],
            }
            for one in answers
        ],
    }


def _ulid(tx: Tx, delivery_id: int | None) -> str | None:
    return None if delivery_id is None else tx.mailbox.entries_of([delivery_id])[delivery_id].ulid


def _fate(one: FateView) -> dict[str, Any]:
    return {
        "address": one.address,
        "kind": one.kind,
        "state": one.state,
        "text": one.text,
        "tries": one.tries,
        "next_try_at": None if one.next_try_at is None else _iso(one.next_try_at),
        "sent_at": None if one.sent_at is None else _iso(one.sent_at),
        "errand": one.errand,
        "report": one.report,
    }


def _iso(at: Any) -> str:
    return str(at.strftime("%Y-%m-%dT%H:%M:%SZ"))


def happenings_of_writing(tx: Tx, row: EntryRow, events: Sequence[EventRow]) -> list[Happening]:
    """Return what writing added to a mail's history: that it was written, what became of it, that it was answered."""
    found: list[Happening] = []
    answers = tx.writing.answers_to(row.id)
    mail = tx.writing.of_delivery(row.id)
    people = {one.author_id for one in answers} | ({mail.author_id} if mail else set())
    names, emails = tx.views.names(people), tx.lists.emails(people)
    if mail is not None:
        by = emails.get(mail.author_id)
        found += _of_mail(tx, mail, names[mail.author_id], by)
        found += _not_arrived(tx, mail, [one for one in events if one.kind == RETURNED])
    for one in answers:
        text = f"{names[one.author_id]} {_DID[one.act]} ({one.ulid})."
        found.append(Happening(at=one.at, kind="answered", by=emails.get(one.author_id), text=text))
    return found


def _of_mail(tx: Tx, mail: Outgoing, name: str, by: str | None) -> list[Happening]:
    recipients = tx.writing.recipients([mail.id]).get(mail.id, [])
    shown = ", ".join(one.shown for one in recipients[:NAMED_MAX])
    more = len(recipients) - NAMED_MAX
    whom = f"{shown} and {more} more" if more > 0 else shown
    found = [
        Happening(
            at=mail.at, kind="written", by=by, text=f"{name} wrote it as {mail.sender} to {whom}."
        )
    ]
    for one, fate in zip(recipients, fates_of(tx, mail), strict=True):
        if one.done_at is not None:
            said = f": {one.said}" if one.said else ""
            text = f"The relay took it for {one.shown}{said}."
            found.append(Happening(at=one.done_at, kind="sent", by=None, text=text))
        if one.reported_at is not None:
            found.append(Happening(at=one.reported_at, kind="returned", by=None, text=fate.text))
    return found


def _not_arrived(tx: Tx, mail: Outgoing, events: Sequence[EventRow]) -> list[Happening]:
    """Return what stands on no recipient: that it was given up at a time, and reports that name nobody."""
    fates = {one.errand: one for one in fates_of(tx, mail)}
    found = []
    for event in events:
        said = event.subject
        if said.get("names_nobody"):
            what = "came back from" if said["fate"] == ReportFate.FAILED else "is delayed to"
            text = (
                f"A report says that it {what} somebody, and does not name them ({said['report']})."
            )
        elif (fate := fates.get(said.get("errand", ""))) is not None:
            is_so = fate.state == "failed"
            text = fate.text if is_so else f"It was not sent to {fate.address}; tried again since."
        else:
            continue
        found.append(Happening(at=event.at, kind=RETURNED, by=None, text=text))
    return found
