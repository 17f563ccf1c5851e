"""Invitations by the hundred: each line has its own answer, and a refused one does not stop the rest (U9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maild.core.app import Actor, App
from maild.core.asking import line_answering
from maild.core.importing import Outcome
from maild.core.joining import JoinView, invite_in, is_join
from maild.core.standing import home, parse_address, require_admin
from maild.model.people import Role
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.store import Tx

AT_ONCE = 500
"""Invitations in one call."""
BATCH = 100
"""Invitations of one transaction."""


def invite_many(
    app: App, lines: Sequence[tuple[str, Role]], *, account: str | None = None, by: Actor
) -> list[Outcome]:
    """Ask up to 500 people to join an account; return an answer for each line, counted from 1.

    A transaction for each hundred lines.  Safe to repeat.  Raises RefusedError before the first line where the account,
    the right or the number is wrong.
    """
    if len(lines) > AT_ONCE:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The number of invitations",
            value=len(lines),
            why=f"{AT_ONCE} go at once; send the rest in another call",
        )
    with app.store.read() as tx:
        require_admin(tx, home(tx, account, by), by)
    return [
        outcome
        for start in range(0, len(lines), BATCH)
        for outcome in _invite_some(app, lines[start : start + BATCH], start + 1, account, by)
    ]


def _invite_some(
    app: App, lines: Sequence[tuple[str, Role]], first: int, account: str | None, by: Actor
) -> list[Outcome]:
    with app.store.write() as tx:
        try:
            where = home(tx, account, by, hold=True)
            require_admin(tx, where, by)
        except RefusedError as refused:
            # Who is no admin any more has invited the lines before, and hears so.
            return [
                _refused(number, email, refused) for number, (email, _) in enumerate(lines, first)
            ]
        asking = _Asking(app, where, by)
        return [asking.one(tx, number, *asked) for number, asked in enumerate(lines, first)]


def _refused(line: int, email: str, refused: RefusedError) -> Outcome:
    code, said = refused.reason.code, str(refused)
    return Outcome(line=line, subject=email, outcome="refused", code=code, message=said)


@dataclass(frozen=True, slots=True)
class _Asking:
    """Who invites, and where to."""

    app: App
    where: AccountRow
    by: Actor

    def one(self, tx: Tx, line: int, email: str, role: Role) -> Outcome:
        """Invite one; a refusal takes back that line alone."""

        def ask(tx: Tx) -> JoinView:
            address = parse_address(email)
            return invite_in(tx, self.app, self.where, address, role=role, by=self.by)

        try:
            joined = line_answering(tx, self.app, self.by, ask, is_join)
        except RefusedError as refused:
            return _refused(line, email, refused)
        return Outcome(
            line=line,
            subject=email,
            outcome=joined.outcome,
            id=joined.membership.id,
            code=joined.code,
            message=joined.message,
        )
