"""Tickets: addresses that show one mail for some minutes without a token, as frames and pictures of a page ask (ux.md 2.1).

A browser sends no token for a frame or a picture, and not every browser sends a cookie from a sandboxed one.  A ticket
is sealed with the installation's key for one mail and one purpose, and names who asked, and the token or session by
which: whether that still lives, and the right to the mail, is looked at again each time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from maild.core import sessions, tokens
from maild.core.app import Actor, App
from maild.core.seal import SealError, SealingKey, seal, unseal
from maild.model.reason import Reason, RefusedError

LASTS = timedelta(minutes=10)
"""How long a ticket opens: a page is loaded at once, its pictures as somebody scrolls."""
_LETTERS_MAX = 400
_TERMS = 5


class Purpose(StrEnum):
    """What a ticket opens."""

    PAGE = "page"
    PICTURES = "pictures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What was agreed when it was made."""

    by: Actor
    images: bool = False
    """Pictures from elsewhere may be loaded, as long as it opens."""
    until: datetime | None = None
    """When it ends; None: `LASTS` from when it is sealed.  A page's pictures end with the page's own ticket."""


def sealed_ticket(app: App, purpose: Purpose, ulid: str, ticket: Ticket) -> tuple[str, datetime]:
    """Return a ticket, and until when it opens.  Stores nothing.  Raises RefusedError CONFLICT without a key."""
    until = ticket.until or app.clock() + LASTS
    by = ticket.by
    terms = [int(until.timestamp()), by.user_id, by.account_id, by.opened_by, ticket.images]
    return seal(_key(app), json.dumps(terms), _bound(purpose, ulid)), until


def opened_ticket(app: App, purpose: Purpose, ulid: str, sealed: str) -> Ticket:
    """Return what a ticket says, in the name of whom its token or session lets in by now.

    Commits as a look at these does.  Raises RefusedError TICKET_REFUSED for what is no ticket, too old, another mail's, or
    by a token or session that has ended.
    """
    if len(sealed) > _LETTERS_MAX or not sealed.isascii():
        raise RefusedError(Reason.TICKET_REFUSED)
    try:
        terms = json.loads(unseal(_key(app), sealed, _bound(purpose, ulid)))
    except SealError:
        raise RefusedError(Reason.TICKET_REFUSED) from None
    if len(terms) != _TERMS:  # Another version's: whoever has the page open asks for a new one.
        raise RefusedError(Reason.TICKET_REFUSED)
    seconds, user_id, account_id, opened_by, images = terms
    until = datetime.fromtimestamp(seconds, UTC)
    by = _actor(app, opened_by) if opened_by else Actor(user_id, account_id)
    if by is None or until <= app.clock():
        raise RefusedError(Reason.TICKET_REFUSED)
    return Ticket(by=by, images=images, until=until)


def _actor(app: App, opened_by: str) -> Actor | None:
    """Return whom a token or a session lets in now; None where it has ended."""
    kind, _, digest = opened_by.partition(":")
    found = (tokens if kind == "token" else sessions).look_again(app, digest)
    return None if found is None else found.by


def _bound(purpose: Purpose, ulid: str) -> list[str]:
    return ["ticket", purpose.value, ulid]


def _key(app: App) -> SealingKey:
    if app.key is None:
        raise RefusedError(
            Reason.CONFLICT,
            why="This installation has no secret_key: without one there are no tickets for pages and pictures.",
        )
    return app.key
