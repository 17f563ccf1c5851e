"""`/clients`: whom mail is about; for a company's own programs by their keys, with ETags (RFC 9110 8.8.3, 13.1)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from maild.core import clients, clients_changing, clients_listing, clients_sweeping, references
from maild.core.app import Actor, App
from maild.core.clients import ClientView, NewClient
from maild.core.clients_changing import ClientChanges, ClientPut, Precondition, tag_of
from maild.core.clients_sweeping import MatchingClients
from maild.core.healing import Healed
from maild.core.references import ClientReference
from maild.faces.api.calls import Asked, Told
from maild.faces.api.etags import IfMatch, IfNoneMatch, tagged, tags
from maild.faces.api.parts import part
from maild.faces.api.shapes import ClientPage, Lines
from maild.faces.api.words import (
    LINE_MAX,
    Account,
    After,
    ChangedClient,
    ClientLines,
    Id,
    Limit,
    ListedClient,
    NewClientAsked,
)
from maild.model.client_card import ClientCard

routes = part("clients", "/clients")

_BY_KEY = "/by-key/{key:path}"
_HTTP_CREATED = 201

Key = Annotated[
    str, Path(description="The client's id in the company's own CRM.", max_length=LINE_MAX)
]


@routes.get("", response_model=ClientPage)
async def list_clients(
    call: Asked, account: Account = None, after: After = None, limit: Limit = 100
) -> Response:
    """List the clients of an account, oldest first."""
    return await call.answer(
        lambda app, by: clients.list_clients(app, account=account, after=after, limit=limit, by=by)
    )


@routes.post("", response_model=ClientView, status_code=_HTTP_CREATED)
async def add_client(call: Asked, new: NewClientAsked, account: Account = None) -> Response:
    """Add a client."""
    asked = NewClient(name=new.name, contacts=new.contacts, domains=new.domains, key=new.key)
    return await call.answer(
        lambda app, by: _told(
            clients.add_client(app, asked, account=account, by=by), status=_HTTP_CREATED
        )
    )


@routes.post("/import", response_model=Lines)
async def import_clients(call: Asked, many: ClientLines, account: Account = None) -> Response:
    """Add or change many clients: each is added, changed, unchanged or refused, and the rest goes on."""
    lines = [(number, _card(one, one.key or None)) for number, one in enumerate(many.clients, 1)]

    def listed(app: App, by: Actor) -> object:
        found = clients_listing.import_clients(
            app, lines, account=account, dry_run=many.dry_run, by=by
        )
        return {"lines": list(found)}

    return await call.answer(listed)


@routes.get("/matching", response_model=MatchingClients)
async def matching(call: Asked, account: Account = None) -> Response:
    """Show the mails that waited for a client who is there now."""
    return await call.answer(
        lambda app, by: clients_sweeping.matching_clients(app, account=account, by=by)
    )


@routes.post("/matching", response_model=Healed)
async def file_matching(call: Asked, account: Account = None) -> Response:
    """Have those mails decided again, in place."""
    reader = call.inside.reader
    return await call.answer(
        lambda app, by: clients_sweeping.file_matching(app, reader, account=account, by=by)
    )


@routes.get(_BY_KEY, response_model=ClientView)
async def show_by_key(
    call: Asked, key: Key, account: Account = None, if_none_match: IfNoneMatch = None
) -> Response:
    """Show the client with an external key."""
    return await call.answer(
        lambda app, by: _told(
            clients_changing.show_client_by_key(app, key, account=account, by=by), if_none_match
        )
    )


@routes.put(_BY_KEY, response_model=ClientPut, responses={_HTTP_CREATED: {"model": ClientPut}})
async def put_client(
    call: Asked,
    key: Key,
    card: ListedClient,
    account: Account = None,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Add the client with this external key, or make it what is said; what a person put there by hand stays."""
    only_if = Precondition(match=tags(if_match), must_be_new="*" in (tags(if_none_match) or ()))

    def put(app: App, by: Actor) -> Told:
        done = clients_changing.put_client(
            app, _card(card, key), account=account, only_if=only_if, by=by
        )
        status = _HTTP_CREATED if done.outcome == "added" else 200
        return Told(done, status, {"ETag": f'"{tag_of(done.client)}"'})

    return await call.answer(put)


@routes.get("/{client_id}/reference", response_model=ClientReference)
async def reference(call: Asked, client_id: Id, account: Account = None) -> Response:
    """Tell by which reference a mail says that it is about a client."""
    return await call.answer(
        lambda app, by: references.client_reference(app, client_id, account=account, by=by)
    )


@routes.get("/{client_id}", response_model=ClientView)
async def show_client(
    call: Asked, client_id: Id, account: Account = None, if_none_match: IfNoneMatch = None
) -> Response:
    """Show a client."""
    return await call.answer(
        lambda app, by: _told(
            clients.show_client(app, client_id, account=account, by=by), if_none_match
        )
    )


@routes.patch("/{client_id}", response_model=ClientView)
async def change_client(
    call: Asked,
    client_id: Id,
    changes: ChangedClient,
    account: Account = None,
    if_match: IfMatch = None,
) -> Response:
    """Change a client's name or key, and add or remove contacts and domains."""
    asked = ClientChanges(**changes.model_dump())
    only_if = Precondition(match=tags(if_match))
    return await call.answer(
        lambda app, by: _told(
            clients_changing.change_client(
                app, client_id, asked, account=account, only_if=only_if, by=by
            )
        )
    )


def _card(said: ListedClient, key: str | None) -> ClientCard:
    return ClientCard(name=said.name, key=key, contacts=said.contacts, domains=said.domains)


def _told(client: ClientView, if_none_match: str | None = None, *, status: int = 200) -> Told:
    """Answer with a client and its tag; without it where the asker has it already."""
    return tagged(client, tag_of(client), if_none_match, status=status)
