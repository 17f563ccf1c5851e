"""Profiles: saved searches, somebody's own or shared in the account (M6).

A profile shows nobody more than they may see: it is put to the account by whoever opens it.  People, statuses and clients
are kept by number, so a profile goes on when they are renamed; one that is gone is said, and the profile opens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from maild.core.app import Actor, App
from maild.core.clients_changing import NOTHING_ASKED, Precondition
from maild.core.lists import Counted, Wanted, count_of, filter_of
from maild.core.naming import named_now, with_numbers
from maild.core.saved import PROFILES_MAX, find_profile, is_own, profiles_seen
from maild.core.searching import query_of, refused, resolve
from maild.core.standing import home, is_admin, note, require_member
from maild.model.people import Role
from maild.model.plain_text import one_line, short
from maild.model.query import Query, QueryError, explain, read_terms
from maild.model.query_text import write_query
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.profiles import ProfileRow
from maild.store.store import Tx

NAME_MAX = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileView:
    """A saved search as the interface shows it."""

    id: str
    name: str
    query: str
    terms: list[dict[str, Any]]
    text: str
    """The query as a sentence."""
    shared: bool
    pinned: bool
    mine: bool
    by: str | None
    """Who saved it; None: the operator."""
    notes: list[str] = field(default_factory=list)
    """What it names that is not there any more."""
    version: int
    count: Counted | None = None
    """How many mails whoever asks would see, where that was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileText:
    """What is asked for; None leaves as it is."""

    name: str | None = None
    query: str | None = None
    terms: Sequence[Any] | None = None
    """The query in its structured form, in place of `query`."""
    shared: bool | None = None
    pinned: bool | None = None


def list_profiles(
    app: App, *, account: str | None = None, counts: bool = False, by: Actor
) -> list[ProfileView]:
    """Return the saved searches that somebody sees: their own and the shared ones, pinned ones first.

    With `counts` each says how many mails it finds for whoever asks.  Reads only.  Raises RefusedError (account's).
    """
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return [_view(tx, where, row, by, counts=counts) for row in profiles_seen(tx, where, by)]


