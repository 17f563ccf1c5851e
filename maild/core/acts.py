"""What every act on mail shares: who acts, on which mails, with which right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from maild.core.app import Actor, App
from maild.core.standing import in_sight
from maild.model.people import InboxKind, Role
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.states import State
from maild.store.mailbox import EntryRow
from maild.store.store import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One act on mails, by which it can be undone."""

    id: str
    moved: tuple[str, ...]
    unchanged: tuple[str, ...] = ()
    """Mails that were so already, or that somebody changed since."""
    stopped: str | None = None
    """Why it ended before all were looked at; None: it did not.  Doing it again goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who does it, when, and the name of the change."""

    by: Actor
    at: datetime
    change_id: str
    note: str = ""
    undoes: str | None = None
    """The change that this act takes back."""


def new_act(app: App, by: Actor, note: str = "", undoes: str | None = None) -> Act:
    """Begin an act now."""
    return Act(by=by, at=app.clock(), change_id=app.ids(), note=note, undoes=undoes)


def mails(tx: Tx, ulids: Sequence[str], by: Actor) -> list[EntryRow]:
    """Return the mails, each once.  Raises RefusedError NOT_FOUND before anything is done.

    Those of accounts that the actor does not work in are as if they were not there: the first of either sort is named.
    They are held in one order, whatever order was asked for: two acts at once never wait for each other in a circle.
    """
    held = tx.mailbox.hold(ulids)
    seen = {
        account: in_sight(tx, account, by) for account in {row.account_id for row in held.values()}
    }
    found = []
    for ulid in dict.fromkeys(ulids):
        row = held.get(ulid)
        if row is None or row.state is State.ERASED or not seen[row.account_id]:
            raise no_mail(ulid)
        found.append(row)
    return found


def no_mail(ulid: str) -> RefusedError:
    """Return the refusal of a mail that is not there, or not there for who asks."""
    return RefusedError(
        Reason.NOT_FOUND,
        noun="mail",
        value=short(ulid),
        hint="`maild mail list` shows the ids.",
    )


def require_right(tx: Tx, row: EntryRow, by: Actor) -> None:
    """Refuse who has no right to a mail (`right_to`); to everybody of other accounts the mail is not there.

    Raises RefusedError NOT_FOUND, NOT_ALLOWED.
    """
    require_rights(tx, [row], by)


def require_rights(tx: Tx, rows: Sequence[EntryRow], by: Actor) -> None:
    """Refuse who has no right to each of some mails.  Raises as `require_right`, for the first of them."""
    may: dict[int, Callable[[EntryRow], bool]] = {}
    for row in rows:
        if row.account_id not in may:
            if not in_sight(tx, row.account_id, by):
                raise no_mail(row.ulid)
            may[row.account_id] = right_to(tx, row.account_id, by)
        if not may[row.account_id](row):
            raise RefusedError(
                Reason.NOT_ALLOWED, why=f"{name_of(tx, by)} has no right to the mail {row.ulid}."
            )


def right_to(tx: Tx, account_id: int, by: Actor) -> Callable[[EntryRow], bool]:
    """Return what says on which mails of an account somebody may act.

    The owner, distributors, admins and the operator may; who opens a communal mailbox, on what lies in it (M9); members
    on shared mail if they may see it (M5).
    """
    if not in_sight(tx, account_id, by):
        return lambda row: False
    role = None if by.user_id is None else tx.rights.active_role(account_id, by.user_id)
    if by.user_id is None or role in {Role.ADMIN, Role.DISTRIBUTOR}:
        return lambda row: True
    sees_shared = bool(tx.rights.setting(account_id, "all_received"))
    own = mailboxes_of(tx, account_id, by.user_id)
    return lambda row: row.owner_id in own or (sees_shared and row.inbox_kind is InboxKind.SHARED)


def mailboxes_of(tx: Tx, account_id: int, user_id: int) -> frozenset[int]:
    """Return the owners whose mailboxes somebody opens: their own, and communal ones (M9)."""
    return frozenset({user_id}) | tx.people.mailboxes_opened(account_id, user_id)


def require_reader(tx: Tx, account_id: int, user_id: int, *, hold: bool = True) -> None:
    """Refuse an owner who could not read the mail (M1: an owner is an active member)."""
    if hold:  # Nobody is merged away until the mail is theirs.
        tx.people.heirs([user_id], hold=True)
    if tx.people.member(account_id, user_id) is None:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="user of this account",
            value=str(user_id),
            hint="`maild user list` shows them.",
        )
    if tx.rights.active_role(account_id, user_id) is None:
        raise RefusedError(
            Reason.NOT_ALLOWED,
            why=f"{tx.rights.display_name(user_id)} cannot own mail here: not an active member of the account.",
        )
    user = tx.people.user(user_id)
    if user.kind == "communal" and not tx.people.has_members(user_id):
        raise RefusedError(
            Reason.NOT_ALLOWED,
            actions=(f"maild inbox members {user.email} --add EMAIL",),
            why=f"Nobody opens the mailbox of {user.display_name}, so nobody would read it: add members first "
            f"(maild inbox members {user.email} --add EMAIL).",
        )


def reads_mail(tx: Tx, account_id: int, user_id: int) -> bool:
    """Whether `require_reader` lets a member, as somebody was, own mail again; the caller holds them."""
    if tx.rights.active_role(account_id, user_id) is None:
        return False
    return tx.people.user(user_id).kind != "communal" or tx.people.has_members(user_id)


def name_of(tx: Tx, by: Actor) -> str:
    """Return who acts, for sentences."""
    return "The operator" if by.user_id is None else tx.rights.display_name(by.user_id)


def note_event(tx: Tx, row: EntryRow, act: Act, kind: str, subject: dict[str, Any]) -> None:
    """Append to the events, with ids only."""
    tx.deliveries.add_events([event_of(row, act, kind, subject)])


def event_of(row: EntryRow, act: Act, kind: str, subject: dict[str, Any]) -> dict[str, Any]:
    """Return an event of an act, with ids only."""
    return {
        "at": act.at,
        "account_id": row.account_id,
        "actor_id": act.by.user_id,
        "kind": kind,
        "delivery_id": row.id,
        "subject": subject,
    }
