"""Users and their memberships."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, insert, select, update

from maild.model.people import AddressKind, MemberState, Role
from maild.store.people_tables import addresses, inboxes, logins, memberships, users
from maild.store.sql import insert_new, slices


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    """One person, or a communal user, with what every list shows."""

    id: int
    ulid: str
    display_name: str
    kind: str
    disabled_at: datetime | None
    created_at: datetime
    email: str | None
    """The live primary address; a communal user's is its inbox."""
    username: str | None
    has_password: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """A user in an account."""

    id: int
    ulid: str
    account_id: int
    role: Role
    state: MemberState
    created_at: datetime
    has_moved: bool
    """Whether the user has had another primary address since."""
    user: UserRow


_primary = and_(
    addresses.c.user_id == users.c.id,
    addresses.c.kind == AddressKind.PRIMARY,
    addresses.c.valid_to.is_(None),
)
_general = and_(logins.c.user_id == users.c.id, logins.c.account_id.is_(None))
_joined = (
    users.outerjoin(addresses, _primary)
    .outerjoin(inboxes, inboxes.c.communal_user_id == users.c.id)
    .outerjoin(logins, _general)
)
_COLUMNS = (
    users.c.id,
    users.c.ulid,
    users.c.display_name,
    users.c.kind,
    users.c.disabled_at,
    users.c.created_at,
    addresses.c.norm.label("primary_norm"),
    inboxes.c.norm.label("inbox_norm"),
    logins.c.username,
    logins.c.password_hash.is_not(None).label("has_password"),
)
_BY_ID = select(*_COLUMNS).select_from(_joined).where(users.c.id == bindparam("asked"))
_earlier = addresses.alias("earlier")
_MEMBER_COLUMNS = (
    memberships.c.id.label("member_id"),
    memberships.c.ulid.label("member_ulid"),
    memberships.c.account_id,
    memberships.c.role,
    memberships.c.state,
    memberships.c.created_at.label("member_since"),
    exists()
    .where(
        _earlier.c.user_id == memberships.c.user_id,
        _earlier.c.primary_until > memberships.c.created_at,
    )
    .label("has_moved"),
)


