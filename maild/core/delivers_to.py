"""Where mail to an address ends, as an admin says: several addresses of one physical inbox get one digest (U14).

It is told to nobody and proves nothing: no mail is sent to an inbox for being named here, and none is filed by it.
"""

from __future__ import annotations

from collections.abc import Mapping

from maild.core.app import Actor, App
from maild.core.keys import nearest_key
from maild.core.own_address import own_address
from maild.core.people_views import AddressView, address_view
from maild.core.standing import note, parse_address

_KEYS = ("delivers_to",)


def inbox_named(text: str) -> str | None:
    """Return the inbox that is meant; None: the address's own.  Raises RefusedError INVALID_EMAIL."""
    return None if text.strip().casefold() in {"", "none"} else parse_address(text).norm


def set_address(app: App, text: str, changes: Mapping[str, str], *, by: Actor) -> AddressView:
    """Record for a user's address that mail to it ends in another one's inbox; `none`, or itself: in its own.

    Commits one transaction.  Raises RefusedError: INVALID_VALUE for another key, INVALID_EMAIL, NOT_FOUND, NOT_ALLOWED.
    """
    for key in changes:
        if key not in _KEYS:
            raise nearest_key(key, _KEYS)
    with app.store.write() as tx:
        user, row = own_address(tx, text, by)
        if "delivers_to" in changes:
            inbox = inbox_named(changes["delivers_to"])
            tx.people.set_delivers_to(row.id, None if inbox == row.norm else inbox)
            note(tx, app, by, "address.delivers_to", None, user=user.id, address=row.id)
        return address_view(tx.people.address(row.id))
