"""Acts on many mails, a portion in each transaction: others wait no longer than for one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from maild.core.app import App
from maild.model.plain_text import so_many
from maild.model.reason import RefusedError
from maild.store.engine import CollisionError, StoreDownError
from maild.store.store import Tx

Item = TypeVar("Item")
Done = TypeVar("Done")

GoOn = Callable[[int, int], bool]
"""Hears after each portion how many of how many mails are done, and says whether to go on."""


def in_portions(
    app: App,
    items: Sequence[Item],
    size: int,
    work: Callable[[Tx, Sequence[Item]], Done],
    keep: Callable[[Done], None],
    go_on: GoOn | None = None,
) -> str | None:
    """Do `work` with all items, and return why it ended before that; None: it did not.

    Commits one transaction for each portion, of nothing too where there are no items; then `keep` has what the work
    returned.  A portion that collided with somebody else's work is tried once more.  Raises what the first portion
    raises, as RefusedError or StoreDownError: then nothing was done.  What a later one raises is the answer.
    """
    for at in range(0, max(len(items), 1), size):
        try:
            done = _committed(app, items[at : at + size], work)
        except (RefusedError, StoreDownError) as error:
            if at == 0:
                raise
            return _why(error)
        keep(done)
        at_end = at + size >= len(items)
        if go_on is not None and not go_on(min(at + size, len(items)), len(items)) and not at_end:
            return f"It was stopped after {at + size} of {so_many(len(items))}."
    return None


def _committed(app: App, some: Sequence[Item], work: Callable[[Tx, Sequence[Item]], Done]) -> Done:
    try:
        with app.store.write() as tx:
            return work(tx, some)
    except CollisionError:
        with app.store.write() as tx:
            return work(tx, some)


def _why(error: RefusedError | StoreDownError) -> str:
    if isinstance(error, RefusedError):
        return str(error)
    return f"The database did not take more of them ({error})."
