"""Who is answering which mail, for as long as they say so (M9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from maild.store.absence_tables import answering
from maild.store.among import among
from maild.store.people_tables import users
from maild.store.sql import insert_into


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweringRow:
    """Somebody is answering a mail."""

    delivery_id: int
    user_id: int
    name: str
    since: datetime
    until: datetime


_ANSWERING = (
    select(
        answering.c.delivery_id,
        answering.c.user_id,
        users.c.display_name.label("name"),
        answering.c.since,
        answering.c.until,
    )
    .join(users, users.c.id == answering.c.user_id)
    .where(
        among(answering.c.delivery_id, "some"),
        answering.c.until > bindparam("now"),
    )
)


class AnsweringRows:
    """Queries about who is answering."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def of(self, delivery_ids: Iterable[int], now: datetime) -> dict[int, AnsweringRow]:
        """Return who is answering these mails now."""
        asked = {"some": list(delivery_ids), "now": now}
        rows = self._connection.execute(_ANSWERING, asked).mappings()
        return {row["delivery_id"]: AnsweringRow(**row) for row in rows}

    def take(self, delivery_id: int, user_id: int, since: datetime, until: datetime) -> None:
        """Write down that somebody is answering; whoever was before is so no longer."""
        values = {"user_id": user_id, "since": since, "until": until}
        self._connection.execute(
            insert_into(self._connection, answering)
            .values(delivery_id=delivery_id, **values)
            .on_conflict_do_update(index_elements=[answering.c.delivery_id], set_=values)
        )

    def leave(self, delivery_id: int, user_id: int) -> None:
        """Write down that somebody is answering no longer; what another one does stays."""
        self._connection.execute(
            delete(answering).where(
                answering.c.delivery_id == delivery_id, answering.c.user_id == user_id
            )
        )
