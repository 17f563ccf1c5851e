"""Tokens: what opens the API, and a mail program's submission, in somebody's name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, true, update

from maild.model.scope import Scope
from maild.store.login_tables import tokens
from maild.store.people_tables import users


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A token, living or ended, without its secret."""

    id: int
    ulid: str
    user_id: int | None
    """None: the operator's."""
    account_id: int | None
    """None: every account of that user."""
    name: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    scope: Scope
    disabled_at: datetime | None
    """The user's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token to be made; its fields mean what a row's do."""

    ulid: str
    user_id: int | None
    account_id: int | None
    name: str
    expires_at: datetime | None
    scope: Scope
    maker_id: int | None
    """The token that made it; None: its person, having signed in, or the operator."""


_COLUMNS = (
    tokens.c.id,
    tokens.c.ulid,
    tokens.c.user_id,
    tokens.c.account_id,
    tokens.c.name,
    tokens.c.created_at,
    tokens.c.expires_at,
    tokens.c.last_used_at,
    tokens.c.revoked_at,
    tokens.c.scope,
    users.c.disabled_at,
)
_JOINED = tokens.outerjoin(users, users.c.id == tokens.c.user_id)


class TokenRows:
    """Queries about tokens.  Of a secret only the digest is known here."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def add(self, new: NewToken, digest: str, *, now: datetime) -> None:
        """Make a token."""
        self._connection.execute(
            insert(tokens).values(
                ulid=new.ulid,
                digest=digest,
                user_id=new.user_id,
                account_id=new.account_id,
                name=new.name,
                created_at=now,
                expires_at=new.expires_at,
                scope=new.scope,
                maker_id=new.maker_id,
            )
        )

    def by_digest(self, digest: str) -> TokenRow | None:
        """Return the token with this secret."""
        return self._one(tokens.c.digest == digest)

    def by_ulid(self, ulid: str) -> TokenRow | None:
        """Return the token with this id."""
        return self._one(tokens.c.ulid == ulid)

    def _one(self, condition: Any) -> TokenRow | None:
        row = self._connection.execute(
            select(*_COLUMNS).select_from(_JOINED).where(condition)
        ).one_or_none()
        return None if row is None else _token(row)

    def of(self, user_id: int, *, account_id: int | None, limit: int) -> list[TokenRow]:
        """Return a user's newest tokens, or those of them for one account; the oldest of these first."""
        rows = self._connection.execute(
            select(*_COLUMNS)
            .select_from(_JOINED)
            .where(
                tokens.c.user_id == user_id,
                true() if account_id is None else tokens.c.account_id == account_id,
            )
            .order_by(tokens.c.id.desc())
            .limit(limit)
        )
        return [_token(row) for row in rows][::-1]

    def living(self, now: datetime, *, limit: int) -> list[TokenRow]:
        """Return everybody's living tokens, newest first."""
        rows = self._connection.execute(
            select(*_COLUMNS)
            .select_from(_JOINED)
            .where(_is_alive(now))
            .order_by(tokens.c.id.desc())
            .limit(limit)
        )
        return [_token(row) for row in rows]

    def count_living(self, user_id: int | None, now: datetime) -> int:
        """Return how many living tokens a user has, or the operator."""
        whose = tokens.c.user_id.is_(None) if user_id is None else tokens.c.user_id == user_id
        return self._connection.execute(
            select(func.count()).select_from(tokens).where(whose, _is_alive(now))
        ).scalar_one()

    def note_use(self, token_id: int, now: datetime) -> None:
        """Note when a token was used last."""
        self._connection.execute(
            update(tokens).where(tokens.c.id == token_id).values(last_used_at=now)
        )

    def hold_living(self, ulid: str, now: datetime) -> int | None:
        """Return a token's own id, held against its end until the commit; None: it has ended."""
        return self._connection.execute(
            select(tokens.c.id).where(tokens.c.ulid == ulid, _is_alive(now)).with_for_update()
        ).scalar_one_or_none()

    def revoke(self, token_id: int, now: datetime) -> None:
        """End a token for good, and those that it made, and those that they made."""
        family = select(tokens.c.id).where(tokens.c.id == token_id).cte("family", recursive=True)
        family = family.union(
            select(tokens.c.id).join_from(tokens, family, tokens.c.maker_id == family.c.id)
        )
        ending = (
            update(tokens)
            .where(tokens.c.id.in_(select(family.c.id)), tokens.c.revoked_at.is_(None))
            .values(revoked_at=now)
            .returning(tokens.c.id)
        )
        # Again until none is left: one of them may have made another while this waited for it.
        while self._connection.execute(ending).all():
            pass

    def revoke_of(self, user_id: int, now: datetime) -> int:
        """End every token of a user; return how many were alive."""
        return self._connection.execute(
            update(tokens)
            .where(tokens.c.user_id == user_id, tokens.c.revoked_at.is_(None))
            .values(revoked_at=now)
        ).rowcount


def _is_alive(now: datetime) -> ColumnElement[bool]:
    return and_(
        tokens.c.revoked_at.is_(None),
        or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now),
    )


def _token(row: Any) -> TokenRow:
    found = {**row._mapping, "scope": Scope(row.scope)}  # noqa: SLF001 - public in spite of its name
    return TokenRow(**found)
