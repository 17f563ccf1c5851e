"""Which repairs a mail offers, to whom, and with which choices (E2).  Only reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from maild.auth.trusted import Trustable
from maild.core.look import Look
from maild.core.repair_looks import inboxes_by_field
from maild.model.address import Address, InvalidAddressError
from maild.model.people import MemberState, Role
from maild.model.reason import Reason
from maild.model.states import State

CHOICES_MAX = 20
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:\\@]{1,64}@[^\s<>()\[\]\"',;:\\@]{1,255}")
_LOOKED_MAX = 5 * CHOICES_MAX
"""Addresses of a mail that are looked up for choices: who wrote it says how many there are."""
_TEXT_MAX = 100_000
"""Characters of a mail's text in which addresses are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One thing that VALUE can be."""

    value: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One thing that a person can do about a mail."""

    action: str
    text: str
    """What it does, as one sentence."""
    value: str | None = None
    """What VALUE is; None: there is none."""
    value_needed: bool = False
    choices: tuple[Choice, ...] = ()
    """What VALUE can be, where that is known."""
    can_remember: bool = False
    """Whether it can be remembered for the account's next mail."""
    command: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """The VALUE of a repair."""

    what: str
    is_needed: bool = True
    choices: Iterable[Choice] = ()


Maker = Callable[[Look], Repair | None]


def offers_of(look: Look) -> tuple[Repair, ...]:
    """Return what this mail offers to this person, the likeliest first."""
    if look.mail.reason is None:
        return ()
    wanted = actions_for(Reason[look.mail.reason]) + tuple(
        action for code, action in _BESIDE.items() if code.code in look.marks
    )
    made = (_MAKERS[action](look) for action in wanted)
    return tuple(one for one in made if one is not None)


def _offer(
    look: Look,
    action: str,
    text: str,
    asked: _Asked | None = None,
    *,
    remember: bool = False,
) -> Repair:
    words = ["maild mail repair", look.row.ulid, action]
    if asked is not None:
        words.append("VALUE" if asked.is_needed else "[VALUE]")
    return Repair(
        action=action,
        text=text,
        value=None if asked is None else asked.what,
        value_needed=asked is not None and asked.is_needed,
        choices=() if asked is None else tuple(asked.choices)[:CHOICES_MAX],
        can_remember=remember,
        command=" ".join(words),
    )


def _ignore(look: Look) -> Repair:
    return _offer(look, "ignore", "Put it away; it can be released again.")


def _release(look: Look) -> Repair:
    return _offer(look, "release", "Treat it as any other mail.")


def _retry(look: Look) -> Repair:
    return _offer(look, "retry", "Read and decide it again.")


def _add_alias(look: Look) -> Repair | None:
    if not look.is_admins or look.mail.from_norm is None:
        return None
    text = f"Say that {look.mail.from_norm} is another address of a user; you vouch for it."
    return _offer(look, "add-alias", text, _Asked(what="an address of the user"))


def _add_client(look: Look) -> Repair | None:
    if look.mail.from_norm is None:
        return None
    text = f"Make {look.mail.from_norm} a contact of a client, and file the mail there."
    return _offer(look, "add-client", text, _Asked(what="the id of a client, or a new name"))


def _choose_user(look: Look) -> Repair | None:
    if not look.is_trusted:
        return None
    boxes = () if look.letter is None else look.letter.from_
    return _offer(
        look,
        "choose-user",
        "Say which user sent it.",
        _Asked(
            what="an address of the user",
            choices=users_among(look, [*(box.address for box in boxes), *_noted_candidates(look)]),
        ),
    )


def users_among(look: Look, texts: Iterable[str]) -> list[Choice]:
    """Return the account's users who have one of these addresses; of many, of the first hundred."""
    found: dict[int, Choice] = {}
    for text in islice(dict.fromkeys(texts), _LOOKED_MAX):
        try:
            name = look.tx.people.name(Address.parse(text).norm)
        except InvalidAddressError:
            continue
        if name is None or name.user_id is None:
            continue
        member = look.tx.people.member(look.row.account_id, name.user_id)
        if member is not None and member.state is MemberState.ACTIVE:
            shown = Choice(value=name.norm, text=member.user.display_name)
            found.setdefault(name.user_id, shown)
    return list(found.values())


