"""Who sent it: exactly one user, or none with a reason (I1-I3).  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from maild.model.address import Address, InvalidAddressError
from maild.model.facts import Binding, Directory, Drop, InboxFacts, Proven, Ruling, Unproven
from maild.model.letter import Author, Letter
from maild.model.people import AddressKind, InboxKind, MemberState
from maild.model.reason import Reason
from maild.model.ruled import Named, who_said
from maild.model.trace import Trace


@dataclass(frozen=True, slots=True)
class Known:
    """The one user who sent it, by this binding, proven."""

    binding: Binding


@dataclass(frozen=True, slots=True)
class Stranger:
    """No user.  `claimed` is the user whose address stands in From without proof, where the inbox only records that."""

    claimed: Binding | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A user is in question and it cannot be said who: the mail is held for this reason."""

    reason: Reason
    facts: dict[str, Any]
    claimed: Binding | None = None


Sender = Known | Stranger | Unknown

_KIND = {
    AddressKind.PRIMARY: "the main address",
    AddressKind.ALIAS: "an alias",
    AddressKind.SENDS_AS: "a sending address",
    AddressKind.HISTORIC: "a former address",
}
_KNOWN_HERE = {MemberState.ACTIVE, MemberState.REQUESTED}
"""Members, and who asked to be one: the account may know them by name, and by every address."""


def identify(
    letter: Letter, inbox: InboxFacts, directory: Directory, proof: Proven | Unproven, trace: Trace
) -> Sender:
    """Resolve the sender to exactly one user, a stranger, or a reason to hold."""
    if not isinstance(letter.sender, Author):
        return _unclear(letter, letter.sender.why, inbox, directory, trace)
    norm = letter.sender.address
    trace.say("identify", f"It says that it is from {norm}.", "from", address=norm)
    binding = directory.bindings.get(norm)
    if binding is None or _is_elsewhere(binding, proof):
        return _by_tag(norm, inbox, directory, proof, trace)
    if binding.was_used:
        trace.say(
            "identify",
            f"It was recognised by {binding.norm} before, and that stays.",
            "recognised_before",
            address=binding.norm,
        )
    elif binding.membership in _KNOWN_HERE:  # People of other accounts are named to nobody.
        trace.say(
            "identify",
            f"{norm} is {_KIND[binding.kind]} of {binding.user_name}.",
            "address_of",
            address=norm,
            kind=binding.kind.value,
            user=binding.user_name,
        )
    return _judge(binding, norm, inbox, proof, trace)


def _is_elsewhere(binding: Binding, proof: Proven | Unproven) -> bool:
    """Whether an address is, as far as this account may learn, nobody's.

    What another account has not confirmed is nobody's here (U5).  And who types somebody's From must not be told by the
    answer whether another account knows the address (U9): only its owner, who can prove it, is told what is missing.
    """
    if binding.membership is not None:
        return False
    return not binding.is_verified or (isinstance(proof, Unproven) and not binding.was_used)


def by_drop(drop: Drop, inbox: InboxFacts, *, others_read: bool, trace: Trace) -> Sender:
    """Resolve the sender of a mail that came to a drop address: it is its owner's, whoever From names (U7).

    `others_read`: somebody outside is in To or Cc.
    """
    binding = drop.binding
    trace.say(
        "identify",
        f"It came to the drop address of {binding.user_name}.",
        "drop_address",
        user=binding.user_name,
    )
    hindered = _hindered(binding, inbox, trace)
    if hindered is not None:
        return hindered
    if drop.is_exposed and others_read:
        trace.say(
            "identify",
            "It stands in To or Cc as well, where others read it.",
            "drop_address_exposed",
        )
        return Unknown(Reason.DROP_ADDRESS_EXPOSED, {"user": binding.user_name}, binding)
    return Known(binding)


def among_rivals(sender: Sender, rivals: tuple[Binding, ...], trace: Trace) -> Sender:
    """Hold what came to the drop addresses of several users, unless its From is proven to be a user's (I1, U7)."""
    if not rivals or isinstance(sender, Known):
        return sender
    names = " and ".join(one.user_name for one in rivals)
    trace.say(
        "identify",
        f"It came to the drop addresses of {names}; it can be from one of them only.",
        "several_drop_addresses",
        users=[one.user_name for one in rivals],
    )
    facts = {
        "n": len(rivals),
        "from": f"the drop addresses that it came to ({names})",
        "candidates": ", ".join(one.norm for one in rivals),
    }
    return Unknown(Reason.AMBIGUOUS_SENDER, facts)


def by_word(named: Named, inbox: InboxFacts, trace: Trace) -> Sender:
    """Resolve the sender by what a person answered: that one is believed, as far as the user may send at all (E2)."""
    binding = named.binding
    trace.say(
        "identify",
        f"{who_said(named.ruling)} that it is from {binding.user_name}.",
        "said_sender",
        sender=binding.user_name,
        user=named.ruling.answer.get("user", ""),
    )
    return _hindered(binding, inbox, trace) or Known(binding)


def in_place_of(sender: Sender, ruling: Ruling, trace: Trace) -> Sender:
    """Let the mail of an inactive user through, if somebody said who is to have it."""
    if (
        not isinstance(sender, Unknown)
        or sender.reason is not Reason.USER_INACTIVE
        or sender.claimed is None
    ):
        return sender
    trace.say(
        "identify",
        f"{who_said(ruling)} that {ruling.answer['to']} is to have it.",
        "said_substitute",
        substitute=ruling.answer["to"],
        user=ruling.answer.get("user", ""),
    )
    return Known(sender.claimed)


