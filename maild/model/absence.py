"""Who reads what comes in while somebody is away (M9, M10): a pure function of owner chains, absences and a moment.

An inbox's own owner and substitutes come first, in their order; then who stands in for those of them that are away;
then the account's default owner, and who stands in for that one.  Whoever is inactive or away is passed over.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Somebody is away from an account for a while, and somebody else stands in."""

    id: int
    user_id: int
    substitute_id: int
    begins: datetime
    ends: datetime
    """The first moment at which they are back."""

    def covers(self, at: datetime) -> bool:
        """Whether they are away at this moment."""
        return self.begins <= at < self.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Who may get what comes in for one inbox."""

    named: tuple[int, ...] = ()
    """The owner and the substitutes, in order."""
    default: int | None = None
    """The account's default owner."""
    communal: int | None = None
    """The user without a person, if the inbox is communal and has one."""
    members: tuple[int, ...] = ()
    """Who opens the communal user's mailbox."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who gets a mail, and in whose place."""

    user_id: int
    absence_id: int | None = None
    """The absence because of which it is not somebody else's; None: it would be theirs anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Who of an account is active, and who is away when."""

    active: frozenset[int] = frozenset()
    away: Mapping[int, Sequence[Absence]] = field(default_factory=dict)
    """Each one's absences, which do not overlap, the first to begin first."""

    def absence(self, user: int, at: datetime) -> Absence | None:
        """Return somebody's absence at this moment; None: they are not away."""
        own = self.away.get(user, ())
        # Nobody is away twice at once: only the last that has begun can last.
        found = bisect_right(own, at, key=lambda one: one.begins) - 1
        return own[found] if found >= 0 and own[found].covers(at) else None

    def is_there(self, user: int, at: datetime) -> bool:
        """Whether somebody can own mail at this moment and is not away."""
        return user in self.active and self.absence(user, at) is None

    def round_of(self, user: int, at: datetime) -> Iterator[int]:
        """Yield who stands in for somebody who is away, and for that one if away too, and so on; each once."""
        seen = {user}
        found = self.absence(user, at)
        while found is not None and found.substitute_id not in seen:
            seen.add(found.substitute_id)
            yield found.substitute_id
            found = self.absence(found.substitute_id, at)

    def stands_in(self, user: int, at: datetime) -> int | None:
        """Return who has the mail of somebody who is away; None: nobody that is there."""
        return next((one for one in self.round_of(user, at) if self.is_there(one, at)), None)

    def begins(self, people: Iterable[int], since: datetime) -> list[datetime]:
        """Return every moment from which more of these, and of who stands in for them, are away, `since` first."""
        concerned: set[int] = set()
        asked = set(people)
        while asked:
            concerned |= asked
            asked = {one.substitute_id for user in asked for one in self.away.get(user, ())}
            asked -= concerned
        later = {one.begins for user in concerned for one in self.away.get(user, ())}
        return [since, *sorted(at for at in later if at > since)]


def reader_of(chain: Chain, roster: Roster, at: datetime) -> Reader | None:
    """Return who gets what comes in at this moment; None: nobody who was named is there."""
    if chain.communal is not None and any(roster.is_there(one, at) for one in chain.members):
        return Reader(chain.communal)
    named = [user for user in chain.named if user in roster.active]
    last = [user for user in (chain.default,) if user in roster.active and user not in named]
    first = next(iter((*named, *last)), None)
    if first is None:
        return None
    missed = roster.absence(first, at)
    if missed is None:
        return Reader(first)
    for links in (named, last):
        there = (user for user in links if roster.is_there(user, at))
        for_them = (roster.stands_in(user, at) for user in links)
        found = next((user for user in (*there, *for_them) if user is not None), None)
        if found is not None:
            return Reader(found, missed.id)
    return None


def gap_of(chain: Chain, roster: Roster, now: datetime) -> datetime | None:
    """Return from when on nobody reads what comes in; None: somebody always does.

    Only an absence that begins, of somebody whom the chain leads to, can take a reader away: no other moments are looked
    at.
    """
    default = () if chain.default is None else (chain.default,)
    moments = roster.begins((*chain.named, *chain.members, *default), now)
    return next((at for at in moments if reader_of(chain, roster, at) is None), None)


@dataclass(frozen=True, slots=True)
class Loop:
    """Substitutes that lead back to who is away."""

    users: tuple[int, ...]
    since: datetime


def loop_of(new: Absence, roster: Roster) -> Loop | None:
    """Return how an absence, which the roster holds already, would go round; None: it does not."""
    for at in roster.begins([new.user_id], new.begins):
        if at >= new.ends:
            return None
        users = [new.user_id, *roster.round_of(new.user_id, at)]
        # The round ends at who is there, or before whom it has passed already.
        ahead = roster.absence(users[-1], at)
        if ahead is not None and ahead.substitute_id in users:
            return Loop((*users, ahead.substitute_id), at)
    return None
