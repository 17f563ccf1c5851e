"""Who opened which mail: apart from the owner's unread flag, which nobody else's reading touches (M2, M9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from maild.store.sql import ForEach, slices
from maild.store.thread_tables import reader_marks

_ADD = ForEach.insert_new(reader_marks, "delivery_id", "reader_id", "at")


class MarkRows:
    """Queries about readers' marks."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def add(self, delivery_ids: Sequence[int], reader_id: int, at: datetime) -> None:
        """Keep that somebody opened mails; the first time counts."""
        _ADD.run(
            self._connection,
            [
                {"delivery_id": one, "reader_id": reader_id, "at": at}
                for one in sorted(delivery_ids)
            ],
        )

    def readers(self, delivery_id: int) -> list[tuple[int, datetime]]:
        """Return who opened a mail, and when first."""
        rows = self._connection.execute(
            select(reader_marks.c.reader_id, reader_marks.c.at)
            .where(reader_marks.c.delivery_id == delivery_id)
            .order_by(reader_marks.c.at, reader_marks.c.reader_id)
        )
        return [(row.reader_id, row.at) for row in rows]

    def opened(self, reader_id: int, delivery_ids: Iterable[int]) -> set[int]:
        """Return those of some mails that a reader opened, for a page of a list."""
        found: set[int] = set()
        for some in slices(delivery_ids):
            rows = self._connection.execute(
                select(reader_marks.c.delivery_id).where(
                    reader_marks.c.delivery_id.in_(some), reader_marks.c.reader_id == reader_id
                )
            )
            found.update(rows.scalars())
        return found
