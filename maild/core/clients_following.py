"""An account follows a directory: its pages become our own mirror, and its cursor moves in the same transaction (F6).

Matching reads the mirror alone.  So a directory that hangs, lies or is away stops no mail; it is asked again later, and
says when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from maild.core.app import OPERATOR, Actor, App
from maild.core.clients_listing import Line, Refused, listed_in
from maild.core.standing import home, in_sight, note, require_member, require_operator
from maild.model.client_card import ClientCard, ClientPage
from maild.model.plain_text import one_line, short, storable, trimmed
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.directories import DirectoryRow
from maild.store.store import Tx

EVERY_S, EVERY_MIN_S, EVERY_MAX_S = 300, 30, 7 * 24 * 3600
LEASE = timedelta(minutes=5)
"""How long a page may take from being asked for to being stored."""
FIRST_REST, LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)
OPTIONS_MAX, OPTION_MAX = 50, 2000
ERROR_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryView:
    """A directory as the interface shows it."""

    account: str
    plug: str
    options: Mapping[str, str] | None
    """For the operator alone: they name files of the machine."""
    every_s: int
    state: str
    """OK, WAITING (it was never asked to the end), or BACKOFF"""
    next_try_at: datetime
    last_ok_at: datetime | None
    trouble: str | None
    fail_count: int
    refused: int
    """Entries that were refused since it was set."""
    last_refusal: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """The right to ask an account's directory, for the time of a lease."""

    account_id: int
    account: str
    plug: str
    options: Mapping[str, str]
    cursor: str | None
    lease: str


class DirectoryLostError(Exception):
    """The directory is another one by now, or somebody else asks it."""


def set_directory(
    app: App,
    plug: str,
    options: Mapping[str, str],
    *,
    every_s: int = EVERY_S,
    account: str | None = None,
    by: Actor,
) -> DirectoryView:
    """Have an account follow a directory, from its first entry on; one that it followed before is left where it is.

    The operator's alone: a plug reads what maild may read.  Whether there is such a plug, who asks it finds out.  Commits
    one transaction.  Raises RefusedError (NOT_ALLOWED, INVALID_VALUE, account's).
    """
    require_operator(by)
    name = one_line("The plug", plug)
    _require_few(options)
    if not EVERY_MIN_S <= every_s <= EVERY_MAX_S:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="every",
            value=str(every_s),
            why=f"it is {EVERY_MIN_S} seconds to {EVERY_MAX_S // 86400} days",
        )
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        tx.directories.set(where.id, name, options, every_s, now=app.clock())
        note(tx, app, by, "directory.set", where.id, plug=name)
        return _view(_directory(tx, where), by)


def _require_few(options: Mapping[str, str]) -> None:
    long = [key for key, value in options.items() if len(key) + len(value) > OPTION_MAX]
    if len(options) > OPTIONS_MAX or long:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The options",
            value=short(long[0]) if long else str(len(options)),
            why=f"there are at most {OPTIONS_MAX}, of {OPTION_MAX} characters each",
        )


def remove_directory(app: App, *, account: str | None = None, by: Actor) -> None:
    """Let an account follow none any more; its clients stay.

    Commits one transaction.  Raises RefusedError (NOT_ALLOWED, NOT_FOUND, account's).
    """
    require_operator(by)
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        _directory(tx, where)
        tx.directories.remove(where.id)
        note(tx, app, by, "directory.removed", where.id)


