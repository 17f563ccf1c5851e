"""The feed of an account's events: what programs and pages follow with a cursor, without loss and without repeats.

Events hold ids and codes; whoever wants more asks for the mail.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from maild.core.acts import mailboxes_of
from maild.core.app import Actor, App
from maild.core.standing import home
from maild.model.people import Role
from maild.model.plain_text import short
from maild.model.public_event import SCHEMA, PublicEvent, type_of
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.feed import FeedRow
from maild.store.store import Tx

PAGE_MAX = 1000
"""Events of one page."""
SCAN = 500
"""Events that are looked at in one query for who may not see them all."""
SCANS_MAX = 4
"""Queries of one page: where somebody may see few of many events, a page is short, or empty, and its `next` goes on."""
PLACED_MAX = 5000
"""Events that get their positions in one transaction."""
_CURSOR_DIGITS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """Events in the order of their commits, oldest first."""

    events: list[PublicEvent]
    next: str
    """The cursor to go on with, now or later; also where there are no events."""
    more: bool
    """Whether the feed may go on behind `next` at once."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """Which events somebody may see."""

    own: frozenset[int]
    """Whose mailboxes somebody opens: the own one, and communal ones."""
    sees_all: bool
    sees_shared: bool

    def sees(self, row: FeedRow) -> bool:
        if self.sees_all:
            return True
        if row.mail is None:
            return False
        if row.owner_id in self.own or (row.is_shared and self.sees_shared):
            return True
        # That a mail went from a mailbox that one opens is no news that one may not hear.
        return row.kind == "owner.changed" and row.subject.get("from") in self.own


def events_after(
    app: App,
    *,
    account: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
    by: Actor,
) -> FeedPage:
    """Return the account's next events behind a cursor; None begins with the oldest.

    Admins, distributors and the operator see all of them; a member those of mails that the member may see now, and that a
    mail left a mailbox that they open (M5, M9).  An event appears once, and never before a cursor that was handed out already, however
    late its transaction commits.  Commits positions of new events on PostgreSQL; otherwise reads only.  Raises RefusedError:
    ACCOUNT_NEEDED, NOT_FOUND, INVALID_VALUE, CURSOR_AHEAD for a cursor that this feed has not handed out yet.
    """
    if not 1 <= limit <= PAGE_MAX:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The limit",
            value=limit,
            why=f"it must be between 1 and {PAGE_MAX}",
        )
    position = _position(cursor)
    place_events(app)
    with app.store.read() as tx:
        where = home(tx, account, by)
        # What comes until the feed is there again would be skipped without a word.
        if position > tx.feed.mark():
            raise RefusedError(Reason.CURSOR_AHEAD, cursor=position)
        sight = _sight(tx, where, by)
        found: list[FeedRow] = []
        more = True
        for _ in range(1 if sight.sees_all else SCANS_MAX):
            most = limit - len(found) if sight.sees_all else SCAN
            rows = tx.feed.after(where.id, position, most)
            for row in rows:
                position = row.position
                if sight.sees(row) and type_of(row.kind, row.subject) is not None:
                    found.append(row)
                    if len(found) == limit:
                        break
            more = len(found) == limit or len(rows) == most
            if len(found) == limit or not more:
                break
        return FeedPage(events=_documents(tx, where, found), next=str(position), more=more)


def feed_end(app: App, *, account: str | None = None, by: Actor) -> str:
    """Return the cursor behind the account's newest event, to hear what happens from now on.

    Commits as `events_after`.  Raises RefusedError: ACCOUNT_NEEDED, NOT_FOUND.
    """
    place_events(app)
    with app.store.read() as tx:
        return str(tx.feed.end(home(tx, account, by).id))


def feed_mark(app: App) -> int:
    """Return a number that rises with each event of any account: for who wakes those that follow the feed.

    Commits as `events_after`.  Raises StoreDownError.
    """
    place_events(app)
    with app.store.read() as tx:
        return tx.feed.mark()


def place_events(app: App) -> None:
    """Give committed events their positions in the feed, in portions (PostgreSQL; nothing to do on SQLite).

    Commits one transaction for each portion.  Raises StoreDownError.
    """
    with app.store.read() as tx:
        if not tx.feed.has_unplaced():
            return
    placed = PLACED_MAX
    while placed == PLACED_MAX:
        with app.store.write() as tx:
            placed = tx.feed.place(PLACED_MAX)


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _CURSOR_DIGITS):
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The cursor",
            value=short(cursor),
            why="take the `next` of the page before, or the id of an event",
        )
    return int(cursor)


def _sight(tx: Tx, where: AccountRow, by: Actor) -> _Sight:
    if by.user_id is None:
        return _Sight(frozenset(), sees_all=True, sees_shared=True)
    role = tx.rights.active_role(where.id, by.user_id)
    return _Sight(
        mailboxes_of(tx, where.id, by.user_id),
        sees_all=role in {Role.ADMIN, Role.DISTRIBUTOR},
        sees_shared=bool(tx.rights.setting(where.id, "all_received")),
    )


# --- documents ------------------------------------------------------------------------------------------------------

_USERS = ("user", "from", "to", "owner")


@dataclass(slots=True)
class _Names:
    """What inner ids are called in the interface."""

    users: dict[int, str] = field(default_factory=dict)
    clients: dict[int, str] = field(default_factory=dict)
    sources: dict[int, str] = field(default_factory=dict)
    statuses: dict[int, str] = field(default_factory=dict)


def _documents(tx: Tx, where: AccountRow, rows: list[FeedRow]) -> list[PublicEvent]:
    names = _names(tx, where, rows)
    return [
        PublicEvent(
            id=str(row.position),
            type=type_of(row.kind, row.subject) or row.kind,
            schema=SCHEMA,
            at=row.at,
            account=where.slug,
            actor=None if row.actor_id is None else names.users.get(row.actor_id),
            mail=row.mail,
            detail=_detail(row.subject, names),
        )
        for row in rows
    ]


def _names(tx: Tx, where: AccountRow, rows: Iterable[FeedRow]) -> _Names:
    users: set[int] = set()
    clients: set[int] = set()
    sources: set[int] = set()
    has_status = False
    for row in rows:
        users |= {row.actor_id} if row.actor_id is not None else set()
        users |= {row.subject[key] for key in _USERS if key in row.subject}
        users |= set(row.subject.get("users", ()))
        clients |= {row.subject["client"]} if "client" in row.subject else set()
        sources |= {row.subject["source"]} if "source" in row.subject else set()
        has_status |= "status" in row.subject
    return _Names(
        users=tx.feed.user_ids(users),
        clients=tx.views.client_ulids(clients),
        sources=tx.feed.source_names(sources),
        statuses={number: name for name, number in tx.mailbox.status_names(where.id).items()}
        if has_status
        else {},
    )


def _detail(subject: dict[str, Any], names: _Names) -> dict[str, Any]:
    """Return what an event says beside its mail: codes as they are, ids as the interface writes them."""
    found: dict[str, Any] = {
        key: subject[key] for key in ("reason", "trouble", "change", "question") if key in subject
    }
    found |= {key: names.users.get(subject[key]) for key in _USERS if key in subject}
    if "users" in subject:
        found["users"] = [names.users[one] for one in subject["users"] if one in names.users]
    if "client" in subject:
        found["client"] = names.clients.get(subject["client"])
    if "source" in subject:
        found["source"] = names.sources.get(subject["source"])
    if "status" in subject:
        found["status"] = names.statuses.get(subject["status"])
    return found
