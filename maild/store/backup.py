"""A copy of an embedded database that is whole at one moment, while others go on writing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from maild.store.engine import Database


def path_of(database: Database) -> Path | None:
    """Return the file of an embedded database; None: it is a server's."""
    name = database.url.database
    return Path(name) if database.is_sqlite and name else None


def snapshot(source: Path, target: Path) -> None:
    """Write a whole copy of a database to a file that is not there yet.  Raises OSError, sqlite3.Error."""
    with closing(sqlite3.connect(source)) as connection:
        # One read transaction, so nobody waits; the copy has no page of what was erased.
        connection.execute("VACUUM INTO ?", (str(target),))
    _forget_words(target)
    flush(target)


def _forget_words(target: Path) -> None:
    """Take the words of erased mail out of a copy: the index of search notes that they went, until it is merged."""
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        named = "SELECT 1 FROM sqlite_master WHERE name = 'search_words'"
        if connection.execute(named).fetchone() is not None:
            connection.execute("INSERT INTO search_words (search_words) VALUES ('optimize')")
            connection.execute("VACUUM")


def bodies_in(path: Path) -> Iterator[tuple[int, str, int]]:
    """Yield account, digest and size of each body that a copy has in a file.  Raises sqlite3.Error."""
    with closing(sqlite3.connect(path)) as connection:
        yield from connection.execute(
            "SELECT account_id, digest, size FROM bodies WHERE bytes IS NULL ORDER BY account_id, digest"
        )


def put(source: Path, target: Path) -> None:
    """Copy a file to its place, whole or not at all.  Raises OSError."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    flush(part)
    part.rename(target)


def flush(path: Path) -> None:
    """Make a file durable.  Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
