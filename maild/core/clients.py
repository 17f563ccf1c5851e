"""Clients: whom the mail is about, with the addresses and domains that they write from (F5, F6, U4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from maild.core.app import Actor, App
from maild.core.names import SHARED_ADDRESS, USER, other_kind
from maild.core.people_views import cursor
from maild.core.standing import home, note, parse_address, require_member
from maild.core.waiting import let_heal
from maild.model.address import Address, InvalidAddressError, canonical_domain
from maild.model.plain_text import one_line, short
from maild.model.public_mail import is_public_mail
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.clients import ClientRow
from maild.store.store import Tx

KEY_MAX = 200
CONTACTS_MAX = 1000
"""Addresses, and domains, of one client in one request."""

_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientView:
    """A client as the interface shows it."""

    id: str
    name: str
    key: str | None
    """The company's own CRM id."""
    contacts: tuple[str, ...]
    domains: tuple[str, ...]
    shared: tuple[str, ...]
    """Of them, those that other clients have, too: their mail is CLIENT_AMBIGUOUS until somebody chooses (F5)."""
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClient:
    """What is asked for."""

    name: str
    contacts: Sequence[str] = ()
    domains: Sequence[str] = ()
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyClient:
    """A new client whose every word was checked."""

    name: str
    contacts: tuple[Address, ...]
    domains: tuple[str, ...]
    key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPage:
    """A page of a list; `next` begins the following one."""

    clients: tuple[ClientView, ...]
    next: str | None


def add_client(app: App, new: NewClient, *, account: str | None = None, by: Actor) -> ClientView:
    """Add a client.  The same contact at two clients is allowed (F5).

    Commits one transaction.  Raises RefusedError (INVALID_VALUE, INVALID_EMAIL, EMAIL_IN_USE_OTHER_KIND,
    ALREADY_EXISTS for the external key, NOT_ALLOWED, account's).
    """
    ready = ready_client(new)
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_member(tx, where, by)
        return add_client_in(tx, app, where, ready, by)


def ready_client(new: NewClient) -> ReadyClient:
    """Check the words of a new client.  Raises RefusedError."""
    for what, many in (("contacts", new.contacts), ("domains", new.domains)):
        if len(many) > CONTACTS_MAX:
            raise RefusedError(
                Reason.INVALID_VALUE,
                what=f"The number of {what}",
                value=str(len(many)),
                why=f"a client is added with at most {CONTACTS_MAX}",
            )
    return ReadyClient(
        name=one_line("The name", new.name),
        contacts=tuple(dict.fromkeys(parse_address(text) for text in new.contacts)),
        domains=tuple(dict.fromkeys(client_domain(text) for text in new.domains)),
        key=None if new.key is None else one_line("The key", new.key, most=KEY_MAX),
    )


def client_domain(text: str) -> str:
    """Return a domain that can be a client's own, in its one form.  Raises RefusedError INVALID_VALUE."""
    why = None
    try:
        domain = canonical_domain(text.strip().removeprefix("@"))
    except InvalidAddressError:
        domain, why = "", "it is not a domain name"
    if not why and "." not in domain:
        why = "it is a whole top-level domain, or none"
    if not why and is_public_mail(domain):
        why = "anybody can have a mailbox there; add the client's address as a contact instead"
    if why:
        raise RefusedError(
            Reason.INVALID_VALUE, what="The domain of a client", value=short(text), why=why
        )
    return domain


def add_client_in(tx: Tx, app: App, where: AccountRow, new: ReadyClient, by: Actor) -> ClientView:
    """Add within an open transaction; the account is held.  Raises RefusedError, and then nothing may be kept."""
    client_id = tx.clients.add_client(where.id, app.ids(), new.name, new.key, now=app.clock())
    if client_id is None:
        raise key_taken(tx, where, new.key or "")
    for contact in new.contacts:
        add_contact_in(tx, where, client_id, contact)
    for domain in new.domains:
        tx.clients.add_domain(where.id, client_id, domain)
    note(tx, app, by, "client.added", where.id, client=client_id)
    let_heal(tx, app, [where.id], names_of(new.contacts, new.domains))
    return client_views(tx, [tx.clients.client_by_id(client_id)])[0]


