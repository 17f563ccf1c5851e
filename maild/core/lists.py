"""Lists of mail: what is asked for, who sees how much of it, pages and counts (M5, M6).

Everything here only reads.  Lists never hold what their reader may not see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from maild.core.app import Actor, App
from maild.core.documents import documents
from maild.core.matching import add_matched
from maild.core.naming import named_now
from maild.core.saved import find_profile
from maild.core.searching import query_of, refused, resolve
from maild.core.standing import find_user_id, home, parse_address
from maild.model.people import Role
from maild.model.plain_text import short
from maild.model.query import Query, QueryError, read_terms
from maild.model.reason import Reason, RefusedError
from maild.model.states import State
from maild.store.accounts import AccountRow
from maild.store.list_walks import Filter
from maild.store.lists import Place
from maild.store.searching import Search
from maild.store.store import Tx

PAGE_MAX = 1000
"""Mails of one page."""
COUNT_MAX = 1000
"""How far mails are counted: more than that is said as such."""
RETRY_PAGE = 500
"""Mails that one look for a reason returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which mails a list shows, in a person's words; None asks nothing."""

    account: str | None = None
    """The account's slug; None where there is only one account."""
    owner: str | None = None
    inbox: str | None = None
    state: State | None = None
    reason: Reason | None = None
    client: str | None = None
    unread: bool = False
    status: str | None = None
    all_received: bool = False
    """Every mail of the account's shared inboxes, whoever owns it (M5)."""
    search: str | None = None
    """What the mails must have, in the language of search (docs/search.md); it narrows what stands beside it."""
    terms: Sequence[Any] | None = None
    """The same in its structured form, in place of `search`."""
    profile: str | None = None
    """A saved search's id or name; it narrows as well."""
    limit: int = 50
    after: str | None = None
    """The `next` of the page before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Mails, newest first."""

    mails: list[dict[str, Any]]
    next: str | None
    """Where the next page begins; None: this was the last one."""
    notes: list[str] = field(default_factory=list)
    """What of the search names nothing that is there."""


def list_mails(app: App, wanted: Wanted, *, by: Actor) -> Page:
    """Return one page of the mails that this person may see.

    A member sees the own mailbox, and All Received if the account says so; distributors, admins and the operator see
    everything (M5).  Raises RefusedError: ACCOUNT_NEEDED, NOT_FOUND, NOT_ALLOWED, INVALID_VALUE, SEARCH_FIELD_UNKNOWN,
    SEARCH_UNREADABLE, SEARCH_TOO_WIDE.
    """
    query = asked_query(wanted)
    if not 1 <= wanted.limit <= PAGE_MAX:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The limit",
            value=wanted.limit,
            why=f"it must be between 1 and {PAGE_MAX}",
        )
    with app.store.read() as tx:
        where = home(tx, wanted.account, by)
        asked = filter_of(tx, where, wanted, query, by)
        rows = tx.lists.page(asked.filter)
        more = len(rows) > wanted.limit
        shown = rows[: wanted.limit]
        mails = documents(tx, where.id, shown, app.clock())
        add_matched(tx, asked.query, shown, mails)
    return Page(mails=mails, next=shown[-1]["ulid"] if more else None, notes=asked.notes)


def places(tx: Tx, wanted: Wanted, *, but_owner: int, by: Actor) -> tuple[int, list[Place]]:
    """Return the account, and the mails of a list that lie in mailboxes but one's, newest first.

    They are to be acted on: a search that says nothing, or names what is not there, is refused, as it would find more than
    was meant.  Raises as `list_mails`, and RefusedError INVALID_VALUE.
    """
    where = home(tx, wanted.account, by)
    query = asked_query(wanted)
    asked = filter_of(tx, where, wanted, query, by)
    named = [one for one in (wanted.search, wanted.profile) if one is not None]
    is_blank = wanted.search is not None and not query.terms
    if asked.notes or is_blank or (named and not asked.query.terms):
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The search",
            value=short(" ".join(named)),
            why=" ".join(asked.notes) or "it asks for nothing. Say which mails are meant.",
        )
    return where.id, tx.lists.places(asked.filter, but_owner=but_owner)


