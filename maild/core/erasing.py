"""Erasing mail, by an operator's word or by an account's retention (product H, M4).

A tombstone stays, and every ledger: nothing that was erased is fetched or imported again (D5).  What is looked at is
counted first; nothing here can be undone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice

from maild import failpoint
from maild.core.acts import no_mail
from maild.core.app import OPERATOR, Actor, App
from maild.core.clients import client_in
from maild.core.keys import off_or_age
from maild.core.standing import find_user_id, home, note, parse_address, require_operator
from maild.model.ages import OFF, age_of
from maild.model.reason import Reason, RefusedError
from maild.model.states import State
from maild.store.accounts import AccountRow
from maild.store.chosen import ERASABLE, Chosen
from maild.store.erasing import Gone
from maild.store.store import Tx

PORTION = 100
"""Mails of one transaction: what other writers wait for."""
LOOK = 10_000
"""Mails that are found at a time."""
IDS_MAX = 500
"""Mails that may be named."""

_TAKES = {"retention": ERASABLE, "retention_ignored": (State.IGNORED,)}
"""An account's settings, and the states of mails that they take."""

_log = logging.getLogger("maild.erase")

GoOn = Callable[[int], bool]
"""Is told how many are erased; False ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Which mails are to go, in a person's words; what stands beside each other narrows."""

    account: str | None = None
    ids: tuple[str, ...] = ()
    inbox: str | None = None
    client: str | None = None
    """Filed under this client, or written from one of its contact addresses."""
    user: str | None = None
    """In this user's mailbox, or sent in by this user."""
    before: datetime | None = None
    """Came in before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasable:
    """How many mails an erasure takes."""

    count: int
    oldest: datetime | None
    newest: datetime | None


def find_to_erase(app: App, erasure: Erasure, *, by: Actor) -> Erasable:
    """Count what `erase` would take.  Reads only.  The operator's alone.  Raises RefusedError."""
    with app.store.read() as tx:
        _, chosen = _chosen(tx, erasure, by)
        found = tx.erasing.count(chosen)
    return Erasable(count=found.count, oldest=found.oldest, newest=found.newest)


def erase(app: App, erasure: Erasure, *, by: Actor, go_on: GoOn | None = None) -> int:
    """Erase mails for good; return how many.  The operator's alone.

    Commits one transaction for each portion of a hundred; their files are taken away after it, and what a crash leaves
    of them, `sweep_bodies` takes.  A mail that is not decided yet, or still goes out, stays.  Safe to repeat.  Raises
    RefusedError, StoreDownError.
    """
    with app.store.read() as tx:
        place, chosen = _chosen(tx, erasure, by)
    return _erase_all(app, place.id, chosen, by, go_on)


def retain(app: App) -> int:
    """Erase what its account does not keep any longer; return how many.  Commits as `erase`."""
    with app.store.read() as tx:
        accounts = tx.people.accounts()
    done = 0
    for account in accounts:
        count = sum(
            _erase_all(app, account.id, chosen, OPERATOR) for chosen in _outlived(app, account)
        )
        if count:
            _log.info("retention account=%s erased=%d", account.slug, count)
        done += count
    return done


def sweep_bodies(app: App) -> int:
    """Take files away that no row names: what crashes left; return how many.  Safe to repeat.  Raises StoreDownError."""
    swept = 0
    files = app.store.bodies.old_files(app.clock())
    for account_id, some in groupby(files, key=lambda one: one[0]):
        digests = (digest for _, digest in some)
        while portion := list(islice(digests, PORTION)):
            with app.store.read() as tx:
                named = tx.erasing.named(account_id, portion)
            lost = [Gone(account_id, digest) for digest in portion if digest not in named]
            swept += _take_away(app, lost)
    return swept


def find_outlived(app: App, account: str, key: str, text: str, *, by: Actor) -> Erasable:
    """Count what an account's setting (`retention`, `retention_ignored`) would take today.  Reads only.

    The operator's alone.  Raises RefusedError.
    """
    require_operator(by)
    age = age_of(off_or_age(key)(text))
    with app.store.read() as tx:
        place = home(tx, account, by)
        if age is None:
            return Erasable(count=0, oldest=None, newest=None)
        found = tx.erasing.count(_older(place.id, key, app.clock() - age))
    return Erasable(count=found.count, oldest=found.oldest, newest=found.newest)


