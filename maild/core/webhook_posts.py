"""What one round sends to a receiver: events as they are sent, in order for each mail (G)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import Any

from maild.model.public_event import PublicEvent
from maild.store.webhooks import HookRow, PostRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One event for one receiver."""

    event_id: str
    """The webhook-id: the same at each try, and never another event's, also not after a restore."""
    kind: str
    mail: str | None
    position: int | None
    event: Mapping[str, Any]
    """What is sent."""
    row: int | None = None
    """Its row, if it has one."""
    attempts: int = 0
    give_up_at: datetime | None = None
    is_behind: bool = False
    """An earlier event of its mail waits, and so it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one worker sends to one receiver; nobody else sends to it meanwhile."""

    hook: HookRow
    lease: str
    secrets: tuple[str, ...] = field(repr=False)
    due: tuple[Post, ...] = ()
    fresh: tuple[Post, ...] = ()
    end: int = 0
    """The place in the feed behind everything that was looked at."""

    def chains(self) -> list[list[Post]]:
        """Return what is to be sent, each mail's events in a chain of their own, in order.

        What was refused before and what was not tried yet go in turn: neither keeps the other waiting.
        """
        due, fresh = _chains(self.due), _chains(self.fresh)
        return [chain for pair in zip_longest(due, fresh) for chain in pair if chain is not None]


def _chains(posts: Sequence[Post]) -> list[list[Post]]:
    chains: dict[str, list[Post]] = {}
    for one in posts:
        if not one.is_behind:
            chains.setdefault(one.mail or one.event_id, []).append(one)
    return list(chains.values())


def post_of(event: PublicEvent) -> Post:
    """Return an event as it is sent: thin, ids and codes alone, so that what a receiver may read is asked of the API."""
    at = event.at.isoformat(timespec="milliseconds")
    return Post(
        event_id=f"evt_{event.id}_{event.at:%Y%m%dT%H%M%S%f}",
        kind=event.type,
        mail=event.mail,
        position=int(event.id),
        event={
            "type": event.type,
            "timestamp": at,
            "data": {
                "id": event.id,
                "schema": event.schema,
                "account": event.account,
                "actor": event.actor,
                "mail": event.mail,
                "detail": dict(event.detail),
            },
        },
    )


def of_row(row: PostRow) -> Post:
    """Return an event that waits in a row of its own."""
    return Post(
        event_id=row.event_id,
        kind=row.kind,
        mail=row.mail,
        position=row.position,
        event=row.event,
        row=row.id,
        attempts=row.attempts,
        give_up_at=row.give_up_at,
    )