def candidates(look: Look) -> list[Choice]:
    """Return the tagged addresses of which the From is the base, and whose they are (U6)."""
    return [one for norm in _noted_candidates(look) for one in users_among(look, [norm])]


def _noted_candidates(look: Look) -> list[str]:
    return str(look.mail.facts.get("candidates", "")).split(", ")[:_LOOKED_MAX]


def _accept_sends_as(look: Look) -> Repair | None:
    if not look.is_admins:
        return None
    choices = candidates(look)
    return _offer(
        look,
        "accept-sends-as",
        f"Accept {look.mail.from_norm} as the sending address of one of them, now and later.",
        _Asked(
            what="which candidate",
            is_needed=len({one.text for one in choices}) != 1,
            choices=choices,
        ),
    )


def _confirm(look: Look) -> Repair | None:
    if not look.is_admins:
        return None
    text = f"Vouch for {look.mail.from_norm}: it counts at once, without a mailed link."
    return _offer(look, "confirm", text)


def _resend(look: Look) -> Repair | None:
    if not look.is_admins:
        return None
    text = f"Mail the link to {look.mail.from_norm} again; the mail is filed when it was followed."
    return _offer(look, "resend", text)


def _accept_once(look: Look) -> Repair | None:
    if not look.is_trusted or look.claimed is None:
        return None
    text = (
        f"Say that this one mail is from {look.claimed.display_name}; the next one is held again."
    )
    return _offer(look, "accept-once", text)


def _trust_forwarder(look: Look) -> Repair | None:
    if not look.is_admins or not look.trustable or look.claimed is None:
        return None
    choices = [trust_choice(one, look.mail.from_norm or "") for one in look.trustable]
    # Anybody can sign, or seal, what they forged: nobody is to be trusted without being named.
    return _offer(
        look,
        "trust-forwarder",
        f"Trust who forwarded it, from now on, for this account: {', or '.join(one.text for one in choices)}.",
        _Asked(what="the domain", is_needed=len(choices) > 1, choices=choices),
    )


def trust_choice(who: Trustable, address: str) -> Choice:
    """Return what trusting somebody would mean."""
    if who.method == "dkim":
        return Choice(
            value=who.domain, text=f"what {who.domain} signs and is from {address} is proven"
        )
    return Choice(value=who.domain, text=f"the seals of {who.domain} are believed (ARC)")


def _use_drop_address(look: Look) -> Repair | None:
    if look.claimed is None or not (look.is_admins or look.by.user_id == look.claimed.id):
        return None
    text = f"Show the secret address of {look.claimed.display_name}: what goes there needs no other proof."
    return _offer(look, "use-drop-address", text)


def _invite(look: Look) -> Repair | None:
    if not look.is_admins or look.mail.from_norm is None:
        return None
    return _offer(
        look,
        "invite",
        f"Invite who has the address {look.mail.from_norm} to join; retry when they have.",
        _Asked(
            what="the role",
            is_needed=False,
            choices=[Choice(value=role.value, text=role.value) for role in Role],
        ),
    )


def _substitute(look: Look) -> Repair | None:
    if not look.is_trusted:
        return None
    text = "Give it to somebody in place of who is inactive, and file it."
    return _offer(look, "substitute", text, _Asked(what="an address of the user"))


def _enable(look: Look) -> Repair | None:
    if not look.is_admins or look.claimed is None:
        return None
    return _offer(look, "enable", f"Make {look.claimed.display_name} active again.")


def _rotate(look: Look) -> Repair | None:
    if look.claimed is None or not (look.is_admins or look.by.user_id == look.claimed.id):
        return None
    text = f"Say that it is from {look.claimed.display_name}, and give them another drop address."
    return _offer(look, "rotate", text)


