"""`/members`: who is in an account, and who was asked to join."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from maild.core import agency, inviting, joining, leaving
from maild.core.agency import Requested
from maild.core.app import Actor, App
from maild.core.importing import Outcome
from maild.core.joining import JoinView, MemberView
from maild.faces.api.calls import Asked, Told
from maild.faces.api.parts import part
from maild.faces.api.shapes import Lines, Members
from maild.faces.api.words import (
    Access,
    Account,
    Email,
    Granted,
    Id,
    Invitation,
    Invitations,
    role_of,
)
from maild.model.people import Role
from maild.model.reason import RefusedError

routes = part("members", "/members")


@routes.get("", response_model=Members)
async def list_members(call: Asked, account: Account = None) -> Response:
    """List an account's memberships, in every state."""
    return await call.answer(
        lambda app, by: {"members": joining.list_members(app, account=account, by=by)}
    )


@routes.post("", status_code=202, response_model=JoinView)
async def invite(call: Asked, new: Invitation, account: Account = None) -> Response:
    """Ask somebody who has a login to join an account."""
    return await call.answer(
        lambda app, by: Told(
            joining.invite(app, new.email, role=new.role, account=account, by=by), 202
        )
    )


@routes.post("/import", response_model=Lines)
async def invite_many(call: Asked, many: Invitations, account: Account = None) -> Response:
    """Ask up to 500 people to join: each line has its own answer."""
    wrong: list[Outcome] = []
    asked: list[tuple[int, str, Role]] = []
    for number, one in enumerate(many.members, 1):
        try:
            asked.append((number, one.email, role_of(one.role)))
        except RefusedError as refused:
            wrong.append(_refused(number, one.email, refused))

    def invite_them(app: App, by: Actor) -> dict[str, list[Outcome]]:
        people = [(email, role) for _, email, role in asked]
        heard = inviting.invite_many(app, people, account=account, by=by)
        right = [replace(one, line=line) for one, (line, *_) in zip(heard, asked, strict=True)]
        return {"lines": sorted([*wrong, *right], key=lambda one: one.line)}

    return await call.answer(invite_them)


def _refused(line: int, email: str, refused: RefusedError) -> Outcome:
    code, said = refused.reason.code, str(refused)
    return Outcome(line=line, subject=email, outcome="refused", code=code, message=said)


@routes.get("/own", response_model=Members)
async def list_own(call: Asked) -> Response:
    """List the asker's own memberships, with the invitations that wait for an answer."""
    return await call.answer(lambda app, by: {"members": joining.list_own(app, by=by)})


@routes.post("/requests", status_code=202, response_model=Requested)
async def request_access(call: Asked, asked: Access) -> Response:
    """Ask an account's admins for access; the answer is the same whether there is such an account or not."""
    return await call.answer(
        lambda app, by: Told(agency.request_access(app, asked.account, by=by), 202)
    )


@routes.post("/{member_id}/accept", response_model=MemberView)
async def accept(call: Asked, member_id: Id) -> Response:
    """Accept an invitation."""
    return await call.answer(
        lambda app, by: joining.answer_invitation(app, member_id, accept=True, by=by)
    )


@routes.post("/{member_id}/refuse", response_model=MemberView)
async def refuse(call: Asked, member_id: Id) -> Response:
    """Refuse an invitation, as the invited person; or a request for access, as an admin."""
    return await call.answer(lambda app, by: agency.refuse_membership(app, member_id, by=by))


@routes.post("/{member_id}/grant", response_model=MemberView)
async def grant(call: Asked, member_id: Id, granted: Granted) -> Response:
    """Grant somebody who asked for access a role."""
    return await call.answer(
        lambda app, by: agency.grant_access(app, member_id, role=granted.role, by=by)
    )


@routes.delete("/{email:path}", response_model=MemberView)
async def remove(call: Asked, email: Email, account: Account = None) -> Response:
    """End a membership, or take an invitation back."""
    return await call.answer(
        lambda app, by: leaving.remove_member(app, email, account=account, by=by)
    )
