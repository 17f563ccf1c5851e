"""Who reads what comes in today, and that there is always somebody (M9, M10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from maild.model.absence import Chain, Reader, Roster, gap_of, reader_of
from maild.model.plain_text import so_many
from maild.model.reason import Reason, RefusedError
from maild.store.store import Tx


def readers_of(tx: Tx, inbox_ids: Iterable[int], at: datetime) -> dict[int, Reader]:
    """Return who gets what comes in for each inbox at this moment.

    Where nobody who was named is there, it is an admin, a distributor or anybody active of the account, rather one who
    is not away: no mail is without a reader (M1).  An inbox of an account without anybody is not among them.
    """
    by_account: dict[int, dict[int, Chain]] = defaultdict(dict)
    for inbox, (account, chain) in tx.absences.chains(inbox_ids).items():
        by_account[account][inbox] = chain
    found: dict[int, Reader] = {}
    for account, chains in by_account.items():
        roster = roster_of(tx, account, chains.values(), at)
        left = []
        for inbox, chain in chains.items():
            reader = reader_of(chain, roster, at)
            if reader is None:
                left.append(inbox)
            else:
                found[inbox] = reader
        if left:
            last = _last_resort(tx, account, roster, at)
            found |= {inbox: Reader(last) for inbox in left if last is not None}
    return found


def _last_resort(tx: Tx, account: int, roster: Roster, at: datetime) -> int | None:
    people = tx.absences.fallbacks(account)
    there = (user for user in people if roster.absence(user, at) is None)
    return next(there, people[0] if people else None)


def roster_of(tx: Tx, account: int, chains: Iterable[Chain], since: datetime) -> Roster:
    """Return who of these chains is active, and who is away from now on."""
    people: set[int] = set()
    for chain in chains:
        people |= {*chain.named, *chain.members}
        if chain.default is not None:
            people.add(chain.default)
    return tx.absences.roster(account, people, since)


@contextmanager
def keeping_readers(tx: Tx, accounts: Iterable[int], now: datetime) -> Generator[None]:
    """Refuse what is done in this block if mail that somebody reads would have no reader by it, now or later (M10).

    What nobody read before, or from that date, may stay so.  The accounts are held by the caller.  Raises RefusedError
    NOBODY_READS, naming the inbox and the date, and then nothing may be kept.
    """
    accounts = sorted(set(accounts))
    before = {account: _unread(tx, account, now) for account in accounts}
    yield
    for account in accounts:
        unopened = set(tx.people.unopened(account)) - before[account].unopened
        if unopened:
            raise _nobody_opens(tx, account, min(unopened))
        for inbox, since in _gaps(tx, account, now).items():
            had = before[account].gaps.get(inbox)
            if had is None or had > since:
                raise _nobody_reads(inbox, since, None if since <= now else zone_of(tx, account))


@dataclass(frozen=True, slots=True)
class _Unread:
    """Mail of an account that nobody reads: what will come in, by inbox and from when on; what lies there already."""

    gaps: Mapping[str, datetime]
    unopened: frozenset[str]


def _unread(tx: Tx, account: int, now: datetime) -> _Unread:
    return _Unread(_gaps(tx, account, now), frozenset(tx.people.unopened(account)))


def _gaps(tx: Tx, account: int, now: datetime) -> dict[str, datetime]:
    """Return the inboxes whose new mail will have no reader, by address, and from when on."""
    chains = tx.absences.chains_of(account)
    roster = roster_of(tx, account, chains.values(), now)
    known: dict[Chain, datetime | None] = {}
    found = {}
    norms = {inbox.id: inbox.norm for inbox in tx.people.inboxes_of(account)}
    for inbox, chain in chains.items():
        if chain not in known:
            known[chain] = gap_of(chain, roster, now)
        gap = known[chain]
        if gap is not None:
            found[norms[inbox]] = gap
    return found


def zone_of(tx: Tx, account: int) -> ZoneInfo:
    """Return the time zone by whose days an account counts."""
    return ZoneInfo(str(tx.rights.setting(account, "time_zone")))


def day_of(at: datetime, zone: ZoneInfo) -> str:
    """Return a moment for people: a day where one begins then, and else also the time."""
    local = at.astimezone(zone)
    midnight = (local.hour, local.minute) == (0, 0)
    return f"{local:%Y-%m-%d}" if midnight else f"{local:%Y-%m-%d %H:%M}"


def _nobody_opens(tx: Tx, account: int, inbox: str) -> RefusedError:
    row = tx.people.inbox(inbox)
    owner = None if row is None else row.communal_user_id
    count = 0 if owner is None else tx.leaving.mails_owned(account, owner)
    add, give = (
        f"maild inbox members {inbox} --add EMAIL",
        f"maild mail give --owner {inbox} --to EMAIL",
    )
    return RefusedError(
        Reason.NOBODY_READS,
        actions=(add, give),
        inbox=inbox,
        date="now on",
        todo=f"its communal mailbox holds {so_many(count)}; add a member ({add}), or give them away first ({give})",
    )


def _nobody_reads(inbox: str, since: datetime, zone: ZoneInfo | None) -> RefusedError:
    return RefusedError(
        Reason.NOBODY_READS,
        actions=(
            f"maild inbox set {inbox} owner=EMAIL",
            f"maild inbox set {inbox} substitutes=EMAIL",
        ),
        inbox=inbox,
        date="now on" if zone is None else day_of(since, zone),
        todo="name an owner or a substitute who is there then",
    )