def _create_client(look: Look) -> Repair | None:
    found = look.counterparts()
    if not found:
        return None
    if len(found) == 1:
        text = f"Add a client with the contact {found[0]}."
        return _offer(look, "create-client", text, _Asked(what="the client's name"))
    choices = [Choice(value=f"NAME <{one}>", text=one) for one in found]
    text = "Add a client with the contact that you name."
    return _offer(look, "create-client", text, _Asked(what="NAME <ADDRESS>", choices=choices))


def _choose_client(look: Look) -> Repair:
    return _offer(
        look,
        "choose-client",
        "File it under a client.",
        _Asked(what="the id of the client", choices=_clients_in_question(look)),
        # Of several addresses it would not be certain which one is to be remembered.
        remember=len(look.counterparts()) == 1 or look.mail.reason == Reason.CLIENT_AMBIGUOUS.code,
    )


def _clients_in_question(look: Look) -> list[Choice]:
    """Return the clients of what the decision found ambiguous, else of the addresses that the mail is about."""
    ambiguous = str(look.mail.facts.get("address", ""))
    found = look.counterparts()
    keys = [ambiguous] if ambiguous else [*found, *(one.rpartition("@")[2] for one in found)]
    clients = [one for key in keys for one in look.tx.healing.clients_of(look.row.account_id, key)]
    return [Choice(value=ulid, text=name) for ulid, name in dict.fromkeys(clients)]


def _unfile(look: Look) -> Repair | None:
    clients = [Choice(value=ulid, text=name) for ulid, name in look.filed_under.items()]
    if not clients:
        return None
    if len(clients) == 1:
        text = f"Take it off {clients[0].text}."
        return _offer(look, "unfile", text, _Asked("the client's id", False, clients))
    return _offer(look, "unfile", "Take it off a client.", _Asked("the client's id", True, clients))


def _move(look: Look) -> Repair | None:
    if not look.filed_under:
        return None
    text = f"File it under another client in place of {', '.join(look.filed_under.values())}."
    return _offer(look, "move", text, _Asked(what="the id of the client"))


def _recipient(look: Look) -> Repair | None:
    if not look.is_trusted:
        return None
    inboxes = look.tx.people.inboxes_of(look.row.account_id)
    return _offer(
        look,
        "recipient",
        "Say to which inbox it was sent; it is decided as that inbox's.",
        _Asked(
            what="the inbox",
            choices=[Choice(value=one.norm, text=f"{one.kind.value} inbox") for one in inboxes],
        ),
    )


def _pick_header(look: Look) -> Repair | None:
    if not look.is_admins or look.source is None:
        return None
    fields = inboxes_by_field(look)
    return _offer(
        look,
        "pick-header",
        f"Say which header field tells the recipient in {look.source.name}, from now on.",
        _Asked(
            what="the field's name",
            choices=[Choice(value=name, text=f"here {norm}") for name, norm in fields.items()],
        ),
    )


def _checklist(look: Look) -> Repair:
    return _offer(look, "checklist", "Show what makes the mailbox tell the recipient.")


def _fetch(look: Look) -> Repair | None:
    text = "Fetch the whole mail."
    if not look.is_admins:
        return _offer(look, "fetch", text)
    asked = _Asked(what="a larger limit for the inbox, such as 60MiB", is_needed=False)
    return _offer(
        look, "fetch", f"Raise the inbox's limit, if that is said, and {text.lower()}", asked
    )


def _compare(look: Look) -> Repair:
    return _offer(look, "compare", "Show in what the mails of this Message-ID differ.")


def _raw(look: Look) -> Repair:
    return _offer(look, "raw", "Show the mail as it came.")


def _original(look: Look) -> Repair:
    return _offer(
        look,
        "original",
        "Say who wrote the mail that was forwarded.",
        _Asked(
            what="the address",
            choices=[Choice(value=norm, text=norm) for norm in _addresses_in_text(look)],
        ),
    )


def _addresses_in_text(look: Look) -> list[str]:
    if look.letter is None:
        return []
    found = dict.fromkeys(_ADDRESS.findall(look.letter.text[:_TEXT_MAX]))
    return look.outsiders(text.rstrip(".") for text in list(found)[:_LOOKED_MAX])


