"""The migrations make exactly the schema, on both databases; and what the store promises of a database holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from maild.store import migrate
from maild.store.engine import Database, StoreDownError
from maild.store.metadata import metadata
from maild.store.types import UtcDateTime


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        opened = Database(f"sqlite:///{tmp_path}/maild.db")
    else:
        opened = Database(request.getfixturevalue("postgres_url"))
    yield opened
    opened.close()


def test_an_empty_database_is_brought_to_the_schema_and_again_changes_nothing(
    database: Database,
) -> None:
    assert migrate.current(database) is None
    migrate.upgrade(database)
    migrate.upgrade(database)
    migrate.require_newest(database)


def test_the_migrations_make_exactly_the_schema(database: Database) -> None:
    migrate.upgrade(database)
    with database.writer.connect() as connection:
        options = {"compare_type": True, "include_name": _is_of_the_metadata}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def _is_of_the_metadata(name: str | None, kind: str, _: object) -> bool:
    """The index of search is another thing on each database, and on SQLite several tables (M6)."""
    return kind != "table" or not (name or "").startswith("search_words")


def test_an_outdated_schema_is_refused_with_the_remedy(database: Database) -> None:
    with pytest.raises(migrate.SchemaError, match="maild db upgrade"):
        migrate.require_newest(database)


def test_a_failed_write_leaves_nothing(database: Database) -> None:
    migrate.upgrade(database)

    def half_an_act() -> None:
        with database.write() as connection:
            connection.execute(
                text("INSERT INTO names (norm, kind, ref) VALUES ('a@b', 'user', 1)")
            )
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_an_act()
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM names")).scalar_one() == 0


def test_a_reader_sees_one_moment(database: Database) -> None:
    migrate.upgrade(database)
    with database.read() as before:
        assert before.execute(text("SELECT count(*) FROM names")).scalar_one() == 0
        with database.write() as connection:
            connection.execute(
                text("INSERT INTO names (norm, kind, ref) VALUES ('a@b', 'user', 1)")
            )
        assert before.execute(text("SELECT count(*) FROM names")).scalar_one() == 0


def test_a_wrong_word_in_a_closed_list_is_refused_by_the_database(database: Database) -> None:
    migrate.upgrade(database)
    with pytest.raises(Exception, match=r"(?i)check"), database.write() as connection:
        connection.execute(
            text("INSERT INTO names (norm, kind, ref) VALUES ('a@b', 'nonsense', 1)")
        )


def test_a_database_that_is_not_there_is_down_and_not_a_fault() -> None:
    database = Database("postgresql+psycopg://maild@127.0.0.1:1/none?connect_timeout=1")
    with pytest.raises(StoreDownError), database.read():
        pass


def test_a_locked_database_is_down_after_the_busy_timeout(tmp_path: Path) -> None:
    import sqlite3

    database = Database(f"sqlite:///{tmp_path}/maild.db")
    migrate.upgrade(database)
    other = sqlite3.connect(tmp_path / "maild.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreDownError), database.write():
        pass
    other.execute("ROLLBACK")
    other.close()
    with database.write():
        pass
    database.close()


def test_a_time_without_a_zone_is_never_stored() -> None:
    with pytest.raises(ValueError, match="zone"):
        UtcDateTime().process_bind_param(datetime(2026, 11, 20), None)  # type: ignore[arg-type]


def test_the_revision_that_maild_needs_is_the_newest_one() -> None:
    from alembic.script import ScriptDirectory

    assert (
        ScriptDirectory.from_config(migrate.alembic_config()).get_current_head() == migrate.NEWEST
    )


def test_looking_at_a_database_that_is_not_there_does_not_make_one(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/maild.db")
    assert migrate.current(database) is None
    assert list(tmp_path.iterdir()) == []


_AT_0001 = """
INSERT INTO accounts (id, slug, name, settings, created_at) VALUES (1, 'acme', 'Acme', '{}', 0);
INSERT INTO inboxes (id, account_id, norm, kind, mode, sender_policy, unknown_policy, created_at)
VALUES (1, 1, 'info@acme.example', 'shared', 'distributed', 'record', 'hold', 0);
INSERT INTO messages (id, account_id, digest, size, content_key, subject) VALUES (1, 1, 'd', 9, 'k', '');
INSERT INTO arrivals (id, account_id, message_id, at, door, peer, helo, tls, mail_from, recipients, digest,
authenticated_for, retry_key)
VALUES (1, 1, 1, 0, 'smtp', '192.0.2.1', '', false, '', '[]', 'd', '[]', 'r')
"""
"""Rows of a mail as the first schema knows it."""


def test_a_database_with_mail_at_the_first_schema_is_upgraded_and_keeps_every_row(
    database: Database,
) -> None:
    config = migrate.alembic_config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    with database.write() as connection:
        for statement in _AT_0001.split(";"):
            connection.exec_driver_sql(statement)
    assert migrate.current(database) == "0001"
    migrate.upgrade(database)
    migrate.require_newest(database)
    with database.read() as connection:
        rows = connection.execute(text("SELECT peer, retries, spam_mark FROM arrivals")).all()
        assert [tuple(row) for row in rows] == [("192.0.2.1", 0, None)]
        assert connection.execute(text("SELECT count(*) FROM inbox_keys")).scalar_one() == 0


_AT_0006 = """
INSERT INTO accounts (id, slug, name, settings, created_at) VALUES (1, 'acme', 'Acme', '{}', 0);
INSERT INTO clients (id, ulid, account_id, name, created_at) VALUES (1, 'c', 1, 'Rossi', 0);
INSERT INTO contacts (id, account_id, client_id, norm) VALUES (1, 1, 1, 'a@rossi.example');
INSERT INTO client_domains (id, account_id, client_id, domain) VALUES (1, 1, 1, 'rossi.example')
"""
"""A client as the schema before lists knows it."""


def test_F6_what_clients_have_before_lists_counts_as_by_hand_and_old_code_goes_on(
    database: Database,
) -> None:
    config = migrate.alembic_config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
    with database.write() as connection:
        for statement in _AT_0006.split(";"):
            connection.exec_driver_sql(statement)
    migrate.upgrade(database)
    with database.write() as connection:
        # As code of before writes: it does not know the column.
        connection.exec_driver_sql(
            "INSERT INTO contacts (id, account_id, client_id, norm) VALUES (2, 1, 1, 'b@rossi.example')"
        )
    with database.read() as connection:
        for table in ("contacts", "client_domains"):
            rows = connection.execute(text(f"SELECT listed FROM {table}")).scalars()
            assert {bool(listed) for listed in rows} == {False}
