"""Addresses of users, and the registry of names in which every address, inbox and drop address stands once (U1, U4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    delete,
    false,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)

from maild.model.address import Address
from maild.model.people import AddressKind, NameKind
from maild.store.people_tables import addresses, inboxes, names
from maild.store.sql import insert_new, slices
from maild.store.types import UtcDateTime


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
    resting_until: datetime | None
    """Given up, and kept in the registry until somebody claims it after this moment; None: live, or free again."""
    primary_until: datetime | None
    """When it ceased to be the primary; None: it is, or never was."""
    delivers_to: str | None
    """The physical inbox that it ends in, where somebody said so (U14)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRow:
    """Whose a registered name is: exactly one of the two ids is set; a drop address, and one that rests, has neither."""

    norm: str
    kind: NameKind
    user_id: int | None
    account_id: int | None
    """Of an inbox."""
    address_id: int | None
    resting_until: datetime | None = None
    """It was given up, resolves nothing, and is kept for nobody until then (U11)."""
    rested_user_id: int | None = None
    """Whose it was before it rested."""
    rested_address_id: int | None = None

    def is_free(self, now: datetime) -> bool:
        """Whether a claim gets it: its rest is over."""
        return self.resting_until is not None and self.resting_until <= now


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
    addresses.c.resting_until,
    addresses.c.primary_until,
    addresses.c.delivers_to,
)
_WHOSE = (
    select(
        names.c.norm,
        names.c.kind,
        addresses.c.user_id,
        addresses.c.id.label("address_id"),
        addresses.c.valid_to,
        addresses.c.resting_until,
        inboxes.c.account_id,
        inboxes.c.communal_user_id,
    )
    .outerjoin(addresses, (addresses.c.id == names.c.ref) & (names.c.kind == NameKind.USER))
    .outerjoin(inboxes, (inboxes.c.id == names.c.ref) & (names.c.kind == NameKind.INBOX))
    .where(names.c.norm == bindparam("asked"))
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

    def take_over(
        self,
        norm: str,
        kind: NameKind,
        ref: int,
        *,
        skeleton: str,
        now: datetime | None,
        of_user: int | None = None,
    ) -> bool:
        """Register a name that rests; False when it does not rest, or longer than `now`.  None: whatever its date.

        Whose it was (`of_user`) may have it again at any time.  Two that claim at once: the row's lock decides.
        """
        may: ColumnElement[bool] = addresses.c.resting_until.is_not(None)
        if now is not None:
            may = or_(addresses.c.resting_until <= now, _rests_of(of_user))
        resting = self._connection.execute(
            select(addresses.c.id)
            .join(names, and_(names.c.ref == addresses.c.id, names.c.kind == NameKind.USER))
            .where(names.c.norm == norm, may)
            .with_for_update(of=names)
        ).scalar_one_or_none()
        if resting is None:
            return False
        self._connection.execute(
            update(names).where(names.c.norm == norm).values(kind=kind, ref=ref, skeleton=skeleton)
        )
        self._connection.execute(
            update(addresses).where(addresses.c.id == resting).values(resting_until=None)
        )
        return True

    def has_rested(self, now: datetime) -> bool:
        """Whether the rest of some address is over."""
        return self._connection.execute(_rested(now).limit(1)).first() is not None

    def release_rested(self, now: datetime) -> int:
        """Take the names out of the registry whose rest is over; return how many."""
        ids = list(self._connection.execute(_rested(now)).scalars())
        for some in slices(ids):
            self._connection.execute(
                delete(names).where(names.c.kind == NameKind.USER, names.c.ref.in_(some))
            )
            self._connection.execute(
                update(addresses).where(addresses.c.id.in_(some)).values(resting_until=None)
            )
        return len(ids)

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
        row = self._connection.execute(_WHOSE, {"asked": norm}).one_or_none()
        if row is None:
            return None
        rests = row.valid_to is not None
        return NameRow(
            norm=row.norm,
            kind=NameKind(row.kind),
            user_id=None if rests else row.user_id or row.communal_user_id,
            account_id=row.account_id,
            address_id=None if rests else row.address_id,
            resting_until=row.resting_until,
            rested_user_id=row.user_id if rests else None,
            rested_address_id=row.address_id if rests else None,
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
                or_(addresses.c.valid_to.is_(None), addresses.c.resting_until.is_not(None)),
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

    def ended_at(self, address_ids: Iterable[int]) -> dict[int, datetime]:
        """Return when each of these bindings ended; the live ones are left out."""
        found: dict[int, datetime] = {}
        for some in slices(address_ids):
            rows = self._connection.execute(
                select(addresses.c.id, addresses.c.valid_to).where(
                    addresses.c.id.in_(some), addresses.c.valid_to.is_not(None)
                )
            )
            found |= {row.id: row.valid_to for row in rows}
        return found

    def verify_address(self, address_id: int, now: datetime) -> None:
        """Let an address resolve from now on."""
        self._connection.execute(
            update(addresses).where(addresses.c.id == address_id).values(verified_at=now)
        )

    def set_delivers_to(self, address_id: int, norm: str | None) -> None:
        """Record the physical inbox that an address ends in; None: its own."""
        self._connection.execute(
            update(addresses).where(addresses.c.id == address_id).values(delivers_to=norm)
        )

    def set_address_kind(self, address_id: int, kind: AddressKind) -> None:
        """Change how an address belongs to its user."""
        self._connection.execute(
            update(addresses).where(addresses.c.id == address_id).values(kind=kind)
        )

    def demote(self, address_id: int, now: datetime) -> None:
        """Make a primary address an alias, which is known for having been the primary."""
        self._connection.execute(
            update(addresses)
            .where(addresses.c.id == address_id)
            .values(kind=AddressKind.ALIAS, primary_until=now)
        )

    def promote(self, address_id: int) -> None:
        """Make an address the primary; the one before is demoted or ended already."""
        self._connection.execute(
            update(addresses)
            .where(addresses.c.id == address_id)
            .values(kind=AddressKind.PRIMARY, primary_until=None)
        )

    def end_address(
        self, address_id: int, now: datetime, *, resting_until: datetime | None = None
    ) -> None:
        """Make a binding historic: it explains old mail and resolves nothing new.

        With `resting_until` its name stays registered, for nobody; without, the caller releases it or hands it on.
        """
        was_primary = addresses.c.kind == AddressKind.PRIMARY
        self._connection.execute(
            update(addresses)
            .where(addresses.c.id == address_id)
            .values(
                kind=AddressKind.HISTORIC,
                valid_to=now,
                resting_until=resting_until,
                primary_until=case(
                    (was_primary, literal(now, UtcDateTime())), else_=addresses.c.primary_until
                ),
            )
        )

    def succeed(
        self, old: AddressRow, user_id: int, *, kind: AddressKind, was_primary: bool, now: datetime
    ) -> int:
        """Bind an ended address anew, its name with it, which is never without a binding (U12); return the new one.

        Raises LookupError when the name is not the old binding's any more.
        """
        new: int = self._connection.execute(
            insert(addresses)
            .values(
                user_id=user_id,
                norm=old.norm,
                base=old.base,
                shown=old.shown,
                kind=kind,
                verified_at=old.verified_at,
                valid_from=now,
                primary_until=now if was_primary else None,
                delivers_to=old.delivers_to,
            )
            .returning(addresses.c.id)
        ).scalar_one()
        passed_on = self._connection.execute(
            update(names)
            .where(names.c.norm == old.norm, names.c.kind == NameKind.USER, names.c.ref == old.id)
            .values(ref=new)
        )
        if passed_on.rowcount != 1:
            raise LookupError(f"the name of the binding {old.id} is another one's")
        self._connection.execute(
            update(addresses).where(addresses.c.id == old.id).values(resting_until=None)
        )
        return new


def _rested(now: datetime) -> Select[int]:
    return select(addresses.c.id).where(
        addresses.c.resting_until.is_not(None), addresses.c.resting_until <= now
    )


def _rests_of(user_id: int | None) -> ColumnElement[bool]:
    if user_id is None:
        return false()
    return and_(addresses.c.resting_until.is_not(None), addresses.c.user_id == user_id)


def _address(row: Any) -> AddressRow:
    return AddressRow(**{**row._mapping, "kind": AddressKind(row.kind)})  # noqa: SLF001