def _confirm_original(look: Look) -> Repair:
    address = look.mail.facts.get("address", "?")
    return _offer(look, "confirm-original", f"Say that the original is from {address}.")


_MAKERS: Mapping[str, Maker] = {
    "ignore": _ignore,
    "release": _release,
    "retry": _retry,
    "add-alias": _add_alias,
    "add-client": _add_client,
    "choose-user": _choose_user,
    "accept-sends-as": _accept_sends_as,
    "confirm": _confirm,
    "resend": _resend,
    "accept-once": _accept_once,
    "trust-forwarder": _trust_forwarder,
    "use-drop-address": _use_drop_address,
    "invite": _invite,
    "substitute": _substitute,
    "enable": _enable,
    "rotate": _rotate,
    "create-client": _create_client,
    "choose-client": _choose_client,
    "original": _original,
    "confirm-original": _confirm_original,
    "unfile": _unfile,
    "move": _move,
    "recipient": _recipient,
    "pick-header": _pick_header,
    "checklist": _checklist,
    "fetch": _fetch,
    "compare": _compare,
    "raw": _raw,
}

_BY_REASON: Mapping[Reason, tuple[str, ...]] = {
    Reason.SENDER_UNKNOWN: ("add-alias", "add-client", "ignore"),
    Reason.SENDER_UNCLEAR: ("choose-user", "ignore"),
    Reason.AMBIGUOUS_SENDER: ("choose-user", "ignore"),
    Reason.PLUS_BASE_UNRESOLVED: ("accept-sends-as", "choose-user", "ignore"),
    Reason.ALIAS_NOT_VERIFIED: ("confirm", "resend", "ignore"),
    Reason.SENDER_NOT_VERIFIED: ("accept-once", "trust-forwarder", "use-drop-address", "ignore"),
    Reason.DROP_ADDRESS_EXPOSED: ("rotate", "accept-once", "ignore"),
    Reason.NOT_A_MEMBER: ("invite", "retry", "ignore"),
    Reason.USER_INACTIVE: ("substitute", "enable", "ignore"),
    Reason.NO_RECIPIENT_MARKER: (
        "recipient",
        "pick-header",
        "checklist",
        "choose-client",
        "ignore",
    ),
    Reason.CLIENT_NOT_FOUND: ("create-client", "choose-client", "ignore"),
    Reason.CLIENT_AMBIGUOUS: ("choose-client", "ignore"),
    Reason.FORWARD_NOT_FOUND: ("original", "choose-client", "ignore"),
    Reason.FORWARD_UNSURE: ("confirm-original", "original", "choose-client", "ignore"),
    Reason.FORWARD_BY_STRANGER: ("choose-client", "create-client", "ignore"),
    Reason.ONLY_USERS_INVOLVED: ("choose-client", "ignore"),
    Reason.UNFILED_BY_HAND: ("choose-client", "ignore"),
    Reason.AUTO_REPLY: ("release", "unfile", "move"),
    Reason.BOUNCE: ("release", "unfile", "move"),
    Reason.LIST_MAIL: ("release", "unfile", "move"),
    Reason.SPAM: ("release",),
    Reason.DISMISSED: ("release",),
    Reason.LOOP_STOPPED: ("release",),
    Reason.TOO_LARGE: ("fetch", "ignore"),
    Reason.UNPARSEABLE: ("retry", "raw", "ignore"),
    Reason.INTERNAL_ERROR: ("retry", "raw"),
}
"""What can be done about a mail, by its reason; the filed ones come below."""
_FILED = ("unfile", "move")
_BESIDE: Mapping[Reason, str] = {
    Reason.SAME_ID_OTHER_CONTENT: "compare",
    Reason.PARSE_DEGRADED: "raw",
}
"""What can be done about what stands beside its reason."""


def actions_for(reason: Reason) -> tuple[str, ...]:
    """Return every action that mails of this reason offer to somebody."""
    return _BY_REASON.get(reason, _FILED if reason.value.states == (State.FILED,) else ())