def _older(account_id: int, key: str, before: datetime) -> Chosen:
    return Chosen(account_id=account_id, before=before, states=_TAKES[key])


def _outlived(app: App, account: AccountRow) -> list[Chosen]:
    """Return what an account says is to go by now."""
    now = app.clock()
    found = []
    for key in _TAKES:
        age = age_of(str(account.settings.get(key, OFF)))
        if age is not None:
            found.append(_older(account.id, key, now - age))
    return found


def _chosen(tx: Tx, erasure: Erasure, by: Actor) -> tuple[AccountRow, Chosen]:
    require_operator(by)
    place = home(tx, erasure.account, by)
    named = (erasure.ids, erasure.inbox, erasure.client, erasure.user, erasure.before)
    if not any(named):
        raise RefusedError(
            Reason.CONFLICT, why="Say which mails: ids, --client, --user, --inbox or --older-than."
        )
    if len(erasure.ids) > IDS_MAX:
        raise RefusedError(Reason.CONFLICT, why=f"Name {IDS_MAX} mails at a time, no more.")
    _require_mails(tx, place, erasure.ids)
    inbox = client = user = None
    if erasure.inbox is not None:
        inbox = _inbox(tx, place, erasure.inbox)
    if erasure.client is not None:
        client = client_in(tx, place, erasure.client).id
    if erasure.user is not None:
        user = find_user_id(tx, erasure.user, by)
    return place, Chosen(
        account_id=place.id,
        ulids=erasure.ids or None,
        inbox_id=inbox,
        client_id=client,
        user_id=user,
        before=erasure.before,
    )


def _require_mails(tx: Tx, place: AccountRow, ids: tuple[str, ...]) -> None:
    """Refuse who names a mail that is not there: they would believe that it is erased."""
    if not ids:
        return
    named = Chosen(account_id=place.id, ulids=ids, states=tuple(State))
    there = set(tx.chosen.ulids(named))
    for ulid in ids:
        if ulid not in there:
            raise no_mail(ulid)


def _inbox(tx: Tx, place: AccountRow, text: str) -> int:
    found = tx.intake.inbox_named(parse_address(text).norm)
    if found is None or found.account_id != place.id:
        raise RefusedError(
            Reason.NOT_FOUND, noun="inbox", value=text, hint="`maild inbox list` shows them."
        )
    return found.id


def _erase_all(
    app: App, account_id: int, chosen: Chosen, by: Actor, go_on: GoOn | None = None
) -> int:
    done = 0
    while True:
        with app.store.read() as tx:
            ids = tx.erasing.some(chosen, LOOK)
        erased = 0
        for start in range(0, len(ids), PORTION):
            erased += _erase_portion(app, account_id, ids[start : start + PORTION], by)
            if go_on is not None and not go_on(done + erased):
                return done + erased
        done += erased
        if len(ids) < LOOK or not erased:
            return done


def _erase_portion(app: App, account_id: int, ids: list[int], by: Actor) -> int:
    with app.store.write() as tx:
        tx.intake.hold_accounts([account_id])
        held = tx.erasing.hold(ids)
        gone = tx.erasing.erase(held, app.clock())
        if held:
            note(tx, app, by, "erased", account_id, count=len(held))
        failpoint.reached("erase.before_commit")
    failpoint.reached("erase.after_commit")
    _take_away(app, [one for one in gone if app.store.bodies.lies(one.account_id, one.digest)])
    return len(held)


def _take_away(app: App, gone: Iterable[Gone]) -> int:
    """Take files of bodies away, while nobody can store the same bytes: who does so later, publishes them again."""
    some = list(gone)
    if not some:
        return 0
    taken = 0
    with app.store.write() as tx:
        tx.intake.hold_accounts({one.account_id for one in some})
        for account_id in {one.account_id for one in some}:
            digests = [one.digest for one in some if one.account_id == account_id]
            named = tx.erasing.named(account_id, digests)
            for digest in digests:
                if digest not in named:
                    app.store.bodies.unlink(account_id, digest)
                    taken += 1
    return taken
