"""`/absences`: who is away from an account, and who stands in (M10)."""

from __future__ import annotations

from pydantic import Field
from starlette.responses import Response

from maild.core import absence
from maild.core.absence import AbsenceView, NewAbsence, Returned
from maild.faces.api.calls import Asked, Told
from maild.faces.api.parts import part
from maild.faces.api.shapes import Absences
from maild.faces.api.words import Account, Asking, Flag, Id, Line

routes = part("absences", "/absences")


class AbsenceAsked(Asking):
    """Somebody who will be away."""

    email: Line
    begins: Line = Field(alias="from")
    """A day, in the account's time zone; or an instant."""
    until: Line
    """The last day; or the instant of return."""
    substitute: Line
    """Any address of who stands in."""


class ReturnAsked(Asking):
    """Somebody who is back."""

    email: Line
    give_back: Flag = False
    """Whether what came meanwhile, and lies with who stood in still, becomes theirs."""


@routes.get("", response_model=Absences)
async def list_absences(call: Asked, account: Account = None) -> Response:
    """List who is away, and who will be."""
    return await call.answer(
        lambda app, by: {"absences": absence.list_absences(app, account=account, by=by)}
    )


@routes.post("", status_code=201, response_model=AbsenceView)
async def add_absence(call: Asked, asked: AbsenceAsked, account: Account = None) -> Response:
    """Say that somebody will be away and who stands in."""
    new = NewAbsence(begins=asked.begins, until=asked.until, substitute=asked.substitute)
    return await call.answer(
        lambda app, by: Told(
            absence.add_absence(app, asked.email, new, account=account, by=by), 201
        )
    )


@routes.post("/return", response_model=Returned)
async def come_back(call: Asked, asked: ReturnAsked, account: Account = None) -> Response:
    """Say that somebody is back; list what came meanwhile, or give it to them in one act."""
    return await call.answer(
        lambda app, by: absence.come_back(
            app, asked.email, give_back=asked.give_back, account=account, by=by
        )
    )


@routes.delete("/{absence_id}", response_model=AbsenceView)
async def end_absence(call: Asked, absence_id: Id, account: Account = None) -> Response:
    """Take an absence back, or end it now."""
    return await call.answer(
        lambda app, by: absence.end_absence(app, absence_id, account=account, by=by)
    )
