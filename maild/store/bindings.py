"""Addresses with their users and memberships: what resolving a sender asks of the directory (I1, U12)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, or_, select

from maild.model.facts import Binding
from maild.model.people import AddressKind, MemberState
from maild.store.people_tables import addresses, memberships, users
from maild.store.schema import deliveries
from maild.store.sql import slices


def _bindings_by(column: Any, *, with_ended: bool) -> Select[Any]:
    """Return the statement for addresses and their users and memberships, made once: making it takes as long as asking."""
    valid: ColumnElement[bool] = addresses.c.valid_to.is_(None)
    if with_ended:
        was = and_(addresses.c.valid_to > bindparam("since"), addresses.c.verified_at.is_not(None))
        valid = or_(valid, was)
    return (
        select(
            addresses.c.id,
            addresses.c.norm,
            addresses.c.kind,
            addresses.c.verified_at,
            addresses.c.valid_from,
            addresses.c.valid_to,
            users.c.id.label("user_id"),
            users.c.display_name,
            users.c.disabled_at,
            users.c.merged_into_id,
            memberships.c.account_id,
            memberships.c.state,
        )
        .join(users, users.c.id == addresses.c.user_id)
        .outerjoin(memberships, memberships.c.user_id == users.c.id)
        .where(column.in_(bindparam("values", expanding=True)), valid)
        .order_by(addresses.c.id)
    )


_BINDINGS = {
    (name, with_ended): _bindings_by(column, with_ended=with_ended)
    for name, column in (
        ("norm", addresses.c.norm),
        ("base", addresses.c.base),
        ("user", users.c.id),
        ("id", addresses.c.id),
    )
    for with_ended in (False, True)
}


_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class BindingRows:
    """Queries that find whose an address is; they only read."""

    def __init__(self, connection: Connection) -> None:
        """Read through an open view."""
        self._connection = connection

    def bindings(
        self, norms: Iterable[str], since: datetime | None = None
    ) -> list[tuple[int | None, Binding]]:
        """Return the live addresses among these, once for each account their user has a membership in.

        Beside them those that ended after `since`, if they were confirmed (U12).
        """
        return self._bindings("norm", norms, since)

    def tagged(
        self, bases: Iterable[str], since: datetime | None = None
    ) -> list[tuple[int | None, Binding]]:
        """Return the +tag addresses with these bases, once for each account of their user (U6).  As `bindings`."""
        return [
            (account, binding)
            for account, binding in self._bindings("base", bases, since)
            if "+" in binding.norm.partition("@")[0]
        ]

    def resolved_by(self, delivery_ids: Iterable[int]) -> dict[int, int]:
        """Return by which binding each of these mails was resolved; those that were not are left out."""
        found: dict[int, int] = {}
        for some in slices(delivery_ids):
            rows = self._connection.execute(
                select(deliveries.c.id, deliveries.c.binding_id).where(
                    deliveries.c.id.in_(some), deliveries.c.binding_id.is_not(None)
                )
            )
            found |= {row.id: row.binding_id for row in rows}
        return found

    def these(self, binding_ids: Iterable[int]) -> list[tuple[int | None, Binding]]:
        """Return these bindings, ended or not, once for each account their user has a membership in."""
        return self._bindings("id", binding_ids, _EVER)

    def primaries(self, user_ids: Iterable[int]) -> list[tuple[int | None, Binding]]:
        """Return the live primary addresses of users, once for each account of theirs."""
        return [
            (account, binding)
            for account, binding in self._bindings("user", user_ids, None)
            if binding.kind is AddressKind.PRIMARY
        ]

    def _bindings(
        self, by: str, values: Iterable[Any], since: datetime | None
    ) -> list[tuple[int | None, Binding]]:
        found = []
        for some in slices(values):
            asked = {"values": some} if since is None else {"values": some, "since": since}
            rows = self._connection.execute(_BINDINGS[by, since is not None], asked)
            found += [(row.account_id, _binding(row)) for row in rows]
        return found


def _binding(row: Any) -> Binding:
    return Binding(
        address_id=row.id,
        user_id=row.user_id,
        user_name=row.display_name,
        norm=row.norm,
        kind=AddressKind(row.kind),
        is_verified=row.verified_at is not None,
        disabled_at=row.disabled_at,
        membership=None if row.state is None else MemberState(row.state),
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        is_merged=row.merged_into_id is not None,
    )
