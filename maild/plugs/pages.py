"""Pages of a directory as JSON, between the process that asks a plug and the daemon.  What comes out is checked, and bounded."""

from __future__ import annotations

import json
from typing import Any

from maild.model.client_card import ClientCard, ClientPage
from maild.model.plain_text import storable
from maild.plugs.loader import PlugError

CLIENTS_MAX = 2000
"""Clients, and gone ones, of one page."""
VALUES_MAX = 100_000
"""Contacts, and domains, of one client.  What a client may have core says, and refuses that one entry alone."""
TEXT_MAX = 100_000
CURSOR_MAX = 10_000
PAGE_OCTETS_MAX = 16 * 2**20


def page_to_json(page: object) -> str:
    """Return a page as one line, for `page_of` to check.  Raises PlugError where it is no page at all."""
    if not isinstance(page, ClientPage):
        raise _broken(f"changes() returned {type(page).__name__}, and not a ClientPage")
    said = {
        "cursor": page.cursor,
        "clients": [
            {
                "name": card.name,
                "key": card.key,
                "contacts": card.contacts,
                "domains": card.domains,
            }
            if isinstance(card, ClientCard)
            else None
            for card in _many(page.clients, CLIENTS_MAX, "clients")
        ],
        "gone": _many(page.gone, CLIENTS_MAX, "gone"),
        "more": page.more,
    }
    try:
        return json.dumps(said)
    except (TypeError, ValueError, RecursionError) as error:
        raise _broken(f"a page holds what is no text: {error}") from None


def page_of(said: Any) -> ClientPage:
    """Return the page that JSON holds.  Raises PlugError."""
    if not isinstance(said, dict) or not isinstance(said.get("more"), bool):
        raise _broken("a page has no true or false for more")
    return ClientPage(
        cursor=_text(said.get("cursor"), CURSOR_MAX, "cursor"),
        clients=tuple(_card(one) for one in _many(said.get("clients"), CLIENTS_MAX, "clients")),
        gone=tuple(
            _text(one, TEXT_MAX, "gone") for one in _many(said.get("gone"), CLIENTS_MAX, "gone")
        ),
        more=said["more"],
    )


def _card(said: Any) -> ClientCard:
    if not isinstance(said, dict):
        raise _broken("clients holds what is no ClientCard")
    key = said.get("key")
    return ClientCard(
        name=_text(said.get("name"), TEXT_MAX, "name"),
        key=None if key is None else _text(key, TEXT_MAX, "key"),
        contacts=_texts(said.get("contacts"), "contacts"),
        domains=_texts(said.get("domains"), "domains"),
    )


def _texts(said: Any, what: str) -> tuple[str, ...] | None:
    if said is None:
        return None
    return tuple(_text(one, TEXT_MAX, what) for one in _many(said, VALUES_MAX, what))


def _many(said: Any, most: int, what: str) -> Any:
    if not isinstance(said, (list, tuple)):
        raise _broken(f"{what} is no tuple")
    if len(said) > most:
        raise _broken(f"{what} has {len(said)} values, and {most} is the most")
    return said


def _text(said: Any, most: int, what: str) -> str:
    if not isinstance(said, str):
        raise _broken(f"{what} holds what is no text")
    if len(said) > most:
        raise _broken(f"a text in {what} has {len(said)} characters, and {most} is the most")
    if storable(said) != said:
        raise _broken(f"a text in {what} holds NUL or half a character, which no database takes")
    return said


def _broken(why: str) -> PlugError:
    return PlugError(f"The plug does not keep its contract: {why}.")
