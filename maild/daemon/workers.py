"""The workers beside the doors, in a process of their own: deciding keeps Python's one lock busy, and no peer waits for it.

The child's stdin is a pipe whose other end this process holds: an octet says that there may be work, its end says that
the doors are gone.  So the child never outlives them, however they ended; and if the child dies, it is started again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress

from maild import failpoint

REST_AFTER_DEATH_S = 1.0
"""Pause before workers that died are started again."""
GRACE_S = 15.0
"""How long the workers may take to end in good order; they give up a reading after `deciders.GRACE_S`."""

_log = logging.getLogger("maild.daemon")


class Workers:
    """Keeps one child with the workers running."""

    def __init__(self, command: Sequence[str], locks: Sequence[int]) -> None:
        """`command` starts the child; `locks` are descriptors that it inherits, so that their roles stay taken."""
        self._command = command
        self._locks = locks
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._child: Process | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the child, and keep it running."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    def wake(self) -> None:
        """Say that there may be work.  Cheap; from any thread."""
        # A full pipe has woken it already; a broken one is mended by the next start, which looks by itself.
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._writing, b".")

    async def _keep(self) -> None:
        while True:
            self._child = await asyncio.create_subprocess_exec(
                *self._command, stdin=self._reading, pass_fds=self._locks
            )
            status = await self._child.wait()
            _log.error("workers_ended status=%d", status)
            if failpoint.is_armed():
                os.kill(
                    os.getpid(), signal.SIGKILL
                )  # For a test the daemon is one thing and dies as one.
            await asyncio.sleep(REST_AFTER_DEATH_S)

    async def stop(self) -> None:
        """End the child in good order, or at once after the grace."""
        if self._task is None:
            return
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        child = self._child
        if child is not None and child.returncode is None:
            with suppress(ProcessLookupError):
                child.terminate()
            try:
                await asyncio.wait_for(child.wait(), GRACE_S)
            except TimeoutError:
                _log.error("workers_killed pid=%d", child.pid)
                child.kill()
                await child.wait()
        # The pipe stays open: the acceptor's last commit may still say that there is work.
