"""Storing what was fetched while more is fetched: one batch at a time, never two."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from maild.core.collect import Taken
from maild.core.remote import Bounds


class Storing:
    """Gathers mails into batches and stores them beside the fetching.  Use with `async with`: the end stores the rest.

    Also when the fetching fails: what has come is ours.
    """

    def __init__(self, store: Callable[[Sequence[Taken]], Awaitable[None]], bounds: Bounds) -> None:
        """`store` makes a batch durable."""
        self._store = store
        self._bounds = bounds
        self._batch: list[Taken] = []
        self._octets = 0
        self._running: asyncio.Future[None] | None = None

    async def add(self, taken: Taken) -> None:
        """Take the next mail; waits while a full batch stands behind one that is being stored."""
        self._batch.append(taken)
        self._octets += taken.raw.size
        if (
            len(self._batch) >= self._bounds.batch_mails
            or self._octets >= self._bounds.batch_octets
        ):
            await self._pass_on()

    async def _pass_on(self) -> None:
        await self._wait()
        batch, self._batch, self._octets = self._batch, [], 0
        if batch:
            self._running = asyncio.ensure_future(self._store(batch))

    async def _wait(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await asyncio.shield(running)

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *of_what: object) -> None:
        """Store the rest."""
        await self._pass_on()
        await self._wait()
