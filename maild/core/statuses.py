"""An account's own list of statuses: how far the work on a mail has come, apart from unread (M7)."""

from __future__ import annotations

from maild.core.app import Actor, App
from maild.core.standing import home, note, require_admin, require_member
from maild.model.plain_text import one_line, short
from maild.model.reason import Reason, RefusedError

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
        found = next((known for known in names if known.casefold() == name.casefold()), None)
        if found is None:
            raise RefusedError(
                Reason.NOT_FOUND,
                noun="status",
                value=short(name),
                hint=f"There are: {', '.join(names)}.",
            )
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
        tx.people.remove_status(names[found])
        note(tx, app, by, "status.removed", where.id)
        return [known for known in names if known != found]
