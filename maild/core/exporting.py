"""What one client or one user has, to be handed out whole (product H): the record, and which mails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from maild.core.app import Actor, App
from maild.core.clients import client_in, client_views
from maild.core.logins import is_there_for, login_view
from maild.core.people_views import view_of
from maild.core.standing import find_user, home, require_admin
from maild.model.reason import Reason, RefusedError
from maild.model.states import State
from maild.store.accounts import AccountRow
from maild.store.chosen import ERASABLE, Chosen
from maild.store.store import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Exportable:
    """What there is to hand out."""

    account: str
    kind: str
    """client or user."""
    record: dict[str, Any]
    """Who it is: views of the interface by their names; no secrets."""
    mails: list[str]
    """Ids in the order of arrival: whoever exports asks for each by itself, so that nothing is held for long."""


def find_to_export(
    app: App,
    *,
    client: str | None = None,
    user: str | None = None,
    account: str | None = None,
    by: Actor,
) -> Exportable:
    """Return everything that a client or a user has in an account; its admins and the operator may ask.

    A client's mails are those filed under it, or written from one of its contact addresses; a user's those in the
    mailbox, or sent in or written by the user.  What was erased is not there any more.  Reads only.  Raises RefusedError.
    """
    if (client is None) == (user is None):
        raise RefusedError(Reason.CONFLICT, why="Name one client, or one user.")
    with app.store.read() as tx:
        place = home(tx, account, by)
        require_admin(tx, place, by)
        if client is not None:
            row = client_in(tx, place, client)
            record: dict[str, Any] = {"client": client_views(tx, [row])[0]}
            return _found(tx, place, record, Chosen(account_id=place.id, client_id=row.id))
        person = find_user(tx, user or "", by)
        logins = [one for one in tx.logins.of(person.id) if is_there_for(tx, one, by)]
        record = {
            "user": view_of(tx, person, by),
            "logins": [login_view(tx, one) for one in logins] if by.is_operator else [],
        }
        return _found(tx, place, record, Chosen(account_id=place.id, user_id=person.id))


def _found(tx: Tx, place: AccountRow, record: dict[str, Any], chosen: Chosen) -> Exportable:
    states = (State.RECEIVED, *ERASABLE)
    wanted = Chosen(
        account_id=chosen.account_id,
        client_id=chosen.client_id,
        user_id=chosen.user_id,
        states=states,
    )
    return Exportable(
        account=place.slug,
        kind=next(iter(record)),
        record=record,
        mails=tx.chosen.ulids(wanted),
    )
