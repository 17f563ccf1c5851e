"""How often an admin may hear that somebody is known elsewhere (U9).

That an address has a login already is an answer about people of other accounts: each such answer is counted for whoever
heard it and for the account whose admin that is, so that further admins hear no more, and stands in the events.  When a
day's answers are used up, nothing more is answered, whatever the address: a refusal of the known ones alone would go on
telling.  The operator, who sees everything anyway, is never counted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from maild.core.app import Actor, App
from maild.core.standing import admin_seat, note
from maild.model.reason import Reason, RefusedError
from maild.store.store import Tx

ANSWERS_A_DAY = 500
"""Answers about people of other accounts that one admin may have within a day: as many as go in one call (U9)."""
ANSWERS_OF_ACCOUNT = 1000
"""The same of all admins of an account together: an admin makes further ones at will."""
DAY = timedelta(days=1)

T = TypeVar("T")

_TELLING = frozenset({Reason.EMAIL_IN_USE, Reason.SENDS_AS_IN_USE})


def answering(app: App, by: Actor, act: Callable[[Tx], T], tells: Callable[[T], bool]) -> T:
    """Run an act on people in a transaction of its own; `tells`: whether its result says that somebody is known.

    A refusal takes back all that the act did, and is counted nevertheless.  Commits.  Raises RefusedError: the act's own,
    or TOO_MANY_TRIES.
    """
    with app.store.write() as tx:
        try:
            found = line_answering(tx, app, by, act, tells)
        except RefusedError as refused:
            if not is_telling(refused):
                raise
            told = refused
        else:
            return found
    raise told


def line_answering(
    tx: Tx, app: App, by: Actor, act: Callable[[Tx], T], tells: Callable[[T], bool]
) -> T:
    """Run one act of several in the caller's transaction; a refusal takes back that act alone.

    Whoever catches the refusal commits, so that it is counted.  Raises as `answering`.
    """
    limits = _limits(tx, by)
    _require_patience(tx, app, limits)
    try:
        with tx.savepoint():
            found = act(tx)
            if tells(found) or _warns(found):
                # Within: who used the last answer up in this moment takes the act back.
                _count(tx, app, limits)
    except RefusedError as refused:
        if is_telling(refused):
            _count(tx, app, limits)
            _note_told(tx, app, by, refused)
        raise
    return found


def _warns(found: object) -> bool:
    """Whether a result says that a name in use looks like the new one: it may be anybody's, and looks are easily made."""
    return bool(getattr(found, "warnings", ()))


def is_telling(refused: RefusedError) -> bool:
    """Whether a refusal says that somebody elsewhere has the address: to the holder's own admin it names the holder."""
    return refused.reason in _TELLING and "holder" not in refused.facts


_Limits = list[tuple[str, int]]
"""What an answer counts for, and how many of it may fall within a day."""


def _limits(tx: Tx, by: Actor) -> _Limits:
    if by.is_operator:
        return []
    seat = admin_seat(tx, by)
    of_account = [] if seat is None else [(f"told-known:account:{seat}", ANSWERS_OF_ACCOUNT)]
    if by.user_id is None:
        return of_account
    return [(f"told-known:{by.user_id}", ANSWERS_A_DAY), *of_account]


def _require_patience(tx: Tx, app: App, limits: _Limits) -> None:
    """Refuse who has had a day's answers.  Raises RefusedError TOO_MANY_TRIES."""
    for key, most in limits:
        if tx.throttles.is_spent(key, now=app.clock(), window=DAY, most=most):
            raise _enough(tx, app, key)


def _count(tx: Tx, app: App, limits: _Limits) -> None:
    """Count an answer.  Raises RefusedError TOO_MANY_TRIES."""
    for key, most in limits:
        if not tx.throttles.count(key, now=app.clock(), window=DAY, most=most):
            raise _enough(tx, app, key)


def _note_told(tx: Tx, app: App, by: Actor, refused: RefusedError) -> None:
    """Note whom a refusal was about; an invitation has an event of its own."""
    norm = refused.facts.get("addr") or refused.facts.get("base")
    taken = tx.people.name(str(norm))
    about = {} if taken is None or taken.user_id is None else {"user": taken.user_id}
    note(tx, app, by, "address.told_in_use", None, code=refused.reason.code, **about)


def _enough(tx: Tx, app: App, key: str) -> RefusedError:
    minutes = tx.throttles.minutes_left(key, now=app.clock(), window=DAY)
    return RefusedError(Reason.TOO_MANY_TRIES, minutes=minutes)
