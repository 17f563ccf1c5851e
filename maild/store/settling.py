"""Writing the outcomes of a batch of decisions (TX 2 of design 4): a fixed number of statements, whatever the batch.

`hold` compares state and lease before anything is written, under a lock that lasts to the commit, so a late worker
writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)

from maild.model.match import Hit
from maild.model.states import State
from maild.store.deliveries import Claimed
from maild.store.schema import (
    deliveries,
    entries,
    filings,
    messages,
    readings,
    recipients,
    traces as traces_table,
)
from maild.store.sql import ForEach, slices


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What is written on a delivery."""

    delivery_id: int
    state: State
    reason: str
    facts: dict[str, Any]
    beside: list[dict[str, Any]]
    direction: str
    sender_user_id: int | None
    binding_id: int | None
    sender_literal: str | None
    claimed_user_id: int | None
    evidence: dict[str, Any]
    due_at: datetime | None
    """When it is to be decided again without anybody asking."""

    def values(self) -> dict[str, Any]:
        """Return the statement's parameters."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A letter as it is kept, and what lists show of it on the message."""

    message_id: int
    letter: bytes
    from_norm: str | None
    from_shown: str
    from_name: str
    subject: str
    sent_at: datetime | None

    def columns(self) -> dict[str, Any]:
        """Return what is written on the message."""
        names = ("message_id", "from_norm", "from_shown", "from_name", "subject", "sent_at")
        return {name: getattr(self, name) for name in names}


_OUTCOME = ForEach(
    lambda _: (
        update(deliveries)
        .where(deliveries.c.id == bindparam("delivery_id"))
        .values(
            {name: bindparam(name) for name in Settled.__slots__ if name != "delivery_id"}
            | {
                "lease": null(),
                "attempts": literal_column("0"),
                "version": deliveries.c.version + literal_column("1"),
            }
        )
    )
)
_SHOWN = ForEach(
    lambda _: (
        update(messages)
        .where(messages.c.id == bindparam("message_id"))
        .values(
            {
                name: bindparam(name)
                for name in ("from_norm", "from_shown", "from_name", "subject", "sent_at")
            }
        )
    )
)
_ADD_READINGS = ForEach.insert(readings, "message_id", "parser_version", "letter")
_ADD_RECIPIENTS = ForEach.insert_new(recipients, "message_id", "kind", "norm")
_ADD_FILINGS = ForEach.insert(
    filings, "account_id", "delivery_id", "client_id", "how", "fact", "by_user_id", "at"
)
_ADD_ENTRIES = ForEach.insert_new(
    entries, "delivery_id", "account_id", "owner_id", "unread", "received_at", "status_id"
)
_ADD_TRACES = ForEach.insert(traces_table, "delivery_id", "attempt", "at", "steps")
_UNFILE = delete(filings).where(
    filings.c.delivery_id == bindparam("delivery"), filings.c.client_id == bindparam("client")
)


