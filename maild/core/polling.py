"""What a round over a source is given and what it comes to, whatever the protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from maild.core.app import App
from maild.core.raw import Raw, Spool
from maild.core.remote import Bounds, Endpoint, Patience
from maild.store.ledger import CopyRow, FolderRow
from maild.store.sources import SourceRow

__all__ = [
    "CopyRow",
    "Figures",
    "FolderRow",
    "Limits",
    "SourceRow",
    "Tell",
    "copied",
    "endpoint_of",
    "is_hollow",
    "most_octets",
    "spool_for",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What polling may cost."""

    patience: Patience = field(default_factory=Patience)
    bounds: Bounds = field(default_factory=Bounds)
    max_size: int = 35 * 1024 * 1024
    """Octets of one mail; of a larger one the header alone is taken (D12)."""


@dataclass(slots=True, kw_only=True)
class Figures:
    """What a round has come to so far."""

    listed: int = 0
    """Mails in the folder."""
    new: int = 0
    """Of them, those that the ledger did not know."""
    stored: int = 0
    skipped: int = 0
    headers: int = 0
    """Too large: the header alone was stored."""
    failed: int = 0
    reused: int = 0
    """POP: names of known mails that stood for others."""
    acted: int = 0
    """Deleted, moved or marked."""
    rest_s: int = 0
    """How many seconds the server wants between two sessions (LOGIN-DELAY, RFC 2449 6.5)."""
    to_take: int = 0
    """Of those that are open, how many are still to be fetched."""
    renumbered: dict[str, int] = field(default_factory=dict)
    """After a renumbering: matched, unsure, new."""

    def add(self, other: Figures) -> None:
        """Take another session's figures in; what is in the box is the last one's to say."""
        self.listed = other.listed
        for name in ("new", "stored", "skipped", "headers", "failed", "reused", "acted"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.to_take = other.to_take
        self.rest_s = other.rest_s
        self.renumbered = other.renumbered or self.renumbered

    def shown(self) -> dict[str, Any]:
        """Return them as a document."""
        return {name: getattr(self, name) for name in self.__slots__}


Tell = Callable[[Figures], None]
"""Hears how far a round has come, often; cheap, from any thread."""


def endpoint_of(source: SourceRow) -> Endpoint:
    """Return where a source's server is."""
    return Endpoint(host=source.host, port=source.port, tls=source.tls, ca_file=source.ca_file)


def spool_for(app: App) -> Callable[[], Spool]:
    """Return what makes places for the bytes of fetched mails."""
    return lambda: Spool(app.store.bodies.tmp, app.store.inline_max)


def most_octets(source: SourceRow, limits: Limits) -> int:
    """Return the size up to which the source's mails are taken whole."""
    own = source.inbox_max_size
    return limits.max_size if own is None or source.is_central else min(own, limits.max_size)


def is_hollow(copy: CopyRow, raw: Raw) -> bool:
    """Whether nothing came of a mail that the server says has a size: it must not pass for stored, and be deleted there."""
    return raw.size == 0 and bool(copy.size)


def copied(figures: Figures) -> Figures:
    """Return figures that stay as they are."""
    return replace(figures, renumbered=dict(figures.renumbered))
