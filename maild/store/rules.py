"""Queries about rules (M11): an account's list in its order, and the mails that one is tried on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    exists,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from maild.model.facts import ClientRef
from maild.model.people import InboxKind, MemberState
from maild.model.states import State
from maild.store.inboxes import is_unread_by_all
from maild.store.people_tables import clients, inboxes, memberships, users
from maild.store.rule_tables import rules
from maild.store.schema import deliveries, entries, events, filings, messages, readings, statuses
from maild.store.sql import could_be_id, slices

APPLIED = "rule.applied"
"""The kind of the events that say what rules did with a mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """A rule as it is stored, with what its status and client are called."""

    id: int
    ulid: str
    account_id: int
    name: str
    rank: int
    conditions: str
    owner_id: int | None
    status_id: int | None
    status: str | None
    client_id: int | None
    client: str | None
    client_word: str | None
    """What means this client alone: its name, or its id where that word may mean another one, too."""
    unread: bool | None
    stops: bool
    is_on: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How somebody stands in an account, as far as owning mail goes."""

    name: str
    is_disabled: bool
    is_member: bool
    is_unread_by_all: bool = False
    """A communal user whose mailbox nobody opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """A mail that a rule is tried on."""

    id: int
    ulid: str
    message_id: int
    state: State
    reason: str
    direction: str
    received_at: datetime
    inbox: str
    inbox_kind: InboxKind
    size: int
    from_shown: str
    subject: str
    owner_id: int
    status: str | None
    unread: bool


_namesake = clients.alias("namesake")
_SELECT = (
    select(
        *(column for column in rules.c if column.name not in {"by_user_id", "removed_at"}),
        statuses.c.name.label("status"),
        clients.c.name.label("client"),
        clients.c.ulid.label("client_ulid"),
        exists()
        .where(
            _namesake.c.account_id == clients.c.account_id,
            or_(
                _namesake.c.name == clients.c.name,
                _namesake.c.external_key == clients.c.name,
                _namesake.c.ulid == clients.c.name,
            ),
            _namesake.c.id != clients.c.id,
        )
        .label("has_namesake"),
    )
    .outerjoin(statuses, statuses.c.id == rules.c.status_id)
    .outerjoin(clients, clients.c.id == rules.c.client_id)
    .where(rules.c.removed_at.is_(None))
    .order_by(rules.c.account_id, rules.c.rank, rules.c.id)
)


