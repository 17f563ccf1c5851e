"""The workers beside the doors, in a process of their own.

Its stdin is a pipe whose other end the doors hold: an octet says that there may be work, its end that the doors are gone.
"""

from __future__ import annotations

import os
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress

from typing_extensions import override

from maild.daemon.child import Child


class Workers(Child):
    """Keeps the workers running."""

    name = "workers"

    def __init__(self, command: Sequence[str], locks: Sequence[int]) -> None:
        """`locks` are inherited, so that their roles stay taken for as long as the workers live."""
        super().__init__(command, locks)
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)

    def wake(self) -> None:
        """Say that there may be work.  Cheap; from any thread."""
        # A full pipe has woken it already; a broken one is mended by the next start, which looks by itself.
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._writing, b".")

    @override
    async def _open(self) -> int:
        return self._reading

    @override
    def _tell_to_end(self, process: Process) -> None:
        # The pipe stays open: the last commit may still say that there is work.
        with suppress(ProcessLookupError):
            process.terminate()
