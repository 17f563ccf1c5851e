"""Inboxes: the addresses that maild answers for, and who owns what comes in (M1, M9, M10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from maild.core.accounts import owner_id
from maild.core.app import Actor, App
from maild.core.communal import MODES, empty_mailbox
from maild.core.keys import nearest_key, word_among
from maild.core.names import (
    CLIENT,
    claim_for_inbox,
    other_kind,
    require_inbox_address,
    warnings_about,
)
from maild.core.readers import keeping_readers, readers_of
from maild.core.standing import (
    find_user,
    home,
    inbox_named,
    note,
    parse_address,
    require_admin,
    require_member,
)
from maild.model.address import Address
from maild.model.people import InboxKind
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.written import size_in_bytes
from maild.store.accounts import AccountRow
from maild.store.inboxes import InboxRow
from maild.store.store import Tx

SENDER_POLICIES = ("require", "record")
UNKNOWN_POLICIES = ("hold", "share", "refuse")
SIZE_MIN, SIZE_MAX = 1024, 2**30
SUBSTITUTES_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxView:
    """An inbox as the interface shows it."""

    address: str
    account: str
    kind: InboxKind
    mode: str
    sender_policy: str
    """What a user's From without proof means (I3)."""
    unknown_policy: str
    """What becomes of a stranger's mail to a forward inbox."""
    max_size: int | None
    """Octets; None: the listener's limit alone."""
    owner: str | None
    """Who gets what comes in today, by address."""
    owner_chain: tuple[str, ...]
    """The owner and the substitutes that were named, by address."""
    communal_user: str | None
    """The name of the user without a person, if it is communal."""
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxAdded:
    """The inbox is there now."""

    inbox: InboxView
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInbox:
    """What is asked for; None is the default of the kind."""

    address: str
    kind: InboxKind
    mode: str = "distributed"
    owner: str | None = None
    substitutes: Sequence[str] = ()
    sender_policy: str | None = None
    unknown_policy: str = "hold"


def add_inbox(app: App, new: NewInbox, *, account: str | None = None, by: Actor) -> InboxAdded:
    """Add an inbox that always has an owner: the named one, the account's default, or its first admin.

    Commits one transaction.  Raises RefusedError (INVALID_EMAIL, INVALID_VALUE, EMAIL_IN_USE, EMAIL_IN_USE_OTHER_KIND,
    NOT_FOUND, NOT_ALLOWED, CONFLICT, NOBODY_READS, account's).
    """
    address = parse_address(new.address)
    default = "require" if new.kind is InboxKind.FORWARD else "record"
    values = {
        "norm": address.norm,
        "kind": new.kind,
        "mode": _mode(new.mode, new.kind),
        "sender_policy": word_among("sender_policy", SENDER_POLICIES)(new.sender_policy or default),
        "unknown_policy": word_among("unknown_policy", UNKNOWN_POLICIES)(new.unknown_policy),
        "created_at": app.clock(),
    }
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_admin(tx, where, by)
        require_inbox_address(tx, address)
        _require_no_contact(tx, where, address)
        chain = _new_chain(tx, where, new, by)
        with keeping_readers(tx, [where.id], app.clock()):
            inbox_id = _inserted(tx, where, address, values, by)
            tx.people.set_owner_chain(inbox_id, chain)
        note(tx, app, by, "inbox.added", where.id, inbox=inbox_id)
        return InboxAdded(
            inbox=_view(tx, where, inbox_named(tx, where, address.norm), app.clock()),
            warnings=warnings_about(tx, address, by),
        )


def _inserted(
    tx: Tx, where: AccountRow, address: Address, values: dict[str, Any], by: Actor
) -> int:
    """Insert the inbox and register its name; a name that is taken refuses before its own unique index does."""
    taken = tx.people.name(address.norm)
    if taken is not None and not taken.is_free(values["created_at"]):
        claim_for_inbox(tx, address, 0, account_id=where.id, by=by)
    inbox_id = tx.people.add_inbox({**values, "account_id": where.id})
    if inbox_id is None:
        raise RefusedError(Reason.EMAIL_IN_USE, addr=address.norm)
    claim_for_inbox(tx, address, inbox_id, account_id=where.id, by=by)
    return inbox_id


def _mode(mode: str, kind: InboxKind) -> str:
    word_among("mode", MODES)(mode)
    if mode == "communal" and kind is not InboxKind.SHARED:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="mode",
            value=mode,
            why="only a shared inbox is communal; a forward inbox is distributed",
        )
    return mode


