"""`/users`: people, one or many, and what they are in an account."""

from __future__ import annotations

from starlette.responses import Response

from maild.core import people, people_views
from maild.core.app import Actor, App
from maild.core.importing import import_users
from maild.core.joining import JoinView
from maild.core.people import NewUser
from maild.core.people_views import UserPage, UserView
from maild.faces.api.calls import Asked, Told
from maild.faces.api.parts import part
from maild.faces.api.shapes import AddedUser, Lines
from maild.faces.api.words import (
    Account,
    After,
    Email,
    Limit,
    NewPerson,
    Password,
    People,
    PersonLine,
    UserChanges,
    role_of,
)
from maild.faces.documents import added_user
from maild.model.reason import RefusedError
from maild.model.wrong import Wrong

routes = part("users", "/users")


@routes.get("", response_model=UserPage)
async def list_users(
    call: Asked, account: Account = None, after: After = None, limit: Limit = 100
) -> Response:
    """List an account's active members, oldest first."""
    return await call.answer(
        lambda app, by: people_views.list_users(
            app, account=account, after=after, limit=limit, by=by
        )
    )


@routes.post("", status_code=201, response_model=AddedUser, responses={202: {"model": JoinView}})
async def add_user(call: Asked, new: NewPerson, account: Account = None) -> Response:
    """Add a person, who can sign in; or invite one who has a login (202)."""
    asked = NewUser(
        email=new.email,
        name=new.name,
        role=new.role,
        username=new.username,
        password=new.password,
    )

    def add(app: App, by: Actor) -> Told:
        added = people.add_user(app, asked, account=account, by=by)
        if isinstance(added, JoinView):
            return Told(added, 202)
        return Told(added_user(added), 201)

    return await call.answer(add)


@routes.post("/import", response_model=Lines)
async def add_users(call: Asked, many: People, account: Account = None) -> Response:
    """Add many people: each line is added, invited or refused, and the rest goes on."""
    lines = [(number, _asked(line)) for number, line in enumerate(many.users, 1)]
    return await call.answer(
        lambda app, by: {"lines": list(import_users(app, lines, account=account, by=by))}
    )


def _asked(line: PersonLine) -> NewUser | Wrong:
    try:
        role = role_of(line.role)
    except RefusedError as refused:
        return Wrong(line.email, refused)
    return NewUser(email=line.email, name=line.name, role=role, username=line.username)


@routes.post("/{email:path}/disable", response_model=UserView)
async def disable(call: Asked, email: Email) -> Response:
    """Make a user inactive; the addresses stay theirs."""
    return await call.answer(lambda app, by: people.set_active(app, email, active=False, by=by))


@routes.post("/{email:path}/enable", response_model=UserView)
async def enable(call: Asked, email: Email) -> Response:
    """Make a disabled user active again."""
    return await call.answer(lambda app, by: people.set_active(app, email, active=True, by=by))


@routes.put("/{email:path}/password", response_model=UserView)
async def set_password(call: Asked, email: Email, new: Password) -> Response:
    """Set a user's password."""
    return await call.answer(lambda app, by: people.set_password(app, email, new.password, by=by))


@routes.patch("/{email:path}", response_model=UserView)
async def set_user(
    call: Asked, email: Email, changes: UserChanges, account: Account = None
) -> Response:
    """Change a user's name, user name, or role in an account, or have the daily digest on or off."""
    asked = {key: str(value) for key, value in changes.model_dump(exclude_none=True).items()}
    return await call.answer(
        lambda app, by: people.set_user(app, email, asked, account=account, by=by)
    )


@routes.get("/{email:path}", response_model=UserView)
async def show_user(call: Asked, email: Email) -> Response:
    """Show a user with all addresses and accounts."""
    return await call.answer(lambda app, by: people_views.show_user(app, email, by=by))
