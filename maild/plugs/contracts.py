"""What a plug is: the three sockets, what goes in, and what is to come out.

A plug is installed beside maild and announces itself by an entry point: a callable that takes the options which the
operator gave (texts by name) and returns the plug, with `maild_contract = 1` on it.  Values go in and come out frozen;
no plug ever sees a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from maild.model.client_card import ClientPage
from maild.model.envelope import Envelope
from maild.model.letter import Letter

CONTRACT = 1
"""The version of this page.  It rises when a plug of before would no longer work."""


class Kind(StrEnum):
    """The sockets, by their entry point group."""

    DIRECTORY = "maild.directories"
    NOTIFIER = "maild.notifiers"
    SCREEN = "maild.screens"


@runtime_checkable
class Directory(Protocol):
    """Where the company's clients really are: its CRM."""

    def changes(self, account: str, since: str | None) -> ClientPage:
        """Return the next page of clients that changed behind a cursor of yours; None: all there are, from the first.

        Each page's cursor is behind what the page holds, and is given back only once the page is stored: the same page
        may be asked for twice, by another process, with another copy of the plug.  A cursor that means nothing to you
        any more begins from the first.  When nothing changed, the page is empty.  Take less than half a minute; raise
        whatever you like: it is shown to the operator, and tried again later.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something happened that a company's other programs may want to know."""

    key: str
    """The same news has the same key, also when it is told twice."""
    kind: str
    account: str
    at: datetime
    subject: str
    """The id of the mail, client or user that it is about; never an address."""


@runtime_checkable
class Notifier(Protocol):
    """Where news goes."""

    def tell(self, errand: News) -> None:
        """Tell it.  What raises was not told, and is told again later; so the same news may come twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """That a mail is unwelcome, and why, in a sentence for people."""

    why: str


@runtime_checkable
class Screen(Protocol):
    """Which mail is unwelcome, beside what a filter in front of maild has marked."""

    def ask(self, letter: Letter, envelope: Envelope) -> Opinion | None:
        """Return an opinion; None: nothing speaks against it.  Asked twice of the same mail, say the same."""
        ...


SOCKETS: dict[Kind, type] = {
    Kind.DIRECTORY: Directory,
    Kind.NOTIFIER: Notifier,
    Kind.SCREEN: Screen,
}
