"""A process beneath the doors that is kept running: what costs much must not keep the doors' one interpreter busy.

Such a child holds the other end of something that this process has open as the child's stdin, and ends when that end
closes.  So it never outlives the doors, however they ended; and if it dies, it is started again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from abc import ABC, abstractmethod
from asyncio.subprocess import Process
from collections.abc import Sequence

from maild import failpoint
from maild.tasks import end

REST_AFTER_DEATH_S = 1.0
"""Pause before a child that died is started again."""
GRACE_S = 15.0
"""How long a child may take to end in good order."""

_log = logging.getLogger("maild.daemon")


class Child(ABC):
    """Keeps one child running.  Use: `start` once, `stop` once, from the event loop."""

    name: str
    """What the log calls it."""

    def __init__(self, command: Sequence[str], inherited: Sequence[int] = ()) -> None:
        """`command` starts the child; `inherited` are descriptors that it keeps open, such as locks."""
        self._command = command
        self._inherited = inherited
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def _open(self) -> int:
        """Return the descriptor that becomes the stdin of a new child; called before each start."""

    def _started(self) -> None:  # noqa: B027 - most have nothing to do then
        """Hear that a child was started with that stdin."""

    def _ended(self) -> None:  # noqa: B027 - most have nothing to do then
        """Hear that the child died."""

    @abstractmethod
    def _tell_to_end(self, process: Process) -> None:
        """Let the child end in good order."""

    def start(self) -> None:
        """Start the child, and keep it running."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, stdin=await self._open(), pass_fds=self._inherited
                )
            except OSError as error:
                _log.error("%s_not_started error=%s", self.name, error)
            else:
                self._started()
                status = await self._process.wait()
                # A terminal's Ctrl-C reaches all at once: who ended in good order has nothing to be sorry for.
                level = logging.INFO if status == 0 else logging.ERROR
                _log.log(level, "%s_ended status=%d", self.name, status)
                if failpoint.is_armed():
                    # For a test the daemon is one thing and dies as one.
                    os.kill(os.getpid(), signal.SIGKILL)
            self._ended()
            await asyncio.sleep(REST_AFTER_DEATH_S)

    async def stop(self) -> None:
        """End the child in good order, or at once after the grace."""
        if self._task is None:
            return
        await end(self._task)
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._tell_to_end(process)
        try:
            async with asyncio.timeout(GRACE_S):
                await process.wait()
        except TimeoutError:
            _log.error("%s_killed pid=%d", self.name, process.pid)
            process.kill()
            await process.wait()
