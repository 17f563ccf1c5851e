"""As whom somebody may write: shared inboxes, and the own confirmed addresses (M8).  Asked before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maild.core.app import Actor, App
from maild.core.standing import find_user, home, note, parse_address, require_admin, require_member
from maild.model.address import Address
from maild.model.letter import Mailbox
from maild.model.people import AddressKind, InboxKind, Role
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.way import Way
from maild.store.accounts import AccountRow
from maild.store.inboxes import InboxRow
from maild.store.mailbox import EntryRow
from maild.store.store import Tx

_OWN = frozenset({AddressKind.PRIMARY, AddressKind.ALIAS, AddressKind.SENDS_AS})


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderView:
    """Somebody who may write as an inbox."""

    email: str
    name: str
    because: str
    """`named`: by the right that an admin gave; `role`, `owner` and `member`: by what they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxSenders:
    """Who may write as a shared inbox."""

    inbox: str
    senders: tuple[SenderView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """As whom a mail is written."""

    address: Address
    name: str
    inbox_id: int | None
    """None: it is an address of the writer's own."""

    @property
    def mailbox(self) -> Mailbox:
        """What stands in From; the domain as every mail server reads it."""
        return Mailbox(self.address.norm, self.name)


def inbox_senders(
    app: App,
    text: str,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    account: str | None = None,
    by: Actor,
) -> InboxSenders:
    """Let members write as a shared inbox, or no longer; return everybody who may.  Safe to repeat.

    Who may by what they are (admins, distributors, the inbox's owners and members) needs no right, and keeps it.
    Commits one transaction.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, CONFLICT, account's).
    """
    now = app.clock()
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        (require_admin if add or remove else require_member)(tx, where, by)
        inbox = shared_inbox(tx, where, text)
        for email in add:
            user = find_user(tx, email, by)
            if tx.rights.active_role(where.id, user.id) is None or user.kind != "person":
                raise RefusedError(
                    Reason.NOT_ALLOWED,
                    why=f"{user.display_name} is no active member of {where.name}; invite them first.",
                )
            if tx.writing.add_sender(inbox.id, user.id, now=now):
                note(tx, app, by, "inbox.sender_added", where.id, inbox=inbox.id, user=user.id)
        for email in remove:
            user = find_user(tx, email, by)
            # With it the rights of whom they were merged with, which are theirs as long as those stand (U13).
            named = tx.people.heirs({user.id, *tx.writing.senders(inbox.id)})
            theirs = [one for one, heir in named.items() if heir == named[user.id]]
            if tx.writing.remove_senders([inbox.id], theirs):
                note(tx, app, by, "inbox.sender_removed", where.id, inbox=inbox.id, user=user.id)
        return InboxSenders(inbox=inbox.norm, senders=tuple(_senders(tx, where, inbox)))


def shared_inbox(tx: Tx, where: AccountRow, text: str) -> InboxRow:
    """Return an account's shared inbox.  Raises RefusedError (INVALID_EMAIL, NOT_FOUND, CONFLICT for one of forwards)."""
    address = parse_address(text)
    found = tx.people.inbox(address.norm)
    if found is None or found.account_id != where.id:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="inbox",
            value=address.norm,
            hint="`maild inbox list` shows them.",
        )
    if found.kind is not InboxKind.SHARED:
        raise RefusedError(
            Reason.CONFLICT,
            why=f"{found.norm} is where colleagues forward mail to; nobody writes as it. Only a shared inbox has senders.",
        )
    return found


def _senders(tx: Tx, where: AccountRow, inbox: InboxRow) -> list[SenderView]:
    """Return who may, each once, for the first reason that there is."""
    named = tx.people.heirs(tx.writing.senders(inbox.id))
    why = dict.fromkeys(named.values(), "named")
    for user, because in _by_what_they_are(tx, where, inbox):
        why.setdefault(user, because)
    emails, names = tx.lists.emails(set(why)), tx.views.names(why)
    found = [
        SenderView(email=emails[user], name=names[user], because=because)
        for user, because in why.items()
        if user in emails and tx.rights.active_role(where.id, user) is not None
    ]
    return sorted(found, key=lambda one: one.email)


