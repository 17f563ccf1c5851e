"""The database: every difference between SQLite and PostgreSQL, and how a transaction begins and ends.

SQLite has one writer connection behind one lock in a process, and a few readers; every write transaction is
BEGIN IMMEDIATE, so that reading and then writing is one act.  It must never weaken what a 250 promises:
the durability settings are read back on each connection.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, create_engine, event, make_url, pool
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError as NoConnectionError

_COLLISIONS = frozenset({"40001", "40P01"})
"""PostgreSQL's serialization failure and deadlock."""
_ENDED = "25P03"
"""PostgreSQL ended a transaction that was silent for too long."""
OWN_PLAN: dict[str, Any] = {"own_plan": True}
"""Execution options of a query for which PostgreSQL shall make a plan each time, for its own values: what a search asks may be
in one mail or in all.  Of others it keeps the plan, once a connection has asked a few times."""
_ASKED_BEFORE = 5
"""So many times, as psycopg has it by itself."""
_ONE_VIEW = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""How PostgreSQL is read."""
READERS = 4
BUSY_TIMEOUT_MS = 5000
"""How long SQLite waits for another process's write; beyond it the act is answered as temporary."""

LOCK_TIMEOUT_MS = 30_000
"""How long PostgreSQL waits for a row that somebody else holds; beyond it the act is answered as temporary."""
IDLE_TIMEOUT_MS = 300_000
"""After this silence within a transaction PostgreSQL ends it: a node that froze amid one would hold its rows for ever."""
BUSY_LOOK_S = 0.0005
"""How long until the next look whether that write is over; SQLite's own looks grow to 100 ms apart, and whoever waits for
a commit of two loses its turn again and again."""

WAL_PAGES = 4000
"""Pages in SQLite's log before they are copied into the database: a page that many commits change is copied once."""
CACHE_KIB = 32 * 1024
"""What one connection to SQLite may keep of the database in memory."""


class StoreDownError(Exception):
    """The database does not answer or is locked; nothing was committed.  Trying again later is right."""


class CollisionError(StoreDownError):
    """Two transactions stood in each other's way and this one was given up; nothing was committed."""


class DurabilityError(Exception):
    """The database would lose committed mail at a power cut; maild does not run on it."""


class Database:
    """An opened database.  Thread-safe."""

    def __init__(self, url: str) -> None:
        """Prepare the connections; nothing is opened before the first use."""
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.is_doubtful = False
        """Whether the disk failed under SQLite: a flush that failed once may succeed the next time without what it lost, so
        only a process that opens the database anew knows what it holds.  Whoever runs for long ends, and is started again."""
        self._write_lock = threading.Lock()
        if self.is_sqlite:
            self._writer = _sqlite_engine(url, pool_size=1, begin="BEGIN IMMEDIATE")
            self._readers = _sqlite_engine(url, pool_size=READERS, begin="BEGIN")
            self._glances = _sqlite_engine(url, pool_size=1, begin=None)
            self._glancing: Connection | None = None
        else:
            self._writer = self._readers = _postgresql_engine(url)

    @property
    def dialect(self) -> Dialect:
        """The SQL dialect, for the few queries that differ."""
        return self._writer.dialect

    @property
    def writer(self) -> Engine:
        """The engine that may write; for migrations."""
        return self._writer

    @contextmanager
    def write(self) -> Generator[Connection]:
        """One write transaction: committed at the end of the block, rolled back by an exception.

        Raises StoreDownError when the database cannot be reached or stays locked.
        """
        if not self.is_sqlite:
            with self._translated(), self._writer.begin() as connection:
                yield connection
            return
        with self._write_lock, self._translated(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Generator[Connection]:
        """One consistent view for reading.  Raises StoreDownError."""
        with self._translated(), self._readers.connect() as connection:
            if self.is_sqlite:
                yield connection
                return
            connection.execution_options(**_ONE_VIEW)
            # At a rollback psycopg has PostgreSQL forget every plan that it has kept; each costs more than its statement.
            try:
                yield connection
            except DBAPIError:
                raise
            except Exception:  # Something was refused: what was read is as good.
                connection.commit()
                raise
            connection.commit()

    @contextmanager
    def glance(self) -> Generator[Connection]:
        """A view for one statement, without the cost of a transaction and without waiting; for one thread at a time.

        Raises StoreDownError where the database is not embedded, or somebody has it to himself.
        """
        if not self.is_sqlite:
            raise StoreDownError("only an embedded database can be asked at once")
        with self._translated():
            if self._glancing is None:
                self._glancing = self._glances.connect()
            try:
                yield self._glancing
            except BaseException:
                self._glancing.close()
                self._glancing = None
                raise

    def check(self) -> None:
        """Raise StoreDownError when this process must open the database anew."""
        if self.is_doubtful:
            raise StoreDownError("the disk failed; the database must be opened anew")

    def close(self) -> None:
        """Close every connection."""
        if self.is_sqlite:
            if self._glancing is not None:
                self._glancing.close()
            self._glances.dispose()
        self._writer.dispose()
        self._readers.dispose()

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except NoConnectionError as error:
            raise StoreDownError("every connection is in use") from error
        except OperationalError as error:
            self.is_doubtful |= _sqlite_code(error) == sqlite3.SQLITE_IOERR
            if _sqlstate(error) in _COLLISIONS:
                raise CollisionError(_first_line(error)) from error
            raise StoreDownError(_first_line(error)) from error
        except DBAPIError as error:
            if error.connection_invalidated or _sqlstate(error) == _ENDED:
                raise StoreDownError(_first_line(error)) from error
            raise


def _sqlite_code(error: DBAPIError) -> int:
    """Return SQLite's primary result code, or 0."""
    code: int = getattr(error.orig, "sqlite_errorcode", 0)
    return code & 0xFF


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0] if error.orig else "the database does not answer"


