"""`/changes`: changes of e-mail addresses and merges of users: planned, made, and taken back.  The operator's alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from maild.core import change_email, merging, undo_change, unmerging
from maild.core.change_email import EmailRequest, Planned
from maild.core.changing import Changed, Undone
from maild.faces.api.calls import Asked, Told
from maild.faces.api.parts import part
from maild.faces.api.shapes import Changes
from maild.faces.api.words import Asking, Flag, Id, Limit, Line

routes = part("changes", "/changes")

ALIASES_MAX = 100


class NewEmail(Asking):
    """A change of e-mail, and what is agreed to."""

    old: Line
    new: Line
    allow_sso: Flag = False
    swap_roles: Flag = False
    claim_resting: Flag = False
    alias_travels: Annotated[tuple[Line, ...], Field(max_length=ALIASES_MAX)] = ()

    def request(self) -> EmailRequest:
        """Return it as core takes it."""
        return EmailRequest(
            old=self.old,
            new=self.new,
            allow_sso=self.allow_sso,
            swap_roles=self.swap_roles,
            claim_resting=self.claim_resting,
            alias_travels=self.alias_travels,
        )


class AgreedEmail(NewEmail):
    """A change whose plan was looked at."""

    reason: Line
    digest: Line
    """Of the plan; PLAN_OUTDATED where it is not what would be done any more."""


class Two(Asking):
    """Two users who are one person."""

    email: Line
    into: Line


class AgreedTwo(Two):
    """A merge whose plan was looked at."""

    digest: Line
    reason: Line = merging.DEFAULT_REASON


@routes.get("", response_model=Changes)
async def list_changes(call: Asked, limit: Limit = 100) -> Response:
    """List the newest changes, and until when each can be taken back."""
    return await call.answer(
        lambda app, by: {"changes": undo_change.list_changes(app, limit=limit, by=by)}
    )


@routes.post("/email/plan", response_model=Planned)
async def plan_change(call: Asked, asked: NewEmail) -> Response:
    """Say what a change of e-mail would do; nothing is changed."""
    request = asked.request()
    return await call.answer(lambda app, by: change_email.plan_change(app, request, by=by))


@routes.post("/email", status_code=201, response_model=Changed)
async def change(call: Asked, asked: AgreedEmail) -> Response:
    """Change an e-mail address as its plan said."""
    request = asked.request()
    return await call.answer(
        lambda app, by: Told(
            change_email.change_email(
                app, request, reason=asked.reason, digest=asked.digest, by=by
            ),
            201,
        )
    )


@routes.post("/merge/plan", response_model=Planned)
async def plan_merge(call: Asked, asked: Two) -> Response:
    """Say what merging two users would do; nothing is changed."""
    return await call.answer(
        lambda app, by: merging.plan_merging(app, asked.email, asked.into, by=by)
    )


@routes.post("/merge", status_code=201, response_model=Changed)
async def merge(call: Asked, asked: AgreedTwo) -> Response:
    """Merge two users as the plan said."""
    return await call.answer(
        lambda app, by: Told(
            merging.merge_users(
                app, asked.email, asked.into, digest=asked.digest, reason=asked.reason, by=by
            ),
            201,
        )
    )


@routes.post("/{change_id}/undo", response_model=Undone)
async def undo(call: Asked, change_id: Id) -> Response:
    """Take a change of e-mail back."""
    return await call.answer(lambda app, by: undo_change.undo_change(app, change_id, by=by))


@routes.post("/{change_id}/unmerge", response_model=Undone)
async def unmerge(call: Asked, change_id: Id) -> Response:
    """Take a merge back."""
    return await call.answer(lambda app, by: unmerging.unmerge(app, change_id, by=by))
