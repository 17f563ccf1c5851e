"""A person's record as changes of people see it, and whose an address is: what plans are made from.  Pure values."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from maild.model.address import Address
from maild.model.people import AddressKind, MemberState, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressFact:
    """A live address of a person."""

    id: int
    norm: str
    base: str
    kind: AddressKind
    is_verified: bool
    was_primary: bool
    """An alias that was the primary before another one was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityFact:
    """Who a login is to a provider."""

    id: int
    issuer: str
    address: str
    is_suspended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFact:
    """A way to sign in."""

    id: int
    account: str | None
    """None: the general one."""
    username: str
    is_suspended: bool
    identities: tuple[IdentityFact, ...]

    def follows(self, old: str, new: str) -> str:
        """Return its user name when the address it may be called after changes."""
        return new if self.username == old else self.username


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipFact:
    """What a person is in an account."""

    id: int
    account: str
    role: Role
    state: MemberState
    has_drop: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What comes and goes by itself; a plan tells it, and does not depend on it."""

    sent: int = 0
    """Mails that were resolved to this person."""
    owned: int = 0
    """Mails in this person's mailbox."""
    in_hand: int = 0
    """Mails of the person's accounts that are not decided yet."""
    sessions: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFact:
    """One person's record, with everything that a change may touch."""

    id: int
    ulid: str
    name: str
    is_active: bool
    addresses: tuple[AddressFact, ...]
    logins: tuple[LoginFact, ...]
    memberships: tuple[MembershipFact, ...]
    amounts: Amounts = field(default_factory=Amounts)

    @property
    def primary(self) -> AddressFact | None:
        """The live primary address."""
        return next((one for one in self.addresses if one.kind is AddressKind.PRIMARY), None)

    @property
    def identities(self) -> tuple[IdentityFact, ...]:
        """The identities of every login that are in use."""
        return tuple(
            one for login in self.logins for one in login.identities if not one.is_suspended
        )

    def roles(self) -> dict[str, Role]:
        """Return what the person is where they work."""
        return {
            one.account: one.role for one in self.memberships if one.state is MemberState.ACTIVE
        }


@dataclass(frozen=True, slots=True)
class Free:
    """Nobody has the address."""


@dataclass(frozen=True, slots=True)
class Resting:
    """Somebody gave the address up not long ago."""

    until: datetime
    was_of: int


@dataclass(frozen=True, slots=True)
class OtherKind:
    """The address is no person's."""

    kind: str


@dataclass(frozen=True, slots=True)
class OfPerson:
    """The address is a person's, in whatever way."""

    person: PersonFact


Taken = Free | Resting | OtherKind | OfPerson


def digest_of(*parts: Any) -> str:
    """Return the digest of what a plan is made from."""
    text = json.dumps([_plain(part) for part in parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(part: Any) -> Any:
    if isinstance(part, OfPerson):
        part = part.person
    if isinstance(part, PersonFact):
        return {key: value for key, value in asdict(part).items() if key != "amounts"}
    if isinstance(part, (Free, Resting, OtherKind, Address)):
        return [type(part).__name__, asdict(part)]
    return part
