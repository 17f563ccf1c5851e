"""How many mails lie in mailboxes, exactly: by owner, status and inbox (M2, M7).  Only reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from maild.core.app import Actor, App
from maild.core.standing import find_user_id, home
from maild.model.people import Role
from maild.model.reason import Reason, RefusedError
from maild.store.counting import CountedRow
from maild.store.store import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCount:
    """How many mails of a mailbox have a status."""

    status: str
    all: int | None
    """None: only the unread ones were counted."""
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxCount:
    """How many mails lie in somebody's mailbox."""

    owner: str | None
    """The primary address; None for a user without one."""
    name: str
    all: int | None
    """None: only the unread ones were counted."""
    unread: int
    statuses: tuple[StatusCount, ...]
    """In the account's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxCount:
    """How many unread mails came through an inbox, whoever owns them."""

    inbox: str
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The figures that somebody may see."""

    mailboxes: tuple[MailboxCount, ...]
    inboxes: tuple[InboxCount, ...]


def count_mailboxes(
    app: App,
    owner: str | None = None,
    *,
    account: str | None = None,
    unread_only: bool = False,
    by: Actor,
) -> Counted:
    """Count the account's mailboxes, or this one's: all at one moment, from the entries themselves.

    A member counts the own mailbox, communal ones that the member opens (M9), and the inboxes of All Received where the account lets members see it; distributors,
    admins and the operator count all (M5).  Of all mailboxes, those of which there is nothing to count are left out.
    `unread_only` costs what is unread, however much else lies there.
    Raises RefusedError: ACCOUNT_NEEDED, INVALID_EMAIL, NOT_FOUND, NOT_ALLOWED.
    """
    with app.store.read() as tx:
        where = home(tx, account, by)
        own, sees_shared = _sight(tx, where.id, by)
        wanted = own
        if owner is not None:
            asked = find_user_id(tx, owner, by)
            wanted = {asked}
            if own is not None and asked not in own:
                raise RefusedError(
                    Reason.NOT_ALLOWED, why="Only admins and distributors count others' mailboxes."
                )
        mailboxes = _mailboxes(tx, where.id, wanted, unread_only=unread_only)
        inboxes: dict[str, int] = {}
        if owner is None and (own is None or sees_shared):
            inboxes = tx.counting.unread_of_inboxes(where.id, shared_only=own is not None)
    return Counted(
        mailboxes=mailboxes,
        inboxes=tuple(InboxCount(inbox=norm, unread=count) for norm, count in inboxes.items()),
    )


def _sight(tx: Tx, account_id: int, by: Actor) -> tuple[set[int] | None, bool]:
    """Return which mailboxes alone may be counted (None: all), and whether All Received may be seen."""
    if by.user_id is None:
        return None, True
    if tx.rights.active_role(account_id, by.user_id) in {Role.ADMIN, Role.DISTRIBUTOR}:
        return None, True
    own = {by.user_id, *tx.people.mailboxes_opened(account_id, by.user_id)}
    return own, bool(tx.rights.setting(account_id, "all_received"))


def _mailboxes(
    tx: Tx, account_id: int, wanted: set[int] | None, *, unread_only: bool
) -> tuple[MailboxCount, ...]:
    unread = _by_owner(tx.counting.unread(account_id, wanted))
    all_ = None if unread_only else _by_owner(tx.counting.all(account_id, wanted))
    owners = set(unread if all_ is None else all_) if wanted is None else wanted
    names, emails = tx.views.names(owners), tx.lists.emails(owners)
    statuses = tx.mailbox.status_names(account_id)
    first = next(iter(statuses.values()), None)
    found = []
    for one in owners:
        every = None if all_ is None else all_.get(one, Counter())
        new = unread.get(one, Counter())
        found.append(
            MailboxCount(
                owner=emails.get(one),
                name=names[one],
                all=None if every is None else every.total(),
                unread=new.total(),
                statuses=tuple(
                    StatusCount(
                        status=status,
                        all=None if every is None else _of(every, number, first),
                        unread=_of(new, number, first),
                    )
                    for status, number in statuses.items()
                ),
            )
        )
    return tuple(sorted(found, key=lambda one: (one.name, one.owner or "")))


def _of(counted: Counter[int | None], status: int, first: int | None) -> int:
    """Return how many have a status; a mail without one has the first (M7)."""
    return counted[status] + (counted[None] if status == first else 0)


def _by_owner(rows: Iterable[CountedRow]) -> dict[int, Counter[int | None]]:
    found: dict[int, Counter[int | None]] = {}
    for row in rows:
        found.setdefault(row.owner_id, Counter())[row.status_id] += row.count
    return found
