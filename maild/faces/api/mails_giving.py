"""Giving many mails as one, conversations, who opened a mail, and how many lie where."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel
from starlette.responses import Response

from maild.core import conversations, giving, mailbox_counts, marking
from maild.core.conversations import Conversation
from maild.core.giving import FoundToGive, GivenMany
from maild.core.lists import Wanted, user_id_of
from maild.core.mailbox_counts import Counted
from maild.core.marking import Opened
from maild.faces.api.calls import Asked
from maild.faces.api.mails import Filter, wanted_of
from maild.faces.api.parts import part
from maild.faces.api.words import LINE_MAX, Account, Asking, Flag, Id, Line, Text
from maild.model.reason import Reason, RefusedError

routes = part("mails")


class GiveFound(Asking):
    """Which mails, as lists ask for them, and who gets them."""

    mails: Filter
    to: Line
    note: Text = ""
    dry_run: Flag = False
    """Only count what would be given."""


class GiveConversation(Asking):
    """Who gets the conversation."""

    to: Line
    note: Text = ""
    version: int | None = None
    """Of the named mail, as the giver saw it."""


class Readers(BaseModel):
    """Who opened a mail, the first one first."""

    readers: list[Opened]


@routes.post("/mails/give-found", response_model=GivenMany | FoundToGive)
async def give_found(call: Asked, asked: GiveFound) -> Response:
    """Give all mails that a list shows, the newest 10,000, as one change."""
    if asked.mails.model_fields_set & {"limit", "after"}:
        raise RefusedError(
            Reason.INVALID_REQUEST,
            why="body.mails: all that a list shows is given; leave limit and after out",
        )
    wanted = wanted_of(asked.mails)
    if wanted == Wanted(account=wanted.account):
        raise RefusedError(
            Reason.INVALID_REQUEST,
            why="body.mails: it asks for nothing, which is all mail of the account; say which mails are meant",
        )
    if asked.dry_run:
        return await call.answer(
            lambda app, by: giving.find_to_give(
                app, wanted, to=user_id_of(app, asked.to, by=by), by=by
            )
        )
    return await call.answer(
        lambda app, by: giving.give_found(
            app, wanted, to=user_id_of(app, asked.to, by=by), by=by, note=asked.note
        )
    )


@routes.get("/mails/{mail_id}/conversation", response_model=Conversation)
async def show_conversation(call: Asked, mail_id: Id) -> Response:
    """List the mails that answer each other, across inboxes, oldest first."""
    return await call.answer(lambda app, by: conversations.show_conversation(app, mail_id, by=by))


@routes.post("/mails/{mail_id}/conversation/give", response_model=GivenMany)
async def give_conversation(call: Asked, mail_id: Id, asked: GiveConversation) -> Response:
    """Give the whole conversation of a mail: what of it the asker may move."""
    return await call.answer(
        lambda app, by: conversations.give_conversation(
            app,
            mail_id,
            to=user_id_of(app, asked.to, by=by),
            by=by,
            note=asked.note,
            seen_version=asked.version,
        )
    )


@routes.post("/mails/{mail_id}/opened", status_code=204)
async def mark_opened(call: Asked, mail_id: Id) -> Response:
    """Keep that the asker opened a mail; the owner's unread flag stays as it is."""
    return await call.answer(lambda app, by: marking.mark_opened(app, [mail_id], by=by))


@routes.get("/mails/{mail_id}/readers", response_model=Readers)
async def readers_of(call: Asked, mail_id: Id) -> Response:
    """Tell who opened a mail, and when first."""
    return await call.answer(lambda app, by: {"readers": marking.readers_of(app, mail_id, by=by)})


@routes.get("/mailboxes", response_model=Counted)
async def count_mailboxes(
    call: Asked,
    account: Account = None,
    owner: Annotated[
        str | None, Query(description="Only this user's mailbox.", max_length=LINE_MAX)
    ] = None,
    unread: Annotated[
        bool,
        Query(
            description="Count the unread ones alone; `all` is null then. It costs what is unread, however much lies there."
        ),
    ] = False,
) -> Response:
    """Count mails by owner and status, and the unread ones by inbox."""
    return await call.answer(
        lambda app, by: mailbox_counts.count_mailboxes(
            app, owner, account=account, unread_only=unread, by=by
        )
    )
