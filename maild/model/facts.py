"""What a decision is made from: frozen values that core reads from the store and hands to `decide`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maild.model.people import AddressKind, InboxKind, MemberState


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """An address of a user, seen from one account: live, or as it was when a mail came in (U12)."""

    address_id: int
    user_id: int
    user_name: str
    norm: str
    kind: AddressKind
    is_verified: bool
    disabled_at: datetime | None
    membership: MemberState | None
    """The user's standing in the inbox's account; None: not known there at all."""
    valid_from: datetime | None = None
    """None: for as long as anybody asks about."""
    valid_to: datetime | None = None
    """None: live."""
    is_merged: bool = False
    """Whether the user turned out to be somebody else since (U13)."""
    heir_id: int | None = None
    """Who they are today; None: still themselves."""
    was_used: bool = False
    """The mail was resolved by it before: what became of its user since changes nothing of that (U12)."""

    @property
    def today(self) -> int:
        """The user whose it would be now."""
        return self.heir_id or self.user_id

    def was_valid(self, at: datetime) -> bool:
        """Whether the address was this user's at that moment."""
        return (self.valid_from is None or self.valid_from <= at) and (
            self.valid_to is None or at < self.valid_to
        )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHit:
    """A client's genuine reference that a mail quotes, and where."""

    reference: str
    client: ClientRef
    in_fields: bool = False
    """As the +tag of an inbox in To or Cc."""
    in_envelope: bool = False
    """As the +tag of an envelope's recipient."""
    is_put_to_original: bool = False
    """In the subject of a forward, and not in that of its original: who forwards it put it there."""
    known: frozenset[str] = frozenset()
    """Those of the mail's addresses to which a user wrote in a mail that is filed with the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Somebody wrote the mail here (M8)."""

    author: Binding
    """As whom it is resolved: their primary address, whatever stands in From."""
    clients: tuple[ClientRef, ...]
    """Under which the mail is filed that it answers, or passes on."""
    is_own: bool
    """Whether this is the delivery as which it is kept; else it was written to another inbox of the account, too."""


@dataclass(frozen=True, slots=True)
class Proven:
    """The From is proof-backed; `how` is a clause for the trace (I3)."""

    how: str


@dataclass(frozen=True, slots=True)
class Unproven:
    """Nothing proves the From; `verdict` says what was looked at."""

    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Direct:
    """Who handed a mail over, directly from the world, and what that domain's policy says of it (SPF).

    Recorded and shown; never a proof of the From (I3).
    """

    arrival_id: int
    peer: str
    helo: str
    mail_from: str
    spf: Mapping[str, str]
    """`domain`, `outcome` and `words` of what was found; empty until somebody has asked."""

    @property
    def sentence(self) -> str:
        """What it came to, for the trace."""
        said = self.spf["words"].rpartition(" ")[2]
        return f"SPF says {said} for {self.spf['domain'] or 'no domain'} ({self.peer}): recorded, no proof"


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What one arrival of a mail says about its sender, as its listener was declared at that moment (I3)."""

    door: str
    recipients: tuple[str, ...] = ()
    """The envelope's, as given; drop addresses without their secret."""
    authenticated_for: tuple[str, ...] = ()
    trusted_results: str | None = None
    spam_mark: str | None = None
    """The field by which the listener's upstream called it spam."""
    origin: str | None = None
    """What told the recipient of a collected mail; `none`: nothing did (D14)."""
    whole_size: int | None = None
    """Octets on the server of a mail that was too large to be taken whole (D12)."""
    signed_in_user_id: int | None = None
    """Who signed in to hand it in."""
    direct: Direct | None = None
    """The server of the world that handed it over; None: it came by anybody else."""
    drop_user_id: int | None = None
    """Whose drop address was its envelope recipient (U7)."""
    left_unread: bool | None = None
    """Whether an import leaves it unread; None: it was not imported (D13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A mail came to a user's drop address (U7)."""

    binding: Binding
    """The user's primary address."""
    is_exposed: bool = False
    """Whether the drop address stands in To or Cc."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a person answered about one delivery; the newest of a question counts (E2)."""

    question: str
    """`dismiss`, `release`, `withdraw` (of the newest release), `file`, `unfile`, `sender`, `substitute`, `original`,
    `recipient` (to which inbox it was sent), `trust` (told, and remembered for the account), `retract` (of a whole act)."""
    answer: dict[str, Any]
    at: datetime | None = None
    change: str = ""
    """The act that it belongs to."""
    takes_back: str | None = None
    """Of a retraction: the act whose answers do not count any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """An account's standing answer: mail of an address that several clients have is this client's (E2)."""

    client: ClientRef
    user: str
    """Who said it."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """An account's standing answer: whose word about a From is believed there (E2, I3)."""

    method: str
    """`dkim`: this domain's signature over the From; `arc`: this forwarder's seal."""
    domain: str
    address: str = ""
    """Of a signer: the one address that it speaks for."""
    user: str
    """Who said it."""
    at: datetime


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
    preferred: dict[str, Preferred] = field(default_factory=dict)
    """Which of several clients an address means, where a person said so for the account."""

    def is_colleague(self, norm: str) -> bool:
        """Whether the address is one of the account's users."""
        binding = self.bindings.get(norm)
        return binding is not None and binding.membership is MemberState.ACTIVE
