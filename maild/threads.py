"""What blocks, done on a thread for those who live in a loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def do(act: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Do what asks the database on a thread; whoever is cancelled waits for what it has begun."""
    doing = asyncio.ensure_future(asyncio.to_thread(act, *arguments, **named))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        raise