class SettlingRows:
    """Queries of the settling transaction."""

    def __init__(self, connection: Connection) -> None:
        """Write through an open transaction."""
        self._connection = connection

    def hold(self, batch: Sequence[Claimed], twins: Iterable[int], *, lease: str) -> set[int]:
        """Lock the batch's deliveries and those of the twin messages; return which are still as they were claimed.

        One statement in one order: two workers that mark each other's mails never wait in a circle.
        """
        ours = {claimed.id: claimed.state for claimed in batch}
        query = (
            select(deliveries.c.id, deliveries.c.state, deliveries.c.lease)
            .where(or_(deliveries.c.id.in_(list(ours)), deliveries.c.message_id.in_(list(twins))))
            .order_by(deliveries.c.id)
            .with_for_update()
        )
        return {
            row.id
            for row in self._connection.execute(query)
            if row.lease == lease and ours.get(row.id) == row.state
        }

    def settle(self, outcomes: Sequence[Settled]) -> None:
        """Write the outcomes of deliveries that `hold` said are ours."""
        _OUTCOME.run(self._connection, [one.values() for one in outcomes])

    def keep_readings(self, kept: Sequence[Reading], parser_version: int) -> None:
        """Store readings, one a message, and what lists show of them."""
        if not kept:
            return
        for some in slices(one.message_id for one in kept):
            self._connection.execute(delete(readings).where(readings.c.message_id.in_(some)))
        _ADD_READINGS.run(
            self._connection,
            [
                {
                    "message_id": one.message_id,
                    "parser_version": parser_version,
                    "letter": one.letter,
                }
                for one in kept
            ],
        )
        _SHOWN.run(self._connection, [one.columns() for one in kept])

    def add_recipients(self, rows: Sequence[dict[str, Any]]) -> None:
        """Insert recipients of messages; those that are there already stay."""
        _ADD_RECIPIENTS.run(self._connection, rows)

    def refile(self, batch: Sequence[tuple[Claimed, Sequence[Hit]]], now: datetime) -> None:
        """Make each delivery's filings exactly these; what stays keeps its date and its author."""
        there = self._filings(claimed.id for claimed, _ in batch)
        gone: list[tuple[int, int]] = []
        new: list[dict[str, Any]] = []
        for claimed, hits in batch:
            wanted = {hit.client.id: hit for hit in hits}
            stays = {
                client
                for client, how in there[claimed.id].items()
                if client in wanted and wanted[client].how.code == how
            }
            gone += [(claimed.id, client) for client in there[claimed.id] if client not in stays]
            new += [
                {
                    "account_id": claimed.account_id,
                    "delivery_id": claimed.id,
                    "client_id": client,
                    "how": hit.how.code,
                    "fact": hit.fact,
                    "by_user_id": None,
                    "at": now,
                }
                for client, hit in wanted.items()
                if client not in stays
            ]
        if gone:
            self._connection.execute(
                _UNFILE, [{"delivery": key, "client": client} for key, client in gone]
            )
        _ADD_FILINGS.run(self._connection, new)

    def _filings(self, ids: Iterable[int]) -> defaultdict[int, dict[int, str]]:
        found: defaultdict[int, dict[int, str]] = defaultdict(dict)
        for some in slices(ids):
            rows = self._connection.execute(
                select(filings.c.delivery_id, filings.c.client_id, filings.c.how).where(
                    filings.c.delivery_id.in_(some)
                )
            )
            for row in rows:
                found[row.delivery_id][row.client_id] = row.how
        return found

    def add_entries(self, rows: Sequence[dict[str, Any]]) -> None:
        """Insert entries of deliveries that have none."""
        _ADD_ENTRIES.run(self._connection, rows)

    def remove_entries(self, ids: Iterable[int]) -> None:
        """Take deliveries out of the mailboxes."""
        for some in slices(ids):
            self._connection.execute(delete(entries).where(entries.c.delivery_id.in_(some)))

    def add_traces(self, traces: Sequence[tuple[int, list[dict[str, str]]]], now: datetime) -> None:
        """Keep the trace of each decision beside the delivery's earlier ones."""
        made: dict[int, int] = {}
        for some in slices(delivery_id for delivery_id, _ in traces):
            rows = self._connection.execute(
                select(traces_table.c.delivery_id, func.max(traces_table.c.attempt).label("made"))
                .where(traces_table.c.delivery_id.in_(some))
                .group_by(traces_table.c.delivery_id)
            )
            made |= {row.delivery_id: row.made for row in rows}
        _ADD_TRACES.run(
            self._connection,
            [
                {
                    "delivery_id": delivery_id,
                    "attempt": made.get(delivery_id, 0) + 1,
                    "at": now,
                    "steps": steps,
                }
                for delivery_id, steps in traces
            ],
        )

    def mark_twins(self, account_id: int, message_ids: Iterable[int], mark: dict[str, Any]) -> None:
        """Set a mark beside the reasons of these messages' deliveries that do not have it yet."""
        for some in slices(message_ids):
            rows = self._connection.execute(
                select(deliveries.c.id, deliveries.c.beside).where(
                    deliveries.c.account_id == account_id, deliveries.c.message_id.in_(some)
                )
            ).all()
            for row in rows:
                if all(known["code"] != mark["code"] for known in row.beside):
                    self._connection.execute(
                        update(deliveries)
                        .where(deliveries.c.id == row.id)
                        .values(beside=[*row.beside, mark])
                    )