def show_directory(app: App, *, account: str | None = None, by: Actor) -> DirectoryView:
    """Return an account's directory, and how it goes.  Reads only.  Raises RefusedError (NOT_FOUND, account's)."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return _view(_directory(tx, where), by)


def list_directories(app: App, *, by: Actor) -> list[DirectoryView]:
    """Return those of the accounts that the actor works in.  Reads only."""
    with app.store.read() as tx:
        found = [
            tx.directories.of(account.id)
            for account in tx.people.accounts()
            if in_sight(tx, account.id, by)
        ]
        return [_view(row, by) for row in found if row is not None]


def _directory(tx: Tx, where: AccountRow) -> DirectoryRow:
    found = tx.directories.of(where.id)
    if found is None:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="directory of the account",
            value=where.slug,
            hint="`maild directory set PLUG` has the account follow one.",
        )
    return found


def _view(row: DirectoryRow, by: Actor) -> DirectoryView:
    state = "OK" if row.last_ok_at is not None else "WAITING"
    return DirectoryView(
        account=row.slug,
        plug=row.plug,
        options=dict(row.options) if by.is_operator else None,
        every_s=row.every_s,
        state="BACKOFF" if row.last_error is not None else state,
        next_try_at=row.due_at,
        last_ok_at=row.last_ok_at,
        trouble=row.last_error,
        fail_count=row.fail_count,
        refused=row.refused,
        last_refusal=row.last_refusal,
    )


def directory_due(app: App) -> Following | None:
    """Take the directory that waits longest to be asked, if any does; until the lease ends nobody else has it.

    Commits one transaction where there is one.  For who then calls `take_page` and `note_round`.
    """
    with app.store.read() as tx:
        if tx.directories.due(app.clock()) is None:
            return None
    with app.store.write() as tx:
        row = tx.directories.due(app.clock(), hold=True)
        return None if row is None else _taken(tx, app, row)


def take_directory(app: App, *, account: str | None = None, by: Actor) -> Following:
    """Take an account's directory at once, whoever has it.

    Commits one transaction.  Raises RefusedError (NOT_ALLOWED, NOT_FOUND, account's).
    """
    require_operator(by)
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        return _taken(tx, app, _directory(tx, where))


def _taken(tx: Tx, app: App, row: DirectoryRow) -> Following:
    lease = app.ids()
    tx.directories.write(row.account_id, lease=lease, due_at=app.clock() + LEASE)
    return Following(
        account_id=row.account_id,
        account=row.slug,
        plug=row.plug,
        options=row.options,
        cursor=row.cursor,
        lease=lease,
    )


def take_page(app: App, following: Following, page: ClientPage) -> Counter[str]:
    """Bring the mirror to what a page says, and its cursor behind it: both in one transaction, or neither.

    Returns how many entries were added, changed, unchanged, refused, gone.  What is refused is counted and its last sentence
    kept; it stops no other.  A client that is gone loses what lists gave it, and so matches no new mail; its filings stay.
    Raises DirectoryLostError.
    """
    counts: Counter[str] = Counter()
    with app.store.write() as tx:
        row = _held(tx, following)
        where = tx.people.account_by_id(following.account_id)
        refusal = row.last_refusal
        farewells = _farewells(tx, where, page.gone)
        for lines in (_cards(page), farewells):
            for one in listed_in(tx, app, where, lines, OPERATOR, stated={}):
                counts["refused" if isinstance(one, Refused) else one.outcome] += 1
                if isinstance(one, Refused):
                    refusal = short(f"{one.subject}: {one.refusal}", ERROR_MAX)
        counts["gone"] = len(farewells)
        tx.directories.write(
            where.id,
            cursor=page.cursor,
            due_at=app.clock() + LEASE,
            refused=row.refused + counts["refused"],
            last_refusal=refusal,
        )
    return counts


def _held(tx: Tx, following: Following) -> DirectoryRow:
    """Return the directory that one has the right to ask; its account is held.  Raises DirectoryLostError."""
    tx.people.hold_account(following.account_id)
    row = tx.directories.of(following.account_id)
    if row is None or row.lease != following.lease:
        raise DirectoryLostError
    return row


def _cards(page: ClientPage) -> list[Line]:
    """Return the entries of a page; of one that stands there twice, the last is how it is now."""
    last = {
        ("key", trimmed(card.key)) if card.key else ("name", trimmed(card.name)): card
        for card in page.clients
    }
    return list(enumerate(last.values(), 1))


def _farewells(tx: Tx, where: AccountRow, gone: Sequence[str]) -> list[Line]:
    """Return what takes from clients that are gone what lists gave them."""
    keys = {trimmed(key) for key in gone}
    # What no database takes as text is nobody's key.
    found = tx.client_lists.by_key(where.id, [key for key in keys if storable(key) == key])
    return [
        (number, ClientCard(name=client.name, key=key, contacts=(), domains=()))
        for number, (key, client) in enumerate(found.items(), 1)
    ]


def note_round(
    app: App, following: Following, *, trouble: str | None, has_more: bool = False
) -> datetime:
    """Write down how asking went, and return when it is done next; after trouble later each time, up to an hour.

    With `has_more`, where the round was ended before the directory, that is at once, behind those who wait.  Commits one transaction.  Raises DirectoryLostError.
    """
    now = app.clock()
    with app.store.write() as tx:
        row = _held(tx, following)
        every = timedelta(seconds=row.every_s)
        if trouble is None:
            next_at = now if has_more else now + every
            tx.directories.write(
                row.account_id,
                lease=None,
                due_at=next_at,
                fail_count=0,
                last_ok_at=row.last_ok_at if has_more else now,
                last_error=None,
            )
        else:
            rest = min(FIRST_REST * 2 ** min(row.fail_count, 10), LONGEST_REST)
            next_at = now + max(rest, every)
            tx.directories.write(
                row.account_id,
                lease=None,
                due_at=next_at,
                fail_count=row.fail_count + 1,
                last_error=short(trouble, ERROR_MAX),
            )
    return next_at
