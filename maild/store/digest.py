"""What the daily digest is made from: who may get one, and what waits for them (U14)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Result,
    and_,
    func,
    or_,
    select,
    update,
)

from maild.model.digest import Item, Reader, Waiting
from maild.model.people import AddressKind, MemberState, Role
from maild.model.states import State
from maild.store.people_tables import accounts, addresses, inboxes, memberships, users
from maild.store.schema import deliveries, entries, messages
from maild.store.sql import slices

_LIVE_PRIMARY = and_(
    addresses.c.user_id == users.c.id,
    addresses.c.kind == AddressKind.PRIMARY,
    addresses.c.valid_to.is_(None),
)

_PEOPLE = (
    select(
        users.c.id,
        users.c.display_name,
        addresses.c.norm,
        addresses.c.shown,
        addresses.c.delivers_to,
        memberships.c.account_id,
    )
    .join(memberships, memberships.c.user_id == users.c.id)
    .join(addresses, _LIVE_PRIMARY)
    .where(
        memberships.c.state == MemberState.ACTIVE,
        users.c.kind == "person",
        users.c.disabled_at.is_(None),
        users.c.digest_off_at.is_(None),
        users.c.digest_paused_at.is_(None),
        addresses.c.verified_at.is_not(None),
    )
)
"""Whoever may get a digest, once for each account that they work in."""


class DigestRows:
    """Queries about digests."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def readers(self, account_ids: Collection[int]) -> list[Reader]:
        """Return the active people of these accounts who want a digest and have a verified primary address."""
        people: dict[int, Any] = {}
        works_in: dict[int, set[int]] = {}
        for some in slices(account_ids):
            for row in self._connection.execute(_PEOPLE.where(memberships.c.account_id.in_(some))):
                people[row.id] = row
                works_in.setdefault(row.id, set()).add(row.account_id)
        return [
            Reader(
                user_id=user,
                name=row.display_name,
                address=row.norm,
                shown=row.shown,
                inbox=row.delivers_to or row.norm,
                accounts=frozenset(works_in[user]),
            )
            for user, row in sorted(people.items())
        ]

    def held(self, account_ids: Iterable[int]) -> list[Waiting]:
        """Return how much is held in the inboxes of these accounts, for whomever.  Each held mail is looked at once."""
        held = deliveries.c.state == State.HELD
        return [
            Waiting(
                user_id=row.owner_id,
                account_id=row.account_id,
                inbox=row.norm,
                held=row.number,
                unread=0,
            )
            for some in slices(account_ids)
            for row in self._counted(deliveries.c.account_id.in_(some), held)
        ]

    def unread(self, user_ids: Iterable[int], account_ids: Iterable[int]) -> list[Waiting]:
        """Return how much is unread and not held for users in the inboxes of these accounts."""
        own = entries.c.account_id.in_(list(account_ids))
        return [
            Waiting(
                user_id=row.owner_id,
                account_id=row.account_id,
                inbox=row.norm,
                held=0,
                unread=row.number,
            )
            for some in slices(user_ids)
            for row in self._counted(
                entries.c.owner_id.in_(some),
                entries.c.unread,
                own,
                deliveries.c.state != State.HELD,
            )
        ]

    def _counted(self, *conditions: ColumnElement[bool]) -> Result[Any]:
        by = (entries.c.owner_id, deliveries.c.account_id, inboxes.c.norm)
        return self._connection.execute(
            select(*by, func.count().label("number"))
            .join(deliveries, deliveries.c.id == entries.c.delivery_id)
            .join(inboxes, inboxes.c.id == deliveries.c.inbox_id)
            .where(*conditions)
            .group_by(*by)
        )

    def newest(
        self,
        user_ids: Collection[int],
        account_ids: Collection[int],
        limit: int,
        *,
        with_held: bool,
    ) -> list[Item]:
        """Return the newest mails that wait for any of these users, the newest first; `with_held`: some of them are held.

        What is held is few people's; for all others nobody looks through it.
        """
        own = and_(
            entries.c.owner_id.in_(list(user_ids)), entries.c.account_id.in_(list(account_ids))
        )
        waiting = [select(entries.c.delivery_id).where(entries.c.unread, own)]
        if with_held:
            held = deliveries.c.state == State.HELD
            is_held = and_(held, deliveries.c.account_id.in_(list(account_ids)))
            waiting.append(
                select(entries.c.delivery_id)
                .join(deliveries, deliveries.c.id == entries.c.delivery_id)
                .where(is_held, own)
            )
        newest = (entries.c.received_at.desc(), entries.c.delivery_id.desc())
        # Each of the two along its own index, and no more than is shown: in one statement with what is shown of them, the
        # mails of the whole account would be looked through from the newest on.
        ids = {
            row.delivery_id
            for query in waiting
            for row in self._connection.execute(query.order_by(*newest).limit(limit))
        }
        return self._items(ids)[:limit]

    def _items(self, delivery_ids: Iterable[int]) -> list[Item]:
        rows = self._connection.execute(
            select(
                deliveries.c.received_at,
                deliveries.c.state,
                inboxes.c.norm,
                messages.c.from_name,
                messages.c.from_shown,
                messages.c.subject,
            )
            .join(messages, messages.c.id == deliveries.c.message_id)
            .join(inboxes, inboxes.c.id == deliveries.c.inbox_id)
            .where(deliveries.c.id.in_(list(delivery_ids)))
            .order_by(deliveries.c.received_at.desc(), deliveries.c.id.desc())
        )
        return [
            Item(
                at=row.received_at,
                inbox=row.norm,
                is_held=row.state == State.HELD,
                from_=row.from_name or row.from_shown,
                subject=row.subject,
            )
            for row in rows
        ]

    def sharing(self, norm: str, *, since: datetime | None = None) -> list[tuple[int, str]]:
        """Return (user, name) of the active people whose digest would end in the inbox of this address.

        Who has the address (with `since`: and had it then) as the primary one, or another one as the primary that is
        recorded as ending in the same inbox, and so has whoever works in one of the same accounts.
        """
        asked = (
            select(users.c.id, addresses.c.norm, addresses.c.delivers_to)
            .join(addresses, addresses.c.user_id == users.c.id)
            .where(addresses.c.norm == norm, addresses.c.valid_to.is_(None))
        )
        if since is not None:
            asked = asked.where(addresses.c.valid_from <= since)
        holder = self._connection.execute(asked).first()
        if holder is None:
            return []
        inbox = holder.delivers_to or holder.norm
        same = memberships.alias("same")
        rows = self._connection.execute(
            select(users.c.id, users.c.display_name)
            .distinct()
            .join(addresses, _LIVE_PRIMARY)
            .join(memberships, memberships.c.user_id == users.c.id)
            .join(
                same,
                and_(same.c.account_id == memberships.c.account_id, same.c.user_id == holder.id),
            )
            .where(
                users.c.kind == "person",
                memberships.c.state == MemberState.ACTIVE,
                same.c.state == MemberState.ACTIVE,
                or_(
                    addresses.c.delivers_to == inbox,
                    and_(addresses.c.norm == inbox, addresses.c.delivers_to.is_(None)),
                ),
            )
            .order_by(users.c.id)
        )
        return [(row.id, row.display_name) for row in rows]

    def pause(self, user_ids: Collection[int], now: datetime) -> set[int]:
        """Pause users' digests; return those whose digest was not paused yet."""
        found: set[int] = set()
        for some in slices(user_ids):
            rows = self._connection.execute(
                update(users)
                .where(users.c.id.in_(some), users.c.digest_paused_at.is_(None))
                .values(digest_paused_at=now)
                .returning(users.c.id)
            )
            found |= {row.id for row in rows}
        return found

    def resume(self, user_id: int, *, off_at: datetime | None) -> None:
        """Let a user's digest go again, or not at all from a moment on."""
        self._connection.execute(
            update(users)
            .where(users.c.id == user_id)
            .values(digest_off_at=off_at, digest_paused_at=None)
        )

    def state_of(self, user_id: int) -> str:
        """Return whether a user gets digests: on, off or paused."""
        row = self._connection.execute(
            select(users.c.digest_off_at, users.c.digest_paused_at).where(users.c.id == user_id)
        ).one()
        if row.digest_off_at is not None:
            return "off"
        return "on" if row.digest_paused_at is None else "paused"

    def admins(self, account_id: int) -> list[tuple[int, str, str]]:
        """Return (user, name, address as written) of an account's active admins with a verified primary address."""
        rows = self._connection.execute(
            select(users.c.id, users.c.display_name, addresses.c.shown)
            .join(memberships, memberships.c.user_id == users.c.id)
            .join(addresses, _LIVE_PRIMARY)
            .where(
                memberships.c.account_id == account_id,
                memberships.c.state == MemberState.ACTIVE,
                memberships.c.role == Role.ADMIN,
                users.c.disabled_at.is_(None),
                addresses.c.verified_at.is_not(None),
            )
            .order_by(users.c.id)
        )
        return [(row.id, row.display_name, row.shown) for row in rows]

    def settings(self) -> list[tuple[int, str, dict[str, Any]]]:
        """Return (account, name, settings) of every account."""
        rows = self._connection.execute(
            select(accounts.c.id, accounts.c.name, accounts.c.settings).order_by(accounts.c.id)
        )
        return [(row.id, row.name, row.settings) for row in rows]
