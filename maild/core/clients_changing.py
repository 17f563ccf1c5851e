"""One client, put or changed by a person or by the company's own programs (F6)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from maild.core.app import Actor, App
from maild.core.clients import (
    CONTACTS_MAX,
    KEY_MAX,
    ClientView,
    add_contact_in,
    client_domain,
    client_in,
    client_views,
    key_taken,
    names_of,
)
from maild.core.clients_listing import Refused, listed_in
from maild.core.standing import home, note, parse_address, require_member
from maild.core.waiting import let_heal
from maild.model.client_card import ClientCard
from maild.model.plain_text import one_line, short, storable, trimmed
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.clients import ClientRow
from maild.store.store import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """What somebody last saw of a client, and asks that it still be so (RFC 9110 13.1)."""

    match: frozenset[str] | None = None
    """Tags (`tag_of`), one of which it must have; * is that of any client.  None: nothing is asked."""
    must_be_new: bool = False
    """There must be no such client yet."""


NOTHING_ASKED = Precondition()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPut:
    """A client as it is now, and what was done to it."""

    client: ClientView
    outcome: str
    """added, changed or unchanged"""
    changes: tuple[str, ...]
    warnings: tuple[str, ...]
    """Conflicts, in sentences: contacts and domains that are at other clients, too (F5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChanges:
    """What is to be otherwise; what is left out stays."""

    name: str | None = None
    key: str | None = None
    """Empty: the client has none any more."""
    add: Sequence[str] = ()
    """Contact addresses."""
    remove: Sequence[str] = ()
    add_domains: Sequence[str] = ()
    remove_domains: Sequence[str] = ()


def tag_of(client: ClientView) -> str:
    """Return what is the same exactly as long as the client is."""
    said = [client.id, client.name, client.key, client.contacts, client.domains, client.shared]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


def show_client_by_key(app: App, key: str, *, account: str | None = None, by: Actor) -> ClientView:
    """Return the client with an external key.  Reads only.  Raises RefusedError (NOT_FOUND, account's)."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        found = _by_key(tx, where, key)
        if found is None:
            raise RefusedError(
                Reason.NOT_FOUND,
                noun="client with the key",
                value=short(key),
                hint="`maild client list` shows the keys.",
            )
        return found


def _by_key(tx: Tx, where: AccountRow, key: str) -> ClientView | None:
    wanted = trimmed(key)
    # What no database takes as text is nobody's key.
    found = tx.clients.client_by_key(where.id, wanted) if storable(wanted) == wanted else None
    return None if found is None else client_views(tx, [found])[0]


def put_client(
    app: App,
    card: ClientCard,
    *,
    account: str | None = None,
    only_if: Precondition = NOTHING_ASKED,
    by: Actor,
) -> ClientPut:
    """Add the client with the card's key, or make it what the card says, as an entry of a list does.

    Commits one transaction.  Safe to repeat.  Raises RefusedError (INVALID_VALUE, INVALID_EMAIL, EMAIL_IN_USE_OTHER_KIND,
    PRECONDITION_FAILED, account's); then nothing is changed.
    """
    key = one_line("The key", card.key or "", most=KEY_MAX)
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_member(tx, where, by)
        _require(_by_key(tx, where, key), only_if)
        [done] = listed_in(tx, app, where, [(1, card)], by, stated={})
        if isinstance(done, Refused):
            raise done.refusal
        client = client_in(tx, where, done.id or "")
        return ClientPut(
            client=client_views(tx, [client])[0],
            outcome=done.outcome,
            changes=done.changes,
            warnings=done.warnings,
        )


def _require(there: ClientView | None, only_if: Precondition) -> None:
    """Raise RefusedError PRECONDITION_FAILED where a client is not as somebody thinks."""
    is_as_asked = not (only_if.must_be_new and there is not None)
    if only_if.match is not None:
        is_as_asked &= there is not None and not only_if.match.isdisjoint({"*", tag_of(there)})
    if not is_as_asked:
        raise RefusedError(Reason.PRECONDITION_FAILED, noun="client")


def change_client(
    app: App,
    client_id: str,
    changes: ClientChanges,
    *,
    account: str | None = None,
    only_if: Precondition = NOTHING_ASKED,
    by: Actor,
) -> ClientView:
    """Change a client's name, key, contacts and domains; without any change, show it.  Safe to repeat.

    What is added so no list takes away.  Commits one transaction.  Raises RefusedError (NOT_FOUND for the client and for
    what is to be removed, ALREADY_EXISTS for the key, as `put_client`); then nothing is changed.
    """
    _require_few(changes)
    added = [parse_address(text) for text in changes.add]
    removed = [parse_address(text) for text in changes.remove]
    add_domains = [client_domain(text) for text in changes.add_domains]
    remove_domains = [client_domain(text) for text in changes.remove_domains]
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_member(tx, where, by)
        client = client_in(tx, where, client_id)
        before = client_views(tx, [client])[0]
        _require(before, only_if)
        client = _renamed(tx, where, client, changes)
        for address in removed:
            if not tx.clients.remove_contact(client.id, address.norm):
                raise _not_there(client, "contact", "address", address.norm)
        for domain in remove_domains:
            if not tx.clients.remove_domain(client.id, domain):
                raise _not_there(client, "domain", "name", domain)
        for address in added:
            add_contact_in(tx, where, client.id, address)
        for domain in add_domains:
            tx.clients.add_domain(where.id, client.id, domain)
        after = client_views(tx, [client])[0]
        if tag_of(after) != tag_of(before):
            note(tx, app, by, "client.changed", where.id, client=client.id)
            # Who is taken off one of two clients is no longer two people's, too.
            names = names_of([*added, *removed], [*add_domains, *remove_domains])
            let_heal(tx, app, [where.id], names)
        return after


def _require_few(changes: ClientChanges) -> None:
    for many in (changes.add, changes.remove, changes.add_domains, changes.remove_domains):
        if len(many) > CONTACTS_MAX:
            raise RefusedError(
                Reason.INVALID_VALUE,
                what="The number of changes",
                value=str(len(many)),
                why=f"it is at most {CONTACTS_MAX} at once",
            )


def _renamed(tx: Tx, where: AccountRow, client: ClientRow, changes: ClientChanges) -> ClientRow:
    name = client.name if changes.name is None else one_line("The name", changes.name)
    key = client.external_key
    if changes.key is not None:
        key = one_line("The key", changes.key, most=KEY_MAX) if changes.key.strip() else None
    if key is not None and key != client.external_key and tx.clients.client_by_key(where.id, key):
        raise key_taken(tx, where, key)
    if (name, key) != (client.name, client.external_key):
        tx.clients.set_client(client.id, name, key)
    return tx.clients.client_by_id(client.id)


def _not_there(client: ClientRow, noun: str, sort: str, value: str) -> RefusedError:
    return RefusedError(
        Reason.NOT_FOUND,
        noun=f"{noun} of {client.name} with the {sort}",
        value=value,
        hint=f"`maild client show {client.ulid}` shows them.",
    )
