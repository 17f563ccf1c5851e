"""Mails that waited for a client, found from the mails' side: for when many clients came at once (I4, F6).

Each waiting mail noted which addresses and domains it had tried; those are looked up in the directory of clients, by
index.  So ten thousand new clients cost as much as one: a walk along the mails that wait.  `core.healing` goes the other
way, from a few names to the mails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from maild.core.app import Actor, App
from maild.core.decide import Reader
from maild.core.healing import COUNTED_MAX, Healed, decide_waiting
from maild.core.standing import home, require_member
from maild.core.waiting import right_to_act
from maild.model.reason import Reason
from maild.store.facts import Owned
from maild.store.healing import WaitingRow
from maild.store.store import Tx

PORTION = 2000
"""Waiting mails of one look, and of one transaction."""
LISTED_MAX = 100
"""Matching mails that are named one by one."""

_FOR_A_CLIENT = frozenset(
    reason.code
    for reason in (Reason.CLIENT_NOT_FOUND, Reason.CLIENT_AMBIGUOUS, Reason.FORWARD_BY_STRANGER)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingMail:
    """A mail that waits, and whose client is there now."""

    id: str
    from_: str | None
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingClients:
    """Mails that wait and match a client now."""

    count: int
    """Up to 10,000."""
    account: str
    mails: tuple[MatchingMail, ...]
    """The first hundred."""
    heals_itself: bool
    """The account has set `heal = self`: the workers decide them again without being asked."""


def ask_sweep(tx: Tx, account_id: int) -> None:
    """Where an account has set `heal = self`, have the workers look through its waiting mails after the commit.

    For whoever writes clients, in the same transaction: both happen, or neither.
    """
    if tx.rights.setting(account_id, "heal") == "self":
        tx.sweeps.ask(account_id)


def sweep(app: App) -> bool:
    """Look through the next portion of one account's waiting mails; have those that match decided again by the workers.

    Commits one transaction; after a crash the next look goes on where this one began.  Returns whether there may be more.
    """
    with app.store.read() as tx:
        if not tx.sweeps.is_asked():
            return False
    with app.store.write() as tx:
        found = tx.sweeps.first()
        if found is None:
            return False
        rows = _portion(tx, found.account_id, found.after)
        tx.healing.decide_soon(
            [row.id for row in _matching(tx, found.account_id, rows)], app.clock()
        )
        if len(rows) < PORTION:
            tx.sweeps.end(found.account_id)
        else:
            tx.sweeps.go_on(found.account_id, rows[-1].id)
        return True


def matching_clients(app: App, *, account: str | None = None, by: Actor) -> MatchingClients:
    """Count the held and unfiled mails whose client is there now, and name the first of them.

    A member counts among those that he may act on.  Reads only.  Raises RefusedError (account's).
    """
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        found = [row for row, _ in zip(_all(tx, where.id, by), range(COUNTED_MAX), strict=False)]
        return MatchingClients(
            count=len(found),
            account=where.slug,
            mails=tuple(_shown(row) for row in found[:LISTED_MAX]),
            heals_itself=tx.rights.setting(where.id, "heal") == "self",
        )


def file_matching(
    app: App,
    reader: Reader,
    *,
    account: str | None = None,
    told: Callable[[int], None] = lambda _: None,
    by: Actor,
) -> Healed:
    """Decide those mails again in place, each once, some hundred at a time; `told` hears how many are done.

    They keep their dates, owners and history.  Commits as `decide_due`; safe to repeat.  Raises RefusedError (account's),
    StoreDownError.
    """

    def found(tx: Tx, after: int) -> Iterator[WaitingRow]:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return _all(tx, where.id, by, after=after)

    return decide_waiting(app, reader, found, told)


def _all(tx: Tx, account_id: int, by: Actor, *, after: int = 0) -> Iterator[WaitingRow]:
    may_act = right_to_act(tx, account_id, by)
    while True:
        rows = _portion(tx, account_id, after)
        yield from (row for row in _matching(tx, account_id, rows) if may_act(row))
        if len(rows) < PORTION:
            return
        after = rows[-1].id


def _portion(tx: Tx, account_id: int, after: int) -> list[WaitingRow]:
    return tx.healing.waiting(account_id, _FOR_A_CLIENT, after=after, limit=PORTION)


def _matching(tx: Tx, account_id: int, rows: Sequence[WaitingRow]) -> list[WaitingRow]:
    """Return those of which the directory says something else than when they were decided."""
    noted = {row.id: _noted(row) for row in rows}
    names = {name for some in noted.values() for name in some}
    domains = {name.rpartition("@")[2] for name in names}
    contacts = tx.facts.contacts([account_id], names)
    owned = tx.facts.domains([account_id], domains)
    return [row for row in rows if _is_settled(row, noted[row.id], account_id, contacts, owned)]


def _noted(row: WaitingRow) -> list[str]:
    """Return what its last decision had tried; a domain alone where that belonged to several clients."""
    match row.reason:
        case Reason.CLIENT_NOT_FOUND.code:
            return str(row.facts.get("tried", "")).split(", ")
        case Reason.CLIENT_AMBIGUOUS.code:
            return [str(row.facts.get("address", ""))]
        case _:
            return [row.from_norm or ""]


def _is_settled(
    row: WaitingRow, noted: Sequence[str], account_id: int, contacts: Owned, domains: Owned
) -> bool:
    owners = [
        contacts.get((account_id, name)) or domains.get((account_id, name.rpartition("@")[2]), ())
        for name in noted
    ]
    if row.reason == Reason.CLIENT_AMBIGUOUS.code:
        return [len(some) for some in owners] == [1]
    return any(owners)


def _shown(row: WaitingRow) -> MatchingMail:
    return MatchingMail(id=row.ulid, from_=row.from_norm, state=row.state.value, reason=row.reason)
