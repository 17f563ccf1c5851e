"""Use cases about sharing work: who is away, who stands in."""

from __future__ import annotations

from typing import Any

from maild.core import absence, answering, communal
from maild.core.absence import NewAbsence
from maild.core.app import Actor, App
from tests.wall.rows import ADMIN, Row, asked_at, asked_of


def _absent(app: App, by: Actor, it: str, at: str | None) -> Any:
    new = NewAbsence(begins="2026-11-20", until="2026-11-21", substitute="desk@acme.example")
    return absence.add_absence(app, it, new, account=at, by=by)


def _substitute(app: App, by: Actor, it: str, at: str | None) -> Any:
    new = NewAbsence(begins="2026-11-20", until="2026-11-21", substitute=it)
    with app.store.read() as tx:
        own = None if by.user_id is None else tx.people.user(by.user_id).email
    return absence.add_absence(app, own or "boss@beta.example", new, account=at, by=by)


ROWS = [
    Row(absence.add_absence, "user", _absent, colleagues=ADMIN),
    Row(absence.add_absence, "user", _substitute, note="substitute"),
    Row(
        absence.list_absences,
        "none",
        lambda app, by, it, at: absence.list_absences(app, account=at, by=by),
    ),
    Row(absence.end_absence, "absence", asked_at(absence.end_absence), colleagues=ADMIN),
    Row(
        absence.come_back,
        "user",
        lambda app, by, it, at: absence.come_back(app, it, give_back=True, account=at, by=by),
        colleagues=ADMIN,
    ),
    Row(answering.begin_answering, "mail", asked_of(answering.begin_answering)),
    Row(answering.end_answering, "mail", asked_of(answering.end_answering)),
    Row(
        communal.plan_mode,
        "inbox",
        lambda app, by, it, at: communal.plan_mode(app, it, "communal", account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
]
