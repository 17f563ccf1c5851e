"""Acts on mails as they are taken back: which is the newest, whose it was, and what it answered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, exists, func, or_, select

from maild.model.people import MemberState
from maild.model.ruled import RETRACTABLE
from maild.store.change_tables import people_changes
from maild.store.inboxes import is_unread_by_all
from maild.store.people_tables import memberships, users
from maild.store.schema import deliveries, entries, events, rulings, transfers
from maild.store.sql import could_be_id, slices


def _is_undone(table: Table) -> ColumnElement[bool]:
    """Whether a later act took back the one that a row belongs to, and left nothing of it that it could have taken."""
    later = (transfers.alias("undoing_transfers"), rulings.alias("undoing_rulings"))
    undone = or_(*(exists().where(undoing.c.undoes == table.c.change_id) for undoing in later))
    return undone if table is rulings else and_(undone, ~_could_go_back())


def _could_go_back() -> ColumnElement[bool]:
    """Whether a mail lies where an owner change put it, and whose it was reads mail: undoing was stopped before it."""
    later = transfers.alias("later_transfers")
    return and_(
        ~exists().where(
            later.c.delivery_id == transfers.c.delivery_id, later.c.id > transfers.c.id
        ),
        exists().where(
            entries.c.delivery_id == transfers.c.delivery_id,
            entries.c.owner_id == transfers.c.to_user_id,
        ),
        exists().where(
            memberships.c.account_id == deliveries.c.account_id,
            memberships.c.user_id == transfers.c.from_user_id,
            memberships.c.state == MemberState.ACTIVE,
            users.c.id == memberships.c.user_id,
            users.c.disabled_at.is_(None),
            ~is_unread_by_all(),
        ),
    )


class UndoRows:
    """Queries about acts that can be undone."""

    def __init__(self, connection: Connection) -> None:
        """Read through an open transaction."""
        self._connection = connection

    def last_change(self, account_id: int, by: int | None) -> str | None:
        """Return the newest act in the account that can be undone and was not: this user's, or anybody's (None)."""
        newest: tuple[datetime, str] | None = None
        for table in (transfers, rulings):
            query = (
                select(table.c.at, table.c.change_id)
                .join(deliveries, deliveries.c.id == table.c.delivery_id)
                .where(
                    deliveries.c.account_id == account_id,
                    table.c.undoes.is_(None),
                    ~_is_undone(table),
                    # A merge is no act on mails: it is taken back as a whole.
                    ~exists().where(people_changes.c.ulid == table.c.change_id),
                )
                .order_by(table.c.id.desc())
                .limit(1)
            )
            if by is not None:
                query = query.where(table.c.by_user_id == by)
            if table is rulings:
                query = query.where(
                    rulings.c.question.in_(("dismiss", "release", *sorted(RETRACTABLE)))
                )
            row = self._connection.execute(query).first()
            if row is not None and (newest is None or row.at > newest[0]):
                newest = (row.at, row.change_id)
        return None if newest is None else newest[1]

    def dismissals_of_change(self, change_id: str) -> list[tuple[int, dict[str, Any]]]:
        """Return (delivery, answer) of each dismissal of one act."""
        if not could_be_id(change_id):
            return []
        rows = self._connection.execute(
            select(rulings.c.delivery_id, rulings.c.answer).where(
                rulings.c.change_id == change_id, rulings.c.question == "dismiss"
            )
        )
        return [(row.delivery_id, row.answer) for row in rows]

    def releases_of_change(self, change_id: str) -> list[tuple[int, datetime]]:
        """Return (delivery, time) of each release of one act, unless the act took something back itself."""
        if not could_be_id(change_id):
            return []
        rows = self._connection.execute(
            select(rulings.c.delivery_id, rulings.c.at).where(
                rulings.c.change_id == change_id,
                rulings.c.question == "release",
                rulings.c.undoes.is_(None),
            )
        )
        return [(row.delivery_id, row.at) for row in rows]

    def answers_of_change(self, change_id: str) -> list[int]:
        """Return the deliveries about which an act answered something that can be retracted, each once."""
        if not could_be_id(change_id):
            return []
        rows = self._connection.execute(
            select(rulings.c.delivery_id)
            .distinct()
            .where(
                rulings.c.change_id == change_id,
                rulings.c.question.in_(sorted(RETRACTABLE)),
                rulings.c.undoes.is_(None),
            )
            .order_by(rulings.c.delivery_id)
        )
        return [row.delivery_id for row in rows]

    def actors_of_change(self, change_id: str) -> set[int | None]:
        """Return who did an act; None: the operator."""
        found: set[int | None] = set()
        for table in (transfers, rulings):
            query = select(table.c.by_user_id).where(table.c.change_id == change_id).distinct()
            found.update(self._connection.execute(query).scalars())
        return found

    def gifts_before(self, transfer_ids: Iterable[int]) -> dict[int, tuple[int | None, datetime]]:
        """Return by delivery by whose gift, and when, a mail was unread before it moved on: what made it so (M2).

        Without those that were read since; one that is unread again is so by its owner's word.
        """
        given, earlier = transfers.alias("given"), transfers.alias("earlier")
        before = (
            select(func.max(earlier.c.id))
            .where(earlier.c.delivery_id == given.c.delivery_id, earlier.c.id < given.c.id)
            .correlate(given)
            .scalar_subquery()
        )
        found = {}
        for some in slices(transfer_ids):
            rows = self._connection.execute(
                select(transfers.c.delivery_id, transfers.c.by_user_id, transfers.c.at)
                .select_from(given)
                .join(transfers, transfers.c.id == before)
                .where(
                    given.c.id.in_(some),
                    transfers.c.became_unread,
                    transfers.c.undoes.is_(None),
                    transfers.c.by_user_id.is_distinct_from(transfers.c.to_user_id),
                    ~exists().where(
                        events.c.delivery_id == transfers.c.delivery_id,
                        events.c.kind == "read",
                        events.c.at >= transfers.c.at,
                    ),
                )
            )
            found.update({row.delivery_id: (row.by_user_id, row.at) for row in rows})
        return found
