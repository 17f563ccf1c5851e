"""The workers beside the doors, and the pollers, each in a process of their own.

Its stdin is a pipe whose other end the doors hold: an octet says that there may be work, its end that the doors are gone.
"""

from __future__ import annotations

import os
import threading
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from contextlib import suppress

from typing_extensions import override

from maild.daemon.child import Child


class Beneath(Child):
    """Keeps a child running that needs no more of the doors than to know that they are there."""

    def __init__(self, name: str, command: Sequence[str], locks: Sequence[int] = ()) -> None:
        """`locks` are inherited, so that their roles stay taken for as long as the child lives."""
        super().__init__(command, locks)
        self.name = name
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)

    @override
    async def _open(self) -> int:
        return self._reading

    @override
    def _tell_to_end(self, process: Process) -> None:
        # The pipe stays open: the last commit may still say that there is work.
        with suppress(ProcessLookupError):
            process.terminate()


class Workers(Beneath):
    """Keeps the workers running."""

    def __init__(self, command: Sequence[str], locks: Sequence[int]) -> None:
        """Start nothing yet."""
        super().__init__("workers", command, locks)

    def wake(self) -> None:
        """Say that there may be work.  Cheap; from any thread."""
        # A full pipe has woken it already; a broken one is mended by the next start, which looks by itself.
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._writing, b".")


def obey_doors(wake: Callable[[], None]) -> None:
    """In such a process: wake the work at each octet, and end when the doors are gone; the next start does the rest."""

    def listen() -> None:
        while os.read(0, 4096):
            wake()
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
