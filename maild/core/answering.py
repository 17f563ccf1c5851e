"""Who is answering a mail: a sign for colleagues that ends by itself and blocks nobody (M9).

Whoever writes says so anew every minute or two.  Who comes second is told; if they say that they will all the same, they
are the one who answers from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from maild.core.acts import mails, require_right
from maild.core.app import Actor, App
from maild.core.handing import require_place
from maild.model.reason import Reason, RefusedError
from maild.store.answering import AnsweringRow
from maild.store.mailbox import EntryRow
from maild.store.store import Tx

HELD_FOR = timedelta(minutes=5)
"""How long the sign stands when nobody renews it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweringView:
    """Somebody is answering."""

    user: str | None
    """The address."""
    name: str
    since: datetime
    until: datetime
    """When the sign ends by itself."""
    text: str


def begin_answering(app: App, ulid: str, *, anyway: bool = False, by: Actor) -> AnsweringView:
    """Say that one is answering a mail, or still is.  Safe to repeat.

    Commits one transaction.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, BEING_ANSWERED where somebody else is and not
    `anyway`).
    """
    now = app.clock()
    if by.user_id is None:
        raise RefusedError(Reason.NOT_ALLOWED, why="Say who is answering: --by EMAIL.")
    with app.store.write() as tx:
        [row] = mails(tx, [ulid], by)
        require_right(tx, row, by)
        require_place(row)
        if not anyway:
            require_free_to_answer(tx, row, by, now)
        own = tx.answering.of([row.id], now).get(row.id)
        since = own.since if own is not None and own.user_id == by.user_id else now
        tx.answering.take(row.id, by.user_id, since, now + HELD_FOR)
        return _view(tx, tx.answering.of([row.id], now)[row.id])


def end_answering(app: App, ulid: str, *, by: Actor) -> None:
    """Say that one is answering no longer; somebody else's sign stays.  Safe to repeat.

    Commits one transaction.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED).
    """
    with app.store.write() as tx:
        [row] = mails(tx, [ulid], by)
        require_right(tx, row, by)
        if by.user_id is not None:
            tx.answering.leave(row.id, by.user_id)


def require_free_to_answer(tx: Tx, row: EntryRow, by: Actor, now: datetime) -> None:
    """Refuse an answer while somebody else is writing one.  Raises RefusedError BEING_ANSWERED."""
    other = tx.answering.of([row.id], now).get(row.id)
    if other is not None and other.user_id != by.user_id:
        raise RefusedError(
            Reason.BEING_ANSWERED,
            actions=("Answer all the same: --anyway",),
            user=other.name,
            time=_moment(other.since),
        )


def answering_of(row: AnsweringRow, email: str | None) -> dict[str, str | None]:
    """Return who is answering as a mail's document has it."""
    return {
        "user": email,
        "name": row.name,
        "since": row.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "text": f"{row.name} is answering since {_moment(row.since)}",
    }


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M} UTC"


def _view(tx: Tx, row: AnsweringRow) -> AnsweringView:
    return AnsweringView(
        user=tx.people.user(row.user_id).email,
        name=row.name,
        since=row.since,
        until=row.until,
        text=f"{row.name} is answering since {_moment(row.since)}",
    )
