"""What each repair does within its transaction; the mail is decided again after the commit (E2).

Nothing here moves a mail's state: acts change people, clients and what is remembered, or write down what a person
answered about this one mail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from maild.core.acts import require_reader
from maild.core.addresses import add_address_in
from maild.core.clients import NewClient, add_client_in, add_contact_in, ready_client
from maild.core.drops import rotate_drop_in, show_drop_in
from maild.core.look import Look
from maild.core.mailbox import transfer_in
from maild.core.people import set_active_in
from maild.core.repair_offers_people import candidates
from maild.core.repair_work import Told, Work
from maild.core.rulings import client_answer, client_named, lying, record, release, take_off
from maild.core.standing import parse_address
from maild.core.standing_rulings import remember_client, remember_trust, shown
from maild.model.address import Address
from maild.model.people import AddressKind
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.store.users import UserRow

_NAMED = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>\s*")


def _said(work: Work, question: str, **answer: object) -> None:
    work.hold_mail()
    record(work.look.tx, work.look.row, work.act, question, answer)


# --- who sent it -------------------------------------------------------------------------------------------------------


def _add_alias(work: Work) -> Told:
    look, address = work.look, work.from_norm
    user = work.member(work.needed("an address of the user"))
    add_address_in(
        look.tx, look.app, _primary(user), address, sends_as=False, confirm=True, by=look.by
    )
    return Told(text=f"{address} is an alias of {user.display_name} now.", names=(address,))


def _accept_sends_as(work: Work) -> Told:
    look, base = work.look, work.from_norm
    choices = candidates(look)
    holders = {one.value: _holder(work, one.value) for one in choices}
    wanted = None if work.value is None else parse_address(work.value).norm
    users = {
        user.id: user
        for norm, user in holders.items()
        if wanted is None or wanted in {norm, user.email}
    }
    if len(users) != 1:
        listed = ", ".join(holders) or "nobody any more"
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The candidate",
            value=short(work.value or ""),
            why=f"it must be one of {listed}",
        )
    (user,) = users.values()
    add_address_in(look.tx, look.app, _primary(user), base, sends_as=True, confirm=True, by=look.by)
    return Told(text=f"{base} is a sending address of {user.display_name} now.", names=(base,))


def _holder(work: Work, norm: str) -> UserRow:
    name = work.look.tx.people.name(norm)
    assert name is not None  # noqa: S101 - `candidates` has just found it
    assert name.user_id is not None  # noqa: S101 - as a user's
    return work.look.tx.people.user(name.user_id)


def _confirm(work: Work) -> Told:
    look, address = work.look, work.from_norm
    user = work.claimed
    name = look.tx.people.name(address)
    kind = None
    if name is not None and name.address_id is not None:
        kind = look.tx.people.address(name.address_id).kind
    add_address_in(
        look.tx,
        look.app,
        _primary(user),
        address,
        sends_as=kind is AddressKind.SENDS_AS,
        confirm=True,
        by=look.by,
    )
    return Told(text=f"{address} is confirmed by your word.", names=(address,))


def _choose_user(work: Work) -> Told:
    user = work.member(work.needed("an address of the user"))
    _said(work, "sender", user_id=user.id, sender=user.display_name)
    return Told(text=f"It is from {user.display_name}, by your word.")


def _accept_once(work: Work) -> Told:
    user = work.claimed
    _said(work, "sender", user_id=user.id, sender=user.display_name)
    return Told(text=f"This one mail is from {user.display_name}, by your word.")


def _trust_forwarder(work: Work) -> Told:
    look, address = work.look, work.from_norm
    if not look.trustable:
        raise nothing_to_trust(look)
    found = [one for one in look.trustable if work.value in {None, one.domain}]
    if len({one.domain for one in found}) != 1:
        listed = ", ".join(dict.fromkeys(one.domain for one in look.trustable))
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The forwarder",
            value=short(work.value or ""),
            why=f"the mail proves something of {listed} only",
        )
    work.hold_account()
    work.hold_mail()
    row = remember_trust(look.tx, work.where.id, found[0], address, work.act)
    text = shown(row).text
    _said(work, "trust", text=text)
    return Told(text=f"Remembered for {work.where.name}: {text}", names=(address,))


def nothing_to_trust(look: Look) -> RefusedError:
    """Return the refusal to trust a mail in which nothing can be checked."""
    return RefusedError(
        Reason.CONFLICT,
        actions=(
            f"maild mail repair {look.row.ulid} accept-once",
            f"maild mail repair {look.row.ulid} use-drop-address",
        ),
        why="Nothing in this mail is verifiable: no valid signature of a domain that signs for its own people alone, and "
        "no seal of a forwarder. Anybody can type that From, so there is nobody to trust.",
    )


def _use_drop_address(work: Work) -> Told:
    look = work.look
    view = show_drop_in(
        look.tx, look.app, _primary(work.claimed), account=work.where.slug, by=look.by
    )
    return Told(
        text=f"What {work.claimed.display_name} forwards to this address needs no other proof; it is secret.",
        lines=view.addresses,
    )


def _rotate(work: Work) -> Told:
    look = work.look
    view = rotate_drop_in(
        look.tx, look.app, _primary(work.claimed), account=work.where.slug, by=look.by
    )
    # It named the old one to others, so no later decision would believe it: this one mail is believed by a person's word.
    _said(work, "sender", user_id=work.claimed.id, sender=work.claimed.display_name)
    return Told(
        text=f"{work.claimed.display_name} has another drop address now; tell them.",
        lines=view.addresses,
    )


def _substitute(work: Work) -> Told:
    look = work.look
    user = work.member(work.needed("an address of the user"))
    require_reader(look.tx, work.where.id, user.id)
    _said(work, "substitute", to_id=user.id, to=user.display_name)
    if look.row.owner_id is not None and look.row.owner_id != user.id:
        transfer_in(look.tx, look.row, user.id, work.act)
    return Told(text=f"{user.display_name} has it.")


def _enable(work: Work) -> Told:
    look, user = work.look, work.claimed
    set_active_in(look.tx, look.app, user, active=True, by=look.by)
    own = look.tx.people.addresses_of(user.id)
    names = tuple(row.norm for row in own if row.valid_to is None)
    return Told(text=f"{user.display_name} is active again.", names=names)


def _primary(user: UserRow) -> str:
    assert user.email is not None  # noqa: S101 - a person has a primary address
    return user.email


# --- what it is about --------------------------------------------------------------------------------------------------


def _add_client(work: Work) -> Told:
    """Make the sender a contact; a forward inbox does not file what strangers send, so the mail is filed by hand."""
    look, address = work.look, parse_address(work.from_norm)
    value = work.needed("the id of a client, or a new name")
    work.hold_account()
    ref = client_named(look.tx, work.where.id, value)
    if ref is None:
        ulid, name = _new_client(work, value, address)
    else:
        add_contact_in(look.tx, work.where, ref.id, address)
        ulid, name = value, ref.name
    _said(work, "file", **client_answer(look.tx, look.row, ulid))
    return Told(text=f"{address.norm} is a contact of {name} now.", names=(address.norm,))


def _new_client(work: Work, name: str, contact: Address) -> tuple[str, str]:
    look = work.look
    ready = ready_client(NewClient(name=name, contacts=[contact.norm]))
    work.hold_account()
    added = add_client_in(look.tx, look.app, work.where, ready, look.by)
    return added.id, added.name


def _create_client(work: Work) -> Told:
    value = work.needed("the client's name")
    found = work.look.counterparts()
    named = _NAMED.fullmatch(value)
    if named is not None:
        address, name = parse_address(named["address"]), named["name"]
    elif len(found) == 1:
        address, name = parse_address(found[0]), value
    else:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The new client",
            value=short(value),
            why=f"the mail names {', '.join(found) or 'nobody outside'}; say which: NAME <ADDRESS>",
        )
    _, shown_name = _new_client(work, name, address)
    return Told(
        text=f"{shown_name} is there, with the contact {address.norm}.", names=(address.norm,)
    )


def _choose_client(work: Work) -> Told:
    look = work.look
    if work.remember:
        work.hold_account()
    answer = client_answer(look.tx, look.row, work.needed("the id of a client"))
    _said(work, "file", **answer)
    told = f"It is filed under {answer['client_name']}, by your word."
    if not work.remember:
        return Told(text=told)
    key = remember_choice(work, answer["client_id"], answer["client_name"])
    return Told(text=f"{told} Remembered: {key}.", names=(key,))


def remember_choice(work: Work, client_id: int, client_name: str) -> str:
    """Let the next mail of this mail's counterpart be the client's; return the address, or the @domain.

    Where several clients have it, that is a standing answer; else the address becomes a contact.  The account is held.
    Raises RefusedError CONFLICT where the mail does not say one address, or where several clients have that and this is
    none of them; EMAIL_IN_USE_OTHER_KIND.
    """
    look = work.look
    if look.mail.reason == Reason.CLIENT_AMBIGUOUS.code:
        key = str(look.mail.facts["address"])
        _require_one_of_several(work, key, client_name)
        remember_client(look.tx, work.where.id, key, client_id, client_name, work.act)
        return key if "@" in key else f"@{key}"
    found = look.counterparts()
    if len(found) != 1:
        raise RefusedError(
            Reason.CONFLICT,
            actions=("maild client contact ID --add ADDR",),
            why=f"The mail names {', '.join(found) or 'nobody outside'}: what is to be remembered is not certain. "
            "Add the address to the client yourself.",
        )
    add_contact_in(look.tx, work.where, client_id, parse_address(found[0]))
    return found[0]


def _require_one_of_several(work: Work, key: str, client_name: str) -> None:
    """Refuse to remember a client whom the next mail could not mean: a choice is among those who have the address."""
    several = work.look.tx.healing.clients_of(work.where.id, key)
    if work.value in {ulid for ulid, _ in several}:
        return
    listed = ", ".join(name for _, name in several) or "nobody any more"
    raise RefusedError(
        Reason.CONFLICT,
        why=f"{key} belongs to {listed}, not to {client_name}: that cannot be remembered. "
        "File this one mail without --remember, or give the client the address first.",
    )


def _unfile(work: Work) -> Told:
    filed = work.look.filed_under
    value = work.value or (next(iter(filed)) if len(filed) == 1 else work.needed("the client's id"))
    work.hold_mail()
    _require_filed(filed, value)
    take_off(work.look.tx, work.look.row, work.act, value, filed)
    return Told(text=f"It is taken off {filed[value]}.")


def _require_filed(filed: Mapping[str, str], value: str) -> None:
    if value not in filed:
        listed = ", ".join(f"{name} ({ulid})" for ulid, name in filed.items())
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The client",
            value=short(value),
            why=f"the mail is filed under {listed}",
        )


def _move(work: Work) -> Told:
    """File it under one client in place of all others."""
    look = work.look
    answer = client_answer(look.tx, look.row, work.needed("the id of a client"))
    work.hold_mail()
    for ulid in look.filed_under:
        if ulid != work.value:
            _said(work, "unfile", **client_answer(look.tx, look.row, ulid))
    _said(work, "file", **answer)
    return Told(text=f"It is filed under {answer['client_name']}, by your word.")


def _recipient(work: Work) -> Told:
    """Let it be the mail of the inbox that somebody says it was sent to (D14)."""
    look = work.look
    text = parse_address(work.needed("the inbox")).norm
    inbox = look.inbox_among([text])
    if inbox is None:
        raise RefusedError(
            Reason.NOT_FOUND, noun="inbox", value=text, hint="`maild inbox list` shows them."
        )
    there = look.tx.intake.deliveries_of([look.row.message_id])
    twin = there.get((look.row.message_id, inbox.id))
    if twin not in {None, look.row.ulid}:
        raise RefusedError(
            Reason.CONFLICT,
            actions=(f"maild mail repair {look.row.ulid} ignore",),
            why=f"{inbox.norm} has this mail already, as {twin}; put this one away.",
        )
    _said(work, "recipient", inbox=inbox.norm)
    look.tx.deliveries.readdress(look.row.id, inbox.id)
    return Told(text=f"It was sent to {inbox.norm}, by your word.")


def _original(work: Work) -> Told:
    address = parse_address(work.needed("the address"))
    _said(work, "original", address=address.norm)
    return Told(text=f"The original is from {address.norm}, by your word.")


def _confirm_original(work: Work) -> Told:
    address = parse_address(str(work.look.mail.facts.get("address", "")))
    _said(work, "original", address=address.norm)
    return Told(text=f"The original is from {address.norm}, by your word.")


# --- the mail itself ---------------------------------------------------------------------------------------------------


def _ignore(work: Work) -> Told:
    row = work.look.row
    _said(work, "dismiss", owner_id=row.owner_id, unread=row.unread, status_id=row.status_id)
    return Told(text="It is put away.")


def _release(work: Work) -> Told:
    work.hold_mail()
    release(work.look.tx, work.look.row, work.act, lying(work.look.tx, work.look.row))
    return Told(text="It is treated as any other mail.")


def _retry(_: Work) -> Told:
    return Told(text="It was decided again.")


ACTS: Mapping[str, Callable[[Work], Told]] = {
    "add-alias": _add_alias,
    "accept-sends-as": _accept_sends_as,
    "confirm": _confirm,
    "choose-user": _choose_user,
    "accept-once": _accept_once,
    "trust-forwarder": _trust_forwarder,
    "use-drop-address": _use_drop_address,
    "rotate": _rotate,
    "substitute": _substitute,
    "enable": _enable,
    "add-client": _add_client,
    "create-client": _create_client,
    "choose-client": _choose_client,
    "unfile": _unfile,
    "move": _move,
    "recipient": _recipient,
    "original": _original,
    "confirm-original": _confirm_original,
    "ignore": _ignore,
    "release": _release,
    "retry": _retry,
}
"""Repairs that are done within one transaction on the mail; those of `repairs` itself are acts of their own."""
