"""From one way of sharing an inbox to the other: who gets the mail, said before (M9)."""

from __future__ import annotations

from dataclasses import dataclass

from maild.core.acts import Change, mails, new_act
from maild.core.app import Actor, App
from maild.core.handing import hand_over
from maild.core.keys import word_among
from maild.core.readers import readers_of
from maild.core.standing import home, inbox_named, require_admin
from maild.model.plain_text import so_many
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.inboxes import InboxRow
from maild.store.store import Tx

MODES = ("distributed", "communal")
MOST = 1000
"""Mails that change hands with the mode; more are given away first, in portions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModePlan:
    """What switching an inbox's mode would do with its mail."""

    inbox: str
    mode: str
    mails: int
    """How many would change their owner."""
    to: str | None
    """Who would get them, by address; None: none changes hands."""
    new_mail_to: str | None
    """Who would get what comes in from then on."""
    text: str


def plan_mode(app: App, text: str, mode: str, *, account: str | None = None, by: Actor) -> ModePlan:
    """Say what `set_inbox` with this mode would do; nothing is changed.  Raises RefusedError as that."""
    word_among("mode", MODES)(mode)
    now = app.clock()
    with app.store.write() as tx:
        where = home(tx, account, by)
        require_admin(tx, where, by)
        inbox = inbox_named(tx, where, text)
        leaves = mode == "distributed" and inbox.communal_user_id is not None
        count = 0
        if leaves and inbox.communal_user_id is not None:
            count = tx.leaving.mails_owned(where.id, inbox.communal_user_id)
        with tx.trial():
            tx.people.set_inbox(inbox.id, {"mode": mode})
            reader = readers_of(tx, [inbox.id], now).get(inbox.id)
        new_to = None if reader is None else tx.people.user(reader.user_id)
    name = "nobody" if new_to is None else new_to.display_name
    old = (
        f"{so_many(count)} of the communal mailbox {'becomes' if count == 1 else 'become'} {name}'s"
        if count
        else "No mail changes hands"
    )
    return ModePlan(
        inbox=inbox.norm,
        mode=mode,
        mails=count,
        to=new_to.email if count and new_to is not None else None,
        new_mail_to=None if new_to is None else new_to.email,
        text=f"{old}; what comes in from then on goes to {name}.",
    )


def empty_mailbox(tx: Tx, app: App, where: AccountRow, inbox: InboxRow, by: Actor) -> Change | None:
    """Give what lies in a communal mailbox to who reads the inbox by now, as one act; None: there is nothing.

    Within the transaction that made the inbox distributed.  Raises RefusedError CONFLICT where it is too much for one.
    """
    owner = inbox.communal_user_id
    count = 0 if owner is None else tx.leaving.mails_owned(where.id, owner)
    if owner is None or not count:
        return None
    give = f"maild mail give --owner {inbox.norm} --to EMAIL"
    if count > MOST:
        raise RefusedError(
            Reason.CONFLICT,
            actions=(give,),
            why=f"{count} mails lie in the communal mailbox of {inbox.norm}: give them to somebody first ({give}).",
        )
    reader = readers_of(tx, [inbox.id], app.clock())[inbox.id]
    rows = mails(tx, tx.people.mails_of(owner, MOST), by)
    act = new_act(app, by, f"{inbox.norm} is distributed from now on")
    given = hand_over(tx, rows, reader.user_id, act)
    return Change(id=act.change_id, moved=tuple(row.ulid for row in given))
