"""Drop addresses: a member's secret way in, whoever the From names (U7).

A tag is told to its owner and the account's admins alone.  It lies sealed in the database and is found by a keyed digest;
what is stored of a mail that came by it, what is logged and what is shown hide it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from maild.core.app import Actor, App
from maild.core.seal import SealError, SealingKey, seal, unseal
from maild.core.standing import home, is_admin, note, parse_address
from maild.model.drop import ALPHABET, HIDDEN, LENGTH, drop_tag
from maild.model.people import InboxKind, MemberState
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.drops import DropRow
from maild.store.store import Tx
from maild.store.users import MemberRow

_TAGGED = re.compile(rf"\+[{ALPHABET}]{{{LENGTH}}}@".encode(), re.IGNORECASE)
DEAD_FOR = timedelta(days=30)
"""How long a tag that was replaced is refused by its own words; afterwards it is a +tag like any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropView:
    """A member's drop addresses: the same tag at each inbox of the account."""

    email: str
    account: str
    addresses: tuple[str, ...]
    """The forward inboxes first."""
    since: datetime


def show_drop(app: App, email: str, *, account: str | None = None, by: Actor) -> DropView:
    """Return a member's drop addresses; the first time they are made.

    Commits.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, CONFLICT, account's).
    """
    with app.store.write() as tx:
        return show_drop_in(tx, app, email, account=account, by=by)


def show_drop_in(
    tx: Tx, app: App, email: str, *, account: str | None = None, by: Actor
) -> DropView:
    """Show within an open transaction.  Raises as `show_drop`."""
    where, member = _member(tx, email, account, by)
    return _view(app, tx, where, member) or _made(app, tx, where, member, by)


def rotate_drop(app: App, email: str, *, account: str | None = None, by: Actor) -> DropView:
    """Give a member a new tag; the old one is refused as replaced for 30 days.

    Commits.  Raises as `show_drop`.
    """
    with app.store.write() as tx:
        return rotate_drop_in(tx, app, email, account=account, by=by)


def rotate_drop_in(
    tx: Tx, app: App, email: str, *, account: str | None = None, by: Actor
) -> DropView:
    """Rotate within an open transaction.  Raises as `show_drop`, and then nothing may be kept."""
    where, member = _member(tx, email, account, by)
    return _made(app, tx, where, member, by)


def replace_drops(app: App, tx: Tx, user_id: int, by: Actor) -> int:
    """Give a user new drop addresses wherever there is one, in the caller's transaction (U11); return how many.

    Without the installation's key the old ones end, and new ones are made when they are asked for.
    """
    replaced = 0
    for member in tx.people.memberships_of(user_id):
        if tx.drops.live(member.id) is None:
            continue
        replaced += 1
        if app.key is None:
            tx.drops.end(member.id, app.clock())
        else:
            _make(app, app.key, tx, member, by)
    return replaced


def drops_among(app: App, tx: Tx, addresses: Iterable[str]) -> dict[str, DropRow]:
    """Return those of the addresses that are drop addresses, dead ones too while they are refused.  Reads only."""
    if app.key is None:
        return {}
    tags = {text: tag for text in addresses if (tag := drop_tag(text)) is not None}
    if not tags:
        return {}
    by_text = {text: app.key.lookup(tag) for text, tag in tags.items()}
    found = tx.drops.named(by_text.values())
    oldest = app.clock() - DEAD_FOR
    return {
        text: row
        for text, lookup in by_text.items()
        if (row := found.get(lookup)) is not None and (row.dead_at is None or row.dead_at > oldest)
    }


def hide_drops(app: App, tx: Tx, content: bytes) -> bytes:
    """Return octets that go outside, with stars in place of the tags of drop addresses.  Reads only."""
    as_addresses = {
        found: f"inbox{found.decode('ascii')}drop.invalid"
        for found in set(_TAGGED.findall(content))
    }
    there = drops_among(app, tx, as_addresses.values())
    for found, text in as_addresses.items():
        if text in there:
            content = content.replace(found, f"+{HIDDEN}@".encode())
    return content


def _member(tx: Tx, email: str, account: str | None, by: Actor) -> tuple[AccountRow, MemberRow]:
    where = home(tx, account, by, hold=True)
    address = parse_address(email)
    named = tx.people.name(address.norm)
    member = None
    if named is not None and named.user_id is not None:
        member = tx.people.member(where.id, named.user_id)
    may = is_admin(tx, where.id, by) or (member is not None and member.user.id == by.user_id)
    if not may:
        raise RefusedError(
            Reason.NOT_ALLOWED, why="A drop address is told to its owner and to admins alone."
        )
    if member is None or member.state is not MemberState.ACTIVE:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="active member",
            value=short(address.norm),
            hint="`maild member list` shows them.",
        )
    return where, member


def _view(app: App, tx: Tx, where: AccountRow, member: MemberRow) -> DropView | None:
    live = tx.drops.live(member.id)
    if live is None:
        return None
    try:
        tag = unseal(_key(app), live.sealed, _bound_to(member))
    except SealError as error:
        raise RefusedError(
            Reason.CONFLICT, why=f"The drop address cannot be read: {error}. Rotate it."
        ) from None
    return _shown(tx, where, member, tag, live.made_at)


def _made(app: App, tx: Tx, where: AccountRow, member: MemberRow, by: Actor) -> DropView:
    tag = _make(app, _key(app), tx, member, by)
    return _shown(tx, where, member, tag, app.clock())


def _make(app: App, key: SealingKey, tx: Tx, member: MemberRow, by: Actor) -> str:
    tag = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    tx.drops.make(member.id, key.lookup(tag), seal(key, tag, _bound_to(member)), app.clock())
    note(tx, app, by, "drop.made", member.account_id, membership=member.id)
    return tag


def _shown(tx: Tx, where: AccountRow, member: MemberRow, tag: str, since: datetime) -> DropView:
    inboxes = sorted(
        tx.people.inboxes_of(where.id), key=lambda one: (one.kind is not InboxKind.FORWARD, one.id)
    )
    if not inboxes:
        raise RefusedError(
            Reason.CONFLICT, why=f"{where.name} has no inbox yet: `maild inbox add` makes one."
        )
    return DropView(
        email=member.user.email or "",
        account=where.slug,
        addresses=tuple(
            f"{local}+{tag}@{domain}"
            for local, _, domain in (one.norm.rpartition("@") for one in inboxes)
        ),
        since=since,
    )


def _key(app: App) -> SealingKey:
    if app.key is None:
        raise RefusedError(
            Reason.CONFLICT,
            why="Drop addresses need the installation's key: `maild check` says what is wrong with secret_key.",
        )
    return app.key


def _bound_to(member: MemberRow) -> list[str]:
    return ["drop address", str(member.id)]
