"""Real servers for tests: a PostgreSQL of our own, on a unix socket in a temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.util import LRUCache

from maild.store import migrate
from maild.store.engine import Database

REQUIRED = os.environ.get("MAILD_TEST_REQUIRE_ALL") == "1"

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def absent(what: str) -> None:
    """Skip, or fail where everything has to be there."""
    if REQUIRED:
        pytest.fail(f"{what} is not installed; run `make test`, which installs it")
    pytest.skip(f"{what} is not installed; `make test` installs it")


def _as_postgres(*command: str | Path) -> None:
    """Run a PostgreSQL program; it refuses to run as root, so root lends it the user of Debian's package."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *map(str, command)], check=True, capture_output=True, cwd="/")


def _roomy_memory() -> Path:
    """Return where flushing costs least: nothing in these tests pulls the plug."""
    memory = Path("/dev/shm")
    is_roomy = memory.is_dir() and shutil.disk_usage(memory).free > 4 * 1024**3
    return memory if is_roomy else Path("/tmp")


@pytest.fixture(scope="session")
def postgres_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start a PostgreSQL cluster; yield the folder of its socket."""
    programs = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    if not programs:
        absent("PostgreSQL")
    folder = _roomy_memory() / f"maild-pg-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    try:
        _as_postgres(
            programs[-1] / "initdb", "-D", data, "-A", "trust", "-U", "maild", "-E", "UTF8"
        )
        options = f"-k {folder} -c listen_addresses='' -c fsync=on"
        _as_postgres(
            programs[-1] / "pg_ctl", "-D", data, "-o", options, "-w", "-l", folder / "log", "start"
        )
        yield folder
        _as_postgres(programs[-1] / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_cluster: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the URL of an empty database, dropped afterwards."""
    with _a_database(postgres_cluster, request, "template1") as url:
        yield url


@contextmanager
def _a_database(cluster: Path, request: pytest.FixtureRequest, template: str) -> Generator[str]:
    import psycopg

    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    server = f"host={cluster} user=maild dbname=postgres"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield _url(cluster, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _url(cluster: Path, name: str) -> str:
    return f"postgresql+psycopg://maild@/{name}?host={cluster}"


@pytest.fixture(scope="session")
def postgres_with_schema(postgres_cluster: Path) -> str:
    """The name of a database that has the schema, to be copied."""
    import psycopg

    server = f"host={postgres_cluster} user=maild dbname=postgres"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE with_schema")
    _give_schema(_url(postgres_cluster, "with_schema"))
    return "with_schema"


@pytest.fixture(scope="session")
def file_with_schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file that has the schema, to be copied."""
    file = tmp_path_factory.mktemp("schema") / "maild.db"
    _give_schema(f"sqlite:///{file}")
    return file


def _give_schema(url: str) -> None:
    database = Database(url)
    migrate.upgrade(database)
    database.close()


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """Let the engines of all tests share what they compiled.

    Each test has databases of its own, and half of a small one's time went into compiling the same statements again.
    What is compiled belongs to a dialect: so they share the first one that was connected.
    """
    known: dict[str, tuple[Dialect, LRUCache[Any, Any]]] = {}

    def sharing(url: str, **options: Any) -> Engine:
        engine = create_engine(url, **options)
        kind = engine.dialect.name
        if kind in known:
            engine.dialect, engine._compiled_cache = known[kind]
        else:

            @event.listens_for(engine, "engine_connect", once=True)
            def keep(_: Connection) -> None:
                known.setdefault(kind, (engine.dialect, LRUCache(10_000)))

        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("maild.store.engine.create_engine", sharing)
        yield


UrlOf = Callable[[str], str]


@pytest.fixture
def url_of(
    request: pytest.FixtureRequest, tmp_path: Path, file_with_schema: Path
) -> Iterator[UrlOf]:
    """Yield what makes a database that has the schema, `sqlite` or `postgresql`, and returns its URL."""
    with ExitStack() as stack:

        def make(kind: str) -> str:
            if kind == "sqlite":
                shutil.copy(file_with_schema, tmp_path / "maild.db")
                return f"sqlite:///{tmp_path}/maild.db"
            cluster = request.getfixturevalue("postgres_cluster")
            template = request.getfixturevalue("postgres_with_schema")
            return stack.enter_context(_a_database(cluster, request, template))

        yield make
