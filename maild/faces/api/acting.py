"""`/mails/…`: what people do with mail, one or many in one call: all of them, or none, and then nothing was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field
from starlette.responses import Response

from maild.core import accounts, counts, giants, healing, lists, mailbox, repairs, rulings
from maild.core.acts import Change
from maild.core.app import Actor, App
from maild.core.giants import Asked as AskedFor
from maild.core.healing import Healed, Matching
from maild.faces.api.calls import Asked, Told
from maild.faces.api.etags import IfOwnerMatch, versions_of
from maild.faces.api.parts import part
from maild.faces.api.words import (
    Account,
    Asking,
    Flag,
    Id,
    Line,
    Text,
)

routes = part("mails", "/mails")

MAILS_MAX = 1000
"""Mails of one call."""
NAMES_MAX = 100

Ids = Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAILS_MAX)]


class Mails(Asking):
    """Mails, by their ids."""

    ids: Ids


class Given(Mails):
    """Mails for another mailbox."""

    to: Line
    """Any address of who is to have them."""
    note: Text = ""
    version: int | None = None
    """The `version` that was seen of every one of them: OWNER_CHANGED if one has another by now."""


class WithStatus(Mails):
    """Mails, and how far the work on them has come."""

    status: Line


class UnderClient(Mails):
    """Mails, and whom they are about."""

    client: Line


class FiledAsked(UnderClient):
    """Mails to be filed by hand."""

    remember: Flag = False
    """Whether the next mail of whom they are about goes there, too."""


class Noted(Asking):
    """A note."""

    text: Text


class Undo(Asking):
    """Which act is taken back."""

    change: Line | None = None
    """Its id; the newest of one's own if left out."""


