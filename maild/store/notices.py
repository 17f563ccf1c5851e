"""What people are still to be told of, and whether they want to be (M12)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select, update

from maild.store.notice_tables import owed_notices
from maild.store.people_tables import users
from maild.store.schema import deliveries, entries, messages

_GIVER = users.alias("giver")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedRow:
    """A mail that became somebody's, and is theirs still."""

    ulid: str
    at: datetime
    giver: str | None
    """None: the operator."""
    note: str
    from_: str
    subject: str


class NoticeRows:
    """Queries about notices."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def due(self, before: datetime) -> list[tuple[int, int]]:
        """Return (user, account) of those who wait since before a moment, the longest first."""
        first = func.min(owed_notices.c.at)
        rows = self._connection.execute(
            select(owed_notices.c.user_id, owed_notices.c.account_id)
            .group_by(owed_notices.c.user_id, owed_notices.c.account_id)
            .having(first <= before)
            .order_by(first)
        )
        return [(row.user_id, row.account_id) for row in rows]

    def newest_owed(self, user_id: int, account_id: int) -> int | None:
        """Return the newest row for somebody; what comes later is for the next letter."""
        newest: int | None = self._connection.execute(
            select(func.max(owed_notices.c.id)).where(_of(user_id, account_id))
        ).scalar_one()
        return newest

    def owed(self, user_id: int, account_id: int, upto: int, limit: int) -> list[OwedRow]:
        """Return the mails that somebody was given and has still, by the newest gift of each, the first first."""
        rows = self._connection.execute(
            _theirs(
                select(
                    deliveries.c.ulid,
                    owed_notices.c.at,
                    _GIVER.c.display_name.label("giver"),
                    owed_notices.c.note,
                    messages.c.from_shown.label("from_"),
                    messages.c.subject,
                ),
                _of(user_id, account_id),
                upto,
            )
            .join(deliveries, deliveries.c.id == owed_notices.c.delivery_id)
            .join(messages, messages.c.id == deliveries.c.message_id)
            .outerjoin(_GIVER, _GIVER.c.id == owed_notices.c.by_user_id)
            .order_by(owed_notices.c.id)
            .limit(limit)
        ).mappings()
        return [OwedRow(**row) for row in rows]

    def count_owed(self, user_id: int, account_id: int, upto: int) -> int:
        """Return how many these are."""
        query = _theirs(select(func.count()), _of(user_id, account_id), upto)
        return int(self._connection.execute(query).scalar_one())

    def settle(self, user_id: int, account_id: int, upto: int) -> None:
        """Forget what somebody was told, or is not to be told."""
        self._connection.execute(
            delete(owed_notices).where(_of(user_id, account_id), owed_notices.c.id <= upto)
        )

    def forget(self, before: datetime) -> int:
        """Forget what nobody was told in time; return how many."""
        return self._connection.execute(
            delete(owed_notices).where(owed_notices.c.at <= before)
        ).rowcount

    # --- whether they want any ----------------------------------------------------------------------------------------

    def set_off(self, user_id: int, column: str, at: datetime | None) -> None:
        """Switch a sort of notice off for somebody, or on with None."""
        self._connection.execute(
            update(users).where(users.c.id == user_id).values({users.c[column]: at})
        )

    def off(self, user_id: int) -> tuple[bool, bool]:
        """Return whether somebody switched off notices of mail that is given, and lines of outcome."""
        row = self._connection.execute(
            select(users.c.notices_off_at, users.c.outcome_off_at).where(users.c.id == user_id)
        ).one()
        return row.notices_off_at is not None, row.outcome_off_at is not None


def _of(user_id: int, account_id: int) -> Any:
    return and_(owed_notices.c.user_id == user_id, owed_notices.c.account_id == account_id)


def _theirs(query: Any, whose: Any, upto: int) -> Any:
    """Only what is in their mailbox still, each mail once: by the newest gift.

    The newest ones are found for all mails at once: looked up for each, somebody's rows would be read as often as there are.
    """
    newest = (
        select(func.max(owed_notices.c.id).label("id"))
        .where(whose)
        .group_by(owed_notices.c.delivery_id)
        .subquery()
    )
    return (
        query.select_from(owed_notices)
        .join(
            entries,
            and_(
                entries.c.delivery_id == owed_notices.c.delivery_id,
                entries.c.owner_id == owed_notices.c.user_id,
            ),
        )
        .join(newest, newest.c.id == owed_notices.c.id)
        .where(whose, owed_notices.c.id <= upto)
    )
