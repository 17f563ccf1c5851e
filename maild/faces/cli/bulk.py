"""Imports: from a file to lines, and from outcomes to what is printed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from maild.faces.cli.context import Context
from maild.faces.cli.output import printable
from maild.model.people import Role
from maild.model.reason import Reason, RefusedError
from maild.model.wrong import Wrong
from maild.parse.sheet import Record, Sheet

if TYPE_CHECKING:
    from maild.core.importing import Outcome
    from maild.core.people import NewUser

USER_COLUMNS = ("email", "name", "username", "role")
INVITATION_COLUMNS = ("email", "role")

New = TypeVar("New")


def users_in(sheet: Sheet) -> list[tuple[int, NewUser | Wrong]]:
    """Return the users that a table asks for."""
    return [(record.line, _or_wrong(record, "email", _user)) for record in sheet.records]


def _or_wrong(
    record: Record, subject: str, make: Callable[[Mapping[str, str]], New]
) -> New | Wrong:
    try:
        if record.problem is not None:
            raise _wrong_line(record.problem)
        return make(record.cells)
    except RefusedError as refused:
        return Wrong(record.cells[subject], refused)


def _wrong_line(why: str) -> RefusedError:
    return RefusedError(Reason.INVALID_VALUE, what="The line", value="…", why=why)


def _user(cells: Mapping[str, str]) -> NewUser:
    from maild.core.people import NewUser

    return NewUser(
        email=cells["email"],
        name=cells["name"],
        role=_role(cells["role"], Role.MEMBER),
        username=cells["username"] or None,
    )


def _role(text: str, default: Role) -> Role:
    if not text:
        return default
    if text.casefold() not in set(Role):
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The role",
            value=printable(text[:60]),
            why=f"it is one of {', '.join(Role)}",
        )
    return Role(text.casefold())


def invitations_in(sheet: Sheet, role: Role) -> list[tuple[int, str, Role | RefusedError]]:
    """Return whom a table asks to invite, as (line, address, role); a line that cannot be used has its refusal."""
    return [
        (record.line, record.cells["email"], _role_in(record, role)) for record in sheet.records
    ]


def _role_in(record: Record, default: Role) -> Role | RefusedError:
    if record.problem is not None:
        return _wrong_line(record.problem)
    try:
        return _role(record.cells["role"], default)
    except RefusedError as refused:
        return refused


def outcomes_of(
    lines: Sequence[tuple[int, str, Role | RefusedError]],
    invite: Callable[[list[tuple[str, Role]]], list[Outcome]],
) -> list[Outcome]:
    """Invite those whose lines can be used; return an outcome for every line, by its place in the file."""
    from maild.core.importing import Outcome

    asked = iter(invite([(email, role) for _, email, role in lines if isinstance(role, Role)]))
    return [
        replace(next(asked), line=line)
        if isinstance(role, Role)
        else Outcome(
            line=line, subject=email, outcome="refused", code=role.reason.code, message=str(role)
        )
        for line, email, role in lines
    ]


def tell_outcomes(cli: Context, outcomes: Iterable[Outcome], total: int) -> None:
    """Print each outcome as it is committed, and the sum; the exit status is 1 when a line was refused."""
    counts: Counter[str] = Counter()
    with _progress(cli, total) as advance:
        for outcome in outcomes:
            counts[outcome.outcome] += 1
            if cli.json:
                cli.emit(outcome)
            elif outcome.outcome not in {"added", "unchanged"} or not cli.quiet:
                print(_in_words(outcome))
            for warning in outcome.warnings:
                cli.say(f"line {outcome.line}: warning: {warning}")
            if outcome.question is not None:
                question = outcome.question
                cli.say(f"line {outcome.line}: {question.text}\n  Yes: {question.action}")
            advance()
    said = ", ".join(
        f"{number} {word.replace('_', ' ')}" for word, number in sorted(counts.items())
    )
    cli.say(f"{sum(counts.values())} lines: {said or 'nothing to do'}.")
    if counts["refused"]:
        cli.exit = 1


def _in_words(outcome: Outcome) -> str:
    what = outcome.outcome.replace("_", " ")
    why = f" — {outcome.code}: {outcome.message}" if outcome.code else ""
    changes = f" ({', '.join(outcome.changes)})" if outcome.changes else ""
    return printable(f"line {outcome.line}: {what}: {outcome.subject[:100]}{changes}{why}")


@contextmanager
def _progress(cli: Context, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr when a person watches."""
    if cli.quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("importing", total=total)
        yield lambda: progress.advance(task)
