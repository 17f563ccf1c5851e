"""Bring a database to this version's schema, by alembic's migrations."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from maild.store.engine import Database

_FOLDER = Path(__file__).parent / "migrations"


class SchemaError(Exception):
    """The database's schema is not this version's; the message says what to run."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return config


def newest() -> str:
    """Return the revision that this version needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise SchemaError("maild was installed without its migrations")
    return head


def current(database: Database) -> str | None:
    """Return the database's revision; None for an empty one.  Raises StoreDownError."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(database: Database) -> None:
    """Run the missing migrations in one transaction; safe to repeat.  Raises StoreDownError."""
    config = _config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def require_newest(database: Database) -> None:
    """Raise SchemaError unless the schema is this version's."""
    found, wanted = current(database), newest()
    if found != wanted:
        raise SchemaError(
            f"the database is at schema {found or 'none'}, maild needs {wanted}: run `maild db upgrade`"
        )
