"""Large bodies: content-addressed files beside the database, per account.

A file is complete and durable before the row that names it is committed: written to `tmp/`, flushed,
linked to `<account>/<aa>/<sha256>`, and the folder flushed.  A file without a row is left by a crash and swept later;
a row without its file cannot come from a crash.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from maild import failpoint

SWEEP_AFTER_S = 48 * 3600
"""How old a file without a row must be before it is swept: long enough for any commit in flight."""


class BodyFiles:
    """The folder of large bodies.  Thread-safe: names are content, and linking is atomic."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, private to the daemon's user, with its `tmp/`."""
        self.folder = folder
        self.tmp = folder / "tmp"
        self.tmp.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._standing: set[Path] = set()
        """Folders that are known to be there for good: whatever made them, they were flushed into theirs by us."""

    def path(self, account_id: int, digest: str) -> Path:
        """Return where the body lies."""
        return self.folder / str(account_id) / digest[:2] / digest

    def publish(self, items: Iterable[tuple[int, str, Path]]) -> None:
        """Make spooled files (already flushed) durable under their names; one folder flush for each folder.

        Raises OSError; a file that was published before a failure stays and is swept later if no row names it.
        """
        touched: set[Path] = set()
        for account_id, digest, spooled in items:
            target = self.path(account_id, digest)
            touched |= self._unflushed(target.parent)
            failpoint.reached("publish.before_link")
            with suppress(FileExistsError):
                os.link(spooled, target)
            failpoint.reached("publish.after_link")
        for folder in touched:
            failpoint.reached("publish.before_folder_flush")
            _flush_folder(folder)
        if touched:
            failpoint.reached("publish.after_folder_flush")
        self._standing |= touched

    def _unflushed(self, folder: Path) -> set[Path]:
        """Make a folder of bodies; return it with those above it that are to be flushed.

        The folder itself always is: whoever linked the same body a moment ago may not have flushed it yet.
        """
        if folder in self._standing:
            return {folder}
        for part in (folder.parent, folder):
            part.mkdir(mode=0o700, exist_ok=True)
        return {folder, folder.parent, self.folder}

    def lies(self, account_id: int, digest: str) -> bool:
        """Whether the body is there as a file."""
        return self.path(account_id, digest).exists()

    def unlink(self, account_id: int, digest: str) -> None:
        """Take a body away, if it is there as a file; only while no row of it can come to be.  Raises OSError."""
        self.path(account_id, digest).unlink(missing_ok=True)

    def old_files(self, now: datetime) -> Iterator[tuple[int, str]]:
        """Yield account and digest of each file that no commit in flight can have made."""
        for folder in self.folder.glob("[0-9]*"):
            for path in folder.glob("??/*"):
                with suppress(FileNotFoundError):
                    if now.timestamp() - path.stat().st_mtime > SWEEP_AFTER_S:
                        yield int(folder.name), path.name

    def free(self) -> int:
        """Return the octets that are free on the file system of the bodies."""
        return shutil.disk_usage(self.folder).free

    def sweep_spool(self, now: datetime) -> int:
        """Delete spool files that a crash left behind; return how many."""
        swept = 0
        for path in self.tmp.iterdir():
            try:
                if now.timestamp() - path.stat().st_mtime > SWEEP_AFTER_S:
                    path.unlink()
                    swept += 1
            except FileNotFoundError:
                continue
        return swept


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
