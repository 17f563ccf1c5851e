"""A row of the table: one use case, the thing that it is asked about, and who may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from typing_extensions import override

from maild.core import (
    clients,
)
from maild.core.app import OPERATOR, Actor, App
from maild.store.schema import deliveries, entries

Look = Callable[[App, Actor, str, str | None], Any]

ALL, SOME, ADMIN, NONE = "mda", "da", "a", ""
"""Members, distributors, admins: by the first letter."""
PASSWORD = "A password of good length"


@dataclass(frozen=True)
class Row:
    """One look."""

    function: Callable[..., Any]
    kind: str
    look: Look
    own: str = ALL
    """Who may, of the roles in acme, where the thing is theirs."""
    colleagues: str = ALL
    """Who may where it is a colleague's."""
    refused: str = "NOT_ALLOWED"
    """What the others hear."""
    may_hear: str = "done"
    """What somebody who may hears nevertheless, for a reason of the row's own."""
    note: str = ""
    """Tells rows of one function apart."""
    told: str = ""
    """By which rule it does tell of other accounts that a name is taken, and nothing more."""
    ignores_account: bool = False
    """It takes an account, but not for this."""
    tells_members: bool = False
    """Who is a member hears so, though the own login does not open the account (U9)."""

    @property
    def name(self) -> str:
        module = self.function.__module__.rpartition(".")[2]
        return f"{module}.{self.function.__name__}"

    @override
    def __str__(self) -> str:
        return f"{self.name}-{self.note or self.kind}"


def asked_of(function: Callable[..., Any]) -> Look:
    return lambda app, by, it, at: function(app, it, by=by)


def asked_at(function: Callable[..., Any]) -> Look:
    return lambda app, by, it, at: function(app, it, account=at, by=by)


def own_mail(app: App, by: Actor) -> str:
    """Return a mail in the actor's own mailbox; for who has none, an id that nothing has."""
    with app.store.read() as tx:
        found = tx.connection.execute(
            select(deliveries.c.ulid)
            .join(entries, entries.c.delivery_id == deliveries.c.id)
            .where(entries.c.owner_id == by.user_id)
        ).scalars()
        return next(iter(found), "01" + "K" * 24)


def held_mail(app: App, reason: str) -> str:
    """Return acme's mail that is held for this reason."""
    with app.store.read() as tx:
        found = tx.connection.execute(
            select(deliveries.c.ulid).where(deliveries.c.reason == reason)
        ).scalar_one()
        return str(found)


def the_client(app: App) -> str:
    """Return acme's client."""
    return clients.list_clients(app, account="acme", by=OPERATOR).clients[0].id
