"""Clients' references: telling them to a user, and finding those that mails quote (F4).

Nothing is stored: a reference is the client's number with digits that the installation's key makes for that client of that
account, so that one of another account means nothing here.  With another key, those that are out there are no longer known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from maild.core.app import Actor, App
from maild.core.clients import client_in
from maild.core.seal import SealingKey
from maild.core.standing import home, require_member
from maild.model.address import Address
from maild.model.facts import ClientRef, TokenHit, Witness
from maild.model.letter import Letter
from maild.model.reason import Reason, RefusedError
from maild.model.reference import in_addresses, in_subject, is_put_to, number_of, quoted, spelled
from maild.store.deliveries import Claimed
from maild.store.store import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientReference:
    """How a mail says that it is about a client."""

    id: str
    name: str
    reference: str
    subject: str
    """What stands anywhere in the subject."""
    addresses: tuple[str, ...]
    """The account's inboxes with the reference as +tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What a batch's mails quote, as far as it is genuine."""

    clients: Mapping[tuple[int, str], ClientRef]
    """By account and reference."""
    written_to: frozenset[tuple[int, str]]
    """(client, address): a user of the account wrote to the address in a mail that is filed there."""


NONE = References(clients={}, written_to=frozenset())


def client_reference(
    app: App, client_id: str, *, account: str | None = None, by: Actor
) -> ClientReference:
    """Return the reference of a client.  Reads only.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, CONFLICT: no key)."""
    if app.key is None:
        raise RefusedError(
            Reason.CONFLICT,
            why="References are made with the installation's key, and there is none; set secret_key_file.",
        )
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        client = client_in(tx, where, client_id)
        inboxes = [Address.parse(one.norm) for one in tx.people.inboxes_of(where.id)]
    reference = reference_of(app.key, where.id, client.id)
    return ClientReference(
        id=client.ulid,
        name=client.name,
        reference=reference,
        subject=quoted(reference),
        addresses=tuple(f"{one.local}+{reference.lower()}@{one.domain}" for one in inboxes),
    )


def reference_of(key: SealingKey, account_id: int, client: int) -> str:
    """Return the reference of a client of an account."""
    check = int(key.lookup(f"client reference {account_id} {client}")[:8], 16) >> 2
    return spelled(client, check)


def gather_references(
    app: App,
    tx: Tx,
    batch: Sequence[tuple[Claimed, Letter]],
    witnesses: Mapping[int, Sequence[Witness]],
    norms: Iterable[str],
) -> References:
    """Read what the genuine references among these mails name; without one nothing is asked."""
    if app.key is None:
        return NONE
    wanted: dict[tuple[int, str], int] = {}
    for claimed, letter in batch:
        for text in _all_in(letter, witnesses.get(claimed.message_id, ())):
            number = number_of(text)
            if text == reference_of(app.key, claimed.account_id, number):
                wanted[claimed.account_id, text] = number
    if not wanted:
        return NONE
    there = tx.facts.clients_numbered(wanted.values())
    clients = {
        (account, text): there[account, number]
        for (account, text), number in wanted.items()
        if (account, number) in there
    }
    written_to = tx.facts.written_to({ref.id for ref in clients.values()}, norms)
    return References(clients=clients, written_to=frozenset(written_to))


def tokens_of(
    claimed: Claimed,
    letter: Letter,
    witnesses: Sequence[Witness],
    inboxes: frozenset[str],
    found: References,
) -> tuple[TokenHit, ...]:
    """Return the clients' references that one mail quotes, and where."""
    if not found.clients:
        return ()
    subject = set(in_subject(letter.subject))
    fields = set(in_addresses(_boxes(letter), inboxes))
    envelope = set(in_addresses(_recipients(witnesses)))
    original = letter.forwarded
    tokens = []
    for text in sorted(subject | fields | envelope):
        client = found.clients.get((claimed.account_id, text))
        if client is not None:
            hit = TokenHit(
                reference=text,
                client=client,
                in_fields=text in fields,
                in_envelope=text in envelope,
                is_put_to_original=text in subject
                and original is not None
                and is_put_to(letter.subject, text, original.subject),
                known=frozenset(norm for of, norm in found.written_to if of == client.id),
            )
            tokens.append(hit)
    return tuple(tokens)


def _all_in(letter: Letter, witnesses: Sequence[Witness]) -> set[str]:
    """Return whatever may be a reference; most mails have none."""
    texts = [*_boxes(letter), *_recipients(witnesses)]
    return {*in_subject(letter.subject), *in_addresses(texts)}


def _boxes(letter: Letter) -> list[str]:
    return [box.address for box in (*letter.to, *letter.cc) if "+" in box.address]


def _recipients(witnesses: Sequence[Witness]) -> list[str]:
    """Return the envelope's recipients at the first coming-in: a copy that came later says nothing of the mail."""
    return [text for text in witnesses[0].recipients if "+" in text] if witnesses else []
