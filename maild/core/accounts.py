"""Accounts: the tenants of an installation, and what each has settled for itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from maild.core.app import Actor, App
from maild.core.keys import nearest_key, off_or_age, off_or_time, time_zone, word_among, yes_or_no
from maild.core.readers import keeping_readers
from maild.core.standing import (
    find_user,
    home,
    in_sight,
    note,
    require_admin,
    require_member,
    require_operator,
)
from maild.model.plain_text import one_line, short
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.rights import SETTINGS
from maild.store.store import Tx

FIRST_STATUSES = ("New", "In progress", "Waiting", "Done")
"""What a new account begins with (M7)."""
FIRST_CLOSING, FIRST_REOPENED = "Done", "In progress"
"""An answer from the client takes a mail from the one to the other."""

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)

_READ: dict[str, Callable[[str], Any]] = {
    "plus_tag": word_among("plus_tag", ("exact", "base-if-unique")),
    "employee_is_client": yes_or_no("employee_is_client"),
    "unread_on_transfer": yes_or_no("unread_on_transfer"),
    "all_received": yes_or_no("all_received"),
    "own_login_required": yes_or_no("own_login_required"),
    "heal": word_among("heal", ("ask", "self")),
    "digest": off_or_time("digest"),
    "outcome_line": yes_or_no("outcome_line"),
    "time_zone": time_zone("time_zone"),
    "retention": off_or_age("retention"),
    "retention_ignored": off_or_age("retention_ignored"),
}


_ERASE = frozenset({"retention", "retention_ignored"})
"""Settings by which mail goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account as the interface shows it."""

    slug: str
    name: str
    settings: dict[str, Any]
    """Every setting, with its default where the account says nothing."""
    default_owner: str | None
    """The last link of every owner chain, by address."""
    created_at: datetime


def add_account(app: App, *, slug: str, name: str, by: Actor) -> AccountView:
    """Add an account with the first statuses.

    Commits one transaction.  Raises RefusedError (INVALID_VALUE, ALREADY_EXISTS, NOT_ALLOWED).
    """
    require_operator(by)
    if _SLUG.fullmatch(slug) is None:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The account's slug",
            value=short(slug),
            why="it must be 1 to 63 of a-z, 0-9 and -, and begin with a letter or digit",
        )
    name = one_line("The name", name)
    now = app.clock()
    with app.store.write() as tx:
        account_id = tx.people.add_account(slug, name, now=now)
        if account_id is None:
            raise RefusedError(
                Reason.ALREADY_EXISTS, noun="account", value=slug, hint="Choose another slug."
            )
        for rank, status in enumerate(FIRST_STATUSES):
            tx.people.add_status(
                account_id,
                status,
                rank,
                closes=status == FIRST_CLOSING,
                reopens=status == FIRST_REOPENED,
            )
        note(tx, app, by, "account.added", account_id)
        return _view(tx, tx.people.account_by_id(account_id))


def list_accounts(app: App, *, by: Actor) -> list[AccountView]:
    """Return the accounts that the actor works in; the operator's are all.  Reads only."""
    with app.store.read() as tx:
        return [
            _view(tx, account) for account in tx.people.accounts() if in_sight(tx, account.id, by)
        ]


def show_account(app: App, slug: str | None, *, by: Actor) -> AccountView:
    """Return one account; without a slug the only one.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        account = home(tx, slug, by)
        require_member(tx, account, by)
        return _view(tx, account)


def account_id_of(app: App, slug: str | None, *, by: Actor) -> int:
    """Return the inner id of the account that is meant, for other use cases.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        account = home(tx, slug, by)
        require_member(tx, account, by)
        return account.id


def set_account(app: App, slug: str, changes: Mapping[str, str], *, by: Actor) -> AccountView:
    """Change an account's name, its default_owner, or its settings (`store.rights.SETTINGS`).

    Commits one transaction; one wrong key or value and nothing is changed.  Raises RefusedError.
    """
    known = ("name", "default_owner", *_READ)
    for key in changes:
        if key not in known:
            raise nearest_key(key, known)
    read = {key: _READ[key](value) for key, value in changes.items() if key in _READ}
    with app.store.write() as tx:
        account = home(tx, slug, by, hold=True)
        require_admin(tx, account, by)
        if _ERASE & read.keys():
            require_operator(by)  # M4: erasing is the operator's.
        if read:
            tx.people.set_settings(account.id, {**account.settings, **read})
        if "name" in changes:
            tx.people.set_account_name(account.id, one_line("The name", changes["name"]))
        if "default_owner" in changes:
            with keeping_readers(tx, [account.id], app.clock()):
                _set_default_owner(tx, account, changes["default_owner"], by)
        if read.get("employee_is_client") is False:
            _require_no_overlap(tx, account)
        note(tx, app, by, "account.changed", account.id, keys=sorted(changes))
        return _view(tx, tx.people.account_by_id(account.id))


def _set_default_owner(tx: Tx, account: AccountRow, email: str, by: Actor) -> None:
    if email.strip().casefold() in {"", "none"}:
        tx.people.set_default_owner(account.id, None)
    else:
        tx.people.set_default_owner(account.id, owner_id(tx, account, email, by))


def owner_id(tx: Tx, account: AccountRow, email: str, by: Actor) -> int:
    """Return who is to own mail.  Raises RefusedError unless it is an active person of the account."""
    user = find_user(tx, email, by)
    if user.kind != "person" or tx.rights.active_role(account.id, user.id) is None:
        raise RefusedError(
            Reason.NOT_ALLOWED,
            why=f"{user.display_name} cannot own mail of {account.name}: not an active person of this account.",
        )
    return user.id


def _require_no_overlap(tx: Tx, account: AccountRow) -> None:
    both = tx.people.employees_who_are_clients(account.id, limit=5)
    if both:
        raise RefusedError(
            Reason.CONFLICT,
            why=f"{', '.join(both)} are users and clients at once; take them from the clients first.",
        )


def _view(tx: Tx, account: AccountRow) -> AccountView:
    owner = account.default_owner_id
    return AccountView(
        slug=account.slug,
        name=account.name,
        settings={**SETTINGS, **account.settings},
        default_owner=None if owner is None else tx.people.user(owner).email,
        created_at=account.created_at,
    )
