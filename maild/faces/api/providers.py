"""`/login/providers` and `/me/identities`: signing in through a provider, and attaching oneself to one (OpenID Connect).

The browser's part is two steps: it is sent to the provider with what `begin` tells, and comes back with parameters that
`finish` takes.  What is kept between them is sealed, and only who began can finish.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from maild.core import identities, sessions
from maild.core.app import Actor, App
from maild.core.identities import Asserted
from maild.core.logins import LoginView
from maild.faces.api.calls import Asked, Call, OpenAsked, Told
from maild.faces.api.login import Session, begun_session
from maild.faces.api.parts import part
from maild.faces.api.words import LINE_MAX, Asking, Email, Flag, Line, Text
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.oauth.oidc import Provider

routes = part("login")

Name = Annotated[str, Path(description="A provider's short name.", max_length=LINE_MAX)]


class Providers(BaseModel):
    """The names of the providers."""

    providers: list[str]


class Begun(BaseModel):
    """Where the browser goes, and what is to be kept until it comes back."""

    url: str
    kept: str


class CameBack(Asking):
    """What the browser came back with."""

    kept: Text
    came: Annotated[dict[Line, Line], Field(max_length=20)]
    """The query of the address that it came back to."""


class SigningInBy(CameBack):
    """As that, and the terms."""

    accepts_terms: Line = ""
    cookie: Flag = False
    """The session is told as a cookie, which no script reads."""


class Identity(Asking):
    """Who somebody is to a provider."""

    issuer: Line
    subject: Line


@routes.get("/login/providers", response_model=Providers)
async def list_providers(call: OpenAsked) -> Response:
    """List the providers that people sign in with."""
    names = sorted(call.inside.providers)
    return await call.open_answer(lambda app: {"providers": names})


@routes.post("/login/providers/{name}", status_code=201, response_model=Begun)
async def begin(call: OpenAsked, name: Name) -> Response:
    """Begin to sign in, or to attach an identity; the provider sends the browser to PUBLIC_URL/oidc/NAME."""

    def ask(app: App) -> Told:
        url, asking = _provider(call, name).begin(f"{_public_url(app)}/oidc/{name}")
        return Told(Begun(url=url, kept=identities.keep_asking(app, asking)).model_dump(), 201)

    return await call.open_answer(ask)


@routes.post("/login/providers/{name}/finish", status_code=201, response_model=Session)
async def finish(call: OpenAsked, name: Name, asked: SigningInBy) -> Response:
    """Sign in as whoever has attached the identity that the provider asserts; never by an address alone."""

    def sign_in(app: App) -> Told:
        signed_in = identities.sign_in_by(app, _asserted(call, app, name, asked))
        return begun_session(app, call, signed_in, asked.accepts_terms, cookie=asked.cookie)

    return await call.open_answer(sign_in)


@routes.post("/me/identities/{name}", response_model=LoginView)
async def attach(call: Asked, name: Name, asked: CameBack) -> Response:
    """Attach the identity that the provider asserts to the login of the session that asks."""

    def attached(app: App, by: Actor) -> LoginView:
        session = sessions.look(app, call.secret)
        if session is None:
            raise RefusedError(
                Reason.NOT_ALLOWED, why="Only a session attaches an identity, not a token: sign in."
            )
        return identities.attach_identity(app, session, _asserted(call, app, name, asked))

    return await call.answer(attached)


@routes.post("/users/{email:path}/identities/detach", response_model=LoginView)
async def detach(call: Asked, email: Email, asked: Identity) -> Response:
    """Take an identity from a person's login."""
    return await call.answer(
        lambda app, by: identities.detach_identity(app, email, asked.issuer, asked.subject, by=by)
    )


def _provider(call: Call, name: str) -> Provider:
    found = call.inside.providers.get(name)
    if found is None:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="provider",
            value=short(name),
            hint="maild.toml names them in [[oidc]].",
        )
    return found


def _public_url(app: App) -> str:
    if not app.public_url:
        raise RefusedError(
            Reason.CONFLICT,
            why="Nobody can come back from a provider: [web] public_url is not set.",
        )
    return app.public_url


def _asserted(call: Call, app: App, name: str, asked: CameBack) -> Asserted:
    provider = _provider(call, name)
    return provider.finish(identities.kept_asking(app, name, asked.kept), asked.came)
