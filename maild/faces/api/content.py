"""`/mails/{id}/body` and what stands in it: mails as a browser may show them (M13).

What these answer is not JSON, and may be whatever somebody mailed: the header that makes it harmless comes from core.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from maild.core import attachments, showing
from maild.core.attachments import File
from maild.core.showing import Asked as Wanted, Document, MadeTicket
from maild.faces.api.calls import Asked, Octets, OpenAsked, Told
from maild.faces.api.parts import part
from maild.faces.api.words import Asking, Flag, Id, Line

routes = part("mails", "/mails/{mail_id}")
PICTURES = "/api/v1/mails/{id}/cid/"
"""Where the pictures of a page are."""
_TICKETS = "tickets"
_OPEN = re.compile(r"/api/v1/mails/[^/]+/(?:(?P<body>body)|cid/.*)", re.DOTALL)


def _binary(said: str, *types: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {one: {} for one in types}, "description": said}}


_DRAWN = ("image/png", "image/jpeg", "image/gif", "image/webp")
_PAGE = _binary("A page that stands alone.", "text/html")
_PICTURE = _binary("A picture.", *_DRAWN)
_FILE = _binary("The file, to be saved.", "application/octet-stream", "application/pdf", *_DRAWN)
_ZIP = _binary("The archive.", "application/zip")


class Half(StrEnum):
    """Which half of a mail."""

    TEXT = "text"
    HTML = "html"


class Terms(Asking):
    """What a ticket is to open."""

    images: Flag = False
    """The page may load pictures from elsewhere, as long as the ticket opens it: whoever wrote the mail may see that it is read."""


def is_open(request: Request) -> bool:
    """Whether a ticket stands where a token would be."""
    match = _OPEN.fullmatch(request.scope["path"])
    return match is not None and (match["body"] is None or "ticket" in request.query_params)


def open_as(request: Request) -> str:
    """Return how requests with tickets are counted: apart, for a page of pictures keeps nobody from signing in."""
    return _TICKETS if is_open(request) else ""


@routes.get("/body", response_class=Response, responses=_PAGE)
async def show_body(
    call: Asked,
    mail_id: Id,
    part: Annotated[
        Half | None,
        Query(description="The text, or the HTML; a mail that is held shows its text first."),
    ] = None,
    within: Annotated[
        Line, Query(description="The part of an attached mail, which is shown instead.")
    ] = "",
    ticket: Annotated[Line | None, Query(description="In place of a token.")] = None,
) -> Response:
    """Show a mail as a page of its own, which runs nothing and loads nothing from elsewhere."""
    wanted = Wanted(
        plain=None if part is None else part is Half.TEXT, within=within, pictures=PICTURES
    )
    shown = call.inside.showing
    if ticket is not None:
        return await call.open_answer(
            lambda app: _octets(showing.show_by_ticket(app, shown, mail_id, ticket, wanted)),
            open_as=_TICKETS,
        )
    return await call.answer(
        lambda app, by: _octets(showing.show_html(app, shown, mail_id, wanted, by=by))
    )


@routes.post("/tickets", status_code=201, response_model=MadeTicket)
async def make_ticket(call: Asked, mail_id: Id, asked: Terms) -> Response:
    """Make a ticket: for ten minutes it opens the mail's page without a token, as a frame asks for it."""
    return await call.answer(
        lambda app, by: Told(showing.ticket_for(app, mail_id, by=by, images=asked.images), 201)
    )


@routes.get("/cid/{ticket}/{part}", response_class=Response, responses=_PICTURE)
async def show_picture(call: OpenAsked, mail_id: Id, ticket: Id, part: Id) -> Response:
    """Show a picture of a mail in its own page, which knows the ticket."""
    shown = call.inside.showing
    return await call.open_answer(
        lambda app: _file(attachments.picture_by_ticket(app, shown, mail_id, ticket, part)),
        open_as=_TICKETS,
    )


@routes.get("/attachments/{part}", response_class=Response, responses=_FILE)
async def attachment(call: Asked, mail_id: Id, part: Id) -> Response:
    """Save one part of a mail, as `attachments` of the mail name it by `path`."""
    shown = call.inside.showing
    return await call.answer(
        lambda app, by: _file(attachments.attachment(app, shown, mail_id, part, by=by))
    )


@routes.get("/attachments.zip", response_class=Response, responses=_ZIP)
async def archive(call: Asked, mail_id: Id) -> Response:
    """Save all attachments of a mail in one archive."""
    shown = call.inside.showing
    return await call.answer(lambda app, by: _file(attachments.archive(app, shown, mail_id, by=by)))


def _file(file: File) -> Octets:
    length = {} if file.size is None else {"Content-Length": str(file.size)}
    return Octets(file.pieces, file.type, {**file.header, **length})


def _octets(document: Document) -> Octets:
    return Octets(document.content, document.type, document.header)
