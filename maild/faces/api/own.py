"""`/users/EMAIL/…` and `/tokens`: a person's own logins, second step, sessions and tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, Strict
from starlette.responses import Response

from maild.core import logins, resets, second_step, sessions, tokens
from maild.core.app import Actor, App
from maild.core.logins import LoginView
from maild.core.resets import LinkSent
from maild.core.second_step import SecondStep
from maild.core.tokens import TokenView
from maild.faces.api.calls import Asked, Told
from maild.faces.api.holding import cookie_of
from maild.faces.api.parts import part
from maild.faces.api.shapes import Logins, MadeToken, Sessions, Tokens
from maild.faces.api.words import Account, Asking, Code, Email, Id, Line, Text
from maild.faces.documents import made_token
from maild.model.scope import Scope

routes = part("logins")

DAYS_MAX = 3650


class OwnLogin(Asking):
    """A second login, for one account alone."""

    account: Line
    username: Line
    password: Text


class NewToken(Asking):
    """A token to be made."""

    name: Line
    account: Line | None = None
    """The one account that it is to open; all of the person's if left out."""
    days: Annotated[int, Strict(), Field(ge=1, le=DAYS_MAX)] | None = None
    """How long it lives; until it is revoked if left out.  One that a token makes ends with that one at the latest."""
    scope: Scope = Scope.WRITE
    """`read`: it asks and changes nothing.  `write`: it does what its person may do without signing in."""


class MaybeCode(Asking):
    """A code of the second step; an admin over the person needs none."""

    code: Line = ""


@routes.get("/users/{email:path}/logins", response_model=Logins)
async def show_logins(call: Asked, email: Email) -> Response:
    """Show a person's logins."""
    return await call.answer(lambda app, by: {"logins": logins.show_logins(app, email, by=by)})


@routes.post("/users/{email:path}/logins", status_code=201, response_model=LoginView)
async def add_own_login(call: Asked, email: Email, new: OwnLogin) -> Response:
    """Give oneself a login of its own for an account that asks for it."""
    return await call.answer(
        lambda app, by: Told(
            logins.add_own_login(
                app, email, new.username, new.password, account=new.account, by=by
            ),
            201,
        )
    )


@routes.post("/users/{email:path}/link", status_code=202, response_model=LinkSent)
async def send_link(call: Asked, email: Email) -> Response:
    """Mail a person the link for a password: by an admin over them."""
    return await call.answer(lambda app, by: Told(resets.send_link(app, email, by=by), 202))


@routes.post("/users/{email:path}/second-step", status_code=201, response_model=SecondStep)
async def begin_second_step(call: Asked, email: Email, account: Account = None) -> Response:
    """Make the secret of a login's second step; it asks for nothing before a code confirmed it."""
    return await call.answer(
        lambda app, by: Told(second_step.begin_second_step(app, email, account=account, by=by), 201)
    )


@routes.post("/users/{email:path}/second-step/confirm", response_model=LoginView)
async def confirm_second_step(
    call: Asked, email: Email, asked: Code, account: Account = None
) -> Response:
    """Have the second step asked for from now on."""
    return await call.answer(
        lambda app, by: second_step.confirm_second_step(
            app, email, asked.code, account=account, by=by
        )
    )


@routes.post("/users/{email:path}/second-step/end", response_model=LoginView)
async def end_second_step(
    call: Asked, email: Email, asked: MaybeCode, account: Account = None
) -> Response:
    """Switch the second step off."""
    return await call.answer(
        lambda app, by: second_step.end_second_step(
            app, email, code=asked.code, account=account, by=by
        )
    )


@routes.get("/users/{email:path}/sessions", response_model=Sessions)
async def list_sessions(call: Asked, email: Email) -> Response:
    """List a person's living sessions, the latest used first."""
    return await call.answer(
        lambda app, by: {"sessions": sessions.list_sessions(app, email, by=by)}
    )


@routes.delete("/users/{email:path}/sessions", response_model=Sessions)
async def end_sessions(call: Asked, email: Email) -> Response:
    """End all of a person's sessions; return those that were ended."""
    return await call.answer(lambda app, by: {"sessions": sessions.end_sessions(app, email, by=by)})


@routes.delete("/users/{email:path}/sessions/{session_id}", response_model=Sessions)
async def end_one_session(call: Asked, email: Email, session_id: Id) -> Response:
    """End one of a person's sessions."""
    return await call.answer(
        lambda app, by: {"sessions": sessions.end_sessions(app, email, session_id, by=by)}
    )


@routes.delete("/me/session", status_code=204)
async def sign_out(call: Asked) -> Response:
    """End the session that asks; nothing happens to a token."""

    def end(app: App, by: Actor) -> Told:
        sessions.end_session(app, call.secret)
        return Told(None, 204, {"Set-Cookie": cookie_of("", 0)})

    return await call.answer(end)


@routes.get("/users/{email:path}/tokens", response_model=Tokens)
async def list_tokens(call: Asked, email: Email) -> Response:
    """List a person's tokens; never their secrets."""
    return await call.answer(lambda app, by: {"tokens": tokens.list_tokens(app, email, by=by)})


@routes.post("/users/{email:path}/tokens", status_code=201, response_model=MadeToken)
async def make_token(call: Asked, email: Email, new: NewToken) -> Response:
    """Make oneself a token; its secret is told this once."""
    lives = None if new.days is None else timedelta(days=new.days)

    def make(app: App, by: Actor) -> Told:
        maker = tokens.look_up(app, call.secret)
        made = tokens.make_token(
            app,
            email,
            new.name,
            account=new.account,
            lives=lives,
            scope=new.scope,
            maker=maker,
            by=by,
        )
        return Told(made_token(made), 201)

    return await call.answer(make)


@routes.delete("/tokens/{token_id}", response_model=TokenView)
async def revoke_token(call: Asked, token_id: Id) -> Response:
    """End a token for good, and all that it made."""
    return await call.answer(lambda app, by: tokens.revoke_token(app, token_id, by=by))
