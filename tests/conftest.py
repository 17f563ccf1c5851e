"""Real servers for tests: a PostgreSQL of our own, on a unix socket in a temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

REQUIRED = os.environ.get("MAILD_TEST_REQUIRE_ALL") == "1"


def absent(what: str) -> None:
    """Skip, or fail where everything has to be there."""
    if REQUIRED:
        pytest.fail(f"{what} is not installed; run `make test`, which installs it")
    pytest.skip(f"{what} is not installed; `make test` installs it")


def _as_postgres(*command: str | Path) -> None:
    """Run a PostgreSQL program; it refuses to run as root, so root lends it the user of Debian's package."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *map(str, command)], check=True, capture_output=True, cwd="/")


@pytest.fixture(scope="session")
def postgres_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start a PostgreSQL cluster; yield the folder of its socket."""
    programs = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    if not programs:
        absent("PostgreSQL")
    folder = Path(f"/tmp/maild-pg-{os.getpid()}")
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
    import psycopg

    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    server = f"host={postgres_cluster} user=maild dbname=postgres"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"postgresql+psycopg://maild@/{name}?host={postgres_cluster}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
