"""`/mails/…/answering`: who is writing an answer (M9)."""

from __future__ import annotations

from starlette.responses import Response

from maild.core import answering
from maild.core.answering import AnsweringView
from maild.faces.api.calls import Asked
from maild.faces.api.parts import part
from maild.faces.api.words import Asking, Flag, Id

routes = part("mails", "/mails")


class AnsweringAsked(Asking):
    """That one is answering."""

    anyway: Flag = False
    """Though somebody else is."""


@routes.put("/{mail_id}/answering", response_model=AnsweringView)
async def begin_answering(
    call: Asked, mail_id: Id, asked: AnsweringAsked | None = None
) -> Response:
    """Say that the asker is answering a mail, or still is; it is shown for five minutes and blocks nobody."""
    anyway = asked is not None and asked.anyway
    return await call.answer(
        lambda app, by: answering.begin_answering(app, mail_id, anyway=anyway, by=by)
    )


@routes.delete("/{mail_id}/answering", status_code=204, response_class=Response)
async def end_answering(call: Asked, mail_id: Id) -> Response:
    """Say that the asker is answering a mail no longer."""
    return await call.answer(lambda app, by: answering.end_answering(app, mail_id, by=by))
