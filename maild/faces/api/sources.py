"""`/sources`: mailboxes of other servers, as admins see and set them.

What a source reads on this machine (a secret's file, a command) is for the command line alone; here a password comes with
the request, and is sealed before it is stored.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from maild.core import giants, sources
from maild.core.app import Actor, App
from maild.core.seal import seal
from maild.core.source_views import SourceView
from maild.core.sources import NewSource, Sealed, SourceChanged
from maild.faces.api.calls import Asked, Told
from maild.faces.api.parts import part
from maild.faces.api.words import LINE_MAX, Account, Asking, Flag, Line, Text
from maild.model.reason import Reason, RefusedError
from maild.model.source import SignIn, SourceKind, TlsMode

routes = part("sources", "/sources")

Name = Annotated[str, Path(description="The source's name.", max_length=LINE_MAX)]


class NewSourceAsked(Asking):
    """A source to be added; without `since` it waits for it."""

    name: Line
    kind: SourceKind
    host: Line
    username: Line
    password: Text
    inbox: Line | None = None
    """Where its mail goes; left out for a central one."""
    central: Flag = False
    recipient_header: Line | None = None
    port: int | None = None
    tls: TlsMode = TlsMode.IMPLICIT
    folder: Line = ""
    after: Line = "keep"
    since: Line | None = None
    every: Line = "60s"


class SourceSettings(Asking):
    """What is to be changed of a source, by its keys, as `maild source set` takes them."""

    settings: Annotated[dict[Line, Line], Field(default_factory=dict, max_length=20)]
    password: Text | None = None
    dry_run: Flag = False
    """Only say how many mails would go from the server."""


class Sources(BaseModel):
    """An account's sources, by name."""

    sources: list[SourceView]


class TriedAgain(BaseModel):
    """How many mails are fetched again."""

    mails: int


def _sealed(app: App, password: str | None) -> Sealed | None:
    if password is None:
        return None
    key = app.key
    if key is None:
        raise RefusedError(
            Reason.CONFLICT,
            why="This installation has no secret_key_file, and so keeps no password; its operator sets one.",
        )
    return lambda bound: seal(key, password, bound)


@routes.get("", response_model=Sources)
async def list_sources(call: Asked, account: Account = None) -> Response:
    """List an account's sources, and how they go."""
    return await call.answer(
        lambda app, by: {"sources": sources.list_sources(app, account=account, by=by)}
    )


@routes.post("", status_code=201, response_model=SourceView)
async def add_source(call: Asked, new: NewSourceAsked, account: Account = None) -> Response:
    """Add a source that signs in by a password."""

    def add(app: App, by: Actor) -> Told:
        asked = NewSource(
            name=new.name,
            kind=new.kind,
            host=new.host,
            username=new.username,
            inbox=new.inbox,
            is_central=new.central,
            recipient_header=new.recipient_header,
            port=new.port,
            tls=new.tls,
            sign_in=SignIn.PASSWORD,
            sealed=_sealed(app, new.password),
            folder=new.folder,
            after=new.after,
            since=new.since,
            every=new.every,
        )
        return Told(sources.add_source(app, asked, account=account, by=by), 201)

    return await call.answer(add)


@routes.get("/{name}", response_model=SourceView)
async def show_source(call: Asked, name: Name, account: Account = None) -> Response:
    """Show a source."""
    return await call.answer(lambda app, by: sources.show_source(app, name, account=account, by=by))


@routes.patch("/{name}", response_model=SourceChanged)
async def set_source(
    call: Asked, name: Name, changes: SourceSettings, account: Account = None
) -> Response:
    """Change a source, or only say what a change would take from its server."""
    if "ca_file" in changes.settings:
        raise RefusedError(
            Reason.NOT_ALLOWED, why="Which file of this machine is read is set on the command line."
        )
    return await call.answer(
        lambda app, by: sources.set_source(
            app,
            name,
            changes.settings,
            sealed=_sealed(app, changes.password),
            is_agreed=not changes.dry_run,
            account=account,
            by=by,
        )
    )


@routes.post("/{name}/pause", response_model=SourceView)
async def pause(call: Asked, name: Name, account: Account = None) -> Response:
    """Stop polling until it is resumed."""
    return await call.answer(
        lambda app, by: sources.pause_source(app, name, account=account, by=by)
    )


@routes.post("/{name}/resume", response_model=SourceView)
async def resume(call: Asked, name: Name, account: Account = None) -> Response:
    """Poll again, at once."""
    return await call.answer(
        lambda app, by: sources.resume_source(app, name, account=account, by=by)
    )


@routes.post("/{name}/fetch-failed", response_model=TriedAgain)
async def fetch_failed(call: Asked, name: Name, account: Account = None) -> Response:
    """Try mails again whose fetch failed too often."""
    return await call.answer(
        lambda app, by: {"mails": giants.ask_for_failed(app, name, account=account, by=by)}
    )
