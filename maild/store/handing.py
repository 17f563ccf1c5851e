"""Mails that change hands: entries, history, events and notices, each written for many mails by one statement (M1-M4, M12)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Text,
    cast,
    insert,
    literal,
    select,
    update,
)

from maild.store.among import among, in_order
from maild.store.mailbox import EntryRow
from maild.store.notice_tables import owed_notices
from maild.store.schema import entries, events, transfers
from maild.store.sql import IN_MAX, slices

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A mail's way to another owner."""

    row: EntryRow
    """As it was read within the transaction."""
    to: int
    unread: bool
    cause: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What history says of each move of one act."""

    by_user_id: int | None
    at: datetime
    note: str
    change_id: str
    undoes: str | None


class HandingRows:
    """Statements that change owners."""

    def __init__(self, connection: Connection) -> None:
        """Write through an open transaction."""
        self._connection = connection

    def move(self, moves: Sequence[Move], history: History) -> list[Move]:
        """Change owners, each if nobody did since its row was read; return the moves that were made.

        Each has its line in the history and its event, in the order of the moves to the same owner.
        """
        there = self._versions(move.row.id for move in moves)
        done = [move for move in moves if there.get(move.row.id) == move.row.version]
        by_receiver: dict[int, list[Move]] = defaultdict(list)
        for move in done:
            by_receiver[move.to].append(move)
        for to, some in by_receiver.items():
            # History says who had them: it is written before they are another one's.
            for portion in _portions(some):
                self._write_history(portion, to, history)
        self._write_entries(done)
        return done

    def _write_entries(self, moves: Iterable[Move]) -> None:
        alike: dict[tuple[int, bool, str], list[Move]] = defaultdict(list)
        for move in moves:
            alike[move.to, move.unread, repr(move.cause)].append(move)
        for (to, unread, _), some in alike.items():
            for ids in slices(move.row.id for move in some):
                self._connection.execute(
                    update(entries)
                    .where(among(entries.c.delivery_id, ids))
                    .values(
                        owner_id=to,
                        unread=unread,
                        unread_cause=some[0].cause,
                        version=entries.c.version + 1,
                    )
                )

    def _versions(self, delivery_ids: Iterable[int]) -> dict[int, int]:
        """Return the entries' versions; whoever moves one of them, as a merge does, waits for the commit."""
        found: dict[int, int] = {}
        for some in slices(delivery_ids):
            rows = self._connection.execute(
                select(entries.c.delivery_id, entries.c.version)
                .where(among(entries.c.delivery_id, some))
                .order_by(entries.c.delivery_id)
                .with_for_update()
            )
            found.update((number, version) for number, version in rows)
        return found

    def _write_history(self, moves: Sequence[Move], to: int, history: History) -> None:
        ids = [move.row.id for move in moves]
        unread = [move.row.id for move in moves if move.unread]
        line = {
            transfers.c.delivery_id: entries.c.delivery_id,
            transfers.c.from_user_id: entries.c.owner_id,
            transfers.c.to_user_id: to,
            transfers.c.by_user_id: history.by_user_id,
            transfers.c.at: history.at,
            transfers.c.note: history.note,
            transfers.c.was_unread: entries.c.unread,
            transfers.c.became_unread: (
                bool(unread)
                if len(unread) in {0, len(ids)}
                else among(entries.c.delivery_id, unread)
            ),
            transfers.c.change_id: history.change_id,
            transfers.c.undoes: history.undoes,
        }
        event = {
            events.c.at: history.at,
            events.c.account_id: entries.c.account_id,
            events.c.actor_id: history.by_user_id,
            events.c.kind: "owner.changed",
            events.c.delivery_id: entries.c.delivery_id,
            # As `Json` writes it.
            events.c.subject: literal('{"from":')
            + cast(entries.c.owner_id, Text)
            + literal(f',"to":{to}}}'),
        }
        for values in (line, event):
            self._insert_for_each(ids, values)

    def owe_notices(self, delivery_ids: Sequence[int], to: int, history: History) -> None:
        """Have a user told of what became theirs (M12)."""
        for ids in _portions(delivery_ids):
            self._insert_for_each(
                ids,
                {
                    owed_notices.c.account_id: entries.c.account_id,
                    owed_notices.c.user_id: to,
                    owed_notices.c.delivery_id: entries.c.delivery_id,
                    owed_notices.c.by_user_id: history.by_user_id,
                    owed_notices.c.note: history.note,
                    owed_notices.c.at: history.at,
                },
            )

    def _insert_for_each(
        self, delivery_ids: Sequence[int], values: Mapping[Column[Any], Any]
    ) -> None:
        """Insert a row for each entry, in order; a value is a column of `entries`, or the same for all."""
        table = next(iter(values)).table
        selected = [
            value if isinstance(value, ColumnElement) else literal(value, column.type)
            for column, value in values.items()
        ]
        number, place = in_order(self._connection, delivery_ids)
        rows = select(*selected).where(entries.c.delivery_id == number).order_by(place)
        self._connection.execute(insert(table).from_select(list(values), rows))


def _portions(some: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Yield what is ordered in its order, so many at a time as `slices`."""
    return (some[start : start + IN_MAX] for start in range(0, len(some), IN_MAX))