class UserRows:
    """Queries about users and memberships."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def add_user(self, ulid: str, name: str, *, kind: str, now: datetime) -> int:
        """Add a user without any address."""
        return int(
            self._connection.execute(
                insert(users)
                .values(ulid=ulid, display_name=name, kind=kind, created_at=now)
                .returning(users.c.id)
            ).scalar_one()
        )

    def user(self, user_id: int) -> UserRow:
        """Return a user that is known to exist."""
        return _user(self._connection.execute(_BY_ID, {"asked": user_id}).one())

    def hold_user(self, user_id: int) -> None:
        """Let changes to one user wait for each other."""
        self._connection.execute(
            select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)
        )

    def set_user_name(self, user_id: int, name: str) -> None:
        """Rename a user; the user name of the login stays."""
        self._connection.execute(
            update(users).where(users.c.id == user_id).values(display_name=name)
        )

    def set_disabled(self, user_id: int, at: datetime | None) -> None:
        """Make a user inactive, or active again with None."""
        self._connection.execute(update(users).where(users.c.id == user_id).values(disabled_at=at))

    def heirs(self, user_ids: Iterable[int], *, hold: bool = False) -> dict[int, int]:
        """Return who each of these users is today: themselves, or whom they were merged into (U13).

        With `hold` a merge of them waits until this transaction ends, and this one has waited for it.
        """
        found: dict[int, int] = {}
        asked = set(user_ids)
        while asked:
            for some in slices(asked):
                query = select(users.c.id, users.c.merged_into_id).where(users.c.id.in_(some))
                if hold:
                    query = query.order_by(users.c.id).with_for_update(read=True, key_share=True)
                rows = self._connection.execute(query)
                found |= {row.id: row.merged_into_id or row.id for row in rows}
            asked = set(found.values()) - found.keys()
        return {user: _end_of(user, found) for user in found}

    # Memberships

    def add_member(
        self,
        ulid: str,
        account_id: int,
        user_id: int,
        *,
        role: Role,
        state: MemberState,
        now: datetime,
    ) -> bool:
        """Join a user to an account; False when they are joined in some state already."""
        added = self._connection.execute(
            insert_new(self._connection, memberships)
            .values(
                ulid=ulid,
                account_id=account_id,
                user_id=user_id,
                role=role,
                state=state,
                created_at=now,
            )
            .returning(memberships.c.id)
        ).scalar_one_or_none()
        return added is not None

    def set_member(self, member_id: int, *, role: Role, state: MemberState) -> None:
        """Change a membership."""
        self._connection.execute(
            update(memberships).where(memberships.c.id == member_id).values(role=role, state=state)
        )

    def member(self, account_id: int, user_id: int) -> MemberRow | None:
        """Return a user's membership in an account, in whatever state."""
        return self._one_member(
            and_(memberships.c.account_id == account_id, memberships.c.user_id == user_id)
        )

    def member_by_ulid(self, ulid: str) -> MemberRow | None:
        """Return the membership with this id."""
        return self._one_member(memberships.c.ulid == ulid)

    def _one_member(self, condition: Any) -> MemberRow | None:
        row = self._connection.execute(_member_query().where(condition)).one_or_none()
        return None if row is None else _member(row)

    def memberships_of(self, user_id: int) -> list[MemberRow]:
        """Return a user's memberships in every account."""
        rows = self._connection.execute(
            _member_query().where(memberships.c.user_id == user_id).order_by(memberships.c.id)
        )
        return [_member(row) for row in rows]

    def members(self, account_id: int, *, after: int = 0, limit: int = 1000) -> list[MemberRow]:
        """Return an account's members, oldest first, from behind a membership."""
        rows = self._connection.execute(
            _member_query()
            .where(memberships.c.account_id == account_id, memberships.c.id > after)
            .order_by(memberships.c.id)
            .limit(limit)
        )
        return [_member(row) for row in rows]

    def admins(self, account_id: int, limit: int) -> list[UserRow]:
        """Return an account's active admins, the oldest memberships first."""
        rows = self._connection.execute(
            _member_query()
            .where(
                memberships.c.account_id == account_id,
                memberships.c.role == Role.ADMIN,
                memberships.c.state == MemberState.ACTIVE,
                users.c.disabled_at.is_(None),
                users.c.kind == "person",
            )
            .order_by(memberships.c.id)
            .limit(limit)
        )
        return [_user(row) for row in rows]

    def first_owner(self, account_id: int) -> int | None:
        """Return who owns mail where nobody was named: the first admin, else distributor, else member."""
        return self._connection.execute(
            select(users.c.id)
            .join(memberships, memberships.c.user_id == users.c.id)
            .where(
                memberships.c.account_id == account_id,
                memberships.c.state == MemberState.ACTIVE,
                users.c.disabled_at.is_(None),
                users.c.kind == "person",
            )
            .order_by(
                memberships.c.role != Role.ADMIN,
                memberships.c.role != Role.DISTRIBUTOR,
                users.c.id,
            )
            .limit(1)
        ).scalar_one_or_none()


def _end_of(user: int, heirs: dict[int, int]) -> int:
    while heirs[user] != user:
        user = heirs[user]
    return user


def _member_query() -> Any:
    return select(*_COLUMNS, *_MEMBER_COLUMNS).select_from(
        _joined.join(memberships, memberships.c.user_id == users.c.id)
    )


def _member(row: Any) -> MemberRow:
    return MemberRow(
        id=row.member_id,
        ulid=row.member_ulid,
        account_id=row.account_id,
        role=Role(row.role),
        state=MemberState(row.state),
        created_at=row.member_since,
        has_moved=bool(row.has_moved),
        user=_user(row),
    )


def _user(row: Any) -> UserRow:
    return UserRow(
        id=row.id,
        ulid=row.ulid,
        display_name=row.display_name,
        kind=row.kind,
        disabled_at=row.disabled_at,
        created_at=row.created_at,
        email=row.primary_norm or row.inbox_norm,
        username=row.username,
        has_password=bool(row.has_password),
    )
