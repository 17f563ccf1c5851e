"""Who somebody is to maild, for whoever holds a token or a session.  Only reads."""

from __future__ import annotations

from dataclasses import dataclass

from maild.core.app import Actor, App
from maild.core.people_views import UserView, view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Self:
    """Who acts."""

    operator: bool
    """Whether the whole installation is open."""
    user: UserView | None
    """None: nobody's own, the operator's."""
    account: str | None
    """The one account that is open; None: every account of the actor's."""


def show_self(app: App, *, by: Actor) -> Self:
    """Return who acts.  Reads only."""
    with app.store.read() as tx:
        user = None if by.user_id is None else view_of(tx, tx.people.user(by.user_id), by)
        account = None if by.account_id is None else tx.people.account_by_id(by.account_id).slug
    return Self(operator=by.is_operator, user=user, account=account)
