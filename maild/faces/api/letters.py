"""`/letters`, and the answers to a mail: what people write (M8)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from maild.core import writing
from maild.core.writing import WrittenView
from maild.core.writing_desk import OCTETS, Asked as Wanted
from maild.faces.api.calls import Asked, Told
from maild.faces.api.parts import part
from maild.faces.api.words import Account, Asking, Flag, Id, Line, Prose
from maild.model.reason import Reason, RefusedError
from maild.model.writing import ATTACHED_MAX, ATTACHMENTS_MAX, RECIPIENTS_MAX, Attached

routes = part("writing")

Boxes = Annotated[tuple[Line, ...], Field(max_length=RECIPIENTS_MAX)]
_ENCODED_MAX = ATTACHED_MAX // 3 * 4 + 4


class File(Asking):
    """A file that goes with the mail."""

    name: Line
    type: Line = OCTETS
    content: Annotated[str, Field(max_length=_ENCODED_MAX)]
    """Base64."""


class Words(Asking):
    """What is written; what is left out, the answered mail or the template says."""

    text: Prose | None = None
    subject: Line | None = None
    template: Line | None = None
    sender: Line | None = None
    """As whom: a shared inbox, or a confirmed address of the asker's own."""
    cc: Boxes = ()
    bcc: Boxes = ()
    attachments: Annotated[tuple[File, ...], Field(max_length=ATTACHMENTS_MAX)] = ()
    dry_run: Flag = False
    """Only show the mail; nothing is written."""


class Answer(Words):
    """An answer to a mail."""

    to: Boxes = ()
    """In place of whom the mail asks to be answered."""
    everyone: Flag = False
    """Also to the others in To and Cc."""
    quote: Flag = True
    anyway: Flag = False
    """Though somebody else is answering it."""


class PassedOn(Words):
    """A mail that is passed on."""

    to: Boxes
    inline: Flag = False
    """As text, and not attached as it came."""


class FreshLetter(Words):
    """A new mail."""

    to: Boxes


_PLANNED: dict[int | str, dict[str, Any]] = {
    200: {"model": WrittenView, "description": "What would be sent: with `dry_run` nothing is."}
}


@routes.post(
    "/mails/{mail_id}/reply", status_code=201, response_model=WrittenView, responses=_PLANNED
)
async def reply(call: Asked, mail_id: Id, asked: Answer) -> Response:
    """Answer a mail, as the address that its writer wrote to; it is sent by the outbox."""
    reader = call.inside.reader
    wanted = replace(
        _wanted(asked, to=asked.to, everyone=asked.everyone, quote=asked.quote),
        anyway=asked.anyway,
    )
    return await call.answer(
        lambda app, by: _told(
            writing.reply(app, reader, mail_id, wanted, dry_run=asked.dry_run, by=by)
        )
    )


@routes.post(
    "/mails/{mail_id}/forward", status_code=201, response_model=WrittenView, responses=_PLANNED
)
async def forward(call: Asked, mail_id: Id, asked: PassedOn) -> Response:
    """Pass a mail on; it is sent by the outbox."""
    reader = call.inside.reader
    wanted = _wanted(asked, to=asked.to, inline=asked.inline)
    return await call.answer(
        lambda app, by: _told(
            writing.forward(app, reader, mail_id, wanted, dry_run=asked.dry_run, by=by)
        )
    )


@routes.post("/letters", status_code=201, response_model=WrittenView, responses=_PLANNED)
async def compose(call: Asked, asked: FreshLetter, account: Account = None) -> Response:
    """Write a new mail; it is sent by the outbox."""
    reader = call.inside.reader
    wanted = _wanted(asked, to=asked.to)
    return await call.answer(
        lambda app, by: _told(
            writing.compose(app, reader, wanted, account=account, dry_run=asked.dry_run, by=by)
        )
    )


def _told(written: WrittenView) -> Told:
    return Told(written, 200 if written.id is None else 201)


def _wanted(
    asked: Words,
    *,
    to: tuple[str, ...],
    everyone: bool = False,
    quote: bool = True,
    inline: bool = False,
) -> Wanted:
    return Wanted(
        text=asked.text,
        subject=asked.subject,
        template=asked.template,
        sender=asked.sender,
        to=to,
        cc=asked.cc,
        bcc=asked.bcc,
        attached=[_file(one) for one in asked.attachments],
        everyone=everyone,
        quote=quote,
        inline=inline,
    )


def _file(one: File) -> Attached:
    try:
        content = base64.b64decode(one.content, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(
            Reason.INVALID_REQUEST, why="body.attachments: a content is no base64"
        ) from None
    return Attached(name=one.name, type=one.type, content=content)
