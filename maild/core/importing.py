"""Many users or clients in one go: each line has its own outcome, and a refused one does not stop the rest (U1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from maild.core.app import Actor, App
from maild.core.asking import line_answering
from maild.core.clients import NewClient, add_client_in, ready_client
from maild.core.joining import JoinView, is_join
from maild.core.people import NewUser, add_in, ready
from maild.core.standing import home, require_admin, require_member
from maild.core.tags import Question
from maild.model.reason import RefusedError
from maild.store.accounts import AccountRow
from maild.store.store import Tx

BATCH = 100
"""Lines of one transaction."""

New = TypeVar("New")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one line."""

    line: int
    """Of the file, counted from 1."""
    subject: str
    """The address of a user, the name of a client; as it was written."""
    outcome: str
    """added, join_requested or refused"""
    id: str | None = None
    code: str | None = None
    message: str | None = None
    warnings: tuple[str, ...] = ()
    question: Question | None = None
    """What to ask about a +tag (U6)."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A line that could not even be read as a user or client."""

    subject: str
    refusal: RefusedError


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
    return _import(app, lines, lambda new: new.email, add, account=account, by=by)


def import_clients(
    app: App,
    lines: Iterable[tuple[int, NewClient | Wrong]],
    *,
    account: str | None = None,
    by: Actor,
) -> Iterator[Outcome]:
    """Add clients line by line, as `import_users` does; an external key that is there is refused as ALREADY_EXISTS."""

    def add(tx: Tx, where: AccountRow, line: int, new: NewClient) -> Outcome:
        with tx.savepoint():
            added = add_client_in(tx, app, where, ready_client(new), by)
        return Outcome(line=line, subject=new.name, outcome="added", id=added.id)

    with app.store.read() as tx:
        require_member(tx, home(tx, account, by), by)
    return _import(app, lines, lambda new: new.name, add, account=account, by=by)


def _import(
    app: App,
    lines: Iterable[tuple[int, New | Wrong]],
    subject: Callable[[New], str],
    add: Callable[[Tx, AccountRow, int, New], Outcome],
    *,
    account: str | None,
    by: Actor,
) -> Iterator[Outcome]:
    rest = iter(lines)
    while batch := list(islice(rest, BATCH)):
        yield from _commit(app, batch, subject, add, account=account, by=by)


def _commit(
    app: App,
    batch: Sequence[tuple[int, New | Wrong]],
    subject: Callable[[New], str],
    add: Callable[[Tx, AccountRow, int, New], Outcome],
    *,
    account: str | None,
    by: Actor,
) -> list[Outcome]:
    outcomes = []
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        for line, new in batch:
            if isinstance(new, Wrong):
                outcomes.append(_refused(line, new.subject, new.refusal))
                continue
            try:
                outcomes.append(add(tx, where, line, new))
            except RefusedError as refused:
                outcomes.append(_refused(line, subject(new), refused))
    return outcomes


def _refused(line: int, subject: str, refused: RefusedError) -> Outcome:
    return Outcome(
        line=line,
        subject=subject,
        outcome="refused",
        code=refused.reason.code,
        message=str(refused),
    )
