"""A store that hangs, is away, or has no room: peers hear 45x in time, nothing is half stored, and it heals by itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from maild.testing.installation import Installation, a_small_company
from tests.conftest import _as_postgres, absent
from tests.crash.peers import (
    SMALL,
    Mail,
    Said,
    Wire,
    a_mail,
    connect,
    doctor_is_content,
    look,
    offer,
    offer_until_stored,
    resident_kib,
    spool_files,
    verdict,
    wait_until_decided,
)

pytestmark = [pytest.mark.real, pytest.mark.slow]

LOCKED_S = 60.0 if os.environ.get("MAILD_TEST_FULL") else 20.0
ANSWER_S = 10.0
"""Within which a peer is answered, whatever the store does."""
HEAL_S = 10.0
GROWTH_KIB = 60 * 1024
CLIENTS = 8


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, since a unix socket's must be."""
    made = Path(tempfile.mkdtemp(prefix="maild-test-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@contextmanager
def started(place: Installation) -> Iterator[Installation]:
    place.start()
    try:
        yield place
        assert place.stop() == 0
    finally:
        place.kill()


def a_place(folder: Path, database: str = "sqlite:///maild.db") -> Installation:
    place = Installation(folder, database=database)
    place.make()
    a_small_company(place)
    return place


@dataclass
class Load:
    """Clients that offer mail after mail and never stop for an answer."""

    place: Installation
    mails: list[Mail] = field(default_factory=list)
    heard: Counter[Said] = field(default_factory=Counter)
    words: set[str] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)

    def client(self, number: int) -> None:
        count = 0
        while not self.stop.is_set():
            count += 1
            mail = a_mail(("smtp", "lmtp")[number % 2], f"load-{number}-{count}", SMALL)
            self.mails.append(mail)
            said = offer(self.place, mail)
            self.heard[said] += 1
            if said is not Said.STORED:
                self.words.add(mail.last_words)
                time.sleep(0.05)

    def hear(self, said: Said) -> None:
        """Wait until one client more hears this."""
        before, deadline = self.heard[said], time.monotonic() + HEAL_S
        while self.heard[said] <= before:
            assert time.monotonic() < deadline, f"nobody hears {said}: {self.heard}"
            time.sleep(0.05)

    @property
    def slowest(self) -> float:
        return max((mail.slowest for mail in self.mails), default=0.0)


@contextmanager
def loaded(place: Installation) -> Iterator[Load]:
    load = Load(place)
    threads = [threading.Thread(target=load.client, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop.set()
        for thread in threads:
            thread.join(90)


def heals(place: Installation, name: str) -> Mail:
    """A new mail is taken soon."""
    began = time.monotonic()
    mail = a_mail("smtp", name, SMALL)
    offer_until_stored(place, mail, tries=200)
    assert time.monotonic() - began < HEAL_S, "it did not heal by itself"
    return mail


@contextmanager
def locked(place: Installation) -> Iterator[None]:
    """Another process holds SQLite's one write lock."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(place.folder / "maild.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield
        holder.communicate(b"")


def test_D2_a_store_that_is_locked_for_long_is_451_in_time_and_heals(folder: Path) -> None:
    with started(a_place(folder / "m")) as place:
        first = heals(place, "before")
        wait_until_decided(place)
        assert place.process is not None
        before = resident_kib(place.process.pid)
        with locked(place), loaded(place) as load:
            time.sleep(LOCKED_S)
            grown = resident_kib(place.process.pid) - before
            while_locked = load.heard.copy()
            load.stop.set()
        after = heals(place, "after")
        print(f"locked={LOCKED_S} heard={load.heard} slowest={load.slowest:.1f} grown_kib={grown}")
        assert while_locked[Said.LATER] > 0
        assert load.heard[Said.NEVER] == 0, load.words
        assert load.heard[Said.NOTHING] == 0, load.words
        assert load.slowest < ANSWER_S, f"a peer waited {load.slowest:.1f} s"
        assert grown < GROWTH_KIB
        wait_until_decided(place)
        verdict(place, [first, *load.mails, after])
    doctor_is_content(place)


# PostgreSQL


class Cluster:
    """A PostgreSQL of our own that can go away and come back."""

    def __init__(self, folder: Path) -> None:
        programs = sorted(
            Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
        )
        if not programs:
            absent("PostgreSQL")
        self._bin = programs[-1]
        self.folder = folder
        folder.mkdir(mode=0o755)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        self._data = folder / "data"
        _as_postgres(
            self._bin / "initdb", "-D", self._data, "-A", "trust", "-U", "maild", "-E", "UTF8"
        )
        self.start()
        _as_postgres(self._bin / "createdb", "-h", folder, "-U", "maild", "maild")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://maild@/maild?host={self.folder}"

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=on"
        log = self.folder / "log"
        _as_postgres(
            self._bin / "pg_ctl", "-D", self._data, "-o", options, "-w", "-l", log, "start"
        )

    def stop(self, mode: str = "fast") -> None:
        _as_postgres(self._bin / "pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def freeze(self) -> list[int]:
        """Stop its processes where they stand: connections stay open, and nobody answers."""
        top = int((self._data / "postmaster.pid").read_text().split()[0])
        frozen = [top]
        # The postmaster first, so that it makes no new ones.
        os.kill(top, signal.SIGSTOP)
        for child in Path(f"/proc/{top}/task/{top}/children").read_text().split():
            os.kill(int(child), signal.SIGSTOP)
            frozen.append(int(child))
        return frozen


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    made = Cluster(folder / "pg")
    yield made
    made.stop("immediate")


def doubles_in(cluster: Cluster) -> list[tuple[str, int]]:
    import psycopg

    with psycopg.connect(f"host={cluster.folder} user=maild dbname=maild") as connection:
        return connection.execute(
            "SELECT m.message_id_header, count(*) FROM deliveries d JOIN messages m ON m.id = d.message_id"
            " GROUP BY m.message_id_header, d.inbox_id HAVING count(*) > 1"
        ).fetchall()


def inboxes_in(cluster: Cluster) -> Counter[str]:
    """In how many inboxes each mail lies, decided."""
    import psycopg

    with psycopg.connect(f"host={cluster.folder} user=maild dbname=maild") as connection:
        rows = connection.execute(
            "SELECT m.message_id_header FROM deliveries d JOIN messages m ON m.id = d.message_id"
            " WHERE d.state IN ('filed', 'unfiled', 'held')"
        ).fetchall()
    return Counter(row[0] for row in rows)


def judge(place: Installation, cluster: Cluster, mails: list[Mail]) -> None:
    place.settle()
    assert doubles_in(cluster) == []
    kept = inboxes_in(cluster)
    assert {
        mail.key: kept[mail.key] for mail in mails if mail.answered and kept[mail.key] != 2
    } == {}
    doctor_is_content(place)


@pytest.mark.postgres
def test_D2_a_postgresql_that_goes_and_comes_back_is_451_in_time_and_heals(
    folder: Path, cluster: Cluster
) -> None:
    with started(a_place(folder / "m", cluster.url)) as place:
        with loaded(place) as load:
            load.hear(Said.STORED)
            for mode in ("fast", "immediate"):
                cluster.stop(mode)
                load.hear(Said.LATER)
                time.sleep(3)
                cluster.start()
                load.hear(Said.STORED)
        after = heals(place, "after")
        print(f"heard={load.heard} slowest={load.slowest:.1f}")
        assert load.heard[Said.NEVER] == 0, load.words
        assert load.heard[Said.NOTHING] == 0, load.words
        assert load.slowest < ANSWER_S
        judge(place, cluster, [*load.mails, after])


@pytest.mark.postgres
def test_SIGTERM_ends_a_daemon_whose_postgresql_hangs(folder: Path, cluster: Cluster) -> None:
    with started(a_place(folder / "m", cluster.url)) as place:
        before = heals(place, "before")
        frozen = cluster.freeze()
        try:
            with loaded(place) as load:
                time.sleep(2)
                began = time.monotonic()
                place.stop(80)
                assert time.monotonic() - began < 60
                load.stop.set()
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        assert load.heard[Said.NEVER] == 0, load.words
        place.start()
        judge(place, cluster, [before, *load.mails, heals(place, "after")])


@pytest.mark.postgres
def test_D2_a_postgresql_that_hangs_hangs_no_peer(folder: Path, cluster: Cluster) -> None:
    with started(a_place(folder / "m", cluster.url)) as place:
        before = heals(place, "before")
        frozen = cluster.freeze()
        try:
            with loaded(place) as load:
                time.sleep(1)
                with closing(connect(place, "smtp")) as sock:
                    bystander = Wire(sock)
                    for request in (b"", b"EHLO x\r\n", b"NOOP\r\n", b"NOOP\r\n"):
                        assert bystander.ask(request)[:1] == "2"
                    assert bystander.slowest < ANSWER_S / 2, "the loop hangs with its store"
                    bystander.close()
                time.sleep(LOCKED_S)
                load.stop.set()
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        after = heals(place, "after")
        print(f"heard={load.heard} slowest={load.slowest:.1f}")
        assert load.heard[Said.LATER] > 0
        assert load.heard[Said.NEVER] == 0, load.words
        assert load.slowest < ANSWER_S, f"a peer waited {load.slowest:.1f} s"
        judge(place, cluster, [before, *load.mails, after])


@pytest.mark.postgres
def test_D6_two_daemons_on_one_database_store_and_decide_each_mail_once(
    folder: Path, cluster: Cluster
) -> None:
    one = a_place(folder / "one", cluster.url)
    other = Installation(folder / "other", database=cluster.url)
    shared = {"MAILD_STORE__BODIES": f"file:{one.folder / 'bodies'}"}
    one.environment = other.environment = shared
    other.make()
    with started(one), started(other):
        mails = [a_mail("smtp", f"both-{n}", SMALL * (1 + n % 2 * 50)) for n in range(40)]

        def send(place: Installation, some: list[Mail]) -> None:
            for mail in some:
                offer_until_stored(place, mail)

        # Both get each mail, at the same time and in both orders: the same door, envelope and bytes.
        copies = [Mail(mail.key, mail.door, mail.content) for mail in mails]
        work = [(one, mails[::2]), (other, copies[::2]), (one, copies[1::2]), (other, mails[1::2])]
        with ExitStack() as stack:
            for place, some in work:
                thread = threading.Thread(target=send, args=(place, some))
                thread.start()
                stack.callback(thread.join, 60)
        assert all(mail.answered for mail in [*mails, *copies])
        judge(one, cluster, mails)
        assert len(inboxes_in(cluster)) == len(mails)


# The disk


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 24 MiB, where we may mount one."""
    point = folder / "disk"
    point.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "none", str(point)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"nothing may be mounted here: {mounted.stderr.decode().strip()}")
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Take all room but so many octets."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        free = shutil.disk_usage(disk).free
        os.posix_fallocate(file.fileno(), 0, max(1, free - leave))
    return filler


def insist(place: Installation, mail: Mail, size: int) -> None:
    """Offer a mail until it is taken, which must not last."""
    began = time.monotonic()
    while offer(place, mail, size=size) is not Said.STORED:
        assert time.monotonic() - began < HEAL_S, f"it does not heal: {mail.last_words}"
        time.sleep(0.05)


def rows_of(place: Installation, mail: Mail) -> int:
    with closing(look(place)) as database:
        found = database.execute(
            "SELECT count(*) FROM messages WHERE message_id_header = ?", (mail.key,)
        ).fetchone()
    return int(found[0])


def test_D2_below_the_reserve_a_mail_is_452_before_its_data(small_disk: Path) -> None:
    place = a_place(small_disk / "m")
    place.environment = {"MAILD_STORE__RESERVE": "8MiB"}
    with started(place):
        mail = a_mail("smtp", "reserve", SMALL)
        filler = fill(small_disk, 6 << 20)
        with closing(connect(place, "smtp")) as sock:
            wire = Wire(sock)
            wire.ask()
            wire.ask(b"EHLO x\r\n")
            assert wire.ask(b"MAIL FROM:<eva@acme.example> SIZE=2000\r\n").startswith("452 4.3.1")
            wire.close()
        assert offer(place, mail, size=SMALL) is Said.LATER
        filler.unlink()
        insist(place, mail, size=SMALL)


def test_D2_a_disk_that_gets_full_in_the_middle_of_a_mail_is_452_and_nothing_is_kept(
    small_disk: Path,
) -> None:
    place = a_place(small_disk / "m")
    with started(place):
        mail = a_mail("smtp", "middle", 4 << 20)
        filler = fill(small_disk, 1 << 20)
        # The peer says less than it sends: else it hears 452 before.
        assert offer(place, mail, size=1000) is Said.LATER
        assert "452 4.3.1" in mail.last_words
        assert rows_of(place, mail) == 0
        assert spool_files(place) == set()
        filler.unlink()
        insist(place, mail, size=1000)
        wait_until_decided(place)
        verdict(place, [mail])
    doctor_is_content(place)


def test_D2_a_disk_that_gets_full_in_the_middle_of_a_commit_is_45x_and_nothing_is_kept(
    small_disk: Path,
) -> None:
    place = a_place(small_disk / "m")
    with started(place):
        filler = fill(small_disk, 64 << 10)
        mails = [a_mail("smtp", f"commit-{n}", 20_000) for n in range(30)]
        for mail in mails:
            offer(place, mail, size=1)
        refused = [mail for mail in mails if not mail.answered]
        print(f"refused={len(refused)} words={ {mail.last_words for mail in refused} }")
        assert refused, "the disk was not full"
        for mail in refused:
            assert mail.last_words.rpartition("| ")[2].startswith(("451", "452")), mail.last_words
            assert rows_of(place, mail) == 0
            assert mail.slowest < ANSWER_S
        assert spool_files(place) == set()
        filler.unlink()
        for mail in refused:
            insist(place, mail, size=1)
        wait_until_decided(place)
        verdict(place, mails)
    doctor_is_content(place)
