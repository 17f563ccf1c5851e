"""Requests that are to be done once, and what they were answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from maild.store.kept_answer_tables import kept_answers
from maild.store.sql import insert_new


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRow:
    """A request, and its sealed answer; no status: there is none."""

    request: str
    begun_at: datetime
    status: int | None
    answer: str | None


class KeptAnswerRows:
    """Queries about requests that are to be done once."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def begin(self, holder: str, key: str, request: str, now: datetime) -> bool:
        """Write down that it is being done; False: this key was used already.  Of two at once one is first."""
        row = {"holder": holder, "key": key, "request": request, "begun_at": now}
        # What was inserted, and not how many: PostgreSQL's driver does not count here.
        statement = insert_new(self._connection, kept_answers).values(row)
        return self._connection.execute(statement.returning(kept_answers.c.id)).first() is not None

    def find(self, holder: str, key: str) -> KeptRow | None:
        """Return what is known of a key."""
        row = self._connection.execute(
            select(
                kept_answers.c.request,
                kept_answers.c.begun_at,
                kept_answers.c.status,
                kept_answers.c.answer,
            ).where(_is(holder, key))
        ).one_or_none()
        return None if row is None else KeptRow(**row._mapping)  # noqa: SLF001 - a row's own way

    def finish(self, holder: str, key: str, status: int, answer: str) -> None:
        """Keep the answer."""
        self._connection.execute(
            update(kept_answers).where(_is(holder, key)).values(status=status, answer=answer)
        )

    def drop(self, holder: str, key: str) -> None:
        """Forget a key: nothing was done."""
        self._connection.execute(delete(kept_answers).where(_is(holder, key)))

    def forget(self, before: datetime) -> int:
        """Take out what was begun before; return how many there were."""
        return self._connection.execute(
            delete(kept_answers).where(kept_answers.c.begun_at < before)
        ).rowcount


def _is(holder: str, key: str) -> ColumnElement[bool]:
    return and_(kept_answers.c.holder == holder, kept_answers.c.key == key)
