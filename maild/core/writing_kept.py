"""Keeping what somebody wrote: the mail, an errand for each recipient, and what becomes of the answered one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from maild.core.acts import Act as Doing, mails, note_event, require_right
from maild.core.app import Actor, App
from maild.core.drafts import Made
from maild.core.letters import SUBJECT_MAX, one_line
from maild.core.raw import Raw, raw_of
from maild.core.send_rights import identity, may_write_as
from maild.core.share import outline_of_raw
from maild.core.standing import home
from maild.core.templates import find_template
from maild.core.writing_desk import Desk
from maild.model.address import Address
from maild.model.envelope import Trust
from maild.model.errand import GIVE_UP_AFTER, Topic
from maild.model.people import InboxKind
from maild.model.reason import Reason, RefusedError
from maild.model.states import State
from maild.model.writing import Act, Draft
from maild.store.inboxes import InboxRow
from maild.store.mailbox import EntryRow
from maild.store.store import Tx

_OURS_FOR = timedelta(seconds=10)
"""How long who wrote a mail has to decide it; where they die meanwhile, a worker does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A mail to be kept and sent."""

    ulid: str
    at: datetime
    act: Act
    desk: Desk
    draft: Draft
    mail: Made


def keep(app: App, kept: Kept, *, by: Actor) -> int:
    """Keep a mail and queue it; return its delivery, which is due to be decided.

    Commits one transaction; what was looked up before is asked again in it: a right may have ended since.  Raises
    RefusedError, StoreDownError, OSError; then nothing was written.
    """
    desk = kept.desk
    raw = raw_of(kept.mail.content, app.store.bodies.tmp, app.store.inline_max)
    try:
        if raw.spooled is not None:
            # Large bodies are durable files before the transaction begins.
            app.store.bodies.publish([(desk.where.id, raw.digest, raw.spooled)])
        with app.store.write() as tx:
            row = _asked_again(tx, kept, by)
            inbox = _kept_in(tx, desk, row)
            delivery_id = _insert(app, tx, kept, raw, inbox, row)
            doing = Doing(by=by, at=kept.at, change_id=kept.ulid)
            if row is not None:
                _note_answer(tx, kept, row, doing)
                tx.answering.leave(row.id, desk.author)
    finally:
        raw.discard()
    return delivery_id


def _asked_again(tx: Tx, kept: Kept, by: Actor) -> EntryRow | None:
    desk = kept.desk
    where = home(tx, desk.where.slug, by)
    row = None
    if desk.template is not None:
        find_template(tx, where, desk.template.ulid, by)
    tx.intake.hold_accounts([where.id])
    if desk.original is not None:
        (row,) = mails(tx, [desk.original.row.ulid], by)
        require_right(tx, row, by)
    identity(tx, where, desk.sender.address.norm, desk.author, answers=row)
    return row


def _kept_in(tx: Tx, desk: Desk, row: EntryRow | None) -> InboxRow:
    """Return the inbox as whose mail it is kept, and to which reports come back.

    The one as which it is written; of an address of one's own that of the answered mail, else the inbox for forwards,
    where colleagues' copies of what they write lie too.
    """
    inboxes = tx.people.inboxes_of(desk.where.id)
    wanted = desk.sender.inbox_id or (None if row is None else row.inbox_id)
    if wanted is not None:
        return next(one for one in inboxes if one.id == wanted)
    for one in inboxes:
        if one.kind is InboxKind.FORWARD or may_write_as(tx, one, desk.author):
            return one
    raise RefusedError(
        Reason.CONFLICT,
        why=f"{desk.where.name} has no inbox that the mail could be kept in; write as a shared inbox.",
    )


def _insert(app: App, tx: Tx, kept: Kept, raw: Raw, inbox: InboxRow, row: EntryRow | None) -> int:
    desk, account_id = kept.desk, kept.desk.where.id
    tx.intake.add_bodies(
        [{"account_id": account_id, "digest": raw.digest, "size": raw.size, "bytes": raw.inline}]
    )
    (message_id,) = tx.intake.add_messages(
        [
            {
                "account_id": account_id,
                "digest": raw.digest,
                "size": raw.size,
                "message_id_header": kept.mail.message_id,
                "content_key": outline_of_raw(raw, Trust()).content_key,
                "subject": "",
            }
        ]
    )
    (delivery_id,) = tx.intake.add_deliveries(
        [
            {
                "ulid": kept.ulid,
                "account_id": account_id,
                "message_id": message_id,
                "inbox_id": inbox.id,
                "state": State.RECEIVED,
                "facts": {},
                "beside": [],
                "direction": "out",
                "evidence": {},
                "received_at": kept.at,
                "due_at": kept.at + _OURS_FOR,
            }
        ]
    )
    tx.writing.add(
        {
            "account_id": account_id,
            "message_id": message_id,
            "delivery_id": delivery_id,
            "author_id": desk.author,
            "answers_id": None if row is None else row.id,
            "act": kept.act.value,
            "sender": desk.sender.address.norm,
            "mail_from": inbox.norm,
            "needs_utf8": kept.mail.needs_utf8,
            "at": kept.at,
        },
        [_queued(app, tx, kept, number) for number in range(len(kept.draft.recipients))],
    )
    tx.deliveries.add_events(
        [
            {
                "at": kept.at,
                "account_id": account_id,
                "actor_id": desk.author,
                "kind": "written",
                "delivery_id": delivery_id,
                "subject": {"act": kept.act.value},
            }
        ]
    )
    return delivery_id


def _queued(app: App, tx: Tx, kept: Kept, number: int) -> dict[str, Any]:
    """Queue the mail for one recipient: each is tried, taken or refused for itself."""
    kind, box = kept.draft.recipients[number]
    errand = app.ids()
    tx.outbox.add(
        ulid=errand,
        key=f"letter:{kept.ulid}:{number}",
        topic=Topic.LETTER,
        account_id=kept.desk.where.id,
        payload={
            "to": box.address,
            "subject": one_line(kept.draft.subject, SUBJECT_MAX),
            "letter": kept.ulid,
        },
        now=kept.at,
        give_up_at=kept.at + GIVE_UP_AFTER,
    )
    return {
        "errand": errand,
        "norm": Address.parse(box.address).norm,
        "shown": box.address,
        "kind": kind.value,
    }


def _note_answer(tx: Tx, kept: Kept, row: EntryRow, doing: Doing) -> None:
    """Write on the answered mail that it was, and what status that gives it."""
    subject = {"act": kept.act.value, "answer": kept.ulid}
    note_event(tx, row, doing, "answered", subject)
    template = kept.desk.template
    if template is None or template.status_id is None or row.owner_id is None:
        return
    if tx.people.gone_statuses([template.status_id]):
        return  # Removed in this moment: it is no status any more, and the mail goes out all the same.
    tx.mailbox.set_status(row.id, template.status_id)
    note_event(tx, row, doing, "status.changed", {"status": template.status_id})