def _require_no_contact(tx: Tx, where: AccountRow, address: Address) -> None:
    if tx.clients.is_contact([where.id], address.norm) or tx.clients.has_tagged_contact(
        where.id, address
    ):
        raise other_kind(address, CLIENT)


def _new_chain(tx: Tx, where: AccountRow, new: NewInbox, by: Actor) -> list[int]:
    """Return who is written down as owner and substitutes; nobody where the account's default owner stands in."""
    named = ([new.owner] if new.owner is not None else []) + list(new.substitutes)
    if new.owner is not None:
        return _chain(tx, where, named, by)
    rest = _chain(tx, where, named, by)
    default = where.default_owner_id
    if default is not None and tx.rights.active_role(where.id, default) is not None:
        return rest
    first = tx.people.first_owner(where.id)
    if first is None:
        raise RefusedError(
            Reason.CONFLICT,
            actions=("maild user add --email ADDR --name NAME --role distributor",),
            why=f"Nobody in {where.name} could own what comes in: add a user first "
            "(maild user add --email ADDR --name NAME --role distributor).",
        )
    return [first, *(user for user in rest if user != first)]


def _chain(tx: Tx, where: AccountRow, emails: Sequence[str], by: Actor) -> list[int]:
    if len(emails) > SUBSTITUTES_MAX:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The owner chain",
            value=str(len(emails)),
            why=f"it has at most {SUBSTITUTES_MAX} links",
        )
    chain = [owner_id(tx, where, email, by) for email in emails]
    if len(set(chain)) != len(chain):
        raise RefusedError(
            Reason.CONFLICT, why="The same person stands twice among owner and substitutes."
        )
    return chain


def list_inboxes(app: App, *, account: str | None = None, by: Actor) -> list[InboxView]:
    """Return an account's inboxes, by address.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return [_view(tx, where, inbox, app.clock()) for inbox in tx.people.inboxes_of(where.id)]


def show_inbox(app: App, text: str, *, account: str | None = None, by: Actor) -> InboxView:
    """Return one inbox.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return _view(tx, where, inbox_named(tx, where, text), app.clock())


def _size(text: str) -> int | None:
    if text.strip().casefold() in {"", "none"}:
        return None
    try:
        size = size_in_bytes(text)
    except ValueError as error:
        raise RefusedError(
            Reason.INVALID_VALUE, what="max_size", value=short(text), why=f"it {error}"
        ) from None
    if not SIZE_MIN <= size <= SIZE_MAX:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="max_size",
            value=short(text),
            why="it must be from 1KiB to 1GiB, or none",
        )
    return size


_READ: dict[str, Callable[[str], Any]] = {
    "mode": word_among("mode", MODES),
    "sender_policy": word_among("sender_policy", SENDER_POLICIES),
    "unknown_policy": word_among("unknown_policy", UNKNOWN_POLICIES),
    "max_size": _size,
}


def set_inbox(
    app: App, text: str, changes: Mapping[str, str], *, account: str | None = None, by: Actor
) -> InboxView:
    """Change settings: mode, sender_policy, unknown_policy, max_size, owner, substitutes (by commas).

    A communal inbox that becomes distributed gives what lies in its mailbox to who reads it from then on, as one act
    (`communal.plan_mode` says so before); a distributed one leaves every mail with its owner (M9).  Commits one
    transaction; one wrong key or value and nothing is changed.  Raises RefusedError.
    """
    with app.store.write() as tx:
        return set_inbox_in(tx, app, text, changes, account=account, by=by)


def set_inbox_in(
    tx: Tx,
    app: App,
    text: str,
    changes: Mapping[str, str],
    *,
    account: str | None = None,
    by: Actor,
) -> InboxView:
    """Do as `set_inbox`, within an open transaction that has written nothing yet."""
    known = (*_READ, "owner", "substitutes")
    for key in changes:
        if key in {"kind", "address"}:
            raise RefusedError(
                Reason.CONFLICT, why=f"The {key} of an inbox cannot be changed; add another inbox."
            )
        if key not in known:
            raise nearest_key(key, known)
    values = {key: _READ[key](value) for key, value in changes.items() if key in _READ}
    if "mode" in values:
        _hold_mailbox(tx, home(tx, account, by), text)
    where = home(tx, account, by, hold=True)
    require_admin(tx, where, by)
    inbox = inbox_named(tx, where, text)
    _mode(values.get("mode", inbox.mode), inbox.kind)
    with keeping_readers(tx, [where.id], app.clock()):
        if values:
            tx.people.set_inbox(inbox.id, values)
        if "owner" in changes or "substitutes" in changes:
            tx.people.set_owner_chain(inbox.id, _changed_chain(tx, where, inbox, changes, by))
        if values.get("mode") == "distributed":
            empty_mailbox(tx, app, where, inbox, by)
    note(tx, app, by, "inbox.changed", where.id, inbox=inbox.id, keys=sorted(changes))
    return _view(tx, where, inbox_named(tx, where, text), app.clock())