def _hindered(binding: Binding, inbox: InboxFacts, trace: Trace) -> Unknown | None:
    """Say why a user who is known cannot be taken for the sender, unless they were before."""
    if binding.was_used:
        return None
    if binding.membership is not MemberState.ACTIVE:
        trace.say(
            "identify",
            f"{binding.user_name} is not an active member of {inbox.account_name}.",
            "not_a_member",
            who=binding.user_name,
            account=inbox.account_name,
        )
        return Unknown(
            Reason.NOT_A_MEMBER, {"user": binding.user_name, "account": inbox.account_name}
        )
    return None if binding.disabled_at is None else _inactive(binding, trace)


def _unclear(
    letter: Letter, why: str, inbox: InboxFacts, directory: Directory, trace: Trace
) -> Sender:
    why = why.rstrip(".")
    trace.say("identify", f"It does not name one author: {why}.", "unclear", why=why)
    in_question = [norm for norm in from_norms(letter) if directory.is_colleague(norm)]
    if inbox.kind is InboxKind.SHARED and not in_question:
        trace.say("identify", "No user is in question; treated as a stranger's.", "no_user")
        return Stranger()
    return Unknown(Reason.SENDER_UNCLEAR, {"why": why})


def from_norms(letter: Letter) -> list[str]:
    """Return the canonical addresses of every mailbox in From that has one; for matching, never for identity."""
    found = []
    for box in letter.from_:
        try:
            found.append(Address.parse(box.address).norm)
        except InvalidAddressError:
            continue
    return list(dict.fromkeys(found))


def _by_tag(
    norm: str, inbox: InboxFacts, directory: Directory, proof: Proven | Unproven, trace: Trace
) -> Sender:
    candidates = directory.tagged.get(norm, ())
    if not candidates:
        trace.say("identify", f"No user has the address {norm}.", "no_user", address=norm)
        return Stranger()
    users = {candidate.user_id for candidate in candidates}
    names = ", ".join(candidate.norm for candidate in candidates)
    trace.say(
        "identify",
        f"{norm} is the base of registered +tag addresses: {names}.",
        "plus_base",
        address=norm,
        candidates=[candidate.norm for candidate in candidates],
    )
    if len(users) == 1 and inbox.plus_tag == "base-if-unique":
        trace.say(
            "identify",
            "They are one user's, and the account accepts a base that is unique.",
            "plus_base_is_unique",
        )
        # One that is confirmed counts, whichever was registered first.
        best = min(candidates, key=lambda one: (not one.is_verified, one.address_id))
        return _judge(best, norm, inbox, proof, trace)
    return Unknown(
        Reason.PLUS_BASE_UNRESOLVED, {"from": norm, "n": len(candidates), "candidates": names}
    )


def _judge(
    binding: Binding, norm: str, inbox: InboxFacts, proof: Proven | Unproven, trace: Trace
) -> Sender:
    """Say whether this user may be taken for the sender; of who was before, only the proof is looked at."""
    strange = None if binding.was_used else _strange(binding, norm, inbox, trace)
    if strange is not None:
        return strange
    match proof:
        case Unproven(verdict):
            return _unproven(binding, verdict, inbox, trace)
        case Proven(how):
            trace.say("identify", f"That is proven: {how}.", "proven", how=how)
    if binding.disabled_at is not None and not binding.was_used:
        return _inactive(binding, trace)
    return Known(binding)


def _strange(
    binding: Binding, norm: str, inbox: InboxFacts, trace: Trace
) -> Stranger | Unknown | None:
    """Say why an address names nobody in this account, whoever writes from it."""
    if binding.membership is None and inbox.kind is InboxKind.SHARED:
        trace.say(
            "identify",
            f"{norm} belongs to nobody in {inbox.account_name}; treated as a stranger's.",
            "no_user",
            address=norm,
        )
        return Stranger()
    if binding.membership is not MemberState.ACTIVE:
        who = binding.user_name if binding.membership in _KNOWN_HERE else norm
        trace.say(
            "identify",
            f"{who} is not an active member of {inbox.account_name}.",
            "not_a_member",
            who=who,
            account=inbox.account_name,
        )
        return Unknown(Reason.NOT_A_MEMBER, {"user": who, "account": inbox.account_name})
    if not binding.is_verified:
        trace.say("identify", f"{norm} is not confirmed yet.", "not_confirmed", address=norm)
        return Unknown(Reason.ALIAS_NOT_VERIFIED, {"from": norm, "user": binding.user_name})
    return None


def _inactive(binding: Binding, trace: Trace) -> Unknown:
    since = f"{binding.disabled_at:%Y-%m-%d}"
    trace.say(
        "identify",
        f"{binding.user_name} is inactive since {since}.",
        "inactive",
        user=binding.user_name,
        since=since,
    )
    return Unknown(Reason.USER_INACTIVE, {"user": binding.user_name, "date": since}, binding)


def _unproven(binding: Binding, verdict: str, inbox: InboxFacts, trace: Trace) -> Sender:
    trace.say(
        "identify",
        f"It claims to be {binding.user_name}, and nothing proves it: {verdict}.",
        "claims",
        user=binding.user_name,
        verdict=verdict,
    )
    if inbox.sender_policy == "require":
        return Unknown(
            Reason.SENDER_NOT_VERIFIED, {"user": binding.user_name, "verdict": verdict}, binding
        )
    trace.say(
        "identify",
        "This inbox asks for no proof, and only records the claim; treated as a stranger's.",
        "claim_recorded",
    )
    return Stranger(claimed=binding)
