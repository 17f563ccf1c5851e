"""`/mails`: lists, one mail, and why it is as it is."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from maild.core import lists, repairs, views
from maild.core.app import Actor, App
from maild.core.lists import Counted, Wanted
from maild.core.repairs import Repaired, Repairs
from maild.faces.api.calls import Asked, Told
from maild.faces.api.etags import IfNoneMatch, tag_of_mail, tagged
from maild.faces.api.mail_shapes import Explained, History, OneMail
from maild.faces.api.parts import part
from maild.faces.api.shapes import MailPage
from maild.faces.api.words import Asking, Flag, Id, Line, Terms, Text
from maild.model.reason import Reason, RefusedError
from maild.model.states import State

routes = part("mails", "/mails")

RFC822 = "message/rfc822"
_KEPT_REASONS = {reason.name: reason for reason in Reason if reason.value.states}


class Counting(Asking):
    """Which mails; what is left out asks nothing."""

    account: Line | None = None
    owner: Line | None = None
    inbox: Line | None = None
    state: State | None = None
    reason: Line | None = None
    client: Line | None = None
    unread: bool = False
    status: Line | None = None
    all_received: bool = False
    search: Text | None = None
    profile: Line | None = None


class Filter(Counting):
    """Which mails, and which page of them."""

    limit: int = 50
    after: Line | None = None


class Search(Asking):
    """A search in its structured form."""

    terms: Terms
    account: Line | None = None
    profile: Line | None = None
    all_received: Flag = False
    limit: int = 50
    after: Line | None = None


class Repair(Asking):
    """One of the repairs that a mail offers."""

    action: Line
    value: Text | None = None
    remember: Flag = False


@routes.get("", response_model=MailPage)
async def list_mails(call: Asked, asked: Annotated[Filter, Query()]) -> Response:
    """List the mails that the asker may see, newest first."""
    wanted = wanted_of(asked)
    return await call.answer(lambda app, by: lists.list_mails(app, wanted, by=by))


def wanted_of(asked: Filter) -> Wanted:
    """Return which mails are asked for.  Raises RefusedError INVALID_REQUEST."""
    values: dict[str, Any] = asked.model_dump()
    return Wanted(**{**values, "reason": _reason(asked.reason)})


def _reason(text: str | None) -> Reason | None:
    if text is None:
        return None
    found = _KEPT_REASONS.get(text)
    if found is None:
        raise RefusedError(
            Reason.INVALID_REQUEST,
            why="query.reason: it is no reason of a mail; see docs/reasons.md",
        )
    return found


@routes.get("/count", response_model=Counted)
async def count_mails(call: Asked, asked: Annotated[Counting, Query()]) -> Response:
    """Count the mails that the asker may see, up to a thousand."""
    values: dict[str, Any] = asked.model_dump()
    wanted = Wanted(**{**values, "reason": _reason(asked.reason)})
    return await call.answer(lambda app, by: lists.count_mails(app, wanted, by=by))


@routes.post("/search", response_model=MailPage)
async def search_mails(call: Asked, asked: Search) -> Response:
    """List the mails that hold all of some terms, newest first."""
    wanted = Wanted(**asked.model_dump())
    return await call.answer(lambda app, by: lists.list_mails(app, wanted, by=by))


@routes.get("/{mail_id}", response_model=OneMail)
async def show_mail(call: Asked, mail_id: Id, if_none_match: IfNoneMatch = None) -> Response:
    """Show everything about a mail but its bytes; its ETag is what `take` goes by."""
    reader = call.inside.reader

    def show(app: App, by: Actor) -> Told:
        mail = views.show_mail(app, reader, mail_id, by=by)
        return tagged(mail, tag_of_mail(mail), if_none_match)

    return await call.answer(show)


@routes.get(
    "/{mail_id}/raw",
    response_class=Response,
    responses={200: {"content": {RFC822: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def raw_mail(call: Asked, mail_id: Id) -> Response:
    """Hand a mail's bytes over exactly as they were received, to be kept as a file."""
    return await call.bytes_of(
        lambda app, by: views.raw_mail(app, mail_id, by=by), f"{mail_id}.eml", RFC822
    )


@routes.get("/{mail_id}/explain", response_model=Explained)
async def explain_mail(call: Asked, mail_id: Id) -> Response:
    """Tell why a mail is as it is: arrivals, the trace, marks, history."""
    return await call.answer(lambda app, by: views.explain_mail(app, mail_id, by=by))


@routes.get("/{mail_id}/history", response_model=History)
async def mail_history(call: Asked, mail_id: Id) -> Response:
    """Tell what happened to a mail, oldest first."""
    return await call.answer(
        lambda app, by: {
            "history": [one.as_dict() for one in views.mail_history(app, mail_id, by=by)]
        }
    )


@routes.get("/{mail_id}/repairs", response_model=Repairs)
async def repairs_of(call: Asked, mail_id: Id) -> Response:
    """Tell what the asker can do about a mail that waits."""
    return await call.answer(lambda app, by: repairs.repairs_of(app, mail_id, by=by))


@routes.post("/{mail_id}/repairs", response_model=Repaired)
async def repair(call: Asked, mail_id: Id, asked: Repair) -> Response:
    """Do one of the repairs that a mail offers, and decide it again in place."""
    reader = call.inside.reader
    wanted = repairs.Asked(action=asked.action, value=asked.value, remember=asked.remember)
    return await call.answer(lambda app, by: repairs.repair(app, reader, mail_id, wanted, by=by))
