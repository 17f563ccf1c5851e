"""The daily digest: once a day each person with open mail hears how much waits, and what came last (U14).

An account says when, or `off`, which is the default: nobody gets a mail that nobody asked for.  One copy goes to each
physical inbox, whatever number of people, accounts, nodes and restarts there are; yesterday's is never caught up.
Never to an address that is not verified, never to a communal user, never to who switched it off or whose mailbox is full.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from maild.core.app import Actor, App
from maild.core.letters import Notice, Posted, post
from maild.core.standing import home, require_admin
from maild.model.digest import (
    NEWEST,
    Copy,
    Item,
    Waiting,
    copies_of,
    subject_of,
    text_of,
    together,
)
from maild.store.store import Tx

DIGEST = "digest:"
"""How the keys of digests begin."""
_MARK_FOR = timedelta(days=2)
"""How long it is remembered that an account's digests of a day were sent."""
_PORTION = 100
"""Copies that are made and queued at a time: no view of the store is kept open for longer, and no more lie in memory."""
_GIVE_UP_AFTER = timedelta(hours=20)
"""After that tomorrow's is nearer."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """One copy, ready to be queued."""

    key: str
    notice: Notice
    account_id: int | None
    """The one account that it is about; None: it is about several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What all copies of one run share."""

    app: App
    date: str
    zone: tzinfo
    names: Mapping[int, str]
    """The accounts that send digests."""
    held: Mapping[int, Sequence[Waiting]]
    """What is held there, by owner; they are few."""


def send_digests(app: App, zone: tzinfo) -> int:
    """Queue the digests of each account whose time has come today and that has not had them; return how many.

    Commits some hundred at a time.  Safe to repeat, and to run on several nodes at once.  Raises StoreDownError.
    """
    now = app.clock()
    local = now.astimezone(zone)
    date = f"{local:%Y-%m-%d}"
    with app.store.read() as tx:
        every = tx.digest.settings()
        sending = {
            account: _hour(settings) for account, _, settings in every if _hour(settings) != "off"
        }
        due = [
            account
            for account, at in sending.items()
            if at <= f"{local:%H:%M}" and not _is_done(tx, account, date, now)
        ]
        if not due:
            return 0
        names = {account: name for account, name, _ in every if account in sending}
        run = _Run(app=app, date=date, zone=zone, names=names, held=_held(tx, names))
        copies = _copies(tx, due, names)
    sent = 0
    for start in range(0, len(copies), _PORTION):
        sent += _send(run, copies[start : start + _PORTION])
    # Last: who dies before it does all of it again, and the keys keep each copy from going twice.
    with app.store.write() as tx:
        for account in sorted(due):
            tx.throttles.count(_mark(account, date), now=now, window=_MARK_FOR, most=1)
    return sent


def _send(run: _Run, copies: Sequence[Copy]) -> int:
    """Queue these copies, as far as anything waits for whom they are about; return how many are new."""
    app = run.app
    with app.store.read() as tx:
        letters = _letters(tx, run, copies)
    if not letters:
        return 0
    until = app.clock() + _GIVE_UP_AFTER
    with app.store.write() as tx:
        posted = [
            post(tx, app, one.notice, key=one.key, account_id=one.account_id, give_up_at=until)
            for one in letters
        ]
    return sum(isinstance(one, Posted) and one.is_new for one in posted)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestView:
    """One copy, as it would go now."""

    to: str
    subject: str
    text: str


def preview_digests(
    app: App, zone: tzinfo, *, account: str | None = None, by: Actor
) -> list[DigestView]:
    """Return an account's digests as they would go now, whatever its hour, for admins; nothing is sent.

    Of people who work in other accounts too, they hold what waits there: none but the operator sees those.
    Reads only.  Raises RefusedError (NOT_ALLOWED, account's).
    """
    date = f"{app.clock().astimezone(zone):%Y-%m-%d}"
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_admin(tx, where, by)
        names = {where.id: where.name}
        if by.is_operator:
            names |= {key: name for key, name, kept in tx.digest.settings() if _hour(kept) != "off"}
        run = _Run(app=app, date=date, zone=zone, names=names, held=_held(tx, names))
        letters = _letters(tx, run, _copies(tx, [where.id], names))
    return [
        DigestView(to=one.notice.to, subject=one.notice.subject, text=one.notice.text)
        for one in letters
    ]


def _hour(settings: Mapping[str, object]) -> str:
    return str(settings.get("digest", "off"))


def _is_done(tx: Tx, account: int, date: str, now: datetime) -> bool:
    return tx.throttles.is_spent(_mark(account, date), now=now, window=_MARK_FOR, most=1)


def _mark(account: int, date: str) -> str:
    return f"digest:{account}:{date}"


def _copies(tx: Tx, due: Collection[int], names: Mapping[int, str]) -> list[Copy]:
    """Return the copies about whoever works in one of these accounts; who shares an inbox is seen across all."""
    return [
        copy
        for copy in copies_of(tx.digest.readers(list(names)))
        if any(not reader.accounts.isdisjoint(due) for reader in copy.readers)
    ]


def _held(tx: Tx, names: Mapping[int, str]) -> dict[int, list[Waiting]]:
    return _by_user(tx.digest.held(list(names)))


def _by_user(waiting: Iterable[Waiting]) -> dict[int, list[Waiting]]:
    found: dict[int, list[Waiting]] = {}
    for one in waiting:
        found.setdefault(one.user_id, []).append(one)
    return found


def _letters(tx: Tx, run: _Run, copies: Sequence[Copy]) -> list[_Letter]:
    """Return the copies in words; where nothing waits, there is none."""
    people = {reader.user_id for copy in copies for reader in copy.readers}
    accounts = {account for copy in copies for account in copy.to.accounts}
    unread = _by_user(tx.digest.unread(people, accounts))
    found = []
    for copy in copies:
        users = [reader.user_id for reader in copy.readers]
        held = [one for user in users for one in run.held.get(user, ())]
        own = [
            one
            for one in (*held, *(one for user in users for one in unread.get(user, ())))
            if one.account_id in copy.to.accounts
        ]
        if own:
            newest = tx.digest.newest(users, list(copy.to.accounts), NEWEST, with_held=bool(held))
            found.append(_letter(run, copy, together(own), newest))
    return found


def _letter(run: _Run, copy: Copy, waiting: Sequence[Waiting], newest: Sequence[Item]) -> _Letter:
    accounts = copy.to.accounts
    text = text_of(
        copy,
        waiting,
        newest,
        accounts={key: run.names[key] for key in accounts},
        zone=run.zone,
        url=run.app.public_url,
    )
    notice = Notice(
        to=copy.to.shown,
        to_name=copy.to.name,
        subject=subject_of(copy, waiting),
        text=text,
    )
    account = next(iter(accounts)) if len(accounts) == 1 else None
    return _Letter(copy.key(run.date), notice, account)
