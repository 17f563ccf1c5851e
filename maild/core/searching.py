"""A search put to an account: names become numbers, words become tokens, and what nobody is called is said (M6).

What a term names and is not there makes the term hold for no mail, with a note; so a saved search opens whatever became
of what it names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from maild.core.app import Actor
from maild.model.address import Address, spellings
from maild.model.indexed import Clause, Phrase, every_mail, phrase_of
from maild.model.people import Role
from maild.model.plain_text import short
from maild.model.query import ME, NONE, Field, Operator, Query, QueryError, Term, UnknownFieldError
from maild.model.query_text import read_query
from maild.model.reason import Reason, RefusedError
from maild.model.states import State
from maild.model.words import folded
from maild.store.searched_names import Found
from maild.store.searching import Holds, Search
from maild.store.store import Tx

NAMED_MAX = 300
"""Addresses, clients or other things that one term may stand for."""
SIZE_MAX = 2**31 - 1
"""Octets: no mail is larger, and PostgreSQL compares its size with no larger number."""

_FIELD_LETTERS = {
    Field.TEXT: "",
    Field.SUBJECT: "s",
    Field.ATTACHMENT: "n",
    Field.FROM: "f",
    Field.TO: "t",
    Field.CC: "c",
}


@dataclass(slots=True)
class Resolved:
    """A query as the store asks it."""

    clauses: list[Clause] = field(default_factory=list)
    holds: list[Holds] = field(default_factory=list)
    owner_id: int | None = None
    """The one mailbox that is meant: it is walked by itself."""
    since: Any = None
    until: Any = None
    is_nothing: bool = False
    notes: list[str] = field(default_factory=list)
    """What of the query names nothing that is there."""

    def search(self, account_id: int) -> Search:
        """Return what the store is asked."""
        clauses = self.clauses
        if clauses and all(one.is_not for one in clauses):
            clauses = [every_mail(account_id), *clauses]
        return Search(
            clauses=tuple(clauses),
            holds=tuple(self.holds),
            since=self.since,
            until=self.until,
            is_nothing=self.is_nothing,
        )


def query_of(text: str) -> Query:
    """Return the query in a line.  Raises RefusedError SEARCH_FIELD_UNKNOWN, SEARCH_UNREADABLE."""
    try:
        return read_query(text)
    except QueryError as error:
        raise refused(error) from None


def refused(error: QueryError) -> RefusedError:
    """Return the refusal of a search that cannot be read."""
    if isinstance(error, UnknownFieldError):
        meant = f" Did you mean {error.nearest}?" if error.nearest else ""
        return RefusedError(
            Reason.SEARCH_FIELD_UNKNOWN,
            field=error.word,
            where=error.where,
            meant=meant,
            fields=", ".join(one.value for one in Field),
        )
    return RefusedError(Reason.SEARCH_UNREADABLE, where=error.where, why=error.why)


def resolve(tx: Tx, account_id: int, query: Query, by: Actor) -> Resolved:
    """Return a query as the store asks it.  Raises RefusedError SEARCH_TOO_WIDE."""
    asking = _Asking(tx, account_id, by)
    for term in query.terms:
        asking.add(term)
    return asking.found


class _Asking:
    """Puts the terms of one query to one account."""

    def __init__(self, tx: Tx, account_id: int, by: Actor) -> None:
        self._tx = tx
        self._account_id = account_id
        self._by = by
        self.found = Resolved()

    def add(self, term: Term) -> None:
        """Add a term to what is asked."""
        _TERMS[term.field](self, term)

    # --- what the index knows ---------------------------------------------------------------------------------------

    def words(self, term: Term) -> None:
        phrase = phrase_of(self._account_id, _FIELD_LETTERS[term.field], term.value)
        self.found.clauses.append(Clause((phrase,), term.is_not))

    def address(self, term: Term) -> None:
        letter = _FIELD_LETTERS[term.field]
        phrases = [
            Phrase((f"{self._account_id}{letter}{one}",)) for one in self._addresses(term).ids
        ]
        if term.field is Field.FROM and term.operator is Operator.CONTAINS:
            # Who writes is known by a name, too.
            named = phrase_of(self._account_id, letter, term.value)
            phrases += [named] if named.tokens else []
        if phrases:
            self.found.clauses.append(Clause(tuple(phrases), term.is_not))
        elif not term.is_not:
            self._nothing()
            if self._sees_all():
                self.found.notes.append(
                    f"No mail is known that has “{term.value}” in {term.field}."
                )

    def _sees_all(self) -> bool:
        """Whether every mail of the account may be known to whoever asks: the address book is of all mailboxes (M5)."""
        if self._by.user_id is None:
            return True
        role = self._tx.rights.active_role(self._account_id, self._by.user_id)
        return role in {Role.DISTRIBUTOR, Role.ADMIN}

    def _addresses(self, term: Term) -> Found:
        names = self._tx.searched
        match term.operator:
            case Operator.IS:
                address = Address.parse(term.value)
                return names.address(self._account_id, address.domain, address.local)
            case Operator.DOMAIN_IS:
                return names.address(self._account_id, term.value, "")
            case Operator.CONTAINS:
                found = [
                    names.addresses(self._account_id, part, NAMED_MAX)
                    for part in spellings(term.value)
                ]
                ids = sorted({one for some in found for one in some.ids})
                is_whole = all(some.is_whole for some in found) and len(ids) <= NAMED_MAX
                return self._whole(term, Found(ids, is_whole))

    # --- what mailboxes know ----------------------------------------------------------------------------------------

    def person(self, term: Term) -> None:
        ids = self._people(term)
        if ids is None:
            return
        alone = ids[0] if len(ids) == 1 and not term.is_not else None
        if term.field is Field.OWNER and alone is not None and self.found.owner_id is None:
            self.found.owner_id = alone
        else:
            self._hold(term, tuple(ids), with_none=term.value == NONE)

    def _people(self, term: Term) -> list[int] | None:
        """Return who is meant; None: nobody is, and that is said."""
        if term.number is not None:
            is_here = any(
                one.id == term.number for one in self._tx.searched.people(self._account_id)
            )
            if not is_here:
                self._gone(term)
            return [term.number] if is_here else None
        if term.value == NONE and term.operator is Operator.IS:
            return []
        if term.value == ME and term.operator is Operator.IS:
            if self._by.user_id is None:
                self._nobody(term, "“me” is nobody here: you are not signed in as a user.")
                return None
            return [self._by.user_id]
        part, is_whole = folded(term.value), term.operator is Operator.IS
        found = {
            one.id
            for one in self._tx.searched.people(self._account_id)
            if one.address == term.value
            or (not is_whole and (part in folded(one.name) or part in (one.address or "")))
        }
        if not found:
            self._nobody(term, f"Nobody in this account is called “{term.value}”.")
            return None
        named = Found(sorted(found)[:NAMED_MAX], len(found) <= NAMED_MAX)
        return self._whole(term, named).ids

    def _gone(self, term: Term) -> None:
        self._nobody(term, f"The {term.field} “{term.value}” is not there any more.")

    def _nobody(self, term: Term, note: str) -> None:
        if term.is_not:
            self.found.notes.append(note)
        else:
            self._nothing()
            self.found.notes.append(note)

    def client(self, term: Term) -> None:
        if term.number is not None:
            self._hold(term, (term.number,))
            return
        if term.value == NONE and term.operator is Operator.IS:
            self._hold(term, with_none=True)
            return
        whole = term.operator is Operator.IS
        found = self._tx.searched.clients(self._account_id, term.value, NAMED_MAX, whole=whole)
        self._hold_named(term, found, f"There is no client “{term.value}”.")

    def inbox(self, term: Term) -> None:
        part = term.value if term.operator is Operator.IS else term.value.casefold()
        if term.operator is Operator.DOMAIN_IS:
            part = f"@{term.value}"
        found = self._tx.searched.inboxes(self._account_id, part, NAMED_MAX)
        self._hold_named(term, found, f"There is no inbox with “{term.value}”.")

    def source(self, term: Term) -> None:
        whole = term.operator is Operator.IS
        found = self._tx.searched.sources(self._account_id, term.value, NAMED_MAX, whole=whole)
        self._hold_named(term, found, f"There is no source “{term.value}”.")

    def status(self, term: Term) -> None:
        names = self._tx.searched.statuses(self._account_id)
        wanted = term.value.casefold()
        if term.number is not None:
            found = next((name for name, one in names.items() if one == term.number), None)
        else:
            found = next((name for name in names if name.casefold() == wanted), None)
        if found is None and term.number is not None:
            self._gone(term)
            return
        if found is None:
            known = ", ".join(names)
            self._nobody(term, f"There is no status “{term.value}”; there are {known}.")
            return
        # A mail to which nobody gave a status has the first one.
        self._hold(term, (names[found],), with_none=found == next(iter(names)))

    def word(self, term: Term) -> None:
        self._hold(term, (term.value,))

    def state(self, term: Term) -> None:
        self._hold(term, (State(term.value),))

    def has(self, term: Term) -> None:
        if term.value == "attachment":
            phrase = Phrase((f"{self._account_id}a",))
            self.found.clauses.append(Clause((phrase,), term.is_not))
        else:
            self.word(term)

    def size(self, term: Term) -> None:
        self._hold(term, (min(int(term.value), SIZE_MAX),))

    def before(self, term: Term) -> None:
        start = term.span.start
        self._bound(since=start) if term.is_not else self._bound(until=start)

    def after(self, term: Term) -> None:
        end = term.span.end
        self._bound(until=end) if term.is_not else self._bound(since=end)

    def on(self, term: Term) -> None:
        span = term.span
        if term.is_not:
            self._hold(term, (span.start, span.end))
        else:
            self._bound(since=span.start, until=span.end)

    def _bound(self, since: Any = None, until: Any = None) -> None:
        found = self.found
        if since is not None:
            found.since = since if found.since is None else max(found.since, since)
        if until is not None:
            found.until = until if found.until is None else min(found.until, until)

    # --- shared -----------------------------------------------------------------------------------------------------

    def _hold(self, term: Term, values: tuple[Any, ...] = (), *, with_none: bool = False) -> None:
        self.found.holds.append(
            Holds(field=term.field, values=values, with_none=with_none, is_not=term.is_not)
        )

    def _hold_named(self, term: Term, found: Found, note: str) -> None:
        if self._whole(term, found).ids:
            self._hold(term, tuple(found.ids))
        else:
            self._nobody(term, note)

    def _whole(self, term: Term, found: Found) -> Found:
        if not found.is_whole:
            raise RefusedError(
                Reason.SEARCH_TOO_WIDE,
                field=term.field.value,
                value=short(term.value),
                most=NAMED_MAX,
            )
        return found

    def _nothing(self) -> None:
        self.found.is_nothing = True


_TERMS: dict[Field, Callable[[_Asking, Term], None]] = {
    Field.TEXT: _Asking.words,
    Field.SUBJECT: _Asking.words,
    Field.ATTACHMENT: _Asking.words,
    Field.FROM: _Asking.address,
    Field.TO: _Asking.address,
    Field.CC: _Asking.address,
    Field.OWNER: _Asking.person,
    Field.USER: _Asking.person,
    Field.CLIENT: _Asking.client,
    Field.STATUS: _Asking.status,
    Field.STATE: _Asking.state,
    Field.REASON: _Asking.word,
    Field.INBOX: _Asking.inbox,
    Field.SOURCE: _Asking.source,
    Field.IS: _Asking.word,
    Field.HAS: _Asking.has,
    Field.BEFORE: _Asking.before,
    Field.AFTER: _Asking.after,
    Field.ON: _Asking.on,
    Field.LARGER: _Asking.size,
    Field.SMALLER: _Asking.size,
}
