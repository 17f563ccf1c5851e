"""Logins: what opens a user's work, by whom it is found, and what lies beside it (U8-U10).

Nothing here knows a secret: passwords are hashed, second factors sealed, and of links only a digest is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from maild.model.people import NameKind
from maild.store.login_tables import login_links
from maild.store.people_tables import accounts, addresses, logins, memberships, names, users
from maild.store.sql import insert_new


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRow:
    """A way for one person to sign in."""

    id: int
    user_id: int
    account_id: int | None
    """None: the general one, for all of the person's accounts (U9)."""
    username: str
    password_hash: str | None
    """None: no password yet."""
    totp: str | None
    """The sealed secret of the second step; None: there is none."""
    totp_step: int | None
    """The newest time step whose code was used; negative while the second step waits for its first code."""
    terms_version: str | None
    terms_at: datetime | None
    suspended_at: datetime | None
    """The person signs up again first (U11)."""
    disabled_at: datetime | None
    """The user's; None: active."""

    @property
    def has_second_step(self) -> bool:
        """Whether a code is asked for: a secret that nobody has confirmed asks for none."""
        return self.totp is not None and (self.totp_step or 0) >= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """A link that was mailed to a login's person."""

    id: int
    login_id: int
    kind: str
    expires_at: datetime


_COLUMNS = (
    logins.c.id,
    logins.c.user_id,
    logins.c.account_id,
    logins.c.username,
    logins.c.password_hash,
    logins.c.totp,
    logins.c.totp_step,
    logins.c.terms_version,
    logins.c.terms_at,
    logins.c.suspended_at,
    users.c.disabled_at,
)
_JOINED = logins.join(users, users.c.id == logins.c.user_id)


