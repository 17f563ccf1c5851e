"""Which mails wait for a fact about people or clients, and having the workers look at them again (I4).

For whoever writes such a fact, within its transaction.  Nothing here decides a mail or reads one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from maild.core.app import OPERATOR, Actor, App
from maild.model.address import Address, InvalidAddressError
from maild.model.people import InboxKind, Role
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.store.healing import NAMED_MAX, WaitingRow
from maild.store.store import Tx

PORTION = 500
"""Candidates that one look returns."""
PORTION_OF_MANY = 10_000
"""The same where so many names are asked for that every waiting mail is a candidate."""
NAMES_MAX = 1000

HEALING = frozenset(
    reason.code
    for reason in (
        Reason.SENDER_UNKNOWN,
        Reason.PLUS_BASE_UNRESOLVED,
        Reason.ALIAS_NOT_VERIFIED,
        Reason.SENDER_NOT_VERIFIED,
        Reason.NOT_A_MEMBER,
        Reason.USER_INACTIVE,
        Reason.AMBIGUOUS_SENDER,
        Reason.CLIENT_NOT_FOUND,
        Reason.CLIENT_AMBIGUOUS,
        Reason.FORWARD_BY_STRANGER,
        Reason.ONLY_USERS_INVOLVED,
    )
)
"""What a new address, client or membership can settle; the others need an answer about the mail itself."""


def let_heal(tx: Tx, app: App, accounts: Iterable[int], names: Iterable[str]) -> int:
    """Where an account has set `heal = self`, have its matching mails decided again by the workers after the commit.

    For whoever writes the new fact, in the same transaction: both exist, or neither.  Returns how many there are.
    """
    wanted = _canonical(names)
    if not wanted:
        return 0
    healed = 0
    for account in sorted(set(accounts)):
        if tx.rights.setting(account, "heal") != "self":
            continue
        ids = [row.id for row in waiting_for(tx, account, wanted, OPERATOR)]
        tx.healing.decide_soon(ids, app.clock())
        healed += len(ids)
    return healed


def canonical(names: Sequence[str]) -> tuple[str, ...]:
    """Return addresses with their bases (U6), and domains with their @."""
    if not 0 < len(names) <= NAMES_MAX:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The number of addresses",
            value=str(len(names)),
            why=f"it must be 1 to {NAMES_MAX}",
        )
    return _canonical(names)


def _canonical(names: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for text in names:
        try:
            # A domain is read as that of an address: one reading of domains for all.
            address = Address.parse(f"x{text.strip()}" if text.strip().startswith("@") else text)
        except InvalidAddressError:
            raise RefusedError(
                Reason.INVALID_VALUE,
                what="An address or @domain",
                value=short(text),
                why="it is neither",
            ) from None
        if text.strip().startswith("@"):
            found[f"@{address.domain}"] = None
        else:
            found |= dict.fromkeys((address.norm, address.base.norm))
    return tuple(found)


def waiting_for(
    tx: Tx, account_id: int, names: Sequence[str], by: Actor, *, after: int = 0
) -> Iterator[WaitingRow]:
    """Yield the matching mails that somebody may act on, in their order."""
    may_act = right_to_act(tx, account_id, by)
    wanted = frozenset(names)
    limit = PORTION if len(wanted) <= NAMED_MAX else PORTION_OF_MANY
    while True:
        rows = tx.healing.about(account_id, HEALING, wanted, after=after, limit=limit)
        yield from (row for row in rows if may_act(row) and _names_one(row, wanted))
        if len(rows) < limit:
            return
        after = rows[-1].id


def right_to_act(tx: Tx, account_id: int, by: Actor) -> Callable[[WaitingRow], bool]:
    """Return what says on which waiting mails of an account somebody may act: on those where `acts.right_to` says so."""
    if by.user_id is None:
        return lambda _: True
    if tx.rights.active_role(account_id, by.user_id) in {Role.ADMIN, Role.DISTRIBUTOR}:
        return lambda _: True
    sees_shared = bool(tx.rights.setting(account_id, "all_received"))
    own = {by.user_id, *tx.people.mailboxes_opened(account_id, by.user_id)}
    return lambda row: row.owner_id in own or (sees_shared and row.inbox_kind is InboxKind.SHARED)


def _names_one(row: WaitingRow, names: frozenset[str]) -> bool:
    """Whether a mail truly names one of them: `ann@…` stands in `joann@…` too."""
    noted = {row.from_norm or ""}
    for value in row.facts.values():
        noted |= set(str(value).split(", "))
    # Where several clients own a domain, the decision noted the domain alone.
    domains = {f"@{text.rpartition('@')[2]}" for text in noted}
    return not names.isdisjoint(noted) or not names.isdisjoint(domains)
