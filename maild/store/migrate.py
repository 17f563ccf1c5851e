"""Bring a database to this version's schema, by alembic's migrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from maild.store.engine import Database, sqlite_file

if TYPE_CHECKING:
    from alembic.config import Config

NEWEST = "0020"
"""The revision that this version needs: the newest of `migrations/`, which a test compares.

Written here because alembic takes as long to import as everything else that `maild deliver` needs.
"""

_FOLDER = Path(__file__).parent / "migrations"


class SchemaError(Exception):
    """The database's schema is not this version's; the message says what to run."""


def alembic_config() -> Config:
    """Return alembic's configuration, which is this folder and nothing else."""
    from alembic.config import Config  # noqa: PLC0415 - see NEWEST

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return config


def current(database: Database) -> str | None:
    """Return the database's revision; None for an empty one or none at all.  Raises StoreDownError."""
    file = sqlite_file(str(database.url))
    if file is not None and not file.exists():
        return None  # Looking must not make one.
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(
            text("SELECT version_num FROM alembic_version")
        ).scalar_one_or_none()
        return found


def upgrade(database: Database) -> None:
    """Run the missing migrations in one transaction; safe to repeat.  Raises StoreDownError."""
    from alembic import command  # noqa: PLC0415 - see NEWEST

    config = alembic_config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def require_newest(database: Database) -> None:
    """Raise SchemaError unless the schema is this version's."""
    found = current(database)
    if found != NEWEST:
        raise SchemaError(
            f"the database is at schema {found or 'none'}, maild needs {NEWEST}: run `maild db upgrade`"
        )
