"""`/login`: what a person does who has no token yet.  Needs none; what it answers tells nobody who has a login.

A session's secret is a token like any other from here on, until it ends.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel
from starlette.responses import Response

from maild.core import resets, sessions, signing_in, verifying
from maild.core.app import App
from maild.core.people_views import AddressView
from maild.core.resets import PasswordSet
from maild.core.signing_in import SignedIn
from maild.faces.api.calls import Call, OpenAsked, Told
from maild.faces.api.holding import cookie_of
from maild.faces.api.parts import part
from maild.faces.api.shapes import Message
from maild.faces.api.words import Asking, Code, Flag, Line, Text

routes = part("login", "/login")


class SigningIn(Asking):
    """Name and password, and what else is asked for."""

    name: Line
    """User name, or any confirmed address."""
    password: Text
    code: Line = ""
    """Of the second step, where there is one (CODE_NEEDED)."""
    accepts_terms: Line = ""
    """The version of the terms of service that was shown and is accepted (TERMS_NEEDED)."""
    cookie: Flag = False
    """For pages: the session comes as a cookie that no script reads, and `token` is null."""


class Session(BaseModel):
    """A session has begun."""

    token: str | None
    """To be sent as Authorization: Bearer; told this once."""
    expires_at: datetime
    """Each use puts it off."""


class Named(Asking):
    """Whoever has forgotten a password."""

    name: Line


class NewPassword(Asking):
    """A mailed link's secret, and what it is for."""

    secret: Line
    password: Text


class SigningUp(NewPassword):
    """As that, and the terms."""

    accepts_terms: Line = ""


def begun_session(
    app: App, call: Call, signed_in: SignedIn, accepts_terms: str, *, cookie: bool = False
) -> Told:
    """Begin a session for who has signed in, and return what is told of it.  Raises as `begin_session`."""
    begun = sessions.begin_session(
        app, signed_in, peer=call.peer, agent=call.agent, accepts_terms=accepts_terms
    )
    if not cookie:
        return Told({"token": begun.secret, "expires_at": begun.expires_at}, 201)
    header = {"Set-Cookie": cookie_of(begun.secret, int(sessions.LONGEST.total_seconds()))}
    return Told({"token": None, "expires_at": begun.expires_at}, 201, header)


@routes.post("", status_code=201, response_model=Session)
async def sign_in(call: OpenAsked, asked: SigningIn) -> Response:
    """Sign in: SIGN_IN_REFUSED whatever is wrong; CODE_NEEDED and TERMS_NEEDED only with the right password."""

    def begin(app: App) -> Told:
        signed_in = signing_in.check_password(
            app, asked.name, asked.password, peer=call.peer, code=asked.code
        )
        return begun_session(app, call, signed_in, asked.accepts_terms, cookie=asked.cookie)

    return await call.open_answer(begin)


@routes.post("/reset", status_code=202, response_model=Message)
async def ask_reset(call: OpenAsked, asked: Named) -> Response:
    """Have a link for a new password mailed; the answer is the same whether there is such a login or not."""

    def ask(app: App) -> Told:
        resets.ask_reset(app, asked.name, peer=call.peer)
        return Told({"message": "If there is such a login, a mail is on its way."}, 202)

    return await call.open_answer(ask)


@routes.post("/reset/use", response_model=PasswordSet)
async def use_reset(call: OpenAsked, asked: NewPassword) -> Response:
    """Set a new password by a mailed link."""
    return await call.open_answer(lambda app: resets.use_reset(app, asked.secret, asked.password))


@routes.post("/sign-up", response_model=PasswordSet)
async def sign_up(call: OpenAsked, asked: SigningUp) -> Response:
    """Choose a password by a mailed link, and accept the terms."""
    return await call.open_answer(
        lambda app: resets.sign_up(
            app, asked.secret, asked.password, accepts_terms=asked.accepts_terms
        )
    )


@routes.post("/verify", response_model=AddressView)
async def verify(call: OpenAsked, asked: Code) -> Response:
    """Confirm the address that a link was mailed to; its code is all that is asked for."""
    return await call.open_answer(lambda app: verifying.confirm_by_link(app, asked.code))