def user_id_of(app: App, email: str, *, by: Actor) -> int:
    """Return the user with that address.  Raises RefusedError INVALID_EMAIL, NOT_FOUND."""
    with app.store.read() as tx:
        return find_user_id(tx, email, by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many mails a search finds."""

    number: int
    more: bool
    """There are more; they were not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """What the store is asked, and what of the search it cannot be asked."""

    filter: Filter
    query: Query
    notes: list[str]


def asked_query(wanted: Wanted) -> Query:
    """Return what is searched for, without what a profile says.  Raises RefusedError SEARCH_FIELD_UNKNOWN, SEARCH_UNREADABLE."""
    if wanted.terms is not None:
        try:
            return read_terms(wanted.terms)
        except QueryError as error:
            raise refused(error) from None
    return Query() if wanted.search is None else query_of(wanted.search)


def count_mails(app: App, wanted: Wanted, *, by: Actor) -> Counted:
    """Return how many mails a list would have, counted up to COUNT_MAX.  Reads only.  Raises as `list_mails`."""
    query = asked_query(wanted)
    with app.store.read() as tx:
        where = home(tx, wanted.account, by)
        return count_of(tx, filter_of(tx, where, wanted, query, by))


def count_of(tx: Tx, asked: Narrowed) -> Counted:
    """Return how many mails there are, counted up to COUNT_MAX."""
    found = tx.lists.count(asked.filter, COUNT_MAX + 1)
    return Counted(number=min(found, COUNT_MAX), more=found > COUNT_MAX)


def mails_with_reason(
    app: App, account: str | None, reason: Reason, *, by: Actor
) -> Iterator[list[str]]:
    """Yield the ids of all mails that have this reason now, in portions, each once.

    For the operator, admins and distributors.  Deciding them again meanwhile is safe: the walk goes by arrival.  Raises
    RefusedError ACCOUNT_NEEDED, NOT_FOUND, NOT_ALLOWED.
    """
    after = 0
    while True:
        with app.store.read() as tx:
            where = home(tx, account, by)
            _require_all_mail(tx, where, by)
            found = tx.views.with_reason(where.id, reason.code, after=after, limit=RETRY_PAGE)
        if not found:
            return
        after = found[-1][0]
        yield [ulid for _, ulid in found]


def filter_of(tx: Tx, where: AccountRow, wanted: Wanted, query: Query, by: Actor) -> Narrowed:
    """Return what the store is asked for these mails, as far as this person may see them (M5).  Raises RefusedError."""
    found = _filter(tx, where, wanted, by)
    if wanted.profile is not None:
        saved, fault = named_now(tx, where.id, find_profile(tx, where, wanted.profile, by).terms)
        if fault is not None:
            nothing = replace(found, search=Search(is_nothing=True))
            return Narrowed(filter=nothing, query=query, notes=[fault])
        query = Query((*saved.terms, *query.terms))
    if not query.terms:
        return Narrowed(filter=found, query=query, notes=[])
    asked = resolve(tx, where.id, query, by)
    if asked.owner_id is not None and found.owner_id not in {None, asked.owner_id}:
        asked.is_nothing = True
    found = replace(
        found,
        owner_id=found.owner_id if asked.owner_id is None else asked.owner_id,
        search=asked.search(where.id),
    )
    return Narrowed(filter=found, query=query, notes=asked.notes)


def _filter(tx: Tx, where: AccountRow, wanted: Wanted, by: Actor) -> Filter:
    account_id = where.id
    visible_to, sees_shared = _sight(tx, where, by, all_received=wanted.all_received)
    status, is_first = _status(tx, account_id, wanted.status)
    return Filter(
        account_id=account_id,
        owner_id=None if wanted.owner is None else find_user_id(tx, wanted.owner, by),
        inbox_id=_inbox(tx, account_id, wanted.inbox),
        state=wanted.state,
        reason=None if wanted.reason is None else wanted.reason.code,
        client_id=_client(tx, account_id, wanted.client),
        unread=wanted.unread,
        status=status,
        status_is_first=is_first,
        shared_only=wanted.all_received,
        visible_to=visible_to,
        sees_shared=sees_shared,
        after=_cursor(tx, account_id, wanted.after),
        limit=wanted.limit + 1,
    )


def _sight(tx: Tx, where: AccountRow, by: Actor, *, all_received: bool) -> tuple[int | None, bool]:
    """Return whose mailbox alone may be seen (None: all), and whether shared inboxes may be seen too."""
    if by.user_id is None:
        return None, True
    match tx.rights.active_role(where.id, by.user_id):
        case None:
            name = tx.rights.display_name(by.user_id)
            raise RefusedError(
                Reason.NOT_ALLOWED, why=f"{name} is not an active member of this account."
            )
        case Role.MEMBER:
            sees_shared = bool(where.setting("all_received"))
            if all_received and not sees_shared:
                name = tx.rights.display_name(by.user_id)
                raise RefusedError(
                    Reason.NOT_ALLOWED,
                    why=f"{name} has no right to All Received: this account keeps it to distributors and admins.",
                )
            return by.user_id, sees_shared
        case Role.DISTRIBUTOR | Role.ADMIN:
            return None, True


def _require_all_mail(tx: Tx, where: AccountRow, by: Actor) -> None:
    """Refuse who does not see every mail of the account (M5)."""
    if _sight(tx, where, by, all_received=False)[0] is not None:
        raise RefusedError(
            Reason.NOT_ALLOWED, why="Only admins and distributors ask for mails by their reason."
        )


def _inbox(tx: Tx, account_id: int, address: str | None) -> int | None:
    if address is None:
        return None
    norm = parse_address(address).norm
    found = tx.views.inbox_id(account_id, norm)
    if found is None:
        raise _unknown("inbox", norm, "`maild inbox list` shows them.")
    return found


def _client(tx: Tx, account_id: int, ulid: str | None) -> int | None:
    if ulid is None:
        return None
    found = tx.views.client_id(account_id, ulid)
    if found is None:
        raise _unknown("client", short(ulid), "`maild client list` shows the ids.")
    return found


def _status(tx: Tx, account_id: int, status: str | None) -> tuple[str | None, bool]:
    """Return the status as the account writes it, and whether it is the first one."""
    if status is None:
        return None, False
    names = list(tx.mailbox.status_names(account_id))
    found = next((name for name in names if name.casefold() == status.casefold()), None)
    if found is None:
        raise _unknown("status", short(status), "There are: " + ", ".join(names) + ".")
    return found, found == names[0]


def _cursor(tx: Tx, account_id: int, after: str | None) -> int | None:
    if after is None:
        return None
    found = tx.views.delivery_id(account_id, after)
    if found is None:
        raise _unknown("page", short(after), "Take the value that the page before gave as `next`.")
    return found


def _unknown(noun: str, value: str, hint: str) -> RefusedError:
    return RefusedError(Reason.NOT_FOUND, noun=noun, value=value, hint=hint)
