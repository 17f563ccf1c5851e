"""Whose an address is, for whoever may change that user: asked first in every act on one address."""

from __future__ import annotations

from maild.core.app import Actor
from maild.core.names import SHARED_ADDRESS, other_kind
from maild.core.standing import find_user, in_sight, parse_address, require_over
from maild.model.reason import Reason, RefusedError
from maild.store.addresses import AddressRow
from maild.store.store import Tx
from maild.store.users import UserRow


def own_address(
    tx: Tx, text: str, by: Actor, *, self_may: bool = False
) -> tuple[UserRow, AddressRow]:
    """Return whose a live address is, and hold that user; `self_may`: the user may do it for themselves.

    Raises RefusedError: INVALID_EMAIL, EMAIL_IN_USE_OTHER_KIND for an inbox, NOT_FOUND, NOT_ALLOWED, CONFLICT.
    """
    address = parse_address(text)
    inbox = tx.people.inbox(address.norm)
    if inbox is not None and in_sight(tx, inbox.account_id, by):
        raise other_kind(address, SHARED_ADDRESS)
    user = find_user(tx, text, by)
    if not (self_may and by.user_id == user.id):
        require_over(tx, user.id, by)
    tx.people.hold_user(user.id)
    name = tx.people.name(address.norm)
    if name is None or name.address_id is None or name.user_id != user.id:
        raise RefusedError(Reason.CONFLICT, why=f"{address.norm} was changed at this moment.")
    return user, tx.people.address(name.address_id)
