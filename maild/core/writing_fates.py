"""What becomes of mails that people wrote here: on its way, taken, refused, come back (M8, F7).

Whatever a server said stands on each recipient.  A report is a stranger's word; that it is about this mail, our mark in
it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from maild.core.app import App
from maild.core.letters import Composed
from maild.model.address import Address, InvalidAddressError
from maild.model.errand import ErrandState, Topic
from maild.model.letter import Letter
from maild.model.plain_text import short, storable
from maild.model.states import State
from maild.model.writing import ReportFate
from maild.store.deliveries import Claimed
from maild.store.outbox import Errand
from maild.store.store import Tx
from maild.store.writing import Outgoing, RecipientRow

SAID_MAX = 300
RETURNED = "returned"
"""The event of a mail that did not arrive, or not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FateView:
    """How far a mail came with one recipient."""

    address: str
    kind: str
    """to, cc or bcc."""
    state: str
    """queued, later, sent, failed, delayed, bounced."""
    text: str
    """One sentence: what happened, and what to do about it."""
    tries: int
    next_try_at: datetime | None
    sent_at: datetime | None
    errand: str
    report: str | None
    """The mail that reported on it."""


def letter_to_send(app: App, errand: Errand) -> Composed | None:
    """Return the mail of an errand, octet by octet as it was kept; None: it was erased since.

    Reads only.  Raises StoreDownError, OSError, KeyError for a payload that `keep` did not write.
    """
    said = errand.payload
    with app.store.read() as tx:
        mail = tx.writing.of_ulid(said["letter"])
        if mail is None:
            return None
        body = tx.views.body(mail.delivery_id)
        if body.erased_at is not None:
            return None
        header = tx.lists.mail(mail.delivery_id)["message_id_header"]
        inline = tx.deliveries.inline_body(body.account_id, body.digest)
    content = (
        app.store.bodies.path(body.account_id, body.digest).read_bytes()
        if inline is None
        else inline
    )
    return Composed(
        mail_from=mail.mail_from,
        recipient=said["to"],
        content=content,
        message_id=header,
        needs_utf8=mail.needs_utf8,
    )


def note_report(
    tx: Tx, claimed: Claimed, letter: Letter | None, returned: str | None, at: datetime
) -> None:
    """Write what a report says on the mail that it is about, the first time that it is read and decided (F7).

    Of a mail that came back its owner hears: it is unread again.  Within the caller's transaction.
    """
    if returned is None or letter is None or letter.returned is None:
        return
    if claimed.state not in {State.RECEIVED, State.FAILED}:
        return
    mail = tx.writing.of_ulid(returned)
    if mail is None or mail.account_id != claimed.account_id:
        return
    fate = ReportFate.DELAYED if letter.returned.is_delayed else ReportFate.FAILED
    meant = _meant(tx, mail, letter.returned.recipients)
    marked = tx.writing.note_report(
        mail.id,
        meant,
        fate=fate,
        code=short(letter.returned.status, 20),
        at=at,
        report_id=claimed.id,
    )
    if marked or meant == []:
        said = {"report": claimed.ulid} | ({} if marked else {"names_nobody": True})
        _tell_owner(tx, mail, fate, at, said)


def note_given_up(tx: Tx, errand: Errand, at: datetime) -> None:
    """Tell a mail's owner that it will not go to one recipient, as of one that came back.  Within the caller's transaction."""
    mail = None
    if errand.topic is Topic.LETTER and "letter" in errand.payload:
        mail = tx.writing.of_ulid(errand.payload["letter"])
    if mail is not None:
        _tell_owner(tx, mail, ReportFate.FAILED, at, {"errand": errand.ulid})


def _tell_owner(
    tx: Tx, mail: Outgoing, fate: ReportFate, at: datetime, said: Mapping[str, Any]
) -> None:
    """Write an event, and make a mail that did not arrive unread again."""
    tx.deliveries.add_events(
        [
            {
                "at": at,
                "account_id": mail.account_id,
                "kind": RETURNED,
                "delivery_id": mail.delivery_id,
                "subject": {"fate": fate.value, **said},
            }
        ]
    )
    if fate is ReportFate.FAILED:
        tx.mailbox.set_unread(mail.delivery_id, unread=True, cause=None)


def _meant(tx: Tx, mail: Outgoing, named: Sequence[str]) -> list[str] | None:
    """Return whom a report means: none where it names nobody that the mail went to; None: the only one that it went to.

    A server that passes mail on names whom it passed it to: of a mail to one recipient that one is meant.  Each of
    several goes by itself: the others may have it, and are not to get it again.
    """
    there = {row.norm for row in tx.writing.recipients([mail.id]).get(mail.id, ())}
    norms = []
    for text in named:
        try:
            norms.append(Address.parse(text).norm)
        except InvalidAddressError:
            continue
    meant = [norm for norm in norms if norm in there]
    return meant if meant or len(there) > 1 else None


# --- what people are told -------------------------------------------------------------------------------------------


def fates_of(tx: Tx, mail: Outgoing) -> list[FateView]:
    """Return how far a mail came with each of its recipients."""
    return [_fate(row) for row in tx.writing.recipients([mail.id]).get(mail.id, ())]


def _fate(row: RecipientRow) -> FateView:
    state, text = _said(row)
    is_waiting = row.state == ErrandState.WAITING
    return FateView(
        address=row.shown,
        kind=row.kind.value,
        state=state,
        text=text,
        tries=row.attempts,
        next_try_at=row.due_at if is_waiting else None,
        sent_at=row.done_at,
        errand=row.errand,
        report=row.report_ulid,
    )


def _said(row: RecipientRow) -> tuple[str, str]:
    to, code = row.shown, row.report_code or "no code"
    if row.report is ReportFate.FAILED:
        return (
            "bounced",
            f"It came back from {to} ({code}); check the address, and write again.",
        )
    if row.report is ReportFate.DELAYED:
        return (
            "delayed",
            f"A server on the way to {to} still tries ({code}); nothing is to be done.",
        )
    if row.state == ErrandState.DONE:
        answer = f": {row.said}" if row.said else ""
        return "sent", f"The relay took it for {to}{answer}."
    if row.state == ErrandState.DEAD:
        why = row.last_error or "nobody said why"
        return (
            "failed",
            (
                f"It was not sent to {to}: {why}; mend that and write again, or ask for another try "
                f"(the operator: maild outbox retry {row.errand})."
            ),
        )
    if row.last_error is not None:
        return "later", f"It did not go to {to} yet: {row.last_error}; it is tried again."
    return "queued", f"It waits to be sent to {to}."


def said_by_relay(said: str) -> str:
    """Return a relay's answer as it is kept: one line, and short."""
    return storable(" ".join(said.split()))[:SAID_MAX]
