"""Lists of mails, and what stands in them: one page at a time, along an index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    func,
    select,
    union_all,
)

from maild.store.among import among
from maild.store.engine import OWN_PLAN
from maild.store.list_walks import MAILS, Filter, Walks
from maild.store.people_tables import addresses, clients, inboxes
from maild.store.schema import (
    arrivals,
    deliveries,
    entries,
    filings,
    recipients,
)
from maild.store.source_tables import sources
from maild.store.users import UserRows


@dataclass(frozen=True, slots=True)
class Place:
    """A mail in a mailbox, as it was when it was found."""

    ulid: str
    version: int
    """Of the entry."""


# Made once: SQLAlchemy takes longer to make them than the database takes to answer.
_REACHED = (
    select(recipients.c.message_id, recipients.c.kind, recipients.c.norm)
    .where(among(recipients.c.message_id, "some"))
    .order_by(recipients.c.id)
)
_NAMED = _REACHED.where(recipients.c.kind.in_(("to", "cc")))
_POLLED = (
    select(arrivals.c.message_id, sources.c.username)
    .join(sources, sources.c.id == arrivals.c.source_id)
    .where(among(arrivals.c.message_id, "some"))
    .distinct()
)
_DOORS = (
    select(arrivals.c.message_id, arrivals.c.door)
    .where(among(arrivals.c.message_id, "some"))
    .order_by(arrivals.c.id)
)
_FILED = (
    select(filings.c.delivery_id, filings.c.how, clients.c.ulid, clients.c.name)
    .join(clients, clients.c.id == filings.c.client_id)
    .where(among(filings.c.delivery_id, "some"))
    .order_by(filings.c.id)
)
_PRIMARY = union_all(
    select(addresses.c.user_id, addresses.c.norm).where(
        among(addresses.c.user_id, "some"),
        addresses.c.kind == "primary",
        addresses.c.valid_to.is_(None),
    ),
    # A communal user has no address but its inbox's (M9).
    select(inboxes.c.communal_user_id, inboxes.c.norm).where(
        among(inboxes.c.communal_user_id, "some")
    ),
)
_THESE = MAILS.where(among(deliveries.c.id, "some"))


class ListRows:
    """Queries that show mails."""

    def __init__(self, connection: Connection) -> None:
        """Read through an open transaction."""
        self._connection = connection
        self._walks = Walks(connection)

    def page(self, wanted: Filter) -> list[dict[str, Any]]:
        """Return one page of mails, newest first (keyset: no page costs more than the first)."""
        query = self._walks.walk(wanted)
        if query is None:
            return []
        if wanted.search is None or not wanted.search.clauses:
            return self._filled(query)
        return self._mails_of(list(self._connection.execute(query).scalars()))

    def places(self, wanted: Filter, *, but_owner: int) -> list[Place]:
        """Return the mails of a list that lie in other mailboxes than this one, newest first."""
        query = self._walks.walk(wanted)
        if query is None:
            return []
        query = query.where(entries.c.owner_id != but_owner).with_only_columns(
            deliveries.c.ulid, entries.c.version
        )
        return [Place(row.ulid, row.version) for row in self._connection.execute(query)]

    def count(self, wanted: Filter, most: int) -> int:
        """Return how many mails a list has, counted up to a number."""
        query = self._walks.walk(replace(wanted, limit=most, after=None))
        if query is None:
            return 0
        some = query.with_only_columns(deliveries.c.id).order_by(None).subquery()
        counted = select(func.count()).select_from(some).execution_options(**OWN_PLAN)
        return self._connection.execute(counted).scalar_one()

    def _mails_of(self, ids: list[int]) -> list[dict[str, Any]]:
        """Return mails as lists show them, in this order."""
        rows = {row["id"]: row for row in self._filled(_THESE, {"some": ids})}
        return [rows[one] for one in ids]

    def mails(self, delivery_ids: Iterable[int]) -> list[dict[str, Any]]:
        """Return these mails as lists show them, in this order."""
        return self._mails_of(list(delivery_ids))

    def mail(self, delivery_id: int) -> dict[str, Any]:
        """Return one mail as lists show it."""
        return self._filled(_THESE, {"some": [delivery_id]})[0]

    def _filled(
        self, query: Select[Any], asked: dict[str, list[int]] | None = None
    ) -> list[dict[str, Any]]:
        """Run a query of `MAILS` and add recipients, clients, doors and people's addresses, each in one query."""
        found = self._connection.execute(query, asked)
        names = tuple(found.keys())
        rows = [dict(zip(names, row, strict=True)) for row in found.all()]
        if not rows:
            return []
        listed = self._recipients({row["message_id"] for row in rows})
        filed = self._clients({row["id"] for row in rows})
        doors = self._doors({row["message_id"] for row in rows})
        people = self.emails(
            {
                row[key]
                for row in rows
                for key in ("owner_id", "sender_user_id")
                if row[key] is not None
            }
        )
        for row in rows:
            row["to"], row["cc"] = listed.get(row["message_id"], ([], []))
            row["clients"] = filed.get(row["id"], [])
            row["door"] = doors.get(row["message_id"])
            row["owner"] = people.get(row["owner_id"])
            row["user"] = people.get(row["sender_user_id"])
        return rows

    def _recipients(self, message_ids: set[int]) -> dict[int, tuple[list[str], list[str]]]:
        found: dict[int, tuple[list[str], list[str]]] = {}
        for message_id, kind, norm in self._connection.execute(_NAMED, {"some": message_ids}).all():
            found.setdefault(message_id, ([], []))[kind == "cc"].append(norm)
        return found

    def reached(self, message_ids: set[int]) -> dict[int, list[tuple[str, str]]]:
        """Return whom mails were for, as (place, address), whatever told it."""
        found: dict[int, list[tuple[str, str]]] = {}
        some = {"some": message_ids}
        for message_id, kind, norm in self._connection.execute(_REACHED, some).all():
            found.setdefault(message_id, []).append((kind, norm))
        for message_id, username in self._connection.execute(_POLLED, some).all():
            found.setdefault(message_id, []).append(("source", username))
        return found

    def _clients(self, delivery_ids: set[int]) -> dict[int, list[dict[str, str]]]:
        found: dict[int, list[dict[str, str]]] = {}
        rows = self._connection.execute(_FILED, {"some": delivery_ids}).all()
        for delivery_id, how, ulid, name in rows:
            found.setdefault(delivery_id, []).append({"id": ulid, "name": name, "how": how})
        return found

    def _doors(self, message_ids: set[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        for message_id, door in self._connection.execute(_DOORS, {"some": message_ids}).all():
            found.setdefault(message_id, door)
        return found

    def emails(self, user_ids: set[int]) -> dict[int | None, str]:
        """Return the primary addresses of users; of who turned out to be somebody else that one's (U13)."""
        found = self._primaries(user_ids)
        missing = user_ids - found.keys()
        if missing:
            heirs = UserRows(self._connection).heirs(missing)
            theirs = self._primaries(set(heirs.values()))
            found |= {user: theirs[heir] for user, heir in heirs.items() if heir in theirs}
        return found

    def _primaries(self, user_ids: set[int]) -> dict[int | None, str]:
        if not user_ids:
            return {}
        rows = self._connection.execute(_PRIMARY, {"some": user_ids}).all()
        return {row.user_id: row.norm for row in rows}

    def arrivals(self, message_id: int) -> list[dict[str, Any]]:
        """Return how a mail came in, each time."""
        rows = self._connection.execute(
            select(
                arrivals.c.at,
                arrivals.c.door,
                arrivals.c.peer,
                arrivals.c.mail_from,
                arrivals.c.recipients,
                arrivals.c.digest,
                arrivals.c.retries,
                arrivals.c.last_retry_at,
                arrivals.c.spam_mark,
                sources.c.name.label("source"),
                arrivals.c.origin,
                arrivals.c.whole_size,
                arrivals.c.spf,
            )
            .outerjoin(sources, sources.c.id == arrivals.c.source_id)
            .where(arrivals.c.message_id == message_id)
            .order_by(arrivals.c.id)
        ).mappings()
        return [dict(row) for row in rows]
