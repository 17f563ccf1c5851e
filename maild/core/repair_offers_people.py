"""Repairs about people: whose mail it is, whom to trust, whom to ask (E2).  Only reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from maild.auth.trusted import Trustable
from maild.core.look import Look
from maild.core.repair_values import LOOKED_MAX, Choice, Maker, Repair, Value, offer
from maild.model.address import Address, InvalidAddressError
from maild.model.people import MemberState, Role


def _add_alias(look: Look) -> Repair | None:
    if not look.is_admins or look.mail.from_norm is None:
        return None
    text = f"Say that {look.mail.from_norm} is another address of a user; you vouch for it."
    return offer(look, "add-alias", text, Value(what="an address of the user"))


def _add_client(look: Look) -> Repair | None:
    if look.mail.from_norm is None:
        return None
    text = f"Make {look.mail.from_norm} a contact of a client, and file the mail there."
    return offer(look, "add-client", text, Value(what="the id of a client, or a new name"))


def _choose_user(look: Look) -> Repair | None:
    if not look.is_trusted:
        return None
    boxes = () if look.letter is None else look.letter.from_
    return offer(
        look,
        "choose-user",
        "Say which user sent it.",
        Value(
            what="an address of the user",
            choices=users_among(look, [*(box.address for box in boxes), *_noted_candidates(look)]),
        ),
    )


def users_among(look: Look, texts: Iterable[str]) -> list[Choice]:
    """Return the account's users who have one of these addresses; of many, of the first hundred."""
    found: dict[int, Choice] = {}
    for text in islice(dict.fromkeys(texts), LOOKED_MAX):
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
    return str(look.mail.facts.get("candidates", "")).split(", ")[:LOOKED_MAX]


def _accept_sends_as(look: Look) -> Repair | None:
    if not look.is_admins:
        return None
    choices = candidates(look)
    return offer(
        look,
        "accept-sends-as",
        f"Accept {look.mail.from_norm} as the sending address of one of them, now and later.",
        Value(
            what="which candidate",
            is_needed=len({one.text for one in choices}) != 1,
            choices=choices,
        ),
    )


def _confirm(look: Look) -> Repair | None:
    if not look.is_admins:
        return None
    text = f"Vouch for {look.mail.from_norm}: it counts at once, without a mailed link."
    return offer(look, "confirm", text)


def _resend(look: Look) -> Repair | None:
    if not look.is_admins:
        return None
    text = f"Mail the link to {look.mail.from_norm} again; the mail is filed when it was followed."
    return offer(look, "resend", text)


def _accept_once(look: Look) -> Repair | None:
    if not look.is_trusted or look.claimed is None:
        return None
    text = (
        f"Say that this one mail is from {look.claimed.display_name}; the next one is held again."
    )
    return offer(look, "accept-once", text)


def _trust_forwarder(look: Look) -> Repair | None:
    if not look.is_admins or not look.trustable or look.claimed is None:
        return None
    choices = [trust_choice(one, look.mail.from_norm or "") for one in look.trustable]
    # Anybody can sign, or seal, what they forged: nobody is to be trusted without being named.
    return offer(
        look,
        "trust-forwarder",
        f"Trust who forwarded it, from now on, for this account: {', or '.join(one.text for one in choices)}.",
        Value(what="the domain", is_needed=len(choices) > 1, choices=choices),
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
    return offer(look, "use-drop-address", text)


def _invite(look: Look) -> Repair | None:
    if not look.is_admins or look.mail.from_norm is None:
        return None
    return offer(
        look,
        "invite",
        f"Invite who has the address {look.mail.from_norm} to join; retry when they have.",
        Value(
            what="the role",
            is_needed=False,
            choices=[Choice(value=role.value, text=role.value) for role in Role],
        ),
    )


def _substitute(look: Look) -> Repair | None:
    if not look.is_trusted:
        return None
    text = "Give it to somebody in place of who is inactive, and file it."
    return offer(look, "substitute", text, Value(what="an address of the user"))


def _enable(look: Look) -> Repair | None:
    if not look.is_admins or look.claimed is None:
        return None
    return offer(look, "enable", f"Make {look.claimed.display_name} active again.")


def _rotate(look: Look) -> Repair | None:
    if look.claimed is None or not (look.is_admins or look.by.user_id == look.claimed.id):
        return None
    text = f"Say that it is from {look.claimed.display_name}, and give them another drop address."
    return offer(look, "rotate", text)


MAKERS: Mapping[str, Maker] = {
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
}