def _sqlite_engine(url: str, *, pool_size: int, begin: str | None) -> Engine:
    """Without `begin` every statement is a transaction of its own and waits for nobody."""
    engine = create_engine(
        url,
        poolclass=pool.QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_MS / 1000,
        connect_args={
            "check_same_thread": False,
            "timeout": BUSY_TIMEOUT_MS / 1000 if begin == "BEGIN" else 0,
            "isolation_level": None,
        },
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        kept = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        ]
        if kept != ["wal", 2]:
            raise DurabilityError(
                f"SQLite here cannot keep journal_mode=WAL, synchronous=FULL (it says {kept})"
            )

    if begin is not None:

        @event.listens_for(engine, "begin")
        def begin_it(connection: Connection) -> None:
            deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
            while True:
                try:
                    connection.exec_driver_sql(begin)
                except OperationalError as error:
                    if _sqlite_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                        raise
                    time.sleep(BUSY_LOOK_S)
                else:
                    return

    return engine


def _postgresql_engine(url: str) -> Engine:
    engine = create_engine(
        url, pool_size=READERS + 1, max_overflow=8, pool_pre_ping=True, pool_timeout=5
    )

    @event.listens_for(engine, "connect")
    def read_back(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW fsync")
            fsync = cursor.fetchone()[0]
            cursor.execute("SHOW synchronous_commit")
            commit = cursor.fetchone()[0]
            # It is for reports: what it compiles for a list takes longer than the list.
            cursor.execute("SET jit = off")
            cursor.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
            cursor.execute(f"SET idle_in_transaction_session_timeout = {IDLE_TIMEOUT_MS}")
        connection.commit()
        if fsync != "on" or commit == "off":
            raise DurabilityError(
                f"PostgreSQL here may lose commits: fsync={fsync}, synchronous_commit={commit}"
            )

    @event.listens_for(engine, "checkin")
    def forget_view(connection: Any, record: Any) -> None:
        # SQLAlchemy leaves "no", with which a write would go past an operator's default_transaction_read_only.
        if connection is not None:
            connection.read_only = None

    @event.listens_for(engine, "before_cursor_execute")
    def choose_plan(
        connection: Connection, cursor: Any, statement: str, values: Any, context: Any, many: bool
    ) -> None:
        # Set each time, so that nothing has to be set back where a statement fails.
        own = context.execution_options.keys() >= OWN_PLAN.keys()
        cursor.connection.prepare_threshold = None if own else _ASKED_BEFORE

    return engine


def sqlite_file(url: str) -> Path | None:
    """Return the file of an embedded database, or None for another one."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(parsed.database)
