"""Backup and restore of an embedded installation, each with a check (product H).

The key that seals secrets is no part of it: it is kept elsewhere, or whoever has the backup has the passwords.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from maild import __version__
from maild.core.app import App, open_app, upgrade_schema
from maild.core.doctor import Report, examine
from maild.model.reason import Reason, RefusedError
from maild.settings import Settings
from maild.store.backup import bodies_in, flush, path_of, put, snapshot
from maild.store.migrate import current
from maild.store.store import Store

DATABASE, BODIES, ABOUT = "maild.db", "bodies", "backup.json"
_CHUNK = 1024 * 1024

Told = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup holds."""

    version: str
    schema: str | None
    at: str
    database_digest: str
    bodies: int
    gone: int
    """Bodies that were not there, though no mail was erased meanwhile: `maild doctor` names them."""


def back_up(app: App, folder: Path, told: Told = lambda _: None) -> Backup:
    """Write a backup into a folder that is not there yet; works beside a running daemon.

    Every mail that was answered for before the call is in it.  Checked: the copy opens, and each body has its size.
    Written beside its place, and renamed when it is whole.  Raises RefusedError (a database of a server; a folder that
    is there), OSError, sqlite3.Error.
    """
    source = path_of(app.store.database)
    if source is None:
        raise RefusedError(
            Reason.CONFLICT,
            why="This installation is on PostgreSQL: use pg_dump, and copy the folder of bodies after it.",
        )
    if os.path.lexists(folder):
        raise RefusedError(Reason.CONFLICT, why=f"{folder} is there already: name a new folder.")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    try:
        copied, gone = _copy(app, source, part, told)
        while gone:
            # Erased while it was copied: of what is erased a newer copy of the rows says so.
            missing = gone
            (part / DATABASE).unlink()
            shutil.rmtree(part / BODIES, ignore_errors=True)
            copied, gone = _copy(app, source, part, told)
            if gone >= missing:
                break
        made = Backup(
            version=__version__,
            schema=current(app.store.database),
            at=f"{app.clock():%Y-%m-%dT%H:%M:%SZ}",
            database_digest=_digest(part / DATABASE),
            bodies=copied,
            gone=len(gone),
        )
        about = part / ABOUT
        about.write_text(json.dumps({name: getattr(made, name) for name in Backup.__slots__}))
        flush(about)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return made


def _copy(app: App, source: Path, part: Path, told: Told) -> tuple[int, set[str]]:
    """Copy the rows, and then the bodies that they name; return how many, and which were not there."""
    snapshot(source, part / DATABASE)
    copied, gone = 0, set[str]()
    # The rows first: what they name lay in its file before.
    for account_id, digest, size in bodies_in(part / DATABASE):
        target = _body(part / BODIES, account_id, digest)
        try:
            put(app.store.bodies.path(account_id, digest), target)
        except FileNotFoundError:
            gone.add(digest)
            continue
        if target.stat().st_size != size:
            raise OSError(f"the body {digest} has another size than its row says")
        copied += 1
        told(copied)
    return copied, gone


def restore(settings: Settings, folder: Path, told: Told = lambda _: None) -> Report:
    """Put a backup where the settings say that an installation is, where there is none yet, and check all of it.

    Brings an older schema to this version's.  Raises RefusedError (no backup, a damaged one, something is there),
    OSError, ConfigError.
    """
    about = _about(folder)
    if _digest(folder / DATABASE) != about["database_digest"]:
        raise RefusedError(Reason.CONFLICT, why=f"{folder / DATABASE} is not what was backed up.")
    store = Store(settings.database, _bodies_folder(settings), settings.store.inline_max)
    target = path_of(store.database)
    store.close()
    if target is None:
        raise RefusedError(
            Reason.CONFLICT, why="The settings name a PostgreSQL: restore it with pg_restore."
        )
    if target.exists():
        raise RefusedError(
            Reason.CONFLICT,
            why=f"{target} is there already: move it away, or name another database.",
        )
    for account_id, digest, _ in bodies_in(folder / DATABASE):
        source = _body(folder / BODIES, account_id, digest)
        if source.exists():
            put(source, store.bodies.path(account_id, digest))
    for beside in ("-wal", "-shm"):
        # Of another database; it would be taken for this one's.
        target.with_name(target.name + beside).unlink(missing_ok=True)
    put(folder / DATABASE, target)
    upgrade_schema(settings)
    app = open_app(settings)
    try:
        return examine(app, told)
    finally:
        app.store.close()


def _about(folder: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((folder / ABOUT).read_text())
        found["database_digest"]
    except (OSError, ValueError, KeyError, TypeError):
        raise RefusedError(
            Reason.CONFLICT, why=f"{folder} is no backup: it has no whole {ABOUT}."
        ) from None
    return found


def _bodies_folder(settings: Settings) -> Path:
    return Path(getattr(settings.store.bodies, "folder", "bodies"))


def _body(folder: Path, account_id: int, digest: str) -> Path:
    return folder / str(account_id) / digest[:2] / digest


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            found.update(piece)
    return found.hexdigest()
