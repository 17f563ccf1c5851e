"""What the commands of `maild mail` share: their arguments, and how an act is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maild.faces.cli.context import Context
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.plain import line
from maild.model.reason import Reason
from maild.model.states import State

if TYPE_CHECKING:
    from maild.core.acts import Change
    from maild.parse.pool import ReaderPool

SHOWN_AFTER = 50
"""Mails that are listed again after an act, and from which on a retry tells its progress."""
_HELD_REASONS = [reason for reason in Reason if reason.value.states]

Ids = Annotated[
    list[str], typer.Argument(metavar="ID…", help="Ids as `maild mail list` shows them.")
]
Id = Annotated[str, typer.Argument(metavar="ID", help="The id as `maild mail list` shows it.")]


def state_of(text: str) -> State:
    """Read a state.  Raises WrongUsageError."""
    try:
        return State(text.strip().lower())
    except ValueError:
        raise _not_among("state", text, [state.value for state in State]) from None


def reason_of(text: str) -> Reason:
    """Read a reason that a stored mail can have.  Raises WrongUsageError."""
    found = {reason.name: reason for reason in _HELD_REASONS}.get(text.strip().upper())
    if found is None:
        raise _not_among("reason", text, [reason.name for reason in _HELD_REASONS])
    return found


def _not_among(what: str, text: str, allowed: Sequence[str]) -> WrongUsageError:
    return WrongUsageError(f"“{line(text)[:40]}” is not a {what}. There are: {', '.join(allowed)}.")


def a_reader() -> ReaderPool:
    """Return what reads mail in a process of its own, for a `with`."""
    from maild.parse.pool import ReaderPool

    return ReaderPool(1)


def tell(cli: Context, document: Any, lines: Iterable[str]) -> None:
    """Print a document, or what people read of it."""
    if cli.json:
        cli.emit(document, "")
        return
    for one in lines:
        print(one)


def told(cli: Context, change: Change, done: str) -> None:
    """Tell what an act did, and how it is undone."""
    document = {"change": change.id, "moved": change.moved, "unchanged": change.unchanged}
    count = len(change.moved)
    lines = [f"{done}: {count} mail{'' if count == 1 else 's'}."]
    if change.unchanged:
        count_left = len(change.unchanged)
        shown = ", ".join(change.unchanged[:SHOWN_AFTER])
        lines.append(
            f"Left as they were: {f'{count_left} mails, first ' if count_left > SHOWN_AFTER else ''}{shown}"
        )
    if change.stopped is not None:
        document["stopped"] = change.stopped
        lines.append(line(change.stopped))
        cli.exit = 1
    if count:
        lines.append(f"Change {change.id}")
    tell(cli, document, lines)