class RuleRows:
    """Queries about rules."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def of(self, account_ids: Iterable[int], *, only_on: bool = False) -> list[RuleRow]:
        """Return the rules of accounts, in the order in which they are heard."""
        query = _SELECT.where(rules.c.is_on) if only_on else _SELECT
        return [
            _rule(row)
            for some in slices(account_ids)
            for row in self._connection.execute(query.where(rules.c.account_id.in_(some)))
        ]

    def add(self, **values: Any) -> None:
        """Insert a rule."""
        self._connection.execute(insert(rules).values(**values))

    def switch(self, rule_id: int, *, on: bool) -> None:
        """Let a rule be heard, or not."""
        self._connection.execute(update(rules).where(rules.c.id == rule_id).values(is_on=on))

    def remove(self, rule_id: int, *, now: datetime) -> None:
        """Take a rule out of the list; its name stays for the histories that tell of it, and it needs its status no more."""
        self._connection.execute(
            update(rules)
            .where(rules.c.id == rule_id)
            .values(removed_at=now, is_on=False, status_id=None)
        )

    def set_ranks(self, rule_ids: Sequence[int]) -> None:
        """Give rules the order in which they are named here."""
        for rank, rule_id in enumerate(rule_ids):
            self._connection.execute(update(rules).where(rules.c.id == rule_id).values(rank=rank))

    def with_status(self, status_id: int) -> list[str]:
        """Return the names of the rules that set a status."""
        return list(
            self._connection.execute(
                select(rules.c.name)
                .where(rules.c.status_id == status_id, rules.c.removed_at.is_(None))
                .order_by(rules.c.rank)
            ).scalars()
        )

    def names(self, rule_ids: Iterable[int]) -> dict[int, str]:
        """Return what rules are called, also those that were removed."""
        found: dict[int, str] = {}
        for some in slices(rule_ids):
            rows = self._connection.execute(
                select(rules.c.id, rules.c.name).where(rules.c.id.in_(some))
            )
            found |= {row.id: row.name for row in rows}
        return found

    def standings(self, owners: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Standing]:
        """Return how each (account, user) stands; who was never a member is not among them."""
        wanted = set(owners)
        found: dict[tuple[int, int], Standing] = {}
        for some in slices(user for _, user in wanted):
            rows = self._connection.execute(
                select(
                    memberships.c.account_id,
                    users.c.id,
                    users.c.display_name,
                    users.c.disabled_at,
                    memberships.c.state,
                    is_unread_by_all().label("is_unread_by_all"),
                )
                .join(users, users.c.id == memberships.c.user_id)
                .where(users.c.id.in_(some))
            )
            for row in rows:
                if (row.account_id, row.id) in wanted:
                    found[row.account_id, row.id] = Standing(
                        name=row.display_name,
                        is_disabled=row.disabled_at is not None,
                        is_member=row.state == MemberState.ACTIVE,
                        is_unread_by_all=row.is_unread_by_all,
                    )
        return found

    def clients_called(self, account_id: int, word: str) -> list[ClientRef]:
        """Return the account's client of that id, else those of that external key or name; a few at most."""
        found = self._clients(account_id, clients.c.ulid == word) if could_be_id(word) else []
        is_called = or_(clients.c.external_key == word, clients.c.name == word)
        return found or self._clients(account_id, is_called)

    def _clients(self, account_id: int, condition: Any) -> list[ClientRef]:
        rows = self._connection.execute(
            select(clients.c.id, clients.c.name)
            .where(clients.c.account_id == account_id, condition)
            .order_by(clients.c.id)
            .limit(5)
        )
        return [ClientRef(row.id, row.name) for row in rows]

    def gave(self, delivery_id: int) -> bool:
        """Whether a rule said once whose a mail is."""
        rows = self._connection.execute(
            select(events.c.subject).where(
                events.c.delivery_id == delivery_id, events.c.kind == APPLIED
            )
        ).scalars()
        return any("owner" in subject for subject in rows)

    # What a rule is tried on

    def sample(
        self, account_id: int, *, before: tuple[datetime, int] | None, limit: int
    ) -> list[SampleRow]:
        """Return mails that lie in mailboxes and could be read, newest first, from behind one of them."""
        query = _SAMPLE.where(deliveries.c.account_id == account_id).limit(limit)
        if before is not None:
            at, number = before
            query = query.where(
                tuple_(deliveries.c.received_at, deliveries.c.id)
                < tuple_(literal(at, deliveries.c.received_at.type), number)
            )
        return [
            SampleRow(
                **{**row, "state": State(row["state"]), "inbox_kind": InboxKind(row["inbox_kind"])}
            )
            for row in self._connection.execute(query).mappings()
        ]

    def readings(self, message_ids: Iterable[int]) -> dict[int, bytes]:
        """Return the stored readings, of whichever version."""
        found: dict[int, bytes] = {}
        for some in slices(message_ids):
            rows = self._connection.execute(
                select(readings.c.message_id, readings.c.letter).where(
                    readings.c.message_id.in_(some)
                )
            )
            found |= {row.message_id: row.letter for row in rows}
        return found

    def filed_under(self, delivery_ids: Iterable[int]) -> dict[int, list[tuple[str, str]]]:
        """Return for each mail the clients' names and how it was filed there."""
        found: dict[int, list[tuple[str, str]]] = {}
        for some in slices(delivery_ids):
            rows = self._connection.execute(
                select(filings.c.delivery_id, filings.c.how, clients.c.name)
                .join(clients, clients.c.id == filings.c.client_id)
                .where(filings.c.delivery_id.in_(some))
                .order_by(filings.c.id)
            )
            for row in rows:
                found.setdefault(row.delivery_id, []).append((row.name, row.how))
        return found


_SAMPLE: Select[Any] = (
    select(
        deliveries.c.id,
        deliveries.c.ulid,
        deliveries.c.message_id,
        deliveries.c.state,
        deliveries.c.reason,
        deliveries.c.direction,
        deliveries.c.received_at,
        inboxes.c.norm.label("inbox"),
        inboxes.c.kind.label("inbox_kind"),
        messages.c.size,
        messages.c.from_shown,
        messages.c.subject,
        entries.c.owner_id,
        entries.c.unread,
        statuses.c.name.label("status"),
    )
    .join(messages, messages.c.id == deliveries.c.message_id)
    .join(inboxes, inboxes.c.id == deliveries.c.inbox_id)
    .join(entries, entries.c.delivery_id == deliveries.c.id)
    .outerjoin(statuses, statuses.c.id == entries.c.status_id)
    .where(deliveries.c.state.in_((State.FILED, State.UNFILED, State.HELD)))
    .order_by(deliveries.c.received_at.desc(), deliveries.c.id.desc())
)


def _rule(row: Any) -> RuleRow:
    values = row._asdict()
    ulid, has_namesake = values.pop("client_ulid"), values.pop("has_namesake")
    return RuleRow(**values, client_word=ulid if has_namesake else values["client"])
