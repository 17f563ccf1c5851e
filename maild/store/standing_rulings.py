"""Standing answers of an account: what a person asked to be remembered for its next mail (E2).

Rows are revoked, never deleted or rewritten: who said what, and until when it held, stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from maild.model.facts import ClientRef, Preferred, Trust
from maild.store.people_tables import clients, users
from maild.store.schema import standing_rulings
from maild.store.sql import insert_new, slices

CLIENT, SIGNER, SEALER = "client", "signer", "sealer"
"""Questions: whose an ambiguous address is; whose DKIM signature speaks for an address; whose ARC seals are believed."""
_OPERATOR = "The operator"
_TRUST = {SIGNER: "dkim", SEALER: "arc"}
_HOLDS = standing_rulings.c.revoked_at.is_(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingRow:
    """One standing answer."""

    id: int
    account_id: int
    question: str
    subject: str
    answer: dict[str, Any]
    by_user_id: int | None
    by_name: str
    at: datetime


class StandingRows:
    """Queries about standing answers."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def add(
        self,
        account_id: int,
        question: str,
        subject: str,
        answer: dict[str, Any],
        *,
        by_user_id: int | None,
        now: datetime,
    ) -> None:
        """Let an answer hold from now on; the one before it on the same subject ends.  The account is held."""
        values = {
            "account_id": account_id,
            "question": question,
            "subject": subject,
            "answer": answer,
            "by_user_id": by_user_id,
            "at": now,
        }
        while True:
            before = self.one(account_id, question, subject)
            if before is not None:
                self.end(before, now=now)
            if self._add_new(values):
                return
            # An undo has just put back what held before; this answer is the later one.

    def put_back(self, row: StandingRow) -> None:
        """Let an answer that was replaced hold again, unless another one does."""
        names = ("account_id", "question", "subject", "answer", "by_user_id", "at")
        self._add_new({name: getattr(row, name) for name in names})

    def _add_new(self, values: dict[str, Any]) -> bool:
        added = self._connection.execute(
            insert_new(self._connection, standing_rulings)
            .values(values)
            .returning(standing_rulings.c.id)
        ).scalar_one_or_none()
        return added is not None

    def end(self, row: StandingRow, *, now: datetime) -> bool:
        """End this answer, and none that took its place meanwhile; False when it has ended already."""
        done = self._connection.execute(
            update(standing_rulings)
            .where(standing_rulings.c.id == row.id, _HOLDS)
            .values(revoked_at=now)
        )
        return done.rowcount > 0

    def replaced_by(self, row: StandingRow) -> StandingRow | None:
        """Return the answer that ended because this one was given, if there was one."""
        found = self._rows(
            standing_rulings.c.account_id == row.account_id,
            standing_rulings.c.question == row.question,
            standing_rulings.c.subject == row.subject,
            standing_rulings.c.revoked_at == row.at,
            standing_rulings.c.id < row.id,
        )
        return found[-1] if found else None

    def of(self, account_id: int) -> list[StandingRow]:
        """Return what holds in an account, the oldest first."""
        return self._rows(standing_rulings.c.account_id == account_id, _HOLDS)

    def one(self, account_id: int, question: str, subject: str) -> StandingRow | None:
        """Return the answer that holds on a subject."""
        found = self._rows(
            standing_rulings.c.account_id == account_id,
            standing_rulings.c.question == question,
            standing_rulings.c.subject == subject,
            _HOLDS,
        )
        return found[0] if found else None

    def trusts(self, account_ids: Iterable[int]) -> dict[int, tuple[Trust, ...]]:
        """Return whom accounts trust, by account."""
        found: dict[int, tuple[Trust, ...]] = {}
        for some in slices(account_ids):
            for row in self._rows(
                standing_rulings.c.account_id.in_(some),
                standing_rulings.c.question.in_((SIGNER, SEALER)),
                _HOLDS,
            ):
                trust = Trust(
                    method=_TRUST[row.question],
                    domain=row.answer["domain"],
                    address=row.answer.get("address", ""),
                    user=row.by_name,
                    at=row.at,
                )
                found[row.account_id] = (*found.get(row.account_id, ()), trust)
        return found

    def preferred(self, keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], Preferred]:
        """Return which client an account means by an address or a domain, asked for by (account, key)."""
        wanted = set(keys)
        accounts = list({account for account, _ in wanted})
        found: dict[tuple[int, str], Preferred] = {}
        for some in slices(key for _, key in wanted):
            rows = self._rows(
                standing_rulings.c.account_id.in_(accounts),
                standing_rulings.c.question == CLIENT,
                standing_rulings.c.subject.in_(some),
                _HOLDS,
            )
            names = self._client_names(row.answer["client_id"] for row in rows)
            for row in rows:
                client = row.answer["client_id"]
                if client in names and (row.account_id, row.subject) in wanted:
                    found[row.account_id, row.subject] = Preferred(
                        client=ClientRef(client, names[client]), user=row.by_name, at=row.at
                    )
        return found

    def _client_names(self, client_ids: Iterable[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        for some in slices(client_ids):
            rows = self._connection.execute(
                select(clients.c.id, clients.c.name).where(clients.c.id.in_(some))
            )
            found |= {row.id: row.name for row in rows}
        return found

    def _rows(self, *conditions: ColumnElement[bool]) -> list[StandingRow]:
        rows = self._connection.execute(
            select(
                standing_rulings.c.id,
                standing_rulings.c.account_id,
                standing_rulings.c.question,
                standing_rulings.c.subject,
                standing_rulings.c.answer,
                standing_rulings.c.by_user_id,
                standing_rulings.c.at,
                users.c.display_name,
            )
            .outerjoin(users, users.c.id == standing_rulings.c.by_user_id)
            .where(*conditions)
            .order_by(standing_rulings.c.id)
        )
        return [
            StandingRow(
                id=row.id,
                account_id=row.account_id,
                question=row.question,
                subject=row.subject,
                answer=row.answer,
                by_user_id=row.by_user_id,
                by_name=row.display_name or _OPERATOR,
                at=row.at,
            )
            for row in rows
        ]
