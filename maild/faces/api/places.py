"""`/inboxes` and `/statuses`: where mail comes in, and how far the work on it can be."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from maild.core import communal, inbox_keys, inboxes, people, statuses
from maild.core.communal import ModePlan
from maild.core.inbox_keys import InboxKey
from maild.core.inboxes import InboxAdded, InboxMembers, InboxView, NewInbox
from maild.core.statuses import StatusView
from maild.faces.api.calls import Asked, Told
from maild.faces.api.parts import part
from maild.faces.api.shapes import AddedUser
from maild.faces.api.words import LINE_MAX, Account, Address, Asking, Line
from maild.faces.documents import added_user
from maild.model.people import InboxKind

routes = part("inboxes")

PEOPLE_MAX = 100
StatusName = Annotated[str, Path(description="The status.", max_length=LINE_MAX)]
People = Annotated[tuple[Line, ...], Field(max_length=PEOPLE_MAX)]


class NewInboxAsked(Asking):
    """An inbox to be added; what is left out is the kind's default."""

    address: Line
    kind: InboxKind
    mode: Line = "distributed"
    owner: Line | None = None
    substitutes: People = ()
    sender_policy: Line | None = None
    unknown_policy: Line = "hold"


class InboxSettings(Asking):
    """What is to be changed of an inbox, by its keys, as `maild inbox set` takes them."""

    settings: Annotated[dict[Line, Line], Field(min_length=1, max_length=20)]


class MembersChanged(Asking):
    """Who opens a communal inbox from now on, and who no longer."""

    add: People = ()
    remove: People = ()


class Communal(Asking):
    """The name of a user without a person."""

    name: Line


class NewStatus(Asking):
    """A status to be appended."""

    name: Line


class ModeAsked(Asking):
    """A mode that an inbox may be given."""

    mode: Line


class StatusRole(Asking):
    """What a status means; what is left out stays as it is."""

    closes: bool | None = None
    reopens: bool | None = None


class Inboxes(BaseModel):
    """An account's inboxes, by address."""

    inboxes: list[InboxView]


class Statuses(BaseModel):
    """An account's statuses in their order; a mail without one has the first."""

    statuses: list[str]


class StatusRoles(BaseModel):
    """An account's statuses in their order, each with what it means (M7)."""

    statuses: list[StatusView]


@routes.get("/inboxes", response_model=Inboxes)
async def list_inboxes(call: Asked, account: Account = None) -> Response:
    """List an account's inboxes."""
    return await call.answer(
        lambda app, by: {"inboxes": inboxes.list_inboxes(app, account=account, by=by)}
    )


@routes.post("/inboxes", status_code=201, response_model=InboxAdded)
async def add_inbox(call: Asked, new: NewInboxAsked, account: Account = None) -> Response:
    """Add an inbox; it always has an owner."""
    asked = NewInbox(**dict(new))
    return await call.answer(
        lambda app, by: Told(inboxes.add_inbox(app, asked, account=account, by=by), 201)
    )


@routes.get("/inboxes/{address:path}/members", response_model=InboxMembers)
async def list_members(call: Asked, address: Address, account: Account = None) -> Response:
    """Tell who opens a communal inbox from their own login."""
    return await call.answer(
        lambda app, by: inboxes.inbox_members(app, address, account=account, by=by)
    )


@routes.patch("/inboxes/{address:path}/members", response_model=InboxMembers)
async def change_members(
    call: Asked, address: Address, asked: MembersChanged, account: Account = None
) -> Response:
    """Let people open a communal inbox, or no longer."""
    return await call.answer(
        lambda app, by: inboxes.inbox_members(
            app, address, add=asked.add, remove=asked.remove, account=account, by=by
        )
    )


@routes.get("/inboxes/{address:path}/key", response_model=InboxKey)
async def show_key(call: Asked, address: Address, account: Account = None) -> Response:
    """Tell whether mail comes in over HTTP: whether the inbox has a key, and since when."""
    return await call.answer(
        lambda app, by: inbox_keys.show_inbox_key(app, address, account=account, by=by)
    )


