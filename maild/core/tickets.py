"""Tickets: addresses that show one mail for some minutes without a token, as frames and pictures of a page ask (ux.md 2.1).

A browser sends no token for a frame or a picture, and not every browser sends a cookie from a sandboxed one.  A ticket
is sealed with the installation's key for one mail and one purpose, and names who asked: the right to the mail is looked
at again each time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from maild.core.app import Actor, App
from maild.core.seal import SealError, SealingKey, seal, unseal
from maild.model.reason import Reason, RefusedError

LASTS = timedelta(minutes=10)
"""How long a ticket opens: a page is loaded at once, its pictures as somebody scrolls."""
_LETTERS_MAX = 400


class Purpose(StrEnum):
    """What a ticket opens."""

    PAGE = "page"
    PICTURES = "pictures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What was agreed when it was made."""

    by: Actor
    images: bool = False
    """Pictures from elsewhere may be loaded, this once."""


def sealed_ticket(app: App, purpose: Purpose, ulid: str, ticket: Ticket) -> tuple[str, datetime]:
    """Return a ticket, and until when it opens.  Stores nothing.  Raises RefusedError CONFLICT without a key."""
    until = app.clock() + LASTS
    terms = [int(until.timestamp()), ticket.by.user_id, ticket.by.account_id, ticket.images]
    return seal(_key(app), json.dumps(terms), _bound(purpose, ulid)), until


def opened_ticket(app: App, purpose: Purpose, ulid: str, sealed: str) -> Ticket:
    """Return what a ticket says.  Raises RefusedError TICKET_REFUSED for one that is none, too old, or another mail's."""
    if len(sealed) > _LETTERS_MAX or not sealed.isascii():
        raise RefusedError(Reason.TICKET_REFUSED)
    try:
        terms = json.loads(unseal(_key(app), sealed, _bound(purpose, ulid)))
    except SealError:
        raise RefusedError(Reason.TICKET_REFUSED) from None
    until, user_id, account_id, images = terms
    if datetime.fromtimestamp(until, UTC) <= app.clock():
        raise RefusedError(Reason.TICKET_REFUSED)
    return Ticket(by=Actor(user_id, account_id), images=images)


def _bound(purpose: Purpose, ulid: str) -> list[str]:
    return ["ticket", purpose.value, ulid]


def _key(app: App) -> SealingKey:
    if app.key is None:
        raise RefusedError(
            Reason.CONFLICT,
            why="This installation has no secret_key: without one there are no tickets for pages and pictures.",
        )
    return app.key
