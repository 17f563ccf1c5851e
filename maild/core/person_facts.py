"""What a change of people is worked out from: one person's record, and whose an address is.  Only reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from maild.core.names import CLIENT, DROP_ADDRESS, SHARED_ADDRESS
from maild.core.standing import active_accounts
from maild.model.address import Address
from maild.model.people import NameKind
from maild.model.person import (
    AddressFact,
    Free,
    IdentityFact,
    LoginFact,
    MembershipFact,
    OfPerson,
    OtherKind,
    PersonFact,
    Resting,
    Taken,
)
from maild.store.logins import LoginRow
from maild.store.store import Tx


def person_at(tx: Tx, address: Address) -> PersonFact | None:
    """Return the person whose live address this is, of whatever kind."""
    name = tx.people.name(address.norm)
    if name is None or name.kind is not NameKind.USER or name.user_id is None:
        return None
    return person(tx, name.user_id)


def taken_by(tx: Tx, address: Address, now: datetime) -> Taken:
    """Return whose an address is (U1, U4); a +tag of an inbox is the inbox's."""
    name = tx.people.name(address.norm)
    if name is None or name.is_free(now):
        base = None if address.tag is None else tx.people.name(address.base.norm)
        is_tag_of_inbox = base is not None and base.kind is NameKind.INBOX
        return OtherKind(SHARED_ADDRESS) if is_tag_of_inbox else Free()
    match name.kind:
        case NameKind.INBOX:
            return OtherKind(SHARED_ADDRESS)
        case NameKind.DROP:
            return OtherKind(DROP_ADDRESS)
        case NameKind.USER:
            if name.resting_until is not None and name.rested_user_id is not None:
                return Resting(name.resting_until, name.rested_user_id)
            assert name.user_id is not None  # noqa: S101 - a user's name that does not rest has a user
            return OfPerson(person(tx, name.user_id))


def is_client_of(tx: Tx, person_: PersonFact, norms: list[str]) -> OtherKind | None:
    """Return what stands against a person's having these addresses: a client of an account of theirs (U4)."""
    strict = [
        account
        for account in sorted(active_accounts(tx, person_.id))
        if not tx.rights.setting(account, "employee_is_client")
    ]
    if strict and any(tx.clients.is_contact(strict, norm) for norm in norms):
        return OtherKind(CLIENT)
    return None


def person(tx: Tx, user_id: int) -> PersonFact:
    """Return one person's record; what comes and goes by itself is left out."""
    user = tx.people.user(user_id)
    return PersonFact(
        id=user.id,
        ulid=user.ulid,
        name=user.display_name,
        is_active=user.disabled_at is None,
        addresses=tuple(
            AddressFact(
                id=row.id,
                norm=row.norm,
                base=row.base,
                kind=row.kind,
                is_verified=row.verified_at is not None,
                was_primary=row.primary_until is not None,
            )
            for row in tx.people.addresses_of(user_id)
            if row.valid_to is None
        ),
        logins=tuple(_login(tx, login) for login in tx.logins.of(user_id)),
        memberships=tuple(
            MembershipFact(
                id=member.id,
                account=tx.people.account_by_id(member.account_id).slug,
                role=member.role,
                state=member.state,
                has_drop=tx.drops.live(member.id) is not None,
            )
            for member in tx.people.memberships_of(user_id)
        ),
    )


def _login(tx: Tx, login: LoginRow) -> LoginFact:
    return LoginFact(
        id=login.id,
        account=_slug(tx, login.account_id),
        username=login.username,
        is_suspended=login.suspended_at is not None,
        identities=tuple(
            IdentityFact(
                id=one.id,
                issuer=one.issuer,
                address=one.address,
                is_suspended=one.suspended_at is not None,
            )
            for one in tx.identities.of(login.id)
        ),
    )


def _slug(tx: Tx, account_id: int | None) -> str | None:
    return None if account_id is None else tx.people.account_by_id(account_id).slug


def counted(tx: Tx, found: PersonFact) -> PersonFact:
    """Return the record with its amounts.  Slow with many mails."""
    accounts = sorted(active_accounts(tx, found.id))
    return replace(found, amounts=tx.changes.amounts(found.id, accounts))