@routes.post("/inboxes/{address:path}/key", status_code=201, response_model=InboxKey)
async def new_key(call: Asked, address: Address, account: Account = None) -> Response:
    """Make the inbox a new key, which is told this once; the one before ends."""
    return await call.answer(
        lambda app, by: Told(inbox_keys.new_inbox_key(app, address, account=account, by=by), 201)
    )


@routes.delete("/inboxes/{address:path}/key", response_model=InboxKey)
async def revoke_key(call: Asked, address: Address, account: Account = None) -> Response:
    """End the inbox's key."""
    return await call.answer(
        lambda app, by: inbox_keys.revoke_inbox_key(app, address, account=account, by=by)
    )


@routes.post("/inboxes/{address:path}/communal-user", status_code=201, response_model=AddedUser)
async def add_communal_user(
    call: Asked, address: Address, new: Communal, account: Account = None
) -> Response:
    """Give a shared inbox a user without a person: it becomes communal."""
    return await call.answer(
        lambda app, by: Told(
            added_user(
                people.add_communal_user(app, inbox=address, name=new.name, account=account, by=by)
            ),
            201,
        )
    )


@routes.get("/inboxes/{address:path}", response_model=InboxView)
async def show_inbox(call: Asked, address: Address, account: Account = None) -> Response:
    """Show an inbox."""
    return await call.answer(
        lambda app, by: inboxes.show_inbox(app, address, account=account, by=by)
    )


@routes.patch("/inboxes/{address:path}", response_model=InboxView)
async def set_inbox(
    call: Asked, address: Address, changes: InboxSettings, account: Account = None
) -> Response:
    """Change an inbox."""
    return await call.answer(
        lambda app, by: inboxes.set_inbox(app, address, changes.settings, account=account, by=by)
    )


@routes.post("/inboxes/{address:path}/mode/plan", response_model=ModePlan)
async def plan_mode(
    call: Asked, address: Address, asked: ModeAsked, account: Account = None
) -> Response:
    """Tell who would get an inbox's mail in another mode; nothing is changed."""
    return await call.answer(
        lambda app, by: communal.plan_mode(app, address, asked.mode, account=account, by=by)
    )


@routes.get("/status-roles", response_model=StatusRoles)
async def describe_statuses(call: Asked, account: Account = None) -> Response:
    """List an account's statuses, and which of them close a mail, or are what a re-opened one gets."""
    return await call.answer(
        lambda app, by: {"statuses": statuses.describe_statuses(app, account=account, by=by)}
    )


@routes.patch("/statuses/{name:path}", response_model=StatusRoles)
async def set_status_role(
    call: Asked, name: StatusName, asked: StatusRole, account: Account = None
) -> Response:
    """Say whether a status closes a mail, or is what a re-opened one gets."""
    return await call.answer(
        lambda app, by: {
            "statuses": statuses.set_status_role(
                app, name, closes=asked.closes, reopens=asked.reopens, account=account, by=by
            )
        }
    )


@routes.get("/statuses", response_model=Statuses)
async def list_statuses(call: Asked, account: Account = None) -> Response:
    """List an account's statuses."""
    return await call.answer(
        lambda app, by: {"statuses": statuses.list_statuses(app, account=account, by=by)}
    )


@routes.post("/statuses", status_code=201, response_model=Statuses)
async def add_status(call: Asked, new: NewStatus, account: Account = None) -> Response:
    """Append a status."""
    return await call.answer(
        lambda app, by: Told(
            {"statuses": statuses.add_status(app, new.name, account=account, by=by)}, 201
        )
    )


@routes.delete("/statuses/{name:path}", response_model=Statuses)
async def remove_status(call: Asked, name: StatusName, account: Account = None) -> Response:
    """Remove a status that no mail has."""
    return await call.answer(
        lambda app, by: {"statuses": statuses.remove_status(app, name, account=account, by=by)}
    )
