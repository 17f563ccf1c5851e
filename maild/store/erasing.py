"""Erasing mail: the delivery becomes a tombstone, and what says anything of its content goes (product H).

What stays: the ledgers' rows and prints, that and when it came in and by which door, its digest and content key, owners
by number, and events, which are ids and codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, func, select, text, update

from maild.model.errand import ErrandState
from maild.model.states import State
from maild.store.absence_tables import answering, stand_ins
from maild.store.chosen import ERASABLE, Chosen, conditions
from maild.store.indexing import IndexingRows
from maild.store.notice_tables import owed_notices
from maild.store.outbox_tables import outbox
from maild.store.schema import (
    arrivals,
    bodies,
    deliveries,
    entries,
    filings,
    messages,
    notes,
    readings,
    recipients,
    rulings,
    traces,
    transfers,
)
from maild.store.search_tables import place_of
from maild.store.sql import slices
from maild.store.thread_tables import reader_marks
from maild.store.verdicts import verdicts
from maild.store.writing_tables import outgoing, outgoing_recipients


@dataclass(frozen=True, slots=True)
class Counted:
    """How many mails are meant, and of when."""

    count: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Gone:
    """A body that no mail of the account has any more."""

    account_id: int
    digest: str


_NOTHING: dict[str, Any] = {
    "state": State.ERASED,
    "reason": None,
    "facts": {},
    "beside": [],
    "evidence": {},
    "sender_user_id": None,
    "binding_id": None,
    "sender_literal": None,
    "claimed_user_id": None,
    "due_at": None,
    "lease": None,
    "version": deliveries.c.version + 1,
}
_EMPTY_MESSAGE: dict[str, Any] = {
    "message_id_header": None,
    "from_norm": None,
    "from_shown": "",
    "from_name": "",
    "subject": "",
    "sent_at": None,
}
_EMPTY_ARRIVAL: dict[str, Any] = {
    "peer": "",
    "helo": "",
    "mail_from": "",
    "recipients": [],
    "trusted_results": None,
    "spam_mark": None,
    "spf": None,
    "signed_in_user_id": None,
    "drop_user_id": None,
}
_OF_DELIVERY = (
    *(entries, filings, notes, rulings, traces),
    *(answering, owed_notices, reader_marks, stand_ins),
)


class ErasingRows:
    """Queries of erasing."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def count(self, chosen: Chosen) -> Counted:
        """Return how many mails are meant."""
        at = deliveries.c.received_at
        row = self._connection.execute(
            select(func.count(), func.min(at), func.max(at)).where(
                *conditions(chosen), ~_is_going_out()
            )
        ).one()
        return Counted(*row)

    def some(self, chosen: Chosen, limit: int) -> list[int]:
        """Return mails that are meant, the oldest first within each state, which is how an index has them."""
        found: list[int] = []
        for state in chosen.states:
            query = (
                select(deliveries.c.id)
                .where(*conditions(chosen), ~_is_going_out(), deliveries.c.state == state)
                .order_by(deliveries.c.received_at, deliveries.c.id)
                .limit(limit - len(found))
            )
            found += self._connection.execute(query).scalars()
            if len(found) == limit:
                break
        return found

    def hold(self, ids: Sequence[int]) -> list[int]:
        """Return those that can still be erased, held until the transaction ends."""
        return list(
            self._connection.execute(
                select(deliveries.c.id)
                .where(
                    deliveries.c.id.in_(ids),
                    deliveries.c.state.in_(ERASABLE),
                    ~_is_going_out(),
                )
                .order_by(deliveries.c.id)
                .with_for_update()
            ).scalars()
        )

    def erase(self, ids: Sequence[int], now: datetime) -> list[Gone]:
        """Make tombstones of deliveries that `hold` returned; return the bodies that go with them."""
        if not ids:
            return []
        run = self._connection.execute
        rows = run(
            select(
                deliveries.c.id,
                deliveries.c.ulid,
                deliveries.c.message_id,
                deliveries.c.received_at,
            ).where(deliveries.c.id.in_(ids))
        ).all()
        for table in _OF_DELIVERY:
            run(delete(table).where(table.c.delivery_id.in_(ids)))
        run(update(transfers).where(transfers.c.delivery_id.in_(ids)).values(note=""))
        run(delete(outbox).where(outbox.c.key.in_([f"outcome:{row.ulid}" for row in rows])))
        self._erase_sending(ids)
        run(update(deliveries).where(deliveries.c.id.in_(ids)).values(_NOTHING))
        # Whoever is about to index one of them has its words in hand, and finds it erased when it holds the queue's row.
        IndexingRows(self._connection).queue(ids)
        run(
            text("DELETE FROM search_words WHERE rowid = :place"),
            [{"place": place_of(row.received_at, row.id)} for row in rows],
        )
        return self._erase_messages({row.message_id for row in rows}, now)

    def _erase_messages(self, message_ids: Iterable[int], now: datetime) -> list[Gone]:
        """Empty the messages that no inbox has any more."""
        run = self._connection.execute
        gone: list[Gone] = []
        for some in slices(message_ids):
            living = exists().where(
                deliveries.c.message_id == messages.c.id, deliveries.c.state != State.ERASED
            )
            dead = run(
                select(messages.c.id, messages.c.account_id, messages.c.digest).where(
                    messages.c.id.in_(some), ~living
                )
            ).all()
            ids = [row.id for row in dead]
            for table in (readings, recipients, verdicts):
                run(delete(table).where(table.c.message_id.in_(ids)))
            run(update(arrivals).where(arrivals.c.message_id.in_(ids)).values(_EMPTY_ARRIVAL))
            run(
                update(messages)
                .where(messages.c.id.in_(ids))
                .values(**_EMPTY_MESSAGE, erased_at=now)
            )
            gone += self._erase_bodies({(row.account_id, row.digest) for row in dead})
        return gone

    def _erase_sending(self, ids: Sequence[int]) -> None:
        """Forget to whom a mail went that was written here, and the errands, which name them and its subject."""
        sent = select(outgoing.c.id).where(outgoing.c.delivery_id.in_(ids))
        theirs = outgoing_recipients.c.outgoing_id.in_(sent)
        errands = select(outgoing_recipients.c.errand).where(theirs)
        run = self._connection.execute
        run(delete(outbox).where(outbox.c.ulid.in_(errands)))
        run(delete(outgoing_recipients).where(theirs))
        run(delete(outgoing).where(outgoing.c.delivery_id.in_(ids)))

    def _erase_bodies(self, wanted: set[tuple[int, str]]) -> list[Gone]:
        gone = []
        for account_id, digest in sorted(wanted):
            is_used = self._connection.execute(
                select(messages.c.id)
                .where(
                    messages.c.account_id == account_id,
                    messages.c.digest == digest,
                    messages.c.erased_at.is_(None),
                )
                .limit(1)
            ).first()
            if is_used is None:
                self._connection.execute(
                    delete(bodies).where(
                        bodies.c.account_id == account_id, bodies.c.digest == digest
                    )
                )
                gone.append(Gone(account_id, digest))
        return gone

    def named(self, account_id: int, digests: Iterable[str]) -> set[str]:
        """Return those digests that a row names."""
        found: set[str] = set()
        for some in slices(digests):
            found.update(
                self._connection.execute(
                    select(bodies.c.digest).where(
                        bodies.c.account_id == account_id, bodies.c.digest.in_(some)
                    )
                ).scalars()
            )
        return found


def _is_going_out() -> ColumnElement[bool]:
    """Whether a relay has not taken it yet: what is to be sent is sent first."""
    return exists().where(
        outgoing.c.delivery_id == deliveries.c.id,
        outgoing_recipients.c.outgoing_id == outgoing.c.id,
        outbox.c.ulid == outgoing_recipients.c.errand,
        outbox.c.state == ErrandState.WAITING,
    )
