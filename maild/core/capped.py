"""No flood of letters: how many of a sort one person gets in a while, and the last one says so (M12)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from maild.store.store import Tx

Caps = Sequence[tuple[timedelta, int]]


def is_capped(tx: Tx, sort: str, user_id: int, caps: Caps, now: datetime) -> bool:
    """Whether somebody had enough of a sort for now."""
    return any(
        tx.throttles.is_spent(_key(sort, user_id, window), now=now, window=window, most=most)
        for window, most in caps
    )


def counted(tx: Tx, sort: str, user_id: int, caps: Caps, now: datetime, *, noun: str) -> str | None:
    """Count a letter; return what it says about being the last for a while, and None where there were enough."""
    if is_capped(tx, sort, user_id, caps, now):
        return None
    end = ""
    for window, most in caps:
        key = _key(sort, user_id, window)
        tx.throttles.count(key, now=now, window=window, most=most)
        if tx.throttles.is_spent(key, now=now, window=window, most=most):
            left = tx.throttles.minutes_left(key, now=now, window=window)
            end = f"\n\nThis is {noun} {most} of {_words(window)}; there will be no more for {left} minutes."
    return end


def _key(sort: str, user_id: int, window: timedelta) -> str:
    return f"{sort}:{user_id}:{window}"


def _words(window: timedelta) -> str:
    return "this hour" if window <= timedelta(hours=1) else "this day"
