"""A directory of a million addresses, written as fast as each database takes it; and a PostgreSQL to write it to."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg

ACCOUNTS = 400
AGENCY_EVERY = 100
"""One person of so many works in five accounts."""
_LONG_AGO = 1_700_000_000_000_000

Rows = Iterator[tuple[Any, ...]]


class Directory:
    """People of whom two have a first address and an alias, and the third a +tag and its base: five addresses for two."""

    def __init__(self, addresses: int) -> None:
        self.people = addresses * 2 // 5

    def addresses_of(self, person: int) -> list[tuple[str, str, str]]:
        """(address, base, kind) of one person: an even one has two, an odd one three."""
        domain = f"firma{person % ACCOUNTS}.example"
        own = f"person{person}@{domain}"
        if person % 2 == 0:
            return [
                (own, own, "primary"),
                (f"p.{person}@{domain}", f"p.{person}@{domain}", "alias"),
            ]
        base = f"tagged{person}@world.example"
        return [
            (own, own, "primary"),
            (f"tagged{person}+firma@world.example", base, "alias"),
            (base, base, "sends_as"),
        ]

    def accounts_of(self, person: int) -> list[int]:
        """Return where somebody works."""
        count = 5 if person % AGENCY_EVERY == 0 else 1
        return [(person + number) % ACCOUNTS + 1 for number in range(count)]

    def tables(self) -> Iterator[tuple[str, Sequence[str], Rows]]:
        """Yield every table with its columns and rows, in an order that foreign keys allow."""
        yield (
            "accounts",
            ("id", "slug", "name", "settings", "created_at"),
            ((n, f"firma{n - 1}", f"Firma {n - 1}", "{}", _LONG_AGO) for n in _numbers(ACCOUNTS)),
        )
        yield (
            "users",
            ("id", "ulid", "display_name", "kind", "created_at"),
            ((n, f"{n:026d}", f"Person {n}", "person", _LONG_AGO) for n in _numbers(self.people)),
        )
        yield (
            "addresses",
            ("id", "user_id", "norm", "base", "shown", "kind", "verified_at", "valid_from"),
            (
                (number, person, norm, base, norm, kind, _LONG_AGO, _LONG_AGO)
                for number, person, norm, base, kind in self._numbered()
            ),
        )
        yield (
            "names",
            ("norm", "kind", "ref", "skeleton"),
            ((norm, "user", number, norm) for number, _, norm, _, _ in self._numbered()),
        )
        yield (
            "memberships",
            ("ulid", "account_id", "user_id", "role", "state", "created_at"),
            (
                (f"{person:020d}{account:06d}", account, person, "member", "active", _LONG_AGO)
                for person in _numbers(self.people)
                for account in self.accounts_of(person)
            ),
        )
        yield (
            "inboxes",
            ("id", "account_id", "norm", "kind", "mode", "sender_policy", "unknown_policy", "created_at"),
            (
                (n, n, f"crm@firma{n - 1}.example", "forward", "distributed", "require", "hold", _LONG_AGO)
                for n in _numbers(ACCOUNTS)
            ),
        )  # fmt: skip

        yield (
            "owner_chain",
            ("inbox_id", "rank", "user_id"),
            ((n, 0, n - 1 or ACCOUNTS) for n in _numbers(ACCOUNTS)),
        )

    def _numbered(self) -> Iterator[tuple[int, int, str, str, str]]:
        number = 0
        for person in _numbers(self.people):
            for norm, base, kind in self.addresses_of(person):
                number += 1
                yield number, person, norm, base, kind


def _numbers(count: int) -> range:
    return range(1, count + 1)


class Tables(Protocol):
    """Rows to be written."""

    def tables(self) -> Iterator[tuple[str, Sequence[str], Rows]]:
        """Yield every table with its columns and rows, in an order that foreign keys allow."""


def fill_sqlite(file: Path, directory: Tables) -> None:
    """Write it into a database that has its schema."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA synchronous=OFF")
        database.execute("PRAGMA cache_size=-500000")
        for table, columns, rows in directory.tables():
            marks = ", ".join("?" * len(columns))
            database.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows
            )
            database.commit()
        database.execute("ANALYZE")
        database.commit()


def fill_postgresql(url: str, directory: Tables) -> None:
    """The same, by COPY."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=False) as database:
        for table, columns, rows in directory.tables():
            order = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
            with database.cursor().copy(order) as copy:
                for row in rows:
                    copy.write_row(row)
        database.commit()
        database.autocommit = True
        database.execute("VACUUM ANALYZE")


@contextmanager
def a_postgresql() -> Generator[str | None]:
    """Start a cluster of its own on a unix socket; yield the URL of its database, or None where it is not installed."""
    programs = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    if not programs:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="maild-bench-pg-", dir="/tmp"))
    folder.chmod(0o755)
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
        yield f"postgresql+psycopg://maild@/postgres?host={folder}"
        _as_postgres(programs[-1] / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_postgres(*command: str | Path) -> None:
    """Run a PostgreSQL program; it refuses to run as root."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *map(str, command)], check=True, capture_output=True, cwd="/")
