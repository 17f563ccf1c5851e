"""What an import of old mail asks: which of it is here already, and which it has just brought in (D13)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, LargeBinary, func, select

from maild.model.states import State
from maild.store.schema import bodies, deliveries, messages
from maild.store.sql import slices

HEAD = 16 * 1024
"""Octets of a body that are looked at for its header."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail that an inbox has, or had."""

    content_key: str
    received_at: datetime
    is_erased: bool


@dataclass(frozen=True, slots=True)
class Named:
    """A mail of an inbox, by what a server's list tells of it, and its body."""

    message_id: str
    size: int
    digest: str


class ArchiveRows:
    """Queries of imports."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def kept(self, inbox_id: int, account_id: int, keys: Iterable[str]) -> list[Kept]:
        """Return the mails of an inbox with these content keys; those that were erased, too."""
        found: list[Kept] = []
        for some in slices(keys):
            rows = self._connection.execute(
                select(messages.c.content_key, deliveries.c.received_at, deliveries.c.state)
                .join(deliveries, deliveries.c.message_id == messages.c.id)
                .where(
                    messages.c.account_id == account_id,
                    messages.c.content_key.in_(some),
                    deliveries.c.inbox_id == inbox_id,
                )
            )
            found += [
                Kept(row.content_key, row.received_at, row.state == State.ERASED) for row in rows
            ]
        return found

    def named(self, inbox_id: int, account_id: int, message_ids: Iterable[str]) -> list[Named]:
        """Return an inbox's mails that have one of these Message-IDs."""
        found: list[Named] = []
        for some in slices(message_ids):
            rows = self._connection.execute(
                select(messages.c.message_id_header, messages.c.size, messages.c.digest)
                .join(deliveries, deliveries.c.message_id == messages.c.id)
                .where(
                    messages.c.account_id == account_id,
                    messages.c.message_id_header.in_(some),
                    deliveries.c.inbox_id == inbox_id,
                )
            )
            found += [Named(row.message_id_header, row.size, row.digest) for row in rows]
        return found

    def heads(self, account_id: int, digests: Iterable[str]) -> dict[str, bytes]:
        """Return the beginnings of those bodies that are kept in the database."""
        begin = func.substr(bodies.c.bytes, 1, HEAD, type_=LargeBinary).label("begin")
        found: dict[str, bytes] = {}
        for some in slices(digests):
            rows = self._connection.execute(
                select(bodies.c.digest, begin).where(
                    bodies.c.account_id == account_id,
                    bodies.c.digest.in_(some),
                    bodies.c.bytes.is_not(None),
                )
            )
            found.update({row.digest: bytes(row.begin) for row in rows})
        return found

    def fresh(self, inbox_id: int, message_ids: Iterable[int]) -> list[int]:
        """Return an inbox's deliveries of these messages that nobody has looked at yet."""
        found: list[int] = []
        for some in slices(message_ids):
            found += self._connection.execute(
                select(deliveries.c.id).where(
                    deliveries.c.message_id.in_(some),
                    deliveries.c.inbox_id == inbox_id,
                    deliveries.c.state == State.RECEIVED,
                    deliveries.c.attempts == 0,
                )
            ).scalars()
        return found
