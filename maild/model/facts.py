"""What a decision is made from: frozen values that core reads from the store and hands to `decide`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maild.model.people import AddressKind, InboxKind, MemberState


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A live address of a user, seen from one account."""

    address_id: int
    user_id: int
    user_name: str
    norm: str
    kind: AddressKind
    is_verified: bool
    disabled_at: datetime | None
    membership: MemberState | None
    """The user's standing in the inbox's account; None: not known there at all."""


@dataclass(frozen=True, slots=True)
class ClientRef:
    """A client as the trace names it."""

    id: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadHit:
    """A filed mail that this one refers to by Message-ID."""

    message_id: str
    clients: tuple[ClientRef, ...]
    participants: frozenset[str]
    """Canonical From, To and Cc of the mail: quoting its Message-ID alone is no ticket in (F4)."""


@dataclass(frozen=True, slots=True)
class Proven:
    """The From is proof-backed; `how` is a clause for the trace (I3)."""

    how: str


@dataclass(frozen=True, slots=True)
class Unproven:
    """Nothing proves the From; `verdict` says what was looked at."""

    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What one arrival of a mail says about its sender, as its listener was declared at that moment (I3)."""

    door: str
    authenticated_for: tuple[str, ...] = ()
    trusted_results: str | None = None
    spam_mark: str | None = None
    """The field by which the listener's upstream called it spam."""
    origin: str | None = None
    """What told the recipient of a collected mail; `none`: nothing did (D14)."""
    whole_size: int | None = None
    """Octets on the server of a mail that was too large to be taken whole (D12)."""
    drop_user_id: int | None = None
    """Whose drop address was its envelope recipient (U7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A mail came to a user's drop address (U7)."""

    binding: Binding
    """The user's primary address."""
    is_exposed: bool = False
    """Whether the drop address stands in To or Cc."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a person answered; the newest of a question counts (E2)."""

    question: str
    """`dismiss`, `release`, `withdraw` (of the newest release), `file`, `unfile`."""
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxFacts:
    """The inbox that a delivery came through, and its account."""

    norm: str
    kind: InboxKind
    sender_policy: str
    unknown_policy: str
    account_name: str
    plus_tag: str = "exact"
    employee_is_client: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Everything that the account's directory knows of the addresses in one mail, keyed by canonical address."""

    bindings: dict[str, Binding] = field(default_factory=dict)
    """Users' live addresses, of the whole installation (U1: one user each)."""
    tagged: dict[str, tuple[Binding, ...]] = field(default_factory=dict)
    """Live +tag addresses of this account's users by their base (U6)."""
    inboxes: frozenset[str] = frozenset()
    """The account's own inbox names among the addresses."""
    contacts: dict[str, tuple[ClientRef, ...]] = field(default_factory=dict)
    domains: dict[str, tuple[ClientRef, ...]] = field(default_factory=dict)

    def is_colleague(self, norm: str) -> bool:
        """Whether the address is one of the account's users."""
        binding = self.bindings.get(norm)
        return binding is not None and binding.membership is MemberState.ACTIVE
