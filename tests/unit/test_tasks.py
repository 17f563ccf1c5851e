"""A task that ends another one, and is ended meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from maild.tasks import end


class Slow:
    """Something that takes a while to end when it is told to."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await self.may_end.wait()


def test_whoever_is_cancelled_while_it_ends_a_task_waits_and_hears_of_it() -> None:
    async def run() -> None:
        slow = Slow()
        await asyncio.sleep(0)
        ending = asyncio.ensure_future(end(slow.task))
        await asyncio.sleep(0)
        ending.cancel()
        await asyncio.sleep(0)
        assert not ending.done()
        slow.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await ending
        assert slow.task.cancelled()

    asyncio.run(run())


def test_what_a_task_raises_is_heard_by_who_ends_it() -> None:
    async def fail() -> None:
        raise ValueError("broken")

    async def run() -> None:
        failing = asyncio.ensure_future(fail())
        await asyncio.sleep(0)
        with pytest.raises(ValueError, match="broken"):
            await end(failing)

    asyncio.run(run())


def test_a_task_that_is_over_or_was_never_begun_is_ended_at_once() -> None:
    async def run() -> None:
        task = asyncio.ensure_future(asyncio.sleep(60))
        await end(task)
        assert task.cancelled()
        await end(task)

    asyncio.run(run())
