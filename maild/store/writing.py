"""Queries about what people write: who may write as an inbox, and the mails that were written here (M8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update

from maild.model.facts import ClientRef
from maild.model.people import MemberState, Role
from maild.model.writing import Act, RecipientKind, ReportFate
from maild.store.outbox_tables import outbox
from maild.store.people_tables import clients, memberships, users
from maild.store.schema import deliveries, filings
from maild.store.sql import insert_new, slices
from maild.store.writing_tables import outgoing, outgoing_recipients, send_rights


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A mail that somebody wrote here."""

    id: int
    account_id: int
    message_id: int
    delivery_id: int
    author_id: int
    answers_id: int | None
    act: Act
    sender: str
    mail_from: str
    needs_utf8: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientRow:
    """One recipient of such a mail, and how far it came."""

    outgoing_id: int
    errand: str
    norm: str
    shown: str
    kind: RecipientKind
    state: str
    """The errand's; empty: it is not in the outbox any more."""
    attempts: int
    due_at: datetime | None
    done_at: datetime | None
    last_error: str | None
    said: str | None
    report: ReportFate | None
    report_code: str | None
    reported_at: datetime | None
    report_ulid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What answers a mail, or passes it on."""

    ulid: str
    act: Act
    author_id: int
    at: datetime


_OUTGOING = [outgoing.c[name] for name in Outgoing.__slots__]


def _outgoing(row: Any) -> Outgoing:
    values = {name: getattr(row, name) for name in Outgoing.__slots__}
    return Outgoing(**{**values, "act": Act(row.act)})


class WritingRows:
    """Queries about writing."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    # Who may write as an inbox

    def senders(self, *inbox_ids: int) -> list[int]:
        """Return the users who have the right by name to write as an inbox."""
        return list(
            self._connection.execute(
                select(send_rights.c.user_id)
                .where(send_rights.c.inbox_id.in_(inbox_ids))
                .order_by(send_rights.c.user_id)
                .distinct()
            ).scalars()
        )

    def keepers(self, account_id: int) -> list[int]:
        """Return an account's distributors and admins."""
        return list(
            self._connection.execute(
                select(memberships.c.user_id)
                .join(users, users.c.id == memberships.c.user_id)
                .where(
                    memberships.c.account_id == account_id,
                    memberships.c.state == MemberState.ACTIVE,
                    memberships.c.role.in_((Role.DISTRIBUTOR, Role.ADMIN)),
                    users.c.disabled_at.is_(None),
                    users.c.kind == "person",
                )
                .order_by(memberships.c.user_id)
            ).scalars()
        )

    def add_sender(self, inbox_id: int, user_id: int, *, now: datetime) -> bool:
        """Give the right; False when they had it."""
        added = self._connection.execute(
            insert_new(self._connection, send_rights)
            .values(inbox_id=inbox_id, user_id=user_id, since=now)
            .returning(send_rights.c.user_id)
        )
        return added.scalar_one_or_none() is not None

    def remove_senders(self, inbox_ids: Sequence[int], user_ids: Sequence[int]) -> bool:
        """Take the right away; False when none of them had it."""
        done = self._connection.execute(
            delete(send_rights).where(
                send_rights.c.inbox_id.in_(inbox_ids), send_rights.c.user_id.in_(user_ids)
            )
        )
        return done.rowcount > 0

    # Mails that were written here

    def add(self, values: Mapping[str, Any], recipients: Sequence[Mapping[str, Any]]) -> None:
        """Insert a mail with its recipients."""
        added = self._connection.execute(
            insert(outgoing).values(dict(values)).returning(outgoing.c.id)
        ).scalar_one()
        self._connection.execute(
            insert(outgoing_recipients), [{"outgoing_id": added, **row} for row in recipients]
        )

    def of_messages(self, message_ids: Iterable[int]) -> dict[int, Outgoing]:
        """Return what was written here among these messages."""
        return {
            row.message_id: _outgoing(row)
            for some in slices(message_ids)
            for row in self._connection.execute(
                select(*_OUTGOING).where(outgoing.c.message_id.in_(some))
            )
        }

    def of_delivery(self, delivery_id: int) -> Outgoing | None:
        """Return the mail that was written as this delivery."""
        row = self._connection.execute(
            select(*_OUTGOING).where(outgoing.c.delivery_id == delivery_id)
        ).one_or_none()
        return None if row is None else _outgoing(row)

    def of_ulid(self, ulid: str) -> Outgoing | None:
        """Return the mail that was written under this delivery's id."""
        return self.of_ulids([ulid]).get(ulid)

    def of_ulids(self, ulids: Iterable[str]) -> dict[str, Outgoing]:
        """Return the mails that were written under these deliveries' ids."""
        return {
            row.ulid: _outgoing(row)
            for some in slices(ulids)
            for row in self._connection.execute(
                select(deliveries.c.ulid, *_OUTGOING)
                .join(deliveries, deliveries.c.id == outgoing.c.delivery_id)
                .where(deliveries.c.ulid.in_(some))
            )
        }

    def recipients(self, outgoing_ids: Iterable[int]) -> dict[int, list[RecipientRow]]:
        """Return the recipients of mails in the order of their fields, with what became of each."""
        report = deliveries.alias("report_deliveries")
        found: dict[int, list[RecipientRow]] = defaultdict(list)
        table = outgoing_recipients
        for some in slices(outgoing_ids):
            rows = self._connection.execute(
                select(
                    table.c.outgoing_id,
                    table.c.errand,
                    table.c.norm,
                    table.c.shown,
                    table.c.kind,
                    table.c.said,
                    table.c.report,
                    table.c.report_code,
                    table.c.reported_at,
                    report.c.ulid.label("report_ulid"),
                    outbox.c.state,
                    outbox.c.attempts,
                    outbox.c.due_at,
                    outbox.c.done_at,
                    outbox.c.last_error,
                )
                .outerjoin(outbox, outbox.c.ulid == table.c.errand)
                .outerjoin(report, report.c.id == table.c.report_id)
                .where(table.c.outgoing_id.in_(some))
                .order_by(table.c.id)
            )
            for row in rows:
                found[row.outgoing_id].append(_recipient(row))
        return found

    def norms_of(self, message_ids: Iterable[int]) -> dict[int, frozenset[str]]:
        """Return to whom these messages were written, by message."""
        found: dict[int, set[str]] = defaultdict(set)
        for some in slices(message_ids):
            rows = self._connection.execute(
                select(outgoing.c.message_id, outgoing_recipients.c.norm)
                .join(outgoing_recipients, outgoing_recipients.c.outgoing_id == outgoing.c.id)
                .where(outgoing.c.message_id.in_(some))
            )
            for row in rows:
                found[row.message_id].add(row.norm)
        return {key: frozenset(norms) for key, norms in found.items()}

    def clients_of(self, delivery_ids: Iterable[int]) -> dict[int, tuple[ClientRef, ...]]:
        """Return under which clients deliveries are filed today."""
        found: dict[int, list[ClientRef]] = defaultdict(list)
        for some in slices(delivery_ids):
            rows = self._connection.execute(
                select(filings.c.delivery_id, clients.c.id, clients.c.name)
                .join(clients, clients.c.id == filings.c.client_id)
                .where(filings.c.delivery_id.in_(some))
                .order_by(clients.c.id)
            )
            for row in rows:
                found[row.delivery_id].append(ClientRef(row.id, row.name))
        return {key: tuple(refs) for key, refs in found.items()}

    def answers_to(self, delivery_id: int) -> list[Answer]:
        """Return what was written in answer to a mail, the oldest first."""
        rows = self._connection.execute(
            select(deliveries.c.ulid, outgoing.c.act, outgoing.c.author_id, outgoing.c.at)
            .join(deliveries, deliveries.c.id == outgoing.c.delivery_id)
            .where(outgoing.c.answers_id == delivery_id)
            .order_by(outgoing.c.id)
        )
        return [
            Answer(ulid=row.ulid, act=Act(row.act), author_id=row.author_id, at=row.at)
            for row in rows
        ]

    def note_said(self, errand: str, said: str) -> None:
        """Write what the relay answered when it took the mail for one recipient."""
        self._connection.execute(
            update(outgoing_recipients)
            .where(outgoing_recipients.c.errand == errand)
            .values(said=said)
        )

    def note_report(
        self,
        outgoing_id: int,
        norms: Sequence[str] | None,
        *,
        fate: ReportFate,
        code: str,
        at: datetime,
        report_id: int,
    ) -> int:
        """Write what a report says of these recipients, None: of all; return of how many.

        That a mail waits says nothing any more of one that came back.
        """
        table = outgoing_recipients
        which = [table.c.outgoing_id == outgoing_id]
        if norms is not None:
            which.append(table.c.norm.in_(list(norms)))
        if fate is not ReportFate.FAILED:
            is_failed = table.c.report == ReportFate.FAILED.value
            which.append(or_(table.c.report.is_(None), ~is_failed))
        done = self._connection.execute(
            update(table)
            .where(*which)
            .values(
                report=fate.value, report_code=code or None, reported_at=at, report_id=report_id
            )
        )
        return done.rowcount


def _recipient(row: Any) -> RecipientRow:
    values = dict(row._mapping)  # noqa: SLF001 - public in spite of its name
    values["state"] = str(row.state or "")
    values["attempts"] = row.attempts or 0
    values["kind"] = RecipientKind(row.kind)
    values["report"] = None if row.report is None else ReportFate(row.report)
    return RecipientRow(**values)
