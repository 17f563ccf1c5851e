"""Many users in one go: each line has its own outcome, and a refused one does not stop the rest (U1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from maild.core.app import Actor, App
from maild.core.asking import line_answering
from maild.core.joining import JoinView, is_join
from maild.core.people import NewUser, add_in, ready
from maild.core.standing import home, require_admin
from maild.core.tags import Question
from maild.model.reason import RefusedError
from maild.model.wrong import Wrong
from maild.store.accounts import AccountRow
from maild.store.store import Tx

BATCH = 100
"""Lines of one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one line."""

    line: int
    """Of the file, counted from 1."""
    subject: str
    """The address of a user, the name of a client; as it was written."""
    outcome: str
    """added, join_requested or refused; of a client also changed or unchanged"""
    id: str | None = None
    changes: tuple[str, ...] = ()
    """What is otherwise than before, in words."""
    code: str | None = None
    message: str | None = None
    warnings: tuple[str, ...] = ()
    question: Question | None = None
    """What to ask about a +tag (U6)."""


def import_users(
    app: App,
    lines: Iterable[tuple[int, NewUser | Wrong]],
    *,
    account: str | None = None,
    by: Actor,
) -> Iterator[Outcome]:
    """Add users line by line; yield each outcome after its batch was committed.

    A transaction for each hundred lines.  Repeating an import adds nothing: who is there is refused as EMAIL_IN_USE.
    Raises RefusedError before the first line where the account or the right is wrong.
    """

    def add(tx: Tx, where: AccountRow, line: int, new: NewUser) -> Outcome:
        added = line_answering(
            tx, app, by, lambda tx: add_in(tx, app, where, ready(new), by), is_join
        )
        if isinstance(added, JoinView):
            return Outcome(
                line=line,
                subject=new.email,
                outcome=added.outcome,
                id=added.membership.id,
                code=added.code,
                message=added.message,
            )
        return Outcome(
            line=line,
            subject=new.email,
            outcome=added.outcome,
            id=added.user.id,
            warnings=added.warnings,
            question=added.question,
        )

    with app.store.read() as tx:
        require_admin(tx, home(tx, account, by), by)
    return _import(app, lines, add, account=account, by=by)


def _import(
    app: App,
    lines: Iterable[tuple[int, NewUser | Wrong]],
    add: Callable[[Tx, AccountRow, int, NewUser], Outcome],
    *,
    account: str | None,
    by: Actor,
) -> Iterator[Outcome]:
    rest = iter(lines)
    while batch := list(islice(rest, BATCH)):
        yield from _commit(app, batch, add, account=account, by=by)


def _commit(
    app: App,
    batch: Sequence[tuple[int, NewUser | Wrong]],
    add: Callable[[Tx, AccountRow, int, NewUser], Outcome],
    *,
    account: str | None,
    by: Actor,
) -> list[Outcome]:
    outcomes = []
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        for line, new in batch:
            if isinstance(new, Wrong):
                outcomes.append(refused_line(line, new.subject, new.refusal))
                continue
            try:
                outcomes.append(add(tx, where, line, new))
            except RefusedError as refused:
                outcomes.append(refused_line(line, new.email, refused))
    return outcomes


def refused_line(line: int, subject: str, refused: RefusedError) -> Outcome:
    """Return the outcome of a line that was refused."""
    return Outcome(
        line=line,
        subject=subject,
        outcome="refused",
        code=refused.reason.code,
        message=str(refused),
    )
