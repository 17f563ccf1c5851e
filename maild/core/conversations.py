"""Conversations: the mails that answer each other, whatever inboxes they came to, and giving them as one (M14).

They are grouped by what mails quote, which anybody can write: so nobody is shown, and nobody moves, more of one than mail
by mail (F4, M5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from maild.core.acts import new_act, no_mail, require_reader, require_right, right_to
from maild.core.app import Actor, App
from maild.core.documents import documents
from maild.core.giving import Given, GivenMany, give_places
from maild.core.handing import owner_changed, require_place
from maild.core.mailbox import require_note
from maild.model.states import State
from maild.store.lists import Place
from maild.store.mailbox import EntryRow
from maild.store.store import Tx

SHOWN_MAX = 1000
"""Mails of one conversation that are shown and given: the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """The mails of a conversation that somebody may see."""

    mails: list[dict[str, Any]]
    """Oldest first, as lists show them."""


def show_conversation(app: App, ulid: str, *, by: Actor) -> Conversation:
    """Return the conversation of a mail, oldest first; of a longer one this mail and the newest others, 1,000 in all.

    Reads only.  What the reader may not see is not in it, nor counted.  Raises RefusedError NOT_FOUND, NOT_ALLOWED.
    """
    with app.store.read() as tx:
        row = _named(tx, ulid, by)
        shown = tx.lists.mails(one.id for one in _in_sight(tx, row, by))
        return Conversation(mails=documents(tx, row.account_id, shown, app.clock()))


def give_conversation(
    app: App,
    ulid: str,
    *,
    to: int,
    by: Actor,
    note: str = "",
    seen_version: int | None = None,
) -> GivenMany:
    """Give the whole conversation of a mail to another user's mailbox: what of it the actor may move (M14).

    Commits one transaction for each portion of 500 mails, all of one change.  Left alone and listed are mails that lie in
    no mailbox, are the user's already, or were changed meanwhile.  `seen_version` is that of the named mail.
    Raises RefusedError (as `give`) before anything is moved.
    """
    if note:
        require_note(note)
    act = new_act(app, by, note)
    with app.store.read() as tx:
        row = _named(tx, ulid, by)
        if row.state is State.ERASED:
            raise no_mail(ulid)
        if seen_version is not None:
            require_place(row)
        if seen_version is not None and row.version != seen_version:
            raise owner_changed(tx, row, act.at)
        require_reader(tx, row.account_id, to, hold=False)
        rows = _in_sight(tx, row, by)
    given = Given(row.account_id, to, act)
    stays = [one.ulid for one in rows if one.owner_id in {None, to}]
    give_places(
        app,
        given,
        [
            Place(one.ulid, one.version)
            for one in rows
            if one.version is not None and one.owner_id != to
        ],
    )
    given.unchanged += stays
    return given.told(more=False)


def _named(tx: Tx, ulid: str, by: Actor) -> EntryRow:
    row = tx.mailbox.entry(ulid)
    if row is None:
        raise no_mail(ulid)
    require_right(tx, row, by)
    return row


def _in_sight(tx: Tx, row: EntryRow, by: Actor) -> list[EntryRow]:
    may = right_to(tx, row.account_id, by)
    ids = tx.threads.deliveries(row.message_id, SHOWN_MAX)
    found = tx.mailbox.entries_of(ids)
    rows = [found[one] for one in ids]
    return [one for one in rows if one.state is not State.ERASED and may(one)]
