"""Healing: a new fact about people or clients offers the mails that waited for it, and files them on a yes (I4).

What is found: held and unfiled mails of the account whose From is one of the addresses, or whose last decision noted
that it had tried one of them (recipients of a captured mail, the original's sender, a client's domain).  They are
decided again by the same function, with everything that people answered about them as input, and keep their dates,
owners and history.  Nothing here files a mail by itself, and what somebody took off a client or put away is not found.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from maild.core.app import Actor, App
from maild.core.decide import BATCH, Reader, decide_again
from maild.core.standing import active_accounts, find_user, home, in_sight, require_member
from maild.core.waiting import canonical, waiting_for
from maild.model.states import State
from maild.store.accounts import AccountRow
from maild.store.healing import WaitingRow
from maild.store.store import Tx

COUNTED_MAX = 10_000
"""Mails up to which an offer counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Mails that wait and match now."""

    count: int
    """Up to 10,000."""
    account: str
    names: tuple[str, ...]
    heals_itself: bool
    """The account has set `heal = self`: the workers decide them again without being asked."""
    command: str
    """Has them decided again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Healed:
    """What deciding them again came to."""

    count: int
    """Mails that were decided again."""
    filed: int
    """Of them, those that are filed now."""
    changed: int
    """Of them, those of which state or reason changed."""


def matching_held(
    app: App, names: Sequence[str], *, account: str | None = None, by: Actor
) -> Matching:
    """Count the held and unfiled mails that name one of these addresses (or domains, as @domain) and may be filed now.

    A member counts among those that he may act on.  Reads only.  Raises RefusedError (INVALID_VALUE, account's).
    """
    wanted = canonical(names)
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return _matching(tx, where, wanted, by, is_named=account is not None)


def matching_of_user(
    app: App, email: str, names: Sequence[str], *, by: Actor
) -> tuple[Matching, ...]:
    """Count them in each account that a user works in and the actor sees; those without any are left out.

    Reads only.  Raises RefusedError (INVALID_VALUE, INVALID_EMAIL, NOT_FOUND).
    """
    wanted = canonical(names)
    with app.store.read() as tx:
        user = find_user(tx, email, by)
        seen = [one for one in sorted(active_accounts(tx, user.id)) if in_sight(tx, one, by)]
        found = [
            _matching(tx, tx.people.account_by_id(one), wanted, by, is_named=True) for one in seen
        ]
    return tuple(one for one in found if one.count)


def _matching(
    tx: Tx, where: AccountRow, wanted: tuple[str, ...], by: Actor, *, is_named: bool
) -> Matching:
    found = waiting_for(tx, where.id, wanted, by)
    # A stranger's address may hold what a shell runs, and people paste what they are shown.
    words = ["maild", "mail", "heal", *wanted, *(("--account", where.slug) if is_named else ())]
    return Matching(
        count=sum(1 for _, _ in zip(found, range(COUNTED_MAX), strict=False)),
        account=where.slug,
        names=wanted,
        heals_itself=tx.rights.setting(where.id, "heal") == "self",
        command=shlex.join(words),
    )


def heal(
    app: App,
    reader: Reader,
    names: Sequence[str],
    *,
    account: str | None = None,
    told: Callable[[int], None] = lambda _: None,
    by: Actor,
) -> Healed:
    """Decide those mails again in place, each once, some hundred at a time; `told` hears how many are done.

    Commits as `decide_due`; safe to repeat.  Raises RefusedError (INVALID_VALUE, account's), StoreDownError.
    """
    wanted = canonical(names)

    def found(tx: Tx, after: int) -> Iterator[WaitingRow]:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return waiting_for(tx, where.id, wanted, by, after=after)

    return decide_waiting(app, reader, found, told)


def decide_waiting(
    app: App,
    reader: Reader,
    found: Callable[[Tx, int], Iterator[WaitingRow]],
    told: Callable[[int], None],
) -> Healed:
    """Decide waiting mails again in place, each once, some hundred at a time; `found` yields those behind one of them.

    For use cases that asked who may.  Commits as `decide_due`.  Raises as `found`, and StoreDownError.
    """
    count = filed = changed = after = 0
    while True:
        with app.store.read() as tx:
            batch = _first(found(tx, after), BATCH)
        if not batch:
            return Healed(count=count, filed=filed, changed=changed)
        after = batch[-1].id
        decide_again(app, reader, [row.id for row in batch])
        with app.store.read() as tx:
            now = tx.healing.outcomes(row.id for row in batch)
        count += len(batch)
        filed += sum(now[row.id][0] is State.FILED for row in batch)
        changed += sum(now[row.id] != (row.state, row.reason) for row in batch)
        told(count)


def _first(rows: Iterator[WaitingRow], most: int) -> list[WaitingRow]:
    return [row for row, _ in zip(rows, range(most), strict=False)]
