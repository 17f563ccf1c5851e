"""Every invariant of the stored data, each as a query that finds what breaks it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, exists, select, text

from maild.store import doctor_mail, doctor_people  # noqa: F401 - for what they add to the list
from maild.store.bodies import BodyFiles
from maild.store.doctor_checks import CHECKS, Finding, check
from maild.store.schema import bodies, messages

CHUNK = 1024 * 1024


def sentences() -> list[str]:
    """Return the invariants, as sentences."""
    return [*CHECKS, BODIES]


def findings(connection: Connection) -> Iterator[Finding]:
    """Yield what breaks an invariant that the database alone can show."""
    for sentence, broken in CHECKS.items():
        for subject in broken(connection):
            yield Finding(sentence, subject)


BODIES = "every message has its body, whole"


def body_findings(
    connection: Connection, files: BodyFiles, told: Callable[[int], None]
) -> Iterator[Finding]:
    """Yield missing and damaged bodies; reads every one.  `told` is called with the number read so far."""
    missing = connection.execute(
        select(messages.c.id, messages.c.digest).where(
            messages.c.erased_at.is_(None),
            ~exists().where(
                bodies.c.account_id == messages.c.account_id, bodies.c.digest == messages.c.digest
            ),
        )
    )
    for lost in missing:
        yield Finding(BODIES, f"message {lost.id} has no body {lost.digest}")
    rows = connection.execution_options(yield_per=100).execute(
        select(bodies.c.account_id, bodies.c.digest, bodies.c.size, bodies.c.bytes)
    )
    for number, row in enumerate(rows, 1):
        wrong = _wrong_bytes(row.bytes, row) if row.bytes is not None else _wrong_file(files, row)
        if wrong:
            yield Finding(BODIES, f"body {row.digest} of account {row.account_id}: {wrong}")
        told(number)


def _wrong_bytes(content: bytes, row: Any) -> str | None:
    if len(content) != row.size:
        return f"has {len(content)} octets instead of {row.size}"
    return (
        None
        if hashlib.sha256(content).hexdigest() == row.digest
        else "its bytes do not fit its digest"
    )


def _wrong_file(files: BodyFiles, row: Any) -> str | None:
    path: Path = files.path(row.account_id, row.digest)
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        return f"its file cannot be read: {error.strerror}"
    if size != row.size:
        return f"its file has {size} octets instead of {row.size}"
    return None if digest.hexdigest() == row.digest else "its file's bytes do not fit its digest"


@check("the database file is sound")
def _sound(connection: Connection) -> Iterator[str]:
    if connection.dialect.name != "sqlite":
        return
    for (line,) in connection.execute(text("PRAGMA integrity_check")):
        if line != "ok":
            yield str(line)
    for row in connection.execute(text("PRAGMA foreign_key_check")):
        yield f"row {row[1]} of {row[0]} refers to a missing row of {row[2]}"
