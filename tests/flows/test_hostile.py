"""Hostile mail against the real daemon: everything is kept as it came and decided, and nobody else waits (D11, T6)."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import shutil
import signal
import smtplib
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stdout, suppress
from pathlib import Path

import pytest
from typing_extensions import override

from maild.faces.cli.main import COMMANDS, run
from maild.testing.bombs import BOMBS
from maild.testing.growth import PLACES, Growing
from maild.testing.installation import Installation, a_small_company
from maild.testing.lmtp import Lmtp, whole
from maild.testing.mutation import mutant
from maild.testing.processes import beneath, command_of

pytestmark = [pytest.mark.real, pytest.mark.slow]

SAMPLES = Path(__file__).resolve().parents[2] / "fixtures" / "eml"
COUNT = 100_000 if os.environ.get("MAILD_TEST_FULL") else 10_000
FIRST = int(os.environ.get("MAILD_TEST_SEED", "20261121")) * 10_000_000
"""The number of the first mutant."""
ODD = "info@acme.example"
GOOD = "crm@acme.example"
GOOD_MAIL = (
    b"From: eva@acme.example\r\nTo: crm@acme.example\r\nSubject: good %d\r\n"
    b"Message-ID: <good%d@load.test>\r\n\r\nhello\r\n"
)


@pytest.fixture
def place() -> Iterator[Installation]:
    """One installation for each test; its folder is short, since a unix socket's path must be."""
    folder = Path(tempfile.mkdtemp(prefix="maild-bad-", dir="/tmp"))
    place = Installation(folder / "m")
    place.make()
    a_small_company(place)
    yield place
    place.kill()
    shutil.rmtree(folder)


class Healthy(threading.Thread):
    """A peer that sends one ordinary mail after the other and measures from the dot to the answer."""

    def __init__(self, port: int, first: int) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.seconds: list[float] = []
        self.faults: list[str] = []
        self._port, self._number = port, first

    @override
    def run(self) -> None:
        while not self.done.is_set():
            self._number += 1
            try:
                with smtplib.SMTP("127.0.0.1", self._port, timeout=60) as peer:
                    self._one(peer, GOOD_MAIL % (self._number, self._number))
            except OSError as error:
                self.faults.append(repr(error))
            time.sleep(0.02)

    def _one(self, peer: smtplib.SMTP, mail: bytes) -> None:
        peer.ehlo("healthy.test")
        peer.mail("eva@acme.example")
        peer.rcpt(GOOD)
        peer.docmd("DATA")
        started = time.monotonic()
        peer.send(mail + b".\r\n")
        code, said = peer.getreply()
        self.seconds.append(time.monotonic() - started)
        if code != 250:
            self.faults.append(f"{code} {said!r}")

    def p99(self) -> float:
        return statistics.quantiles(self.seconds, n=100)[98]


class Damaging(threading.Thread):
    """A peer that sends mutants."""

    def __init__(self, path: Path, samples: Sequence[bytes], numbers: Sequence[int]) -> None:
        super().__init__(daemon=True)
        self.digests: set[str] = set()
        self.faults: list[str] = []
        self._path, self._samples, self._numbers = path, samples, numbers

    @override
    def run(self) -> None:
        peer = Lmtp(self._path, ODD)
        for number in self._numbers:
            # Its number makes each a mail of its own; what differs in a trace field only is one mail to maild (D6).
            mail = whole(mutant(self._samples, number)) + b"\r\n%d\r\n" % number
            self.digests.add(hashlib.sha256(mail).hexdigest())
            try:
                peer.send(mail)
            except OSError as error:
                self.faults.append(f"mutant {number}: {error}")
                break
        peer.close()


@contextmanager
def healthy_peer(place: Installation, first: int) -> Iterator[Healthy]:
    peer = Healthy(place.submission, first)
    peer.start()
    try:
        yield peer
    finally:
        peer.done.set()
        peer.join(90)


