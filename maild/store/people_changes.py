"""Changes of people: their record, and what of a login changes hands or is laid aside (U11, U13)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from maild.model.person import Amounts
from maild.model.states import State
from maild.store.change_tables import people_changes
from maild.store.login_tables import identities, sessions, tokens
from maild.store.people_tables import logins, users
from maild.store.schema import deliveries, entries
from maild.store.sql import could_be_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One change that was made."""

    id: int
    ulid: str
    kind: str
    user_id: int
    other_id: int | None
    """Of a swap the other one, of a merge INTO."""
    reason: str
    at: datetime
    plan: dict[str, Any]
    kept: dict[str, Any] | None
    """What stood before; None: it was taken back, or can no longer be."""
    undo_until: datetime
    undone_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a login is opened by, to be laid aside and given back."""

    login_id: int
    username: str
    password_hash: str | None
    totp: str | None
    totp_step: int | None
    terms_version: str | None
    terms_at: datetime | None
    suspended_at: datetime | None


_COLUMNS = (
    people_changes.c.id,
    people_changes.c.ulid,
    people_changes.c.kind,
    people_changes.c.user_id,
    people_changes.c.other_id,
    people_changes.c.reason,
    people_changes.c.at,
    people_changes.c.plan,
    people_changes.c.kept,
    people_changes.c.undo_until,
    people_changes.c.undone_at,
)


class ChangeRows:
    """Queries about changes of people."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    # The record

    def add(self, values: dict[str, Any]) -> None:
        """Record a change."""
        self._connection.execute(insert(people_changes).values(values))

    def change(self, ulid: str) -> ChangeRow | None:
        """Return the change with this id."""
        if not could_be_id(ulid):
            return None
        row = self._connection.execute(
            select(*_COLUMNS).where(people_changes.c.ulid == ulid)
        ).one_or_none()
        return None if row is None else ChangeRow(**row._mapping)  # noqa: SLF001 - public in spite of its name

    def newest(self, limit: int) -> list[ChangeRow]:
        """Return the newest changes, newest first."""
        rows = self._connection.execute(
            select(*_COLUMNS).order_by(people_changes.c.id.desc()).limit(limit)
        )
        return [ChangeRow(**row._mapping) for row in rows]  # noqa: SLF001 - as above

    def standing_after(self, change_id: int, user_ids: Iterable[int]) -> list[tuple[str, str]]:
        """Return the later changes of these users that nobody took back, newest first, as (id, kind)."""
        people = list(user_ids)
        rows = self._connection.execute(
            select(people_changes.c.ulid, people_changes.c.kind)
            .where(
                people_changes.c.id > change_id,
                people_changes.c.undone_at.is_(None),
                or_(
                    people_changes.c.user_id.in_(people),
                    people_changes.c.other_id.in_(people),
                ),
            )
            .order_by(people_changes.c.id.desc())
        )
        return [(row.ulid, row.kind) for row in rows]

    def given_up_at(self, user_id: int, norm: str) -> datetime | None:
        """Return when a user gave an address up last, by a change of e-mail that stands; None: never."""
        rows = self._connection.execute(
            select(people_changes.c.at, people_changes.c.undone_at, people_changes.c.plan).where(
                people_changes.c.user_id == user_id, people_changes.c.kind == "rename"
            )
        )
        given_up = [(row.plan["old"], row.at) for row in rows if row.undone_at is None]
        return max((at for old, at in given_up if old == norm), default=None)

    def undone(self, change_id: int, now: datetime) -> None:
        """Note that a change was taken back; what was kept for that is erased."""
        self._connection.execute(
            update(people_changes)
            .where(people_changes.c.id == change_id)
            .values(undone_at=now, kept=None)
        )

    def expired(self, now: datetime) -> list[ChangeRow]:
        """Return the changes whose time to be taken back is over and which still keep what stood before."""
        rows = self._connection.execute(
            select(*_COLUMNS)
            .where(people_changes.c.kept.is_not(None), people_changes.c.undo_until <= now)
            .order_by(people_changes.c.id)
        )
        return [ChangeRow(**row._mapping) for row in rows]  # noqa: SLF001 - as above

    def erase_kept(self, change_id: int) -> None:
        """Erase what a change kept: it stands for good."""
        self._connection.execute(
            update(people_changes).where(people_changes.c.id == change_id).values(kept=None)
        )

    # What a plan tells

    def amounts(self, user_id: int, account_ids: Sequence[int]) -> Amounts:
        """Count what a person has.  Reads every delivery: to be asked outside of a write transaction."""
        own = select(logins.c.id).where(logins.c.user_id == user_id)
        return Amounts(
            sent=self._count(select(deliveries.c.id).where(deliveries.c.sender_user_id == user_id)),
            owned=self._count(select(entries.c.delivery_id).where(entries.c.owner_id == user_id)),
            in_hand=self._count(
                select(deliveries.c.id).where(
                    deliveries.c.account_id.in_(account_ids), deliveries.c.state == State.RECEIVED
                )
            ),
            sessions=self._count(select(sessions.c.id).where(sessions.c.login_id.in_(own))),
            tokens=self._count(
                select(tokens.c.id).where(
                    tokens.c.user_id == user_id, tokens.c.revoked_at.is_(None)
                )
            ),
        )

    def _count(self, rows: Any) -> int:
        return self._connection.execute(
            select(func.count()).select_from(rows.subquery())
        ).scalar_one()

    # Users

    def hold_wholly(self, user_id: int) -> None:
        """Let everything wait that is about to refer to a user, until this transaction ends."""
        self._connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())

    def set_merged(self, user_id: int, into: int | None) -> None:
        """Note who a user turned out to be."""
        self._connection.execute(
            update(users).where(users.c.id == user_id).values(merged_into_id=into)
        )

    # Logins

    def exchange_logins(self, one: int, other: int, *, seat: str, now: datetime) -> None:
        """Let two users' logins change hands.

        A user has one general login at any moment, so the first ones wait on a seat of their own meanwhile.
        """
        waiting = self._connection.execute(
            insert(users)
            .values(ulid=seat, display_name="", kind="person", created_at=now)
            .returning(users.c.id)
        ).scalar_one()
        for had, gets in ((one, waiting), (other, one), (waiting, other)):
            self._connection.execute(
                update(logins).where(logins.c.user_id == had).values(user_id=gets)
            )
        self._connection.execute(delete(users).where(users.c.id == waiting))

    def credentials(self, user_id: int) -> list[Credentials]:
        """Return what a user's logins are opened by."""
        rows = self._connection.execute(
            select(
                logins.c.id.label("login_id"),
                logins.c.username,
                logins.c.password_hash,
                logins.c.totp,
                logins.c.totp_step,
                logins.c.terms_version,
                logins.c.terms_at,
                logins.c.suspended_at,
            )
            .where(logins.c.user_id == user_id)
            .order_by(logins.c.id)
        )
        return [Credentials(**row._mapping) for row in rows]  # noqa: SLF001 - as above

    def suspend(self, login_id: int, username: str, now: datetime) -> None:
        """Suspend a login: it is found, says that its person signs up again, and opens nothing.

        Its password stays, for by it alone is that told; second step and terms are the next person's to set.
        """
        self._set_login(
            login_id,
            username=username,
            totp=None,
            totp_step=None,
            terms_version=None,
            terms_at=None,
            suspended_at=now,
        )

    def give_back(self, kept: Credentials) -> None:
        """Give a login what it was opened by.  Raises IntegrityError when its user name is somebody's."""
        self._set_login(
            kept.login_id,
            username=kept.username,
            password_hash=kept.password_hash,
            totp=kept.totp,
            totp_step=kept.totp_step,
            terms_version=kept.terms_version,
            terms_at=kept.terms_at,
            suspended_at=kept.suspended_at,
        )

    def username_is_free(self, username: str, *, but: int) -> bool:
        """Whether no login but this one has a user name."""
        taken = self._connection.execute(
            select(logins.c.id).where(logins.c.username == username, logins.c.id != but)
        ).one_or_none()
        return taken is None

    def erase_password(self, login_id: int, suspended_at: datetime) -> None:
        """Erase the password of a login that has been suspended ever since."""
        self._connection.execute(
            update(logins)
            .where(logins.c.id == login_id, logins.c.suspended_at == suspended_at)
            .values(password_hash=None)
        )

    def _set_login(self, login_id: int, **values: Any) -> None:
        self._connection.execute(update(logins).where(logins.c.id == login_id).values(**values))

    # Identities

    def suspend_identities(self, login_id: int, now: datetime) -> list[int]:
        """Suspend a login's identities; return those that were in use."""
        suspended = self._connection.execute(
            update(identities)
            .where(identities.c.login_id == login_id, identities.c.suspended_at.is_(None))
            .values(suspended_at=now)
            .returning(identities.c.id)
        )
        return sorted(suspended.scalars())

    def wake_identities(self, ids: Sequence[int], login_ids: Sequence[int]) -> int:
        """Let identities open these logins again, where they still belong to them; return how many."""
        return self._connection.execute(
            update(identities)
            .where(identities.c.id.in_(ids), identities.c.login_id.in_(login_ids))
            .values(suspended_at=None)
        ).rowcount

    def erase_identities(self, ids: Sequence[int], suspended_at: datetime) -> None:
        """Erase identities that have been suspended ever since."""
        self._connection.execute(
            delete(identities).where(
                identities.c.id.in_(ids), identities.c.suspended_at == suspended_at
            )
        )
