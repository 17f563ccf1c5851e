"""Repairs about what a mail is about, for whom it came, and whether it can be read (E2).  Only reads."""

from __future__ import annotations

import re
from collections.abc import Mapping

from maild.core.look import Look
from maild.core.repair_looks import inboxes_by_field
from maild.core.repair_values import LOOKED_MAX, Choice, Maker, Repair, Value, offer
from maild.model.reason import Reason

_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:\\@]{1,64}@[^\s<>()\[\]\"',;:\\@]{1,255}")
_TEXT_MAX = 100_000
"""Characters of a mail's text in which addresses are looked for."""


def _ignore(look: Look) -> Repair:
    return offer(look, "ignore", "Put it away; it can be released again.")


def _release(look: Look) -> Repair:
    return offer(look, "release", "Treat it as any other mail.")


def _retry(look: Look) -> Repair:
    return offer(look, "retry", "Read and decide it again.")


def _create_client(look: Look) -> Repair | None:
    found = look.counterparts()
    if not found:
        return None
    if len(found) == 1:
        text = f"Add a client with the contact {found[0]}."
        return offer(look, "create-client", text, Value(what="the client's name"))
    choices = [Choice(value=f"NAME <{one}>", text=one) for one in found]
    text = "Add a client with the contact that you name."
    return offer(look, "create-client", text, Value(what="NAME <ADDRESS>", choices=choices))


def _choose_client(look: Look) -> Repair:
    return offer(
        look,
        "choose-client",
        "File it under a client.",
        Value(what="the id of the client", choices=_clients_in_question(look)),
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
        return offer(look, "unfile", text, Value("the client's id", False, clients))
    return offer(look, "unfile", "Take it off a client.", Value("the client's id", True, clients))


def _move(look: Look) -> Repair | None:
    if not look.filed_under:
        return None
    text = f"File it under another client in place of {', '.join(look.filed_under.values())}."
    return offer(look, "move", text, Value(what="the id of the client"))


def _recipient(look: Look) -> Repair | None:
    if not look.is_trusted:
        return None
    inboxes = look.tx.people.inboxes_of(look.row.account_id)
    return offer(
        look,
        "recipient",
        "Say to which inbox it was sent; it is decided as that inbox's.",
        Value(
            what="the inbox",
            choices=[Choice(value=one.norm, text=f"{one.kind.value} inbox") for one in inboxes],
        ),
    )


def _pick_header(look: Look) -> Repair | None:
    if not look.is_admins or look.source is None:
        return None
    fields = inboxes_by_field(look)
    return offer(
        look,
        "pick-header",
        f"Say which header field tells the recipient in {look.source.name}, from now on.",
        Value(
            what="the field's name",
            choices=[Choice(value=name, text=f"here {norm}") for name, norm in fields.items()],
        ),
    )


def _checklist(look: Look) -> Repair:
    return offer(look, "checklist", "Show what makes the mailbox tell the recipient.")


def _fetch(look: Look) -> Repair | None:
    text = "Fetch the whole mail."
    if not look.is_admins:
        return offer(look, "fetch", text)
    asked = Value(what="a larger limit for the inbox, such as 60MiB", is_needed=False)
    return offer(
        look, "fetch", f"Raise the inbox's limit, if that is said, and {text.lower()}", asked
    )


def _compare(look: Look) -> Repair:
    return offer(look, "compare", "Show in what the mails of this Message-ID differ.")


def _raw(look: Look) -> Repair:
    return offer(look, "raw", "Show the mail as it came.")


def _original(look: Look) -> Repair:
    return offer(
        look,
        "original",
        "Say who wrote the mail that was forwarded.",
        Value(
            what="the address",
            choices=[Choice(value=norm, text=norm) for norm in _addresses_in_text(look)],
        ),
    )


def _addresses_in_text(look: Look) -> list[str]:
    if look.letter is None:
        return []
    found = dict.fromkeys(_ADDRESS.findall(look.letter.text[:_TEXT_MAX]))
    return look.outsiders(text.rstrip(".") for text in list(found)[:LOOKED_MAX])


def _confirm_original(look: Look) -> Repair:
    address = look.mail.facts.get("address", "?")
    return offer(look, "confirm-original", f"Say that the original is from {address}.")


MAKERS: Mapping[str, Maker] = {
    "ignore": _ignore,
    "release": _release,
    "retry": _retry,
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
