"""Finding a saved search by what somebody calls it (M6)."""

from __future__ import annotations

from maild.core.app import Actor
from maild.model.plain_text import short, trimmed
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.profiles import ProfileRow
from maild.store.store import Tx

PROFILES_MAX = 200
"""Saved searches that one person has in an account, and as many that are shared: the list is shown whole."""


def find_profile(tx: Tx, where: AccountRow, name: str, by: Actor) -> ProfileRow:
    """Return a profile by id or name, one's own before a shared one.  Raises RefusedError NOT_FOUND, CONFLICT."""
    wanted = trimmed(name)
    rows = profiles_seen(tx, where, by)
    found = [row for row in rows if row.ulid == wanted.upper()]
    if not found:
        found = [row for row in rows if row.name.casefold() == wanted.casefold()]
        found = [row for row in found if is_own(row, by)] or found
    if len(found) > 1:
        ids = ", ".join(f"{row.ulid} of {row.user_name or 'the operator'}" for row in found)
        raise RefusedError(
            Reason.CONFLICT, why=f"Several profiles are called {found[0].name}; say which: {ids}."
        )
    if not found:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="profile",
            value=short(name),
            hint="`maild profile list` shows them.",
        )
    return found[0]


def profiles_seen(tx: Tx, where: AccountRow, by: Actor) -> list[ProfileRow]:
    """Return the saved searches that somebody sees: their own and the shared ones, pinned ones first."""
    return tx.profiles.seen_by(where.id, by.user_id, 2 * PROFILES_MAX)


def is_own(row: ProfileRow, by: Actor) -> bool:
    """Whether somebody saved it themselves."""
    return row.user_id == by.user_id