def _changed_chain(
    tx: Tx, where: AccountRow, inbox: InboxRow, changes: Mapping[str, str], by: Actor
) -> list[int]:
    old = [user_id for user_id, _ in tx.people.owner_chain(inbox.id)]
    owner, rest = old[:1], old[1:]
    if "owner" in changes:
        text = changes["owner"].strip()
        owner = [] if text.casefold() in {"", "none"} else _chain(tx, where, [text], by)
    if "substitutes" in changes:
        listed = [part for part in changes["substitutes"].split(",") if part.strip()]
        if [part.strip().casefold() for part in listed] == ["none"]:
            listed = []
        rest = _chain(tx, where, listed, by)
    elif owner:
        rest = [user for user in rest if user != owner[0]]
    if set(owner) & set(rest):
        raise RefusedError(
            Reason.CONFLICT, why="The same person stands twice among owner and substitutes."
        )
    return [*owner, *rest]


def _hold_mailbox(tx: Tx, where: AccountRow, text: str) -> None:
    """Let mail that is being put into a communal mailbox come before, and be seen, or after, and find nobody there.

    Before the account is held, as by everybody who holds both.
    """
    owner = inbox_named(tx, where, text).communal_user_id
    if owner is not None:
        tx.changes.hold_wholly(owner)


def _holds_mail(tx: Tx, inbox: InboxRow) -> bool:
    """Whether mail lies in an inbox's communal mailbox, be it that the inbox is distributed by now: members open it still."""
    owner = inbox.communal_user_id
    return owner is not None and bool(tx.people.mails_of(owner, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxMembers:
    """Who opens a communal inbox from their own login."""

    inbox: str
    members: tuple[dict[str, str], ...]


def inbox_members(
    app: App,
    text: str,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    account: str | None = None,
    by: Actor,
) -> InboxMembers:
    """Let people open a communal inbox, or no longer; return who does (M9).  Safe to repeat.

    Commits one transaction.  Raises RefusedError.
    """
    now = app.clock()
    with app.store.write() as tx:
        if remove:
            _hold_mailbox(tx, home(tx, account, by), text)
        where = home(tx, account, by, hold=True)
        if add or remove:
            require_admin(tx, where, by)
        else:
            require_member(tx, where, by)
        inbox = inbox_named(tx, where, text)
        if inbox.mode != "communal" and not _holds_mail(tx, inbox):
            raise RefusedError(
                Reason.CONFLICT,
                actions=(f"maild inbox set {inbox.norm} mode=communal",),
                why=f"{inbox.norm} is not communal: its mail is distributed to owners, so it has no members.",
            )
        for email in add:
            user_id = owner_id(tx, where, email, by)
            if not tx.people.is_communal_member(inbox.id, user_id):
                tx.people.add_communal_member(inbox.id, user_id, now=now)
                note(tx, app, by, "inbox.member_added", where.id, inbox=inbox.id, user=user_id)
        with keeping_readers(tx, [where.id] if remove else [], now):
            for email in remove:
                user = find_user(tx, email, by)
                if tx.people.remove_communal_member(inbox.id, user.id):
                    note(
                        tx, app, by, "inbox.member_removed", where.id, inbox=inbox.id, user=user.id
                    )
        return InboxMembers(
            inbox=inbox.norm,
            members=tuple(
                {"email": email, "name": name}
                for email, name in tx.people.communal_members(inbox.id)
            ),
        )


def _view(tx: Tx, where: AccountRow, inbox: InboxRow, now: datetime) -> InboxView:
    reader = readers_of(tx, [inbox.id], now).get(inbox.id)
    communal = inbox.communal_user_id
    return InboxView(
        address=inbox.norm,
        account=where.slug,
        kind=inbox.kind,
        mode=inbox.mode,
        sender_policy=inbox.sender_policy,
        unknown_policy=inbox.unknown_policy,
        max_size=inbox.max_size,
        owner=None if reader is None else tx.people.user(reader.user_id).email,
        owner_chain=tuple(
            tx.people.user(user_id).email or name
            for user_id, name in tx.people.owner_chain(inbox.id)
        ),
        communal_user=None if communal is None else tx.people.user(communal).display_name,
        created_at=inbox.created_at,
    )
