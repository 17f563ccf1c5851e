"""`/accounts` and `/me`: where the asker works, and who that is."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field
from starlette.responses import Response

from maild.core import accounts
from maild.core.accounts import AccountView
from maild.core.oneself import Self, show_self
from maild.faces.api.calls import Asked, Told
from maild.faces.api.parts import part
from maild.faces.api.shapes import Accounts
from maild.faces.api.words import LINE_MAX, Asking, Line

routes = part("accounts")

Slug = Annotated[str, Path(description="The account's short name.", max_length=LINE_MAX)]


class NewAccount(Asking):
    """An account to be added."""

    slug: Line
    name: Line


class AccountSettings(Asking):
    """What is to be changed of an account, by its keys, as `maild account set` takes them."""

    settings: Annotated[dict[Line, Line], Field(min_length=1, max_length=20)]


@routes.get("/accounts", response_model=Accounts)
async def list_accounts(call: Asked) -> Response:
    """List the accounts that the asker works in; the operator's are all."""
    return await call.answer(lambda app, by: {"accounts": accounts.list_accounts(app, by=by)})


@routes.get("/accounts/{slug}", response_model=AccountView)
async def show_account(call: Asked, slug: Slug) -> Response:
    """Show an account and its settings."""
    return await call.answer(lambda app, by: accounts.show_account(app, slug, by=by))


@routes.post("/accounts", status_code=201, response_model=AccountView)
async def add_account(call: Asked, new: NewAccount) -> Response:
    """Add an account: the operator's alone."""
    return await call.answer(
        lambda app, by: Told(accounts.add_account(app, slug=new.slug, name=new.name, by=by), 201)
    )


@routes.patch("/accounts/{slug}", response_model=AccountView)
async def set_account(call: Asked, slug: Slug, changes: AccountSettings) -> Response:
    """Change an account's name, its default owner, or its settings."""
    return await call.answer(
        lambda app, by: accounts.set_account(app, slug, changes.settings, by=by)
    )


@routes.get("/me", response_model=Self)
async def me(call: Asked) -> Response:
    """Say in whose name the token acts."""
    return await call.answer(lambda app, by: show_self(app, by=by))