class LoginRows:
    """Queries about logins."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    # Finding

    def login(self, login_id: int) -> LoginRow | None:
        """Return a login by its inner id."""
        return self._one(logins.c.id == login_id)

    def named(self, username: str) -> LoginRow | None:
        """Return the login with this canonical user name."""
        return self._one(logins.c.username == username)

    def at_address(self, norm: str) -> LoginRow | None:
        """Return the general login of the user whose live and verified address this is."""
        return self._one(
            and_(
                logins.c.account_id.is_(None),
                logins.c.user_id
                == select(addresses.c.user_id)
                .join(names, names.c.ref == addresses.c.id)
                .where(
                    names.c.norm == norm,
                    names.c.kind == NameKind.USER,
                    addresses.c.verified_at.is_not(None),
                    addresses.c.valid_to.is_(None),
                )
                .scalar_subquery(),
            )
        )

    def general(self, user_id: int) -> LoginRow | None:
        """Return a user's general login; None for a communal user."""
        return self._one(and_(logins.c.user_id == user_id, logins.c.account_id.is_(None)))

    def any_awake(self) -> LoginRow | None:
        """Return some active person's login, for work that is to look like any other and is taken back."""
        first = (
            select(logins.c.id)
            .select_from(_JOINED)
            .where(users.c.disabled_at.is_(None))
            .order_by(logins.c.id)
            .limit(1)
            .scalar_subquery()
        )
        return self._one(logins.c.id == first)

    def of(self, user_id: int) -> list[LoginRow]:
        """Return a user's logins: the general one, then accounts' own."""
        rows = self._connection.execute(
            select(*_COLUMNS)
            .select_from(_JOINED)
            .where(logins.c.user_id == user_id)
            .order_by(logins.c.account_id.is_not(None), logins.c.id)
        )
        return [_login(row) for row in rows]

    def asking_for_own(self, user_id: int) -> frozenset[int]:
        """Return the accounts among those that a user is in, in whatever state, that ask for a login of their own (U9)."""
        rows = self._connection.execute(
            select(accounts.c.id, accounts.c.settings)
            .join(memberships, memberships.c.account_id == accounts.c.id)
            .where(memberships.c.user_id == user_id)
        )
        return frozenset(row.id for row in rows if row.settings.get("own_login_required"))

    def hold(self, login_id: int) -> LoginRow | None:
        """Return a login that nobody else changes before this transaction ends.

        Its person is held first, as everywhere: what is noted of them would else wait for who merges them, who waits for
        the login.
        """
        whose = select(logins.c.user_id).where(logins.c.id == login_id).scalar_subquery()
        for held in (
            select(users.c.id).where(users.c.id == whose),
            select(logins.c.id).where(logins.c.id == login_id),
        ):
            self._connection.execute(held.with_for_update(key_share=True))
        return self.login(login_id)

    def _one(self, condition: Any) -> LoginRow | None:
        row = self._connection.execute(
            select(*_COLUMNS).select_from(_JOINED).where(condition)
        ).one_or_none()
        return None if row is None else _login(row)

    # Changing

    def add(
        self,
        user_id: int,
        username: str,
        password_hash: str | None,
        *,
        account_id: int | None = None,
        now: datetime,
    ) -> int | None:
        """Add a login; None when the user name is taken (U8), or the user has such a login."""
        return self._connection.execute(
            insert_new(self._connection, logins)
            .values(
                user_id=user_id,
                account_id=account_id,
                username=username,
                password_hash=password_hash,
                created_at=now,
            )
            .returning(logins.c.id)
        ).scalar_one_or_none()

    def set_password(self, login_id: int, password_hash: str) -> None:
        """Change a password."""
        self._set(login_id, password_hash=password_hash)

    def rehash(self, login_id: int, old: str, new: str) -> bool:
        """Keep the same password under better parameters; False, and nothing is done, when it was changed meanwhile."""
        kept = self._connection.execute(
            update(logins)
            .where(logins.c.id == login_id, logins.c.password_hash == old)
            .values(password_hash=new)
        )
        return kept.rowcount > 0

    def set_username(self, login_id: int, username: str) -> bool:
        """Change the user name; False when it is taken."""
        try:
            with self._connection.begin_nested():
                self._set(login_id, username=username)
        except IntegrityError:
            return False
        return True

    def set_second_step(self, login_id: int, sealed: str | None, step: int | None) -> None:
        """Set, confirm or (None) remove the second step."""
        self._set(login_id, totp=sealed, totp_step=step)

    def use_step(self, login_id: int, step: int) -> bool:
        """Note that the code of a time step was used; False when it, or a newer one, was before (RFC 6238 5.2)."""
        used = self._connection.execute(
            update(logins)
            .where(
                logins.c.id == login_id,
                or_(logins.c.totp_step.is_(None), logins.c.totp_step < step),
            )
            .values(totp_step=step)
        )
        return used.rowcount > 0

    def accept_terms(self, login_id: int, version: str, now: datetime) -> None:
        """Note which terms of service were accepted, and when."""
        self._set(login_id, terms_version=version, terms_at=now)

    def wake(self, login_id: int) -> None:
        """End a suspension: the person has signed up again."""
        self._set(login_id, suspended_at=None)

    def _set(self, login_id: int, **values: Any) -> None:
        self._connection.execute(update(logins).where(logins.c.id == login_id).values(**values))

    # Links

    def add_link(
        self, login_id: int, kind: str, digest: str, *, now: datetime, expires_at: datetime
    ) -> int:
        """Make a link of a kind for a login; the ones of that kind before are worth nothing from now on."""
        self.end_links(login_id, kind)
        return int(
            self._connection.execute(
                insert(login_links)
                .values(
                    login_id=login_id,
                    kind=kind,
                    digest=digest,
                    created_at=now,
                    expires_at=expires_at,
                )
                .returning(login_links.c.id)
            ).scalar_one()
        )

    def link(self, digest: str) -> LinkRow | None:
        """Return the link with this secret."""
        row = self._connection.execute(
            select(
                login_links.c.id,
                login_links.c.login_id,
                login_links.c.kind,
                login_links.c.expires_at,
            ).where(login_links.c.digest == digest)
        ).one_or_none()
        if row is None:
            return None
        return LinkRow(id=row.id, login_id=row.login_id, kind=row.kind, expires_at=row.expires_at)

    def take_link(self, link_id: int) -> bool:
        """Use a link up; False when somebody else has."""
        taken = self._connection.execute(delete(login_links).where(login_links.c.id == link_id))
        return taken.rowcount > 0

    def end_links(self, login_id: int, kind: str | None = None) -> None:
        """Make a login's links worthless: those of a kind, or all."""
        statement = delete(login_links).where(login_links.c.login_id == login_id)
        if kind is not None:
            statement = statement.where(login_links.c.kind == kind)
        self._connection.execute(statement)

    def forget_links(self, before: datetime) -> int:
        """Forget links that ended before an instant; return how many."""
        return self._connection.execute(
            delete(login_links).where(login_links.c.expires_at < before)
        ).rowcount


def _login(row: Any) -> LoginRow:
    return LoginRow(**row._mapping)  # noqa: SLF001 - public in spite of its name
