"""Keeping the index of search: what is due, what it is made from, and writing it (M6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select, text, tuple_, update

from maild.model.indexed import GAP
from maild.model.states import State
from maild.store.schema import arrivals, deliveries, messages, readings, recipients
from maild.store.search_tables import address_book, place_of, search_queue
from maild.store.source_tables import sources
from maild.store.sql import insert_into, insert_new, slices

Pair = tuple[str, str]
"""A domain and a local part; the domain alone has an empty one."""
_IS_DUE = search_queue.c.done < search_queue.c.times
FAULT_MAX = 300
"""Characters of why a mail could not be indexed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRow:
    """A delivery that is to be indexed, and what search is made from."""

    id: int
    times: int
    account_id: int
    message_id: int
    state: State
    received_at: datetime
    subject: str
    from_shown: str
    from_name: str
    letter: bytes | None
    recipients: list[tuple[str, str]] = field(default_factory=list)
    """(kind, address)."""
    sources: list[str] = field(default_factory=list)
    """User names of the remote mailboxes that it was collected from."""

    @property
    def place(self) -> int:
        """Its number in the index."""
        return place_of(self.received_at, self.id)


class IndexingRows:
    """Queries of whoever keeps the index."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection
        self._is_sqlite = connection.dialect.name == "sqlite"

    def queue(self, delivery_ids: Iterable[int]) -> None:
        """Have deliveries indexed (again): in the transaction that changes them, so that no crash forgets it."""
        rows = [{"delivery_id": one} for one in sorted(set(delivery_ids))]
        if not rows:
            return
        added = insert_into(self._connection, search_queue)
        self._connection.execute(
            added.on_conflict_do_update(
                index_elements=[search_queue.c.delivery_id],
                set_={"times": search_queue.c.times + 1},
            ),
            rows,
        )

    def queue_messages(self, message_ids: Iterable[int]) -> None:
        """Have the deliveries of messages indexed again."""
        for some in slices(message_ids):
            self.queue(
                self._connection.execute(
                    select(deliveries.c.id).where(deliveries.c.message_id.in_(some))
                ).scalars()
            )

    def settled_after(self, delivery_id: int, limit: int) -> list[int]:
        """Return deliveries that have been decided, in the order of their ids, from behind one of them."""
        return list(
            self._connection.execute(
                select(deliveries.c.id)
                .where(deliveries.c.id > delivery_id, deliveries.c.state != State.RECEIVED)
                .order_by(deliveries.c.id)
                .limit(limit)
            ).scalars()
        )

    def backlog(self, most: int) -> int:
        """Return how many deliveries wait to be indexed, counted up to a number."""
        some = select(search_queue.c.delivery_id).where(_IS_DUE).limit(most).subquery()
        return self._connection.execute(select(func.count()).select_from(some)).scalar_one()

    def due(self, limit: int) -> list[DueRow]:
        """Return deliveries that are to be indexed, the newest first: a backlog never delays the mail of today."""
        rows = self._connection.execute(
            select(
                deliveries.c.id,
                search_queue.c.times,
                deliveries.c.account_id,
                deliveries.c.message_id,
                deliveries.c.state,
                deliveries.c.received_at,
                messages.c.subject,
                messages.c.from_shown,
                messages.c.from_name,
                readings.c.letter,
            )
            .join(deliveries, deliveries.c.id == search_queue.c.delivery_id)
            .join(messages, messages.c.id == deliveries.c.message_id)
            .outerjoin(readings, readings.c.message_id == messages.c.id)
            .where(_IS_DUE)
            .order_by(search_queue.c.delivery_id.desc())
            .limit(limit)
        ).mappings()
        found = [DueRow(**{**row, "state": State(row["state"])}) for row in rows]
        by_message: defaultdict[int, list[DueRow]] = defaultdict(list)
        for one in found:
            by_message[one.message_id].append(one)
        self._add_recipients(by_message)
        self._add_sources(by_message)
        return found

    def _add_recipients(self, by_message: dict[int, list[DueRow]]) -> None:
        for some in slices(by_message):
            rows = self._connection.execute(
                select(recipients.c.message_id, recipients.c.kind, recipients.c.norm)
                .where(recipients.c.message_id.in_(some))
                .order_by(recipients.c.id)
            )
            for row in rows:
                for one in by_message[row.message_id]:
                    one.recipients.append((row.kind, row.norm))

    def _add_sources(self, by_message: dict[int, list[DueRow]]) -> None:
        for some in slices(by_message):
            rows = self._connection.execute(
                select(arrivals.c.message_id, sources.c.username)
                .join(sources, sources.c.id == arrivals.c.source_id)
                .where(arrivals.c.message_id.in_(some))
            )
            for row in rows:
                for one in by_message[row.message_id]:
                    one.sources.append(row.username)

    # --- the address book -------------------------------------------------------------------------------------------

    def book_ids(self, account_id: int, pairs: Iterable[Pair]) -> dict[Pair, int]:
        """Return the numbers of those that stand in the account's address book."""
        found: dict[Pair, int] = {}
        distinct = sorted(set(pairs))
        for start in range(0, len(distinct), 200):
            rows = self._connection.execute(
                select(address_book.c.domain, address_book.c.local, address_book.c.id).where(
                    address_book.c.account_id == account_id,
                    tuple_(address_book.c.domain, address_book.c.local).in_(
                        distinct[start : start + 200]
                    ),
                )
            )
            found.update({(row.domain, row.local): row.id for row in rows})
        return found

    def add_to_book(self, account_id: int, pairs: Iterable[Pair]) -> None:
        """Write addresses and domains into the account's address book; those that stand there stay."""
        rows = [
            {"account_id": account_id, "domain": domain, "local": local}
            for domain, local in sorted(set(pairs))
        ]
        if rows:
            self._connection.execute(insert_new(self._connection, address_book), rows)

    # --- the index --------------------------------------------------------------------------------------------------

    def put(
        self, rows: Sequence[tuple[DueRow, list[str] | None]], *, fault: str | None = None
    ) -> None:
        """Write the tokens of deliveries in place of what was there, None for nothing, and note how far that is done.

        Nothing is written of what another node has done meanwhile, nor of what was erased.  `fault` says why these are
        not all the tokens that they should have.
        """
        still_due = self._hold_due([one.id for one, _ in rows])
        erased = self._erased(still_due)
        # In the order of their places: FTS5 writes out what it gathered at each row that comes before the last one.
        rows = [
            (one, None if one.id in erased else tokens)
            for one, tokens in sorted(rows, key=lambda row: row[0].place)
            if one.id in still_due
        ]
        if not rows:
            return
        self._connection.execute(
            text("DELETE FROM search_words WHERE rowid = :place"),
            [{"place": one.place} for one, _ in rows],
        )
        kept = [
            {"place": one.place, "words": self._as_kept(tokens)}
            for one, tokens in rows
            if tokens is not None
        ]
        if kept:
            self._connection.execute(text(self._insert), kept)
        self._connection.execute(
            update(search_queue)
            .where(search_queue.c.delivery_id == bindparam("one"))
            .values(done=bindparam("read"), fault=None if fault is None else fault[:FAULT_MAX]),
            [{"one": one.id, "read": one.times} for one, _ in rows],
        )

    def faults(self, most: int) -> list[tuple[str, str]]:
        """Return mails that could not be indexed, as (id, why), the newest first."""
        rows = self._connection.execute(
            select(deliveries.c.ulid, search_queue.c.fault)
            .join(deliveries, deliveries.c.id == search_queue.c.delivery_id)
            .where(search_queue.c.fault.is_not(None))
            .order_by(search_queue.c.delivery_id.desc())
            .limit(most)
        )
        return [(row.ulid, row.fault) for row in rows]

    def _hold_due(self, delivery_ids: list[int]) -> list[int]:
        """Return those that are still to be indexed, held until the transaction ends."""
        return list(
            self._connection.execute(
                select(search_queue.c.delivery_id)
                .where(search_queue.c.delivery_id.in_(delivery_ids), _IS_DUE)
                .order_by(search_queue.c.delivery_id)
                .with_for_update()
            ).scalars()
        )

    def _erased(self, delivery_ids: list[int]) -> set[int]:
        """Return which were erased since they were read; they are held, so none is from now on."""
        return set(
            self._connection.execute(
                select(deliveries.c.id).where(
                    deliveries.c.id.in_(delivery_ids), deliveries.c.state == State.ERASED
                )
            ).scalars()
        )

    @property
    def _insert(self) -> str:
        if self._is_sqlite:
            return "INSERT INTO search_words (rowid, words) VALUES (:place, :words)"
        # A node of the version before holds no row of the queue, and may have written meanwhile.
        return (
            "INSERT INTO search_words (rowid, words) VALUES (:place, CAST(:words AS tsvector)) "
            "ON CONFLICT (rowid) DO UPDATE SET words = excluded.words"
        )

    def _as_kept(self, tokens: list[str]) -> str:
        if self._is_sqlite:
            return " ".join(tokens)
        places: defaultdict[str, list[str]] = defaultdict(list)
        for at, token in enumerate(tokens, 1):
            if token != GAP:
                places[token].append(str(at))
        return " ".join(f"'{token}':{','.join(found)}" for token, found in places.items())
