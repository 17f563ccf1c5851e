"""One daemon for each role on an embedded database: a lock held for life."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class RoleTakenError(Exception):
    """Another daemon has the role; the message names its process."""


class RoleLock:
    """Holds `maild.<role>.lock` beside the database until the process ends; a crash frees it."""

    def __init__(self, folder: Path, role: str) -> None:
        """Take the lock at once.  Raises RoleTakenError."""
        path = folder / f"maild.{role}.lock"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip() or "?"
            os.close(self._descriptor)
            raise RoleTakenError(
                f"another maild (process {holder}) already runs the {role} of {folder}; stop it first"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the role up."""
        os.close(self._descriptor)