def names_of(contacts: Sequence[Address], domains: Sequence[str]) -> list[str]:
    """Return what mails may have waited for (I4)."""
    return [*(contact.norm for contact in contacts), *(f"@{domain}" for domain in domains)]


def key_taken(tx: Tx, where: AccountRow, key: str) -> RefusedError:
    """Return the refusal of an external key that another client has."""
    other = tx.clients.client_by_key(where.id, key)
    hint = f"It is {other.name}: maild client show {other.ulid}" if other else ""
    return RefusedError(
        Reason.ALREADY_EXISTS, noun="client with the external key", value=key, hint=hint
    )


def add_contact_in(tx: Tx, where: AccountRow, client_id: int, address: Address) -> bool:
    """Give a client a contact that is no inbox of this account, and no user unless it is allowed (U4).

    Within an open transaction; the account is held.  Raises RefusedError EMAIL_IN_USE_OTHER_KIND.
    """
    kind = tx.client_lists.kind(where.id, address)
    if kind == "inbox":
        raise other_kind(address, SHARED_ADDRESS)
    if kind == "user" and not tx.rights.setting(where.id, "employee_is_client"):
        raise other_kind(address, USER)
    return tx.clients.add_contact(where.id, client_id, address.norm)


def client_in(tx: Tx, where: AccountRow, client_id: str) -> ClientRow:
    """Return an account's client by its id, as the interface names it.  Raises RefusedError NOT_FOUND."""
    found = tx.clients.client(where.id, client_id) if _ULID.fullmatch(client_id) else None
    if found is None:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="client",
            value=short(client_id),
            hint="`maild client list` shows the ids.",
        )
    return found


def list_clients(
    app: App, *, account: str | None = None, after: str | None = None, limit: int = 100, by: Actor
) -> ClientPage:
    """Return a page of an account's clients, oldest first.  Reads only.  Raises RefusedError."""
    start = cursor(after)
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        rows = tx.clients.clients_of(where.id, after=start, limit=limit + 1)
        more = len(rows) > limit
        return ClientPage(
            clients=client_views(tx, rows[:limit]), next=str(rows[limit - 1].id) if more else None
        )


def show_client(app: App, client_id: str, *, account: str | None = None, by: Actor) -> ClientView:
    """Return one client.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return client_views(tx, [client_in(tx, where, client_id)])[0]


def client_views(tx: Tx, rows: Sequence[ClientRow]) -> tuple[ClientView, ...]:
    """Return clients as the interface shows them."""
    contacts = tx.clients.contacts_of(row.id for row in rows)
    domains = tx.clients.domains_of(row.id for row in rows)
    shared = _shared(tx, rows, contacts, domains)
    return tuple(
        ClientView(
            id=row.ulid,
            name=row.name,
            key=row.external_key,
            contacts=tuple(contacts.get(row.id, ())),
            domains=tuple(domains.get(row.id, ())),
            shared=tuple(
                value
                for value in (
                    *contacts.get(row.id, ()),
                    *(f"@{domain}" for domain in domains.get(row.id, ())),
                )
                if value in shared
            ),
            created_at=row.created_at,
        )
        for row in rows
    )


def _shared(
    tx: Tx,
    rows: Sequence[ClientRow],
    contacts: Mapping[int, Sequence[str]],
    domains: Mapping[int, Sequence[str]],
) -> set[str]:
    """Return which of these contacts and domains are at several clients; the clients are of one account."""
    if not rows:
        return set()
    account_id = rows[0].account_id
    norms = (norm for some in contacts.values() for norm in some)
    names = (name for some in domains.values() for name in some)
    return {
        *tx.client_lists.shared_contacts(account_id, norms),
        *(f"@{name}" for name in tx.client_lists.shared_domains(account_id, names)),
    }
