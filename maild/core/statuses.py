"""An account's own list of statuses: how far the work on a mail has come, apart from unread (M7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from maild.core.app import Actor, App
from maild.core.standing import home, note, require_admin, require_member
from maild.model.plain_text import one_line, short
from maild.model.reason import Reason, RefusedError
from maild.store.store import Tx

NAME_MAX = 60
"""Characters of a status's name."""


def list_statuses(app: App, *, account: str | None, by: Actor) -> list[str]:
    """Return the statuses in their order; a mail without one has the first.  Reads only."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return list(tx.mailbox.status_names(where.id))


def add_status(app: App, name: str, *, account: str | None, by: Actor) -> list[str]:
    """Append a status; return the list.  Commits one transaction.  Raises RefusedError."""
    name = one_line("The status", name, most=NAME_MAX)
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_admin(tx, where, by)
        names = tx.mailbox.status_names(where.id)
        if name.casefold() in map(str.casefold, names):
            raise RefusedError(
                Reason.ALREADY_EXISTS, noun="status", value=short(name), hint="Choose another name."
            )
        tx.people.add_status(where.id, name, tx.people.next_status_rank(where.id))
        note(tx, app, by, "status.added", where.id)
        return [*names, name]


def remove_status(app: App, name: str, *, account: str | None, by: Actor) -> list[str]:
    """Remove a status that no mail has; return the list.  Commits one transaction.  Raises RefusedError.

    The first one stays: it is what a mail has to which nobody gave one.
    """
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_admin(tx, where, by)
        names = tx.mailbox.status_names(where.id)
        found = named_status(names, name)
        if found == next(iter(names)):
            raise RefusedError(
                Reason.CONFLICT,
                why=f"{found} is the first status, which every new mail has; it stays.",
            )
        used = tx.people.count_with_status(names[found])
        if used:
            raise RefusedError(
                Reason.CONFLICT,
                why=f"Mails have the status {found} ({used} of them); give them another one first.",
            )
        givers = tx.rules.with_status(names[found])
        if givers:
            raise RefusedError(
                Reason.CONFLICT,
                why=f"The rule “{givers[0]}” sets the status {found}; remove the rule first.",
            )
        setters = tx.templates.with_status(names[found])
        if setters:
            raise RefusedError(
                Reason.CONFLICT,
                why=f"The template “{setters[0]}” sets the status {found}; change the template first.",
            )
        tx.people.remove_status(names[found])
        note(tx, app, by, "status.removed", where.id)
        return [known for known in names if known != found]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """A status, and what it does."""

    name: str
    closes: bool
    """Work on a mail that has it is done; an answer from the client re-opens that mail (M7)."""
    reopens: bool
    """It is what a mail gets that is re-opened."""


def describe_statuses(app: App, *, account: str | None = None, by: Actor) -> list[StatusView]:
    """Return the statuses in their order, with what they do.  Reads only.  Raises RefusedError (account's)."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return _described(tx, where.id)


def _described(tx: Tx, account_id: int) -> list[StatusView]:
    return [
        StatusView(name=row.name, closes=row.closes, reopens=row.reopens)
        for row in tx.people.status_roles(account_id)
    ]


def set_status_role(
    app: App,
    name: str,
    *,
    closes: bool | None = None,
    reopens: bool | None = None,
    account: str | None = None,
    by: Actor,
) -> list[StatusView]:
    """Say whether a status means that the work is done, or is what a re-opened mail gets (M7); return the list.

    None leaves it as it is.  At most one re-opens: it takes that from the one before.  Where none does, a re-opened mail
    gets the first status.  Commits one transaction.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, CONFLICT for both at
    once, account's).
    """
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_admin(tx, where, by)
        rows = {row.name: row for row in tx.people.status_roles(where.id)}
        row = rows[named_status(list(rows), name)]
        now_closes = row.closes if closes is None else closes
        now_reopens = row.reopens if reopens is None else reopens
        if now_closes and now_reopens:
            raise RefusedError(
                Reason.CONFLICT,
                why=f"{row.name} cannot both close a mail and be what re-opens it; take one of the two from it.",
            )
        for other in rows.values():
            if now_reopens and other.reopens and other.id != row.id:
                tx.people.set_status_roles(other.id, closes=other.closes, reopens=False)
        tx.people.set_status_roles(row.id, closes=now_closes, reopens=now_reopens)
        note(tx, app, by, "status.role", where.id, status=row.id)
        return _described(tx, where.id)


def named_status(names: Iterable[str], name: str) -> str:
    """Return a status as the account writes it.  Raises RefusedError NOT_FOUND, which lists them."""
    known = list(names)
    found = next((one for one in known if one.casefold() == name.strip().casefold()), None)
    if found is None:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="status",
            value=short(name),
            hint=f"There are: {', '.join(known)}.",
        )
    return found
