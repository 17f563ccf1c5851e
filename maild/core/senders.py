"""Whose a mail was when it came in, and who that is today: a swap rewrites nothing, so that both can be told (U12)."""

from __future__ import annotations

from typing import Any

from maild.store.store import Tx


def sender_of(tx: Tx, delivery_id: int) -> dict[str, Any] | None:
    """Return the user whom a mail was resolved to, as it was and as it is; None if it is of no user.

    `address` is the one by which the user was known, None where a person's answer said who it is; `address_of` is who has
    that address today.
    """
    was = tx.views.sender(delivery_id)
    if was is None:
        return None
    heir = tx.people.heirs({was.user_id})[was.user_id]
    holder = None if was.address is None else tx.views.holder(was.address)
    emails = tx.lists.emails({heir} if holder is None else {heir, holder})
    return {
        "as_it_was": {"name": was.name, "address": was.address, "literal": was.literal},
        "as_it_is": {
            "name": tx.views.names([heir])[heir],
            "email": emails.get(heir),
            "address_of": None if holder is None else emails.get(holder),
        },
    }