def asked(place: Installation, query: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{place.folder / 'maild.db'}?mode=ro", uri=True)) as store:
        store.execute("PRAGMA busy_timeout = 30000")
        return store.execute(query, values).fetchall()


def undecided(place: Installation) -> int:
    ((count,),) = asked(place, "SELECT count(*) FROM deliveries WHERE state = 'received'")
    return int(str(count))


def wait_until_decided(place: Installation, seconds: float) -> float:
    """Wait until nothing is undecided; return how long that took."""
    started = time.monotonic()
    while (left := undecided(place)) > 0:
        assert time.monotonic() - started < seconds, f"{left} mails are still undecided"
        time.sleep(0.1)
    return time.monotonic() - started


def stop_and_examine(place: Installation, pid: int) -> None:
    """The daemon is the one that was started, ends in good order, and left no invariant broken."""
    assert place.process is not None
    assert place.process.poll() is None
    assert place.process.pid == pid
    assert place.stop() == 0
    done = place.run("doctor")
    assert done.returncode == 0, done.stdout.decode()


def started(place: Installation, *arguments: str) -> int:
    place.start(*arguments)
    assert place.process is not None
    return place.process.pid


def test_T6_every_bomb_is_kept_as_it_came_and_decided_within_a_minute(place: Installation) -> None:
    pid = started(place)
    peer = Lmtp(place.lmtp, ODD)
    sent = {name: whole(make()) for name, make in BOMBS.items()}
    slowest = 0.0
    for mail in sent.values():
        peer.send(mail)
        slowest = max(slowest, wait_until_decided(place, 60))
    print(f"{len(sent)} bombs, the slowest decided after {slowest:.1f} s")
    peer.close()
    rows = asked(
        place,
        "SELECT m.digest, d.ulid, d.state FROM deliveries d JOIN messages m ON m.id = d.message_id",
    )
    found = {str(digest): str(ref) for digest, ref, _ in rows}
    for name, mail in sent.items():
        assert shown_raw(place, found[hashlib.sha256(mail).hexdigest()]) == mail, name
    assert {str(state) for _, _, state in rows} <= {"filed", "unfiled", "held", "failed"}
    stop_and_examine(place, pid)


def shown_raw(place: Installation, ref: str) -> bytes:
    """What `maild mail show --raw` says, in this process: a second less for each."""
    out = io.TextIOWrapper(io.BytesIO())
    with redirect_stdout(out):
        assert run(["--config", str(place.config), "mail", "show", ref, "--raw"], COMMANDS) == 0
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return out.buffer.getvalue()


def test_T6_ten_thousand_damaged_mails_harm_nobody(place: Installation) -> None:
    samples = [path.read_bytes() for path in sorted(SAMPLES.glob("*.eml"))]
    pid = started(place)
    with healthy_peer(place, 0) as before:
        time.sleep(5)
    wait_until_decided(place, 60)
    senders = [
        Damaging(place.lmtp, samples, range(FIRST + one, FIRST + COUNT, 2)) for one in (0, 1)
    ]
    began = time.monotonic()
    with healthy_peer(place, 1_000_000) as meanwhile:
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        taken = time.monotonic() - began
        left = undecided(place)
        # What waits when the last one is accepted is the daemon's; each of them has a minute.
        rest = wait_for_all_before(place, 60)
    wait_until_decided(place, 60)
    assert [*senders[0].faults, *senders[1].faults, *before.faults, *meanwhile.faults] == []
    print(
        f"{COUNT} damaged mails taken in {taken:.0f} s, {left} undecided then, all decided {rest:.1f} s later;"
        f" {len(meanwhile.seconds)} good ones meanwhile; from dot to 250, p99: {before.p99() * 1000:.0f} ms alone, {meanwhile.p99() * 1000:.0f} ms meanwhile"
    )
    kept = {str(digest) for (digest,) in asked(place, "SELECT digest FROM bodies")}
    assert senders[0].digests | senders[1].digests <= kept
    assert meanwhile.p99() < 1.0
    stop_and_examine(place, pid)


def wait_for_all_before(place: Installation, seconds: float) -> float:
    """Wait until everything that is there now is decided, while more may come; return how long that took."""
    ((last,),) = asked(place, "SELECT max(id) FROM deliveries")
    started = time.monotonic()
    query = "SELECT count(*) FROM deliveries WHERE state = 'received' AND id <= ?"
    while asked(place, query, last) != [(0,)]:
        assert time.monotonic() - started < seconds
        time.sleep(0.1)
    return time.monotonic() - started


def bombs(count: int) -> Iterator[bytes]:
    """Return that many bombs of all families, none longer than 2 MiB, so that accepting them is not what takes long."""
    grown = [
        Growing(place=name, again=b"".join(place.words[at : at + 3])).mail(
            min(place.most, 512 * 1024)
        )
        for name, place in PLACES.items()
        for at in (0, 5)
    ]
    short = [mail for make in BOMBS.values() if len(mail := make()) < 2 * 1024 * 1024]
    for number, mail in enumerate(itertools.islice(itertools.cycle(short + grown), count)):
        yield b"X-Number: %d\r\n" % number + whole(mail)


def test_D11_a_good_mail_behind_two_hundred_bombs_is_filed_at_once(place: Installation) -> None:
    started(place, "--only", "doors,web")
    peer = Lmtp(place.lmtp, ODD)
    for mail in bombs(200):
        peer.send(mail)
    peer.send(GOOD_MAIL % (1, 1), GOOD)
    peer.close()
    assert undecided(place) == 201
    assert place.stop() == 0
    pid = started(place)
    began = time.monotonic()
    query = (
        "SELECT d.state FROM deliveries d JOIN messages m ON m.id = d.message_id"
        " WHERE m.message_id_header = 'good1@load.test'"
    )
    while asked(place, query) == [("received",)]:
        assert time.monotonic() - began < 120, "the good mail is not decided"
        time.sleep(0.02)
    left, waited = undecided(place), time.monotonic() - began
    print(f"the good mail behind 200 bombs was decided after {waited:.2f} s, {left} were left")
    assert left >= 100, "the good mail waits for the bombs"
    wait_until_decided(place, 120)
    stop_and_examine(place, pid)


def workers_of(pid: int) -> list[int]:
    return [child for child in beneath(pid) if "maild.parse.worker" in command_of(child)]


def kill_a_worker_that_reads(pipe: Path, pid: int) -> int:
    """Wait until a worker has opened the pipe, and kill it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            # Nobody has it open for reading.
            time.sleep(0.02)
            continue
        try:
            while time.monotonic() < deadline:
                for worker in workers_of(pid):
                    with suppress(OSError):
                        files = [one.readlink() for one in Path(f"/proc/{worker}/fd").iterdir()]
                        if pipe in files:
                            os.kill(worker, signal.SIGKILL)
                            return worker
        finally:
            os.close(writer)
    pytest.fail("no worker reads the mail")


def test_D11_a_mail_that_kills_its_reader_three_times_is_failed_and_the_others_go_on(
    place: Installation,
) -> None:
    """The mail's file is exchanged for a pipe, so that its worker stands still until the test kills it."""
    started(place, "--only", "doors,web")
    marked = b"From: anna@rossi.example\r\nSubject: deadly\r\n\r\n" + b"x" * 400 * 1024 + b"\r\n"
    digest = hashlib.sha256(marked).hexdigest()
    peer = Lmtp(place.lmtp, ODD)
    peer.send(marked)
    peer.close()
    assert place.stop() == 0
    (body,) = place.folder.rglob(f"*{digest[2:]}*")
    kept = place.folder / "kept"
    body.rename(kept)
    os.mkfifo(body)
    pid = started(place)
    dead = []
    for number in range(1, 4):
        dead.append(kill_a_worker_that_reads(body, pid))
        with smtplib.SMTP("127.0.0.1", place.submission, timeout=30) as healthy:
            healthy.sendmail("eva@acme.example", [GOOD], GOOD_MAIL % (number, number))
    wait_until_decided(place, 60)
    body.unlink()
    kept.rename(body)
    ends = asked(
        place,
        "SELECT d.state, d.reason, d.facts, m.digest FROM deliveries d JOIN messages m ON m.id = d.message_id",
    )
    (failed,) = [row for row in ends if row[3] == digest]
    assert failed[:2] == ("failed", "UNPARSEABLE")
    assert "killed by signal 9" in str(failed[2])
    assert len({*dead}) == 3
    assert [row[0] for row in ends if row[3] != digest] == ["unfiled"] * 3
    stop_and_examine(place, pid)
