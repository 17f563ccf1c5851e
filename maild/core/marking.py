"""Who opened a mail: each reader's own mark, beside the owner's unread flag (M2, M9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from maild.core.acts import mails, new_act, no_mail, note_event, require_right, require_rights
from maild.core.app import Actor, App
from maild.model.reason import Reason, RefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Who opened a mail, and when first."""

    name: str
    email: str | None
    at: datetime


def mark_opened(app: App, ulids: Sequence[str], *, by: Actor) -> None:
    """Keep that somebody opened mails; who was there first stays first.  It touches nobody's unread flag (M2).

    But for what lies in a communal mailbox that they open: one member's reading is the mailbox's (M9).
    Commits one transaction; safe to repeat.  Raises RefusedError NOT_FOUND, NOT_ALLOWED; then nothing was done.
    """
    if by.user_id is None:
        raise RefusedError(Reason.NOT_ALLOWED, why="Say who opened it: --by EMAIL.")
    with app.store.write() as tx:
        rows = mails(tx, ulids, by)
        require_rights(tx, rows, by)
        act = new_act(app, by)
        tx.marks.add([row.id for row in rows], by.user_id, act.at)
        for account_id in {row.account_id for row in rows}:
            opened = tx.people.mailboxes_opened(account_id, by.user_id)
            for row in rows:
                if (
                    row.owner_id in opened
                    and row.unread
                    and tx.mailbox.set_unread(row.id, unread=False, cause=None, version=row.version)
                ):
                    note_event(tx, row, act, "read", {})


def readers_of(app: App, ulid: str, *, by: Actor) -> list[Opened]:
    """Return who opened a mail, the first one first.  Reads only.  Raises RefusedError NOT_FOUND, NOT_ALLOWED."""
    with app.store.read() as tx:
        row = tx.mailbox.entry(ulid)
        if row is None:
            raise no_mail(ulid)
        require_right(tx, row, by)
        found = tx.marks.readers(row.id)
        people = {reader for reader, _ in found}
        names, emails = tx.views.names(people), tx.lists.emails(people)
    return [Opened(name=names[one], email=emails.get(one), at=at) for one, at in found]
