"""How a task ends another one."""

from __future__ import annotations

import asyncio
from typing import Any


async def end(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait until it is over.  Raises what it raised.

    Whoever is cancelled meanwhile still waits, and then hears of it: to suppress CancelledError around `await task`
    would take the caller's own cancellation for the task's, and the caller would run on.
    """
    task.cancel()
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
    if not task.cancelled():
        task.result()
