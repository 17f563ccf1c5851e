"""Who is away from an account and who stands in (M10), and the owner chains that this changes (M9)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    exists,
    false,
    insert,
    or_,
    select,
    update,
)

from maild.model.absence import Absence, Chain, Roster
from maild.model.people import MemberState, Role
from maild.model.writing import Act
from maild.store.absence_tables import absences, stand_ins
from maild.store.change_tables import people_changes
from maild.store.people_tables import (
    accounts,
    communal_members,
    inboxes,
    memberships,
    owner_chain,
    users,
)
from maild.store.schema import deliveries, entries, transfers
from maild.store.sql import could_be_id, insert_new, slices
from maild.store.users import UserRows
from maild.store.writing_tables import outgoing

FALLBACKS = 100
"""Who is looked at where nobody that was named is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsenceRow:
    """An absence as it is stored."""

    id: int
    ulid: str
    account_id: int
    user_id: int
    substitute_id: int
    begins: datetime
    ends: datetime


_COLUMNS = (
    absences.c.id,
    absences.c.ulid,
    absences.c.account_id,
    absences.c.user_id,
    absences.c.substitute_id,
    absences.c.begins,
    absences.c.ends,
)


class AbsenceRows:
    """Queries about absences."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    # --- who reads what -----------------------------------------------------------------------------------------------

    def chains(self, inbox_ids: Iterable[int]) -> dict[int, tuple[int, Chain]]:
        """Return each inbox's account and owner chain."""
        found: dict[int, tuple[int, Chain]] = {}
        for some in slices(inbox_ids):
            found |= self._chains(inboxes.c.id.in_(some))
        return found

    def chains_of(self, account_id: int) -> dict[int, Chain]:
        """Return the owner chains of all inboxes of an account."""
        rows = self._chains(inboxes.c.account_id == account_id)
        return {inbox: chain for inbox, (_, chain) in rows.items()}

    def _chains(self, condition: Any) -> dict[int, tuple[int, Chain]]:
        named = self._listed(
            select(owner_chain.c.inbox_id, owner_chain.c.user_id)
            .join(inboxes, inboxes.c.id == owner_chain.c.inbox_id)
            .where(condition)
            .order_by(owner_chain.c.inbox_id, owner_chain.c.rank)
        )
        members = self._listed(
            select(communal_members.c.inbox_id, communal_members.c.user_id)
            .join(inboxes, inboxes.c.id == communal_members.c.inbox_id)
            .where(condition, inboxes.c.mode == "communal")
        )
        rows = self._connection.execute(
            select(
                inboxes.c.id,
                inboxes.c.account_id,
                users.c.id.label("communal"),
                accounts.c.default_owner_id,
            )
            .join(accounts, accounts.c.id == inboxes.c.account_id)
            .outerjoin(
                users,
                and_(
                    users.c.id == inboxes.c.communal_user_id,
                    users.c.disabled_at.is_(None),
                    inboxes.c.mode == "communal",
                ),
            )
            .where(condition)
        )
        return {
            row.id: (
                row.account_id,
                Chain(
                    named=tuple(named.get(row.id, ())),
                    default=row.default_owner_id,
                    communal=row.communal,
                    members=tuple(members.get(row.id, ())),
                ),
            )
            for row in rows
        }

    def _listed(self, query: Select[Any]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for row in self._connection.execute(query):
            found.setdefault(row.inbox_id, []).append(row.user_id)
        return found

    def roster(self, account_id: int, people: Collection[int], since: datetime) -> Roster:
        """Return who of these, and of all who are or will be away and stand in, is active; and when they are away.

        A substitute who was merged is who they are by now (U13).
        """
        rows = self._rows(and_(absences.c.account_id == account_id, absences.c.ends > since))
        heirs = UserRows(self._connection).heirs({row.substitute_id for row in rows})
        away: dict[int, list[Absence]] = {}
        for row in rows:
            one = Absence(
                id=row.id,
                user_id=row.user_id,
                substitute_id=heirs[row.substitute_id],
                begins=row.begins,
                ends=row.ends,
            )
            away.setdefault(one.user_id, []).append(one)
        asked = {*people, *away, *heirs.values()}
        return Roster(active=frozenset(self._active(account_id, asked)), away=away)

    def _active(self, account_id: int, people: Iterable[int]) -> set[int]:
        found: set[int] = set()
        for some in slices(people):
            rows = self._connection.execute(
                select(users.c.id)
                .join(memberships, memberships.c.user_id == users.c.id)
                .where(
                    memberships.c.account_id == account_id,
                    users.c.id.in_(some),
                    _is_active_person(),
                )
            )
            found |= {row.id for row in rows}
        return found

    def fallbacks(self, account_id: int) -> list[int]:
        """Return who has mail where nobody that was named is there: admins first, then distributors, then others."""
        rows = self._connection.execute(
            select(users.c.id)
            .join(memberships, memberships.c.user_id == users.c.id)
            .where(memberships.c.account_id == account_id, _is_active_person())
            .order_by(
                memberships.c.role != Role.ADMIN,
                memberships.c.role != Role.DISTRIBUTOR,
                users.c.id,
            )
            .limit(FALLBACKS)
        )
        return [row.id for row in rows]

    # --- absences -----------------------------------------------------------------------------------------------------

    def add(self, values: dict[str, Any]) -> int:
        """Add an absence."""
        return int(
            self._connection.execute(
                insert(absences).values(**values).returning(absences.c.id)
            ).scalar_one()
        )

    def of_account(self, account_id: int, since: datetime, limit: int) -> list[AbsenceRow]:
        """Return the absences that end after a moment, the first to begin first."""
        condition = and_(absences.c.account_id == account_id, absences.c.ends > since)
        return self._rows(condition, limit)

    def of_user(self, account_id: int, user_id: int, since: datetime) -> list[AbsenceRow]:
        """Return somebody's absences from an account that end after a moment, the first to begin first.

        Those of who was merged into them are theirs (U13).
        """
        ends_later = and_(absences.c.account_id == account_id, absences.c.ends > since)
        away = self._connection.execute(select(absences.c.user_id).where(ends_later).distinct())
        heirs = UserRows(self._connection).heirs(away.scalars())
        own = [user for user, heir in heirs.items() if heir == user_id]
        return self._rows(and_(ends_later, absences.c.user_id.in_(own)))

    def absence(self, account_id: int, ulid: str) -> AbsenceRow | None:
        """Return an absence by its public id."""
        if not could_be_id(ulid):
            return None
        found = self._rows(and_(absences.c.account_id == account_id, absences.c.ulid == ulid))
        return found[0] if found else None

    def _rows(self, condition: Any, limit: int | None = None) -> list[AbsenceRow]:
        query = (
            select(*_COLUMNS)
            .where(condition)
            .order_by(absences.c.begins, absences.c.id)
            .limit(limit)
        )
        return [AbsenceRow(**row) for row in self._connection.execute(query).mappings()]

    def change(self, absence_id: int, values: dict[str, Any]) -> None:
        """Change columns of an absence."""
        self._connection.execute(
            update(absences).where(absences.c.id == absence_id).values(**values)
        )

    def remove(self, absence_id: int) -> None:
        """Forget an absence that has not begun."""
        self._connection.execute(delete(absences).where(absences.c.id == absence_id))

    # --- what came meanwhile ------------------------------------------------------------------------------------------

    def stood_in(self, rows: Sequence[Mapping[str, int]]) -> None:
        """Write down what came to somebody in the place of who was away; a mail that is decided again stays as it is."""
        if rows:
            self._connection.execute(insert_new(self._connection, stand_ins), list(rows))

    def stand_in(self, delivery_id: int) -> tuple[int, int] | None:
        """Return who got a mail when it came, and in whose place; None: it came in nobody's."""
        row = self._connection.execute(
            select(stand_ins.c.user_id, absences.c.user_id.label("away_id"))
            .join(absences, absences.c.id == stand_ins.c.absence_id)
            .where(stand_ins.c.delivery_id == delivery_id)
        ).one_or_none()
        return None if row is None else (row.user_id, row.away_id)

    def waiting(self, absence_ids: Collection[int], limit: int) -> list[str]:
        """Return the ids of mails that came to somebody for who was away and lie with them still, oldest first.

        Whoever has answered one goes on with it: it is not among them.  Nor is what anybody gave or took since, but for
        what was taken back.  Who was merged is who they are by now (U13).
        """
        own = stand_ins.c.absence_id.in_(absence_ids)
        came_to = self._connection.execute(select(stand_ins.c.user_id).where(own).distinct())
        heirs = UserRows(self._connection).heirs(came_to.scalars())
        is_theirs = or_(
            false(),
            *(
                and_(stand_ins.c.user_id == user, entries.c.owner_id == heir)
                for user, heir in heirs.items()
            ),
        )
        is_answered = exists().where(
            outgoing.c.answers_id == stand_ins.c.delivery_id,
            outgoing.c.act == Act.REPLY,
            outgoing.c.author_id.in_((stand_ins.c.user_id, entries.c.owner_id)),
        )
        rows = self._connection.execute(
            select(deliveries.c.ulid)
            .join(stand_ins, stand_ins.c.delivery_id == deliveries.c.id)
            .join(entries, entries.c.delivery_id == deliveries.c.id)
            .where(own, is_theirs, ~is_answered, ~_was_moved())
            .order_by(deliveries.c.id)
            .limit(limit)
        )
        return [row.ulid for row in rows]


def _was_moved() -> ColumnElement[bool]:
    """Whether somebody gave or took a mail; a merge is neither, and what was taken back is as if it had not been."""
    undoing = transfers.alias("undoing_transfers")
    is_undone = exists().where(
        undoing.c.delivery_id == transfers.c.delivery_id, undoing.c.undoes == transfers.c.change_id
    )
    by_merge = exists().where(people_changes.c.ulid == transfers.c.change_id)
    return exists().where(
        transfers.c.delivery_id == stand_ins.c.delivery_id,
        transfers.c.undoes.is_(None),
        ~is_undone,
        ~by_merge,
    )


def _is_active_person() -> Any:
    return and_(
        users.c.disabled_at.is_(None),
        memberships.c.state == MemberState.ACTIVE,
        users.c.kind == "person",
    )
