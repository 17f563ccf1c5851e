"""Addresses of users, and the registry of names in which every address, inbox and drop address stands once (U1, U4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text, update

from maild.model.address import Address
from maild.model.people import AddressKind, NameKind
from maild.store.schema import addresses, inboxes, names
from maild.store.sql import insert_new


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRow:
    """A canonical mailbox name bound to one user, dated."""

    id: int
    user_id: int
    norm: str
    base: str
    shown: str
    kind: AddressKind
    verified_at: datetime | None
    """None: it does not resolve yet (U5)."""
    valid_from: datetime
    valid_to: datetime | None
    """None: live, and then it stands in the registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRow:
    """Whose a registered name is: exactly one of the two ids is set (a drop address has neither)."""

    norm: str
    kind: NameKind
    user_id: int | None
    account_id: int | None
    """Of an inbox."""
    address_id: int | None


_COLUMNS = (
    addresses.c.id,
    addresses.c.user_id,
    addresses.c.norm,
    addresses.c.base,
    addresses.c.shown,
    addresses.c.kind,
    addresses.c.verified_at,
    addresses.c.valid_from,
    addresses.c.valid_to,
)


class AddressRows:
    """Queries about addresses and names."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    # The registry

    def claim(self, norm: str, kind: NameKind, ref: int, *, skeleton: str) -> bool:
        """Register a name; False when it is somebody's already.

        The unique index decides, also between transactions that run at the same time: there is no look before it.
        """
        added = self._connection.execute(
            insert_new(self._connection, names)
            .values(norm=norm, kind=kind, ref=ref, skeleton=skeleton)
            .returning(names.c.norm)
        ).scalar_one_or_none()
        return added is not None

    def release(self, norm: str) -> None:
        """Take a name out of the registry."""
        self._connection.execute(delete(names).where(names.c.norm == norm))

    def hold_names(self) -> None:
        """Let registrations wait until this transaction ends: for rules that span two names (an inbox and its tags).

        To be called before anything is inserted.  On SQLite there is one writer anyway.
        """
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(text("LOCK TABLE names IN SHARE ROW EXCLUSIVE MODE"))

    def name(self, norm: str) -> NameRow | None:
        """Return whose a name is."""
        row = self._connection.execute(
            select(
                names.c.norm,
                names.c.kind,
                addresses.c.user_id,
                addresses.c.id.label("address_id"),
                inboxes.c.account_id,
                inboxes.c.communal_user_id,
            )
            .outerjoin(addresses, (addresses.c.id == names.c.ref) & (names.c.kind == NameKind.USER))
            .outerjoin(inboxes, (inboxes.c.id == names.c.ref) & (names.c.kind == NameKind.INBOX))
            .where(names.c.norm == norm)
        ).one_or_none()
        if row is None:
            return None
        return NameRow(
            norm=row.norm,
            kind=NameKind(row.kind),
            user_id=row.user_id or row.communal_user_id,
            account_id=row.account_id,
            address_id=row.address_id,
        )

    def lookalikes(self, norm: str, skeleton: str, limit: int = 3) -> list[str]:
        """Return other names that look the same (U2)."""
        rows = self._connection.execute(
            select(names.c.norm)
            .where(names.c.skeleton == skeleton, names.c.norm != norm)
            .order_by(names.c.norm)
            .limit(limit)
        )
        return [row.norm for row in rows]

    def has_tags(self, base: str) -> bool:
        """Whether a user has an address that is a +tag of this one."""
        row = self._connection.execute(
            select(addresses.c.id)
            .where(
                addresses.c.base == base,
                addresses.c.norm != base,
                addresses.c.valid_to.is_(None),
            )
            .limit(1)
        ).one_or_none()
        return row is not None

    # Addresses

    def add_address(
        self,
        user_id: int,
        address: Address,
        *,
        kind: AddressKind,
        shown: str,
        verified_at: datetime | None,
        now: datetime,
    ) -> int:
        """Bind an address to a user; the caller registers its name in the same transaction."""
        return int(
            self._connection.execute(
                insert(addresses)
                .values(
                    user_id=user_id,
                    norm=address.norm,
                    base=address.base.norm,
                    shown=shown,
                    kind=kind,
                    verified_at=verified_at,
                    valid_from=now,
                )
                .returning(addresses.c.id)
            ).scalar_one()
        )

    def address(self, address_id: int) -> AddressRow:
        """Return an address that is known to exist."""
        return _address(
            self._connection.execute(select(*_COLUMNS).where(addresses.c.id == address_id)).one()
        )

    def addresses_of(self, user_id: int) -> list[AddressRow]:
        """Return every address that a user has or had, oldest first."""
        rows = self._connection.execute(
            select(*_COLUMNS).where(addresses.c.user_id == user_id).order_by(addresses.c.id)
        )
        return [_address(row) for row in rows]

    def verify_address(self, address_id: int, now: datetime) -> None:
        """Let an address resolve from now on."""
        self._connection.execute(
            update(addresses).where(addresses.c.id == address_id).values(verified_at=now)
        )

    def set_address_kind(self, address_id: int, kind: AddressKind) -> None:
        """Change how an address belongs to its user."""
        self._connection.execute(
            update(addresses).where(addresses.c.id == address_id).values(kind=kind)
        )

    def end_address(self, address_id: int, now: datetime) -> None:
        """Make a binding historic: it explains old mail and resolves nothing new."""
        self._connection.execute(
            update(addresses)
            .where(addresses.c.id == address_id)
            .values(kind=AddressKind.HISTORIC, valid_to=now)
        )


def _address(row: Any) -> AddressRow:
    return AddressRow(**{**row._mapping, "kind": AddressKind(row.kind)})  # noqa: SLF001
