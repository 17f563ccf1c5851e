"""A client as somebody else's list tells of it, and what such a list changes at a client that is there (F6).  Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCard:
    """A line of a file, an entry of a CRM.  Its words are not checked yet."""

    name: str
    key: str | None = None
    """Its id in that list; without one its name stands for it."""
    contacts: tuple[str, ...] | None = None
    """Mail addresses; None: the list does not say, and what is there stays."""
    domains: tuple[str, ...] | None = None
    """The same of domains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What becomes of one sort of values, contacts or domains, of one client."""

    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.added or self.dropped)


def difference(there: Mapping[str, bool], wanted: Collection[str] | None) -> Difference:
    """Return what makes `there` as `wanted`; a value of `there` is whether a list put it there.

    What a person put there by hand stays, whatever the list says: a CRM knows nothing of it and must not undo it.
    """
    if wanted is None:
        return Difference()
    return Difference(
        added=tuple(one for one in wanted if one not in there),
        dropped=tuple(sorted(one for one, listed in there.items() if listed and one not in wanted)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPage:
    """A part of what changed in a directory."""

    cursor: str
    """Behind what this page holds."""
    clients: tuple[ClientCard, ...] = ()
    """Each as it is now."""
    gone: tuple[str, ...] = ()
    """Keys of clients that are none any more."""
    more: bool = False
    """Whether there is a further page already."""
