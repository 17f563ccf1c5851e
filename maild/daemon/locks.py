"""One daemon for each role on an embedded database: a lock held for life."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

PATIENCE_S = 30.0
"""How long to wait for the children of a daemon that was killed: they hold its locks until they notice.

On a busy machine that takes seconds; nobody else can have the role meanwhile."""


class RoleTakenError(Exception):
    """Another daemon has the role; the message names its process."""


class RoleLock:
    """Holds `maild.<role>.lock` beside the database until the process ends; a crash frees it."""

    def __init__(self, folder: Path, role: str) -> None:
        """Take the lock at once.  Raises RoleTakenError."""
        path = folder / f"maild.{role}.lock"
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + PATIENCE_S
        while not self._take():
            holder = os.pread(self.descriptor, 32, 0).decode("ascii", "replace").strip()
            if _lives(holder) or time.monotonic() > deadline:
                os.close(self.descriptor)
                raise RoleTakenError(
                    f"another maild (process {holder or '?'}) already runs the {role} of {folder}; stop it first"
                )
            time.sleep(0.02)
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{os.getpid()}\n".encode(), 0)

    def _take(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the role up."""
        os.close(self.descriptor)


def _lives(holder: str) -> bool:
    """Whether the process that wrote itself down is there; True where that cannot be told."""
    try:
        os.kill(int(holder), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OSError):
        return True
    return True
