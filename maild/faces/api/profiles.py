"""`/profiles`: saved searches, with ETags (RFC 9110 8.8.3, 13.1)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Query
from starlette.responses import Response

from maild.core import profiles
from maild.core.clients_changing import Precondition
from maild.core.profiles import ProfileText, ProfileView, tag_of
from maild.faces.api.calls import Asked, Told
from maild.faces.api.parts import part
from maild.faces.api.shapes import Profiles
from maild.faces.api.words import LINE_MAX, Account, Asking, Flag, Id, Line, Terms, Text

routes = part("search", "/profiles")

IfMatch = Annotated[
    str | None,
    Header(description="ETags, one of which the profile must have.", max_length=LINE_MAX),
]
IfNoneMatch = Annotated[
    str | None, Header(description="ETags that the asker has already.", max_length=LINE_MAX)
]
Counts = Annotated[
    bool, Query(description="Whether each says how many mails it finds for the asker.")
]


class NewProfile(Asking):
    """A search to be saved: as `query` in a line, or as `terms` in its structured form."""

    name: Line
    query: Text | None = None
    terms: Terms | None = None
    shared: Flag = False
    pinned: Flag = False


class ProfileChanges(Asking):
    """What is to be changed of a profile; what is left out stays."""

    name: Line | None = None
    query: Text | None = None
    terms: Terms | None = None
    shared: Flag | None = None
    pinned: Flag | None = None


@routes.get("", response_model=Profiles)
async def list_profiles(call: Asked, account: Account = None, counts: Counts = False) -> Response:
    """List the saved searches of the asker and the shared ones, pinned ones first."""
    return await call.answer(
        lambda app, by: {
            "profiles": profiles.list_profiles(app, account=account, counts=counts, by=by)
        }
    )


@routes.post("", response_model=ProfileView, status_code=201)
async def add_profile(call: Asked, new: NewProfile, account: Account = None) -> Response:
    """Save a search."""
    text = _text(new)
    return await call.answer(
        lambda app, by: _told(profiles.add_profile(app, text, account=account, by=by), status=201)
    )


@routes.get("/{profile_id}", response_model=ProfileView)
async def show_profile(
    call: Asked,
    profile_id: Id,
    account: Account = None,
    counts: Counts = False,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Show a saved search, by id or name."""
    return await call.answer(
        lambda app, by: _told(
            profiles.show_profile(app, profile_id, account=account, counts=counts, by=by),
            None if counts else if_none_match,
        )
    )


@routes.patch("/{profile_id}", response_model=ProfileView)
async def change_profile(
    call: Asked,
    profile_id: Id,
    changes: ProfileChanges,
    account: Account = None,
    if_match: IfMatch = None,
) -> Response:
    """Change a saved search: its own person, and a shared one also distributors and admins."""
    text, only_if = _text(changes), Precondition(match=_tags(if_match))
    return await call.answer(
        lambda app, by: _told(
            profiles.change_profile(app, profile_id, text, account=account, only_if=only_if, by=by)
        )
    )


@routes.delete("/{profile_id}", response_model=ProfileView)
async def remove_profile(
    call: Asked, profile_id: Id, account: Account = None, if_match: IfMatch = None
) -> Response:
    """Remove a saved search."""
    only_if = Precondition(match=_tags(if_match))
    return await call.answer(
        lambda app, by: profiles.remove_profile(
            app, profile_id, account=account, only_if=only_if, by=by
        )
    )


def _text(asked: NewProfile | ProfileChanges) -> ProfileText:
    values: dict[str, Any] = asked.model_dump()
    return ProfileText(**values)


def _told(profile: ProfileView, if_none_match: str | None = None, *, status: int = 200) -> Told:
    """Answer with a profile and its tag; without it where the asker has it already."""
    tag = tag_of(profile)
    header = {"ETag": f'"{tag}"'}
    if not (_tags(if_none_match) or frozenset()).isdisjoint({"*", tag}):
        return Told(None, 304, header)
    return Told(profile, status, header)


def _tags(text: str | None) -> frozenset[str] | None:
    if text is None:
        return None
    return frozenset(part.strip().removeprefix('"').removesuffix('"') for part in text.split(","))