def _by_what_they_are(tx: Tx, where: AccountRow, inbox: InboxRow) -> list[tuple[int, str]]:
    found = [(user, "owner") for user, _ in tx.people.owner_chain(inbox.id)]
    if where.default_owner_id is not None:  # The last link of every owner chain.
        found.append((where.default_owner_id, "owner"))
    if inbox.mode == "communal":
        for email, _ in tx.people.communal_members(inbox.id):
            name = tx.people.name(email)
            if name is not None and name.user_id is not None:
                found.append((name.user_id, "member"))
    return [*found, *((user, "role") for user in tx.writing.keepers(where.id))]


def may_write_as(tx: Tx, inbox: InboxRow, user_id: int) -> bool:
    """Whether a member may write as an inbox of the account."""
    if inbox.kind is not InboxKind.SHARED:
        return False
    role = tx.rights.active_role(inbox.account_id, user_id)
    if role is None:
        return False
    if role in {Role.ADMIN, Role.DISTRIBUTOR}:
        return True
    owners = {user for user, _ in tx.people.owner_chain(inbox.id)}
    if user_id in {*owners, tx.people.account_by_id(inbox.account_id).default_owner_id}:
        return True
    if inbox.mode == "communal" and tx.people.is_communal_member(inbox.id, user_id):
        return True
    # A right of who turned out to be them is theirs (U13).
    return user_id in tx.people.heirs(tx.writing.senders(inbox.id)).values()


def _stands_in(tx: Tx, inbox: InboxRow, user_id: int, answers: EntryRow | None) -> bool:
    """Whether somebody has the mail in the place of who was away, and so answers it as the client wrote to (M8, M10)."""
    if answers is None or answers.inbox_id != inbox.id or inbox.kind is not InboxKind.SHARED:
        return False
    stood_in = tx.absences.stand_in(answers.id)
    if stood_in is None or answers.owner_id != user_id:
        return False
    return tx.people.heirs([stood_in[0]])[stood_in[0]] == user_id


def identity(
    tx: Tx, where: AccountRow, text: str, user_id: int, *, answers: EntryRow | None = None
) -> Identity:
    """Return as whom somebody writes, if they may.  Raises RefusedError (INVALID_EMAIL, SENDER_NOT_ALLOWED).

    Who has the mail that is answered in the place of who was away may write as its inbox.
    An inbox's mail bears the account's name; mail from an address of one's own bears one's own.  Addresses that are not
    there, or are somebody else's, are refused alike: nothing is told of whose they are.
    """
    address = parse_address(text)
    inbox = tx.people.inbox(address.norm)
    if (
        inbox is not None
        and inbox.account_id == where.id
        and (may_write_as(tx, inbox, user_id) or _stands_in(tx, inbox, user_id, answers))
    ):
        return Identity(address=address, name=where.name, inbox_id=inbox.id)
    name = tx.people.name(address.norm)
    if name is not None and name.user_id == user_id and name.address_id is not None:
        row = tx.people.address(name.address_id)
        if row.verified_at is not None and row.valid_to is None and row.kind in _OWN:
            return Identity(address=address, name=tx.rights.display_name(user_id), inbox_id=None)
    there = inbox is not None and inbox.account_id == where.id
    raise not_allowed(tx, where, address, user_id, is_inbox=there)


def not_allowed(
    tx: Tx, where: AccountRow, address: Address, user_id: int, *, is_inbox: bool
) -> RefusedError:
    """Return the refusal: it names the address, and what to do."""
    actions: list[Way] = []
    norm = short(address.norm, 320)
    if is_inbox:
        email = tx.people.user(user_id).email
        grant = f"maild inbox senders {norm} --add {email}"
        actions.append(Way("ADD_SENDER", "An admin gives the right", grant))
    actions += [
        Way("CHOOSE_SENDER", f"Write as {one}", f"--as {one}")
        for one in writable(tx, where, user_id)[:5]
    ]
    return RefusedError(Reason.SENDER_NOT_ALLOWED, actions=tuple(actions), address=norm)


def writable(tx: Tx, where: AccountRow, user_id: int) -> list[str]:
    """Return every address that somebody may write as in an account: shared inboxes, then their own."""
    inboxes = [one.norm for one in tx.people.inboxes_of(where.id) if may_write_as(tx, one, user_id)]
    own = [
        row.norm
        for row in tx.people.addresses_of(user_id)
        if row.verified_at is not None and row.valid_to is None and row.kind in _OWN
    ]
    return [*inboxes, *own]
