"""How often something was tried within a while: what is slow to guess is counted here, by what is to be slowed down.

A try counts only when its transaction commits: who refuses by an exception counts in a transaction of its own, or in one
whose refused part was a savepoint.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, case, delete, func, literal, select, update

from maild.store.login_tables import throttles
from maild.store.sql import insert_into


class ThrottleRows:
    """Queries about tries.  A key names what is slowed down, as `people:<user id>`; never an address or a secret."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def count(self, key: str, *, now: datetime, window: timedelta, most: int) -> bool:
        """Count one try, and say whether it is within the limit: the first opens a window, in which `most` may fall.

        One statement: of parallel tries none is lost.
        """
        is_over = throttles.c.since <= now - window
        statement = insert_into(self._connection, throttles).values(key=key, since=now, count=1)
        counted: int = self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[throttles.c.key],
                set_={
                    "since": case(
                        (is_over, literal(now, throttles.c.since.type)), else_=throttles.c.since
                    ),
                    # It goes no further than it has to: a column of 32 bits must not be counted full.
                    "count": case(
                        (is_over, 1),
                        (throttles.c.count > most, throttles.c.count),
                        else_=throttles.c.count + 1,
                    ),
                },
            ).returning(throttles.c.count)
        ).scalar_one()
        return counted <= most

    def minutes_left(self, key: str, *, now: datetime, window: timedelta) -> int:
        """Return in how many minutes a key's window ends; at least one."""
        since: datetime | None = self._connection.execute(
            select(throttles.c.since).where(throttles.c.key == key)
        ).scalar_one_or_none()
        left = timedelta() if since is None else since + window - now
        return max(1, -(-int(left.total_seconds()) // 60))

    def is_spent(self, key: str, *, now: datetime, window: timedelta, most: int) -> bool:
        """Whether another try would be beyond the limit.  Counts nothing."""
        found = self._connection.execute(
            select(func.count())
            .select_from(throttles)
            .where(
                throttles.c.key == key,
                throttles.c.since > now - window,
                throttles.c.count >= most,
            )
        ).scalar_one()
        return bool(found)

    def take_back(self, key: str) -> None:
        """Uncount one try, which was right: what many share is not spent by those who may."""
        self._connection.execute(
            update(throttles)
            .where(throttles.c.key == key, throttles.c.count > 0)
            .values(count=throttles.c.count - 1)
        )

    def clear(self, key: str) -> None:
        """Forget the tries of a key, as after one that was right."""
        self._connection.execute(delete(throttles).where(throttles.c.key == key))

    def forget(self, before: datetime) -> int:
        """Forget every window that was opened before an instant; return how many.  To be longer ago than any window."""
        return self._connection.execute(
            delete(throttles).where(throttles.c.since < before)
        ).rowcount
