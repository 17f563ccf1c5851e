"""Giving mails by search: ten thousand in one act, in portions, undone as one (M4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from maild.core.acts import Act, new_act, require_reader, right_to
from maild.core.app import Actor, App
from maild.core.handing import hand_over
from maild.core.lists import Wanted, places
from maild.core.mailbox import PORTION, require_note
from maild.core.portions import GoOn, in_portions
from maild.store.lists import Place
from maild.store.store import Tx

GIVEN_MAX = 10_000
"""Mails of one act by search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundToGive:
    """What giving by search would move."""

    found: int
    more: bool
    """There are more than one act takes: those are the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenMany:
    """What an act on many mails did."""

    id: str
    """The change that `undo` takes: one for all portions."""
    found: int
    """How many were to be given."""
    more: bool
    """There are more than one act takes; doing it again gives them, too."""
    moved: tuple[str, ...]
    unchanged: tuple[str, ...]
    """Mails that somebody changed since they were found."""
    stopped: str | None
    """Why it ended before all were given; None: it did not.  Doing it again goes on."""


def find_to_give(app: App, wanted: Wanted, *, to: int, by: Actor) -> FoundToGive:
    """Count what `give_found` would move.  Reads only.  Raises RefusedError as it."""
    _, found = _found(app, wanted, to, by)
    return FoundToGive(found=min(len(found), GIVEN_MAX), more=len(found) > GIVEN_MAX)


def give_found(
    app: App, wanted: Wanted, *, to: int, by: Actor, note: str = "", go_on: GoOn | None = None
) -> GivenMany:
    """Give all mails that a list would show to another user's mailbox, the newest 10,000 (M1, M2, M4).

    What is found is fixed at the beginning.  Commits one transaction for each portion of 500, all of one change, so that
    nobody waits for long; after each `go_on` may end it.  A mail that somebody changed since it was found is left
    alone and listed.  Mails that are the user's already, or lie in no mailbox, are not found: doing it again goes on
    where it ended.  `limit` and `after` of the list mean nothing here.  Raises RefusedError (as `list_mails` and `give`)
    before anything is moved.
    """
    if note:
        require_note(note)
    act = new_act(app, by, note)
    account_id, found = _found(app, wanted, to, by)
    given = Given(account_id, to, act)
    give_places(app, given, found[:GIVEN_MAX], go_on)
    return given.told(more=len(found) > GIVEN_MAX)


@dataclass(slots=True)
class Given:
    """An act on many mails while it runs."""

    account_id: int
    to: int
    act: Act
    found: int = 0
    moved: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    stopped: str | None = None

    def add(self, done: tuple[list[str], list[str]]) -> None:
        """Add the mails of a portion that was committed: those that moved, and those that did not."""
        moved, unchanged = done
        self.moved += moved
        self.unchanged += unchanged

    def told(self, *, more: bool) -> GivenMany:
        """Return what it did."""
        return GivenMany(
            id=self.act.change_id,
            found=self.found,
            more=more,
            moved=tuple(self.moved),
            unchanged=tuple(self.unchanged),
            stopped=self.stopped,
        )


def give_places(app: App, given: Given, found: Sequence[Place], go_on: GoOn | None = None) -> None:
    """Give mails as they were found, in portions; who calls it has asked whether the receiver is one.

    Commits one transaction for each portion.  Rights are asked again in each.  Raises as `in_portions`.
    """
    given.found = len(found)

    def some_given(tx: Tx, some: Sequence[Place]) -> tuple[list[str], list[str]]:
        return _give_portion(tx, some, given)

    if found:
        given.stopped = in_portions(app, found, PORTION, some_given, given.add, go_on)


def _found(app: App, wanted: Wanted, to: int, by: Actor) -> tuple[int, Sequence[Place]]:
    with app.store.read() as tx:
        account_id, found = places(
            tx, replace(wanted, limit=GIVEN_MAX + 1, after=None), but_owner=to, by=by
        )
        require_reader(tx, account_id, to, hold=False)
    return account_id, found


def _give_portion(tx: Tx, some: Sequence[Place], given: Given) -> tuple[list[str], list[str]]:
    """Give those that are still as they were found; return which were given, and which were not."""
    rows = tx.mailbox.hold(place.ulid for place in some)
    may = right_to(tx, given.account_id, given.act.by)
    require_reader(tx, given.account_id, given.to)
    ready = [
        rows[place.ulid]
        for place in some
        if rows[place.ulid].version == place.version and may(rows[place.ulid])
    ]
    done = {row.ulid for row in hand_over(tx, ready, given.to, given.act)}
    moved = [place.ulid for place in some if place.ulid in done]
    return moved, [place.ulid for place in some if place.ulid not in done]