def show_profile(
    app: App, name: str, *, account: str | None = None, counts: bool = False, by: Actor
) -> ProfileView:
    """Return the saved search of that name or id.  Reads only.  Raises RefusedError (NOT_FOUND, CONFLICT, account's)."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return _view(tx, where, find_profile(tx, where, name, by), by, counts=counts)


def add_profile(
    app: App, text: ProfileText, *, account: str | None = None, by: Actor
) -> ProfileView:
    """Save a search.

    Commits one transaction.  Raises RefusedError (INVALID_VALUE, SEARCH_FIELD_UNKNOWN, SEARCH_UNREADABLE,
    SEARCH_TOO_WIDE, ALREADY_EXISTS, CONFLICT when there are too many, account's).
    """
    name = one_line("The name", text.name or "", most=NAME_MAX)
    query = _query(text)
    if query is None or not query.terms:
        raise RefusedError(
            Reason.INVALID_VALUE, what="The search", value="", why="it is empty, and would find all"
        )
    ulid, now = app.ids(), app.clock()
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_member(tx, where, by)
        if tx.profiles.number_of_own(where.id, by.user_id) >= PROFILES_MAX:
            raise RefusedError(
                Reason.CONFLICT, why=f"You have {PROFILES_MAX} profiles already; remove one."
            )
        if text.shared:
            _require_room_to_share(tx, where)
        resolve(tx, where.id, query, by)
        values = {
            "ulid": ulid,
            "account_id": where.id,
            "user_id": by.user_id,
            "name": name,
            "terms": with_numbers(tx, where.id, query),
            "is_shared": bool(text.shared),
            "is_pinned": bool(text.pinned),
            "created_at": now,
        }
        if not tx.profiles.add(values):
            raise _taken(name)
        note(tx, app, by, "profile.added", where.id, profile=ulid)
        return _view(tx, where, find_profile(tx, where, ulid, by), by)


def change_profile(
    app: App,
    name: str,
    changes: ProfileText,
    *,
    account: str | None = None,
    only_if: Precondition = NOTHING_ASKED,
    by: Actor,
) -> ProfileView:
    """Change a saved search: whose it is, and a shared one also distributors and admins.

    Commits one transaction.  Raises RefusedError (as `add_profile`; NOT_FOUND, NOT_ALLOWED, PRECONDITION_FAILED).
    """
    new_name = None if changes.name is None else one_line("The name", changes.name, most=NAME_MAX)
    query = _query(changes)
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_member(tx, where, by)
        row = find_profile(tx, where, name, by)
        _require_keeper(tx, where, row, by)
        _require_as_seen(row, only_if)
        values: dict[str, Any] = {}
        if new_name is not None and new_name != row.name:
            _require_free(tx, where, new_name, row, by)
            values["name"] = new_name
        if query is not None:
            resolve(tx, where.id, query, by)
            values["terms"] = with_numbers(tx, where.id, query)
        if changes.shared and not row.is_shared:
            _require_room_to_share(tx, where)
        flags = (("is_shared", changes.shared), ("is_pinned", changes.pinned))
        values |= {key: value for key, value in flags if value is not None}
        if values:
            tx.profiles.set(row.id, values)
            note(tx, app, by, "profile.changed", where.id, profile=row.ulid)
        # Looked up as its owner's: who unshares another's profile loses it from sight.
        theirs = tx.profiles.seen_by(where.id, row.user_id, 2 * PROFILES_MAX)
        return _view(tx, where, next(one for one in theirs if one.id == row.id), by)


def remove_profile(
    app: App,
    name: str,
    *,
    account: str | None = None,
    only_if: Precondition = NOTHING_ASKED,
    by: Actor,
) -> ProfileView:
    """Remove a saved search; return what it was.  Commits one transaction.  Raises RefusedError (as `change_profile`)."""
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_member(tx, where, by)
        row = find_profile(tx, where, name, by)
        _require_keeper(tx, where, row, by)
        _require_as_seen(row, only_if)
        gone = _view(tx, where, row, by)
        tx.profiles.remove(row.id)
        note(tx, app, by, "profile.removed", where.id, profile=row.ulid)
        return gone


def tag_of(profile: ProfileView) -> str:
    """Return what is the same exactly as long as the profile is, and what it says: names in it change without it."""
    said = hashlib.sha256(repr(profile).encode()).hexdigest()[:12]
    return f"{profile.id}-{profile.version}-{said}"


def _require_room_to_share(tx: Tx, where: AccountRow) -> None:
    if tx.profiles.number_of_shared(where.id) >= PROFILES_MAX:
        raise RefusedError(
            Reason.CONFLICT,
            why=f"The account shares {PROFILES_MAX} profiles already; unshare or remove one.",
        )


def _query(text: ProfileText) -> Query | None:
    if text.terms is not None:
        try:
            return read_terms(text.terms)
        except QueryError as error:
            raise refused(error) from None
    return None if text.query is None else query_of(text.query)


def _require_keeper(tx: Tx, where: AccountRow, row: ProfileRow, by: Actor) -> None:
    """Refuse to let others than its owner, distributors and admins touch a shared profile."""
    if is_own(row, by) or is_admin(tx, where.id, by):
        return
    role = None if by.user_id is None else tx.rights.active_role(where.id, by.user_id)
    if role is not Role.DISTRIBUTOR:
        raise RefusedError(
            Reason.NOT_ALLOWED,
            why=f"The profile {row.name} is {row.user_name or 'the operator'}'s; save a search of your own.",
        )


def _require_as_seen(row: ProfileRow, only_if: Precondition) -> None:
    # Of `tag_of` what was saved: a name in it may have changed since.
    seen = {tag if tag == "*" else tag.rpartition("-")[0] for tag in only_if.match or ()}
    if only_if.match is not None and seen.isdisjoint({"*", f"{row.ulid}-{row.version}"}):
        raise RefusedError(Reason.PRECONDITION_FAILED, noun="profile")


def _require_free(tx: Tx, where: AccountRow, name: str, row: ProfileRow, by: Actor) -> None:
    theirs = tx.profiles.seen_by(where.id, row.user_id, 2 * PROFILES_MAX)
    for one in theirs:
        is_same = one.id != row.id and one.user_id == row.user_id
        if is_same and one.name.casefold() == name.casefold():
            raise _taken(name)


def _taken(name: str) -> RefusedError:
    return RefusedError(
        Reason.ALREADY_EXISTS, noun="profile", value=short(name), hint="Choose another name."
    )


def _view(
    tx: Tx, where: AccountRow, row: ProfileRow, by: Actor, *, counts: bool = False
) -> ProfileView:
    query, fault = named_now(tx, where.id, row.terms)
    counted = None
    if fault is None:
        try:
            notes = resolve(tx, where.id, query, by).notes
            if counts:
                counted = count_of(tx, filter_of(tx, where, Wanted(), query, by))
        except RefusedError as refused_now:
            # It was narrower when it was saved; whoever has it must still see it, and be able to change it.
            notes = [str(refused_now)]
    else:
        notes = [fault]
        counted = Counted(number=0, more=False) if counts else None
    return ProfileView(
        id=row.ulid,
        name=row.name,
        query=write_query(query),
        terms=query.as_list(),
        text=explain(query) if fault is None else fault,
        shared=row.is_shared,
        pinned=row.is_pinned,
        mine=is_own(row, by),
        by=row.user_name,
        notes=notes,
        version=row.version,
        count=counted,
    )