class Names(Asking):
    """Addresses, or domains as @domain."""

    names: Annotated[tuple[Line, ...], Field(min_length=1, max_length=NAMES_MAX)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of the mails of one call."""

    change: str | None
    """Takes it back, at /mails/undo; null where there is nothing to take back."""
    moved: tuple[str, ...]
    """Mails that are as was asked for, now."""
    unchanged: tuple[str, ...]
    """Mails that were so already, or that somebody changed since."""
    remembered: tuple[str, ...] = ()
    """Addresses, or @domains, whose mail goes there from now on."""
    stopped: str | None = None
    """Why an undo ended before all was taken back; null: it did not.  The same change again goes on."""


class InboxCounts(BaseModel):
    """How many mails of an inbox there are in each state, and for each reason."""

    inbox: str
    all: int
    received: int
    filed: int
    unfiled: int
    held: int
    ignored: int
    failed: int
    erased: int
    reasons: dict[str, int]


class MailCounts(BaseModel):
    """The figures of an account's inboxes."""

    inboxes: list[InboxCounts]


def _done(change: Change, remembered: tuple[str, ...] = ()) -> Done:
    return Done(
        change=change.id or None,
        moved=change.moved,
        unchanged=change.unchanged,
        remembered=remembered,
        stopped=change.stopped,
    )


@routes.get("/counts", response_model=MailCounts)
async def count_mails(call: Asked, account: Account = None, inbox: str | None = None) -> Response:
    """Tell how many mails there are, by inbox, state and reason: for admins and distributors."""
    return await call.answer(
        lambda app, by: {"inboxes": counts.count_mails(app, inbox, account=account, by=by)}
    )


@routes.post("/give", response_model=Done)
async def give(call: Asked, asked: Given) -> Response:
    """Give mails to a colleague; they leave one mailbox and lie in the other in the same moment."""

    def act(app: App, by: Actor) -> Done:
        to = lists.user_id_of(app, asked.to, by=by)
        return _done(
            mailbox.give(app, asked.ids, to=to, note=asked.note, seen_version=asked.version, by=by)
        )

    return await call.answer(act)


@routes.post("/{mail_id}/take", response_model=Done)
async def take(call: Asked, mail_id: Id, if_match: IfOwnerMatch = None) -> Response:
    """Take a mail into one's own mailbox, as from All Received."""
    versions = versions_of(if_match)
    return await call.answer(
        lambda app, by: _done(mailbox.take(app, mail_id, seen_version=versions, by=by))
    )


@routes.post("/undo", response_model=Done)
async def undo(call: Asked, asked: Undo, account: Account = None) -> Response:
    """Take an act back: owners and read flags are restored; what somebody changed since is left and listed."""
    reader = call.inside.reader

    def act(app: App, by: Actor) -> Done:
        change = asked.change
        if change is None:
            home = accounts.account_id_of(app, account, by=by)
            change = mailbox.newest_change(app, home, by=by)
        return _done(mailbox.undo(app, reader, change_id=change, by=by))

    return await call.answer(act)


@routes.post("/read", status_code=204)
async def read(call: Asked, asked: Mails) -> Response:
    """Mark mails of one's own mailbox read."""
    return await call.answer(
        lambda app, by: mailbox.set_unread(app, asked.ids, unread=False, by=by)
    )


@routes.post("/unread", status_code=204)
async def unread(call: Asked, asked: Mails) -> Response:
    """Mark mails of one's own mailbox unread."""
    return await call.answer(lambda app, by: mailbox.set_unread(app, asked.ids, unread=True, by=by))


@routes.post("/status", status_code=204)
async def set_status(call: Asked, asked: WithStatus) -> Response:
    """Say how far the work on mails has come; it is apart from unread."""
    return await call.answer(
        lambda app, by: mailbox.set_status(app, asked.ids, asked.status, by=by)
    )


@routes.post("/{mail_id}/notes", status_code=204)
async def add_note(call: Asked, mail_id: Id, asked: Noted) -> Response:
    """Append a note to a mail."""
    return await call.answer(lambda app, by: mailbox.add_note(app, mail_id, asked.text, by=by))


@routes.post("/dismiss", response_model=Done)
async def dismiss(call: Asked, asked: Mails) -> Response:
    """Take mails out of the mailboxes; nothing is deleted."""
    reader = call.inside.reader
    return await call.answer(lambda app, by: _done(rulings.dismiss(app, reader, asked.ids, by=by)))


@routes.post("/release", response_model=Done)
async def release(call: Asked, asked: Mails) -> Response:
    """Take back what put mails aside: a dismissal, a spam mark, or that a machine wrote them."""
    reader = call.inside.reader
    return await call.answer(
        lambda app, by: _done(rulings.release_mails(app, reader, asked.ids, by=by))
    )


@routes.post("/file", response_model=Done)
async def file(call: Asked, asked: FiledAsked) -> Response:
    """File mails under a client."""
    reader = call.inside.reader

    def act(app: App, by: Actor) -> Done:
        if not asked.remember:
            return _done(rulings.file_by_hand(app, reader, asked.ids, client=asked.client, by=by))
        filed = repairs.file_and_remember(app, reader, asked.ids, client=asked.client, by=by)
        return _done(filed.change, filed.remembered)

    return await call.answer(act)


@routes.post("/unfile", response_model=Done)
async def unfile(call: Asked, asked: UnderClient) -> Response:
    """Take mails off a client."""
    reader = call.inside.reader
    return await call.answer(
        lambda app, by: _done(rulings.unfile(app, reader, asked.ids, client=asked.client, by=by))
    )


@routes.post("/retry", response_model=Done)
async def retry(call: Asked, asked: Mails) -> Response:
    """Decide mails again in place, with today's directory."""
    reader = call.inside.reader
    return await call.answer(lambda app, by: _done(rulings.retry(app, reader, asked.ids, by=by)))


@routes.post("/fetch", status_code=202, response_model=AskedFor)
async def fetch(call: Asked, asked: Mails) -> Response:
    """Have mails fetched whole of which only the header came because they were too large."""
    return await call.answer(
        lambda app, by: Told(
            giants.ask_for_whole(app, asked.ids, max_size=app.fetch_max, by=by), 202
        )
    )


@routes.post("/matching", response_model=Matching)
async def matching(call: Asked, asked: Names, account: Account = None) -> Response:
    """Count the mails that wait, name one of these addresses, and may be filed now."""
    return await call.answer(
        lambda app, by: healing.matching_held(app, asked.names, account=account, by=by)
    )


@routes.post("/heal", response_model=Healed)
async def heal(call: Asked, asked: Names, account: Account = None) -> Response:
    """Decide those mails again in place."""
    reader = call.inside.reader
    return await call.answer(
        lambda app, by: healing.heal(app, reader, asked.names, account=account, by=by)
    )
