"""How many mails there are, by inbox, state and reason: what was put aside is counted, too.  Only reads."""

from __future__ import annotations

from collections import Counter
from typing import Any

from maild.core.app import Actor, App
from maild.core.standing import home, parse_address
from maild.model.people import Role
from maild.model.reason import Reason, RefusedError
from maild.model.states import State

_SEE_ALL = {Role.ADMIN, Role.DISTRIBUTOR}


def count_mails(
    app: App, inbox: str | None = None, *, account: str | None = None, by: Actor
) -> list[dict[str, Any]]:
    """Return for each inbox of the account, or for this one, its mails by state and by reason.

    For the operator, admins and distributors, who see all mail anyway (M5).  Walks over all deliveries of the account.
    Raises RefusedError: ACCOUNT_NEEDED, INVALID_EMAIL, NOT_FOUND, NOT_ALLOWED.
    """
    with app.store.read() as tx:
        where = home(tx, account, by)
        if by.user_id is not None and tx.rights.active_role(where.id, by.user_id) not in _SEE_ALL:
            raise RefusedError(
                Reason.NOT_ALLOWED, why="Only admins and distributors see the figures of all mail."
            )
        names = {one.id: one.norm for one in tx.people.inboxes_of(where.id)}
        if inbox is not None:
            norm = parse_address(inbox).norm
            names = {number: name for number, name in names.items() if name == norm}
            if not names:
                raise RefusedError(
                    Reason.NOT_FOUND,
                    noun="inbox",
                    value=norm,
                    hint="`maild inbox list` shows them.",
                )
        rows = tx.views.counts(where.id, next(iter(names)) if inbox is not None else None)
    states: dict[int, Counter[str]] = {number: Counter() for number in names}
    reasons: dict[int, Counter[str]] = {number: Counter() for number in names}
    for row in rows:
        states[row.inbox_id][row.state] += row.count
        if row.reason is not None:
            reasons[row.inbox_id][row.reason] += row.count
    return [
        {
            "inbox": name,
            "all": states[number].total(),
            **{state.value: states[number][state] for state in State},
            "reasons": dict(sorted(reasons[number].items())),
        }
        for number, name in names.items()
    ]
