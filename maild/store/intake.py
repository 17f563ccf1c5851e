"""What accepting reads and writes (TX 1 of design 4), in batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, bindparam, func, or_, select, text, update

from maild.model.people import InboxKind, MemberState
from maild.model.reason import Reason
from maild.model.states import State
from maild.store.indexing import IndexingRows
from maild.store.people_tables import accounts, addresses, inboxes, memberships
from maild.store.schema import arrivals, bodies, deliveries, events, messages, recipients
from maild.store.sql import ForEach, slices


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """An inbox as a door needs it."""

    id: int
    account_id: int
    norm: str
    max_size: int | None
    refuses_unknown: bool
    """A forward inbox that turns mail away at the door of whom the account does not know."""


@dataclass(frozen=True, slots=True)
class KnownArrival:
    """An arrival with the same door, envelope and bytes as one that comes in now."""

    id: int
    message_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class KnownMessage:
    """A stored message with the same content as one that comes in now."""

    id: int
    delivered: dict[int, str] = field(default_factory=dict)
    """The ULIDs of its deliveries that are not erased, by inbox."""
    erased_in: set[int] = field(default_factory=set)
    """The inboxes where a tombstone is left of it: no delivery can be made there again."""


# The statements of every commit are made once: making one takes longer than running it.
_INBOXES = select(
    inboxes.c.id,
    inboxes.c.account_id,
    inboxes.c.norm,
    inboxes.c.max_size,
    and_(inboxes.c.kind == InboxKind.FORWARD, inboxes.c.unknown_policy == "refuse").label(
        "refuses_unknown"
    ),
)
_NAMED = _INBOXES.where(inboxes.c.norm.in_(bindparam("norms", expanding=True)))
_ONE_NAMED = _INBOXES.where(inboxes.c.norm == bindparam("norm"))
_KNOWN = (
    select(addresses.c.id)
    .join(memberships, memberships.c.user_id == addresses.c.user_id)
    .where(
        memberships.c.account_id == bindparam("account"),
        memberships.c.state != MemberState.REFUSED,
        addresses.c.valid_to.is_(None),
        # The base of a tagged address, and a tag of a known one, are held as a question about a user (U6).
        or_(
            addresses.c.norm.in_((bindparam("norm"), bindparam("base"))),
            addresses.c.base == bindparam("norm"),
        ),
    )
    .limit(1)
)
_ARRIVED = (
    select(
        arrivals.c.id,
        arrivals.c.account_id,
        arrivals.c.retry_key,
        arrivals.c.message_id,
        arrivals.c.at,
    )
    .where(
        arrivals.c.retry_key.in_(bindparam("keys", expanding=True)),
        arrivals.c.at >= bindparam("since"),
    )
    .order_by(arrivals.c.id)
)
_STORED = (
    select(
        messages.c.id,
        messages.c.account_id,
        messages.c.content_key,
        deliveries.c.inbox_id,
        deliveries.c.ulid,
        deliveries.c.state,
    )
    .join(deliveries, deliveries.c.message_id == messages.c.id)
    .where(
        messages.c.account_id.in_(bindparam("accounts", expanding=True)),
        messages.c.content_key.in_(bindparam("keys", expanding=True)),
        # What was erased is known to imports and to the ledger; what comes in by a door is news.
        messages.c.erased_at.is_(None),
    )
    .order_by(messages.c.id)
)
_ADD_BODIES = ForEach.insert_new(bodies, "account_id", "digest", "size", "bytes")
_ADD_RECIPIENTS = ForEach.insert_new(recipients, "message_id", "kind", "norm")
_ADD_EVENTS = ForEach.insert(events, "at", "account_id", "kind", "delivery_id", "subject")
_ADD_NUMBERED = {
    "messages": ForEach.insert(messages, "id", "account_id", "digest", "size", "message_id_header", "content_key", "subject"),
    "arrivals": ForEach.insert(arrivals,
            "id", "account_id", "message_id", "at", "door", "peer", "helo", "tls", "mail_from",
            "recipients", "digest", "authenticated_for", "trusted_results", "spam_mark", "signed_in_user_id", "spf", "retry_key", "source_id", "origin", "whole_size", "drop_user_id", "left_unread"),
    "deliveries": ForEach.insert(deliveries,
            "id", "ulid", "account_id", "message_id", "inbox_id", "state", "facts", "beside",
            "direction", "evidence", "received_at", "due_at"),
}  # fmt: skip
_NUMBERED = (messages, arrivals, deliveries)
_NEWEST = select(
    *(select(func.max(table.c.id)).scalar_subquery().label(table.name) for table in _NUMBERED)
)
_NEXT = text("SELECT nextval(pg_get_serial_sequence(:name, 'id')) FROM generate_series(1, :count)")


def _inbox(row: Row[Any]) -> InboxRow:
    # A truth value is a number on SQLite.
    return InboxRow(**{**row._mapping, "refuses_unknown": bool(row.refuses_unknown)})  # noqa: SLF001 - public in spite of its name


class IntakeRows:
    """Queries of the accepting transaction."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection
        self._is_postgresql = connection.dialect.name == "postgresql"
        self._newest: dict[str, int] = {}
        """The highest ids, once this transaction has asked for them; SQLite alone."""

    def inboxes_named(self, norms: Iterable[str]) -> dict[str, InboxRow]:
        """Return the inboxes among these canonical names."""
        found = {}
        for some in slices(norms):
            for row in self._connection.execute(_NAMED, {"norms": some}):
                found[row.norm] = _inbox(row)
        return found

    def inbox_named(self, norm: str) -> InboxRow | None:
        """Return the inbox of this canonical name: the quick way for one."""
        row = self._connection.execute(_ONE_NAMED, {"norm": norm}).one_or_none()
        return None if row is None else _inbox(row)

    def knows(self, account_id: int, norm: str, base: str) -> bool:
        """Say whether an address may be one of the account's people, confirmed or not."""
        values = {"account": account_id, "norm": norm, "base": base}
        return self._connection.execute(_KNOWN, values).first() is not None

    def hold_accounts(self, account_ids: Iterable[int]) -> None:
        """Let acceptances for the same account wait for each other: what one stores, the next one recognises (D6).

        In order, so that they never wait in a circle; weak enough to let rows that refer to the account come in.  On
        SQLite there is one writer anyway.
        """
        if not self._is_postgresql:
            return
        for some in slices(account_ids):
            self._connection.execute(
                select(accounts.c.id)
                .where(accounts.c.id.in_(some))
                .order_by(accounts.c.id)
                .with_for_update(key_share=True)
            )

    def known_arrivals(
        self, keys: Iterable[str], since: datetime
    ) -> dict[tuple[int, str], KnownArrival]:
        """Return the latest arrival for each (account, retry key) that came in since then."""
        found = {}
        for some in slices(keys):
            for row in self._connection.execute(_ARRIVED, {"keys": some, "since": since}):
                found[row.account_id, row.retry_key] = KnownArrival(row.id, row.message_id, row.at)
        return found

    def known_messages(
        self, keys: Iterable[tuple[int, str]]
    ) -> dict[tuple[int, str], list[KnownMessage]]:
        """Return the messages of each (account, content key) that are stored already, the first of its kind first.

        There are several where one inbox had erased it, and it came in again.
        """
        found: dict[tuple[int, str], dict[int, KnownMessage]] = {}
        for some in slices(keys):
            wanted = {
                "accounts": list({account for account, _ in some}),
                "keys": [key for _, key in some],
            }
            for row in self._connection.execute(_STORED, wanted):
                alike = found.setdefault((row.account_id, row.content_key), {})
                one = alike.setdefault(row.id, KnownMessage(row.id))
                if row.state == State.ERASED:
                    one.erased_in.add(row.inbox_id)
                else:
                    one.delivered[row.inbox_id] = row.ulid
        return {key: list(alike.values()) for key, alike in found.items()}

    def deliveries_of(self, message_ids: Iterable[int]) -> dict[tuple[int, int], str]:
        """Return the ULIDs of the messages' deliveries by (message, inbox)."""
        found = {}
        for some in slices(message_ids):
            rows = self._connection.execute(
                select(deliveries.c.message_id, deliveries.c.inbox_id, deliveries.c.ulid).where(
                    deliveries.c.message_id.in_(some)
                )
            )
            for row in rows:
                found[row.message_id, row.inbox_id] = row.ulid
        return found

    def count_retry(self, arrival_id: int, now: datetime) -> None:
        """Note that the same mail was offered again."""
        self._connection.execute(
            update(arrivals)
            .where(arrivals.c.id == arrival_id)
            .values(retries=arrivals.c.retries + 1, last_retry_at=now)
        )

    def add_messages(self, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Insert messages; return their ids in order."""
        return self._insert_numbered(messages, rows)

    def add_bodies(self, rows: Sequence[dict[str, Any]]) -> None:
        """Insert bodies that are not there yet: the same bytes are kept once an account."""
        _ADD_BODIES.run(self._connection, rows)

    def add_arrivals(self, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Insert arrivals; return their ids in order."""
        return self._insert_numbered(arrivals, rows)

    def add_recipients(self, rows: Sequence[dict[str, Any]]) -> None:
        """Insert recipients of messages; those that are there already stay."""
        _ADD_RECIPIENTS.run(self._connection, rows)

    def add_deliveries(self, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Insert deliveries; return their ids in order."""
        return self._insert_numbered(deliveries, rows)

    def add_events(self, rows: Sequence[dict[str, Any]]) -> None:
        """Insert events."""
        _ADD_EVENTS.run(self._connection, rows)

    def look_again(self, message_ids: Iterable[int], now: datetime) -> None:
        """Make workers decide again where new evidence about the sender may change the outcome (I4).

        A worker that has the mail in hand may have looked before: it loses its lease, and writes nothing.  Search knows
        the mail by its new recipients, too (M6).
        """
        known = set(message_ids)
        for some in slices(known):
            self._connection.execute(
                update(deliveries)
                .where(
                    deliveries.c.message_id.in_(some),
                    deliveries.c.state != State.ERASED,
                    or_(
                        deliveries.c.reason == Reason.SENDER_NOT_VERIFIED.code,
                        deliveries.c.claimed_user_id.is_not(None),
                        deliveries.c.lease.is_not(None),
                    ),
                )
                .values(due_at=now, lease=None)
            )
        # After the deliveries, as whoever settles or erases a mail holds them.
        IndexingRows(self._connection).queue_messages(known)

    def decide_soon(self, delivery_id: int, now: datetime) -> None:
        """Make a worker decide a mail again; one that has it in hand loses its lease, and writes nothing."""
        self._connection.execute(
            update(deliveries).where(deliveries.c.id == delivery_id).values(due_at=now, lease=None)
        )

    def _insert_numbered(self, table: Table, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Insert rows under ids that are taken beforehand: to have them returned costs more than the insert."""
        if not rows:
            return []
        ids = self._new_ids(table, len(rows))
        for key, row in zip(ids, rows, strict=True):
            row["id"] = key
        _ADD_NUMBERED[table.name].run(self._connection, rows)
        return ids

    def _new_ids(self, table: Table, count: int) -> list[int]:
        """Return ids that rise with arrival; on SQLite nobody else writes before this transaction ends."""
        if self._is_postgresql:
            taken = self._connection.execute(_NEXT, {"name": table.name, "count": count})
            return sorted(taken.scalars())
        if not self._newest:
            row = self._connection.execute(_NEWEST).mappings().one()
            self._newest = {name: newest or 0 for name, newest in row.items()}
        newest = self._newest[table.name]
        self._newest[table.name] += count
        return list(range(newest + 1, newest + 1 + count))
