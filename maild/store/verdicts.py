"""What verifying mails found out, by mail: the table and its queries (I3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from maild.store.metadata import metadata
from maild.store.schema import arrivals
from maild.store.sql import slices
from maild.store.types import BigId, Json, UtcDateTime

verdicts = Table(
    "verdicts",
    metadata,
    Column("message_id", BigId, ForeignKey("messages.id"), primary_key=True),
    Column("verdict", Json, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
)


class VerdictRows:
    """Queries about verdicts."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def of(self, message_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return the verdicts on messages, as documents."""
        found: dict[int, dict[str, Any]] = {}
        for some in slices(message_ids):
            rows = self._connection.execute(
                select(verdicts.c.message_id, verdicts.c.verdict).where(
                    verdicts.c.message_id.in_(some)
                )
            )
            found |= {row.message_id: row.verdict for row in rows}
        return found

    def keep_senders(self, found: Mapping[int, Mapping[str, str]]) -> None:
        """Keep what sender policies say of peers, by arrival."""
        if found:
            self._connection.execute(
                update(arrivals)
                .where(arrivals.c.id == bindparam("arrival"))
                .values(spf=bindparam("said")),
                [{"arrival": key, "said": dict(said)} for key, said in found.items()],
            )

    def keep(self, found: Mapping[int, Mapping[str, Any]], now: datetime) -> None:
        """Keep verdicts; a later one takes the place of an earlier one."""
        for some in slices(found):
            self._connection.execute(delete(verdicts).where(verdicts.c.message_id.in_(some)))
        if found:
            self._connection.execute(
                insert(verdicts),
                [
                    {"message_id": message_id, "verdict": dict(verdict), "made_at": now}
                    for message_id, verdict in found.items()
                ],
            )
