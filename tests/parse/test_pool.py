"""A mail may kill its worker; the pool says so and reads the next one (D11)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.model.letter import Letter
from maild.model.shown import NoSuchPartError, What, Wish
from maild.parse import ReaderDiedError, ReaderPool, UnreadableError, read_letter

MAIL = b"From: ann@x.test\r\nSubject: hi\r\n\r\nhello\r\n"


@pytest.fixture
def pool() -> Iterator[ReaderPool]:
    with ReaderPool(1) as pool:
        yield pool


def never_ending(folder: Path) -> Path:
    """A file that a worker waits for: a pipe that nobody writes to."""
    path = folder / "never"
    os.mkfifo(path)
    return path


def pid_of(pool: ReaderPool) -> int:
    (worker,) = pool._idle
    return worker._process.pid


def test_a_worker_reads_what_the_library_reads(pool: ReaderPool) -> None:
    assert pool.read(MAIL) == read_letter(MAIL)


def test_a_mail_may_be_given_by_its_file(pool: ReaderPool, tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(MAIL)
    assert pool.read(tmp_path / "a.eml") == read_letter(MAIL)


def test_a_mail_of_35_mib_passes_through_the_pipe(pool: ReaderPool) -> None:
    assert pool.read(MAIL + b"x" * (35 * 1024 * 1024)).subject == "hi"


def test_one_worker_reads_many_mails(pool: ReaderPool) -> None:
    pool.read(MAIL)
    first = pid_of(pool)
    pool.read(MAIL)
    assert pid_of(pool) == first


def test_an_empty_mail_is_unreadable_and_its_worker_lives_on(pool: ReaderPool) -> None:
    pool.read(MAIL)
    first = pid_of(pool)
    with pytest.raises(UnreadableError, match="empty"):
        pool.read(b"")
    assert pid_of(pool) == first


def test_a_missing_file_is_unreadable(pool: ReaderPool, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="No such file"):
        pool.read(tmp_path / "nowhere")


def test_a_mail_that_takes_too_long_kills_its_worker_and_the_next_one_is_read(
    tmp_path: Path,
) -> None:
    with ReaderPool(1, seconds=3) as pool:
        pool.read(MAIL)
        first = pid_of(pool)
        started = time.monotonic()
        with pytest.raises(ReaderDiedError, match="too long"):
            pool.read(never_ending(tmp_path))
        assert time.monotonic() - started < 6
        assert pool.read(MAIL).subject == "hi"
        assert pid_of(pool) != first
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_a_worker_that_is_killed_while_it_reads_is_told_and_replaced(
    pool: ReaderPool, tmp_path: Path
) -> None:
    pool.read(MAIL)
    killer = threading.Timer(0.3, os.kill, (pid_of(pool), signal.SIGKILL))
    killer.start()
    with pytest.raises(ReaderDiedError, match="signal 9"):
        pool.read(never_ending(tmp_path))
    killer.join()
    assert pool.read(MAIL).subject == "hi"


def test_a_worker_that_died_between_two_mails_is_replaced_without_a_word(pool: ReaderPool) -> None:
    pool.read(MAIL)
    (worker,) = pool._idle
    worker._process.kill()
    worker._process.wait()
    assert pool.read(MAIL).subject == "hi"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(r"\0\0\0\0", id="of no length"),
        pytest.param(r"\377\377\377\377L", id="of four gigabytes"),
        pytest.param(r"\0\0\0\1UL", id="with more behind it"),
    ],
)
def test_a_worker_whose_answer_is_none_is_of_no_more_use(
    answer: str, pool: ReaderPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes back from a worker is as hostile as what went in (T6)."""
    script = tmp_path / "worker"
    script.write_text(f"#!/bin/sh\nprintf '{answer}'\nexec sleep 60\n")
    script.chmod(0o700)
    with monkeypatch.context() as patch:
        patch.setattr("sys.executable", str(script))
        with pytest.raises(ReaderDiedError, match="gave"):
            pool.read(MAIL)
    assert pool.read(MAIL).subject == "hi"


def test_a_mail_that_needs_too_much_memory_is_unreadable_and_the_next_one_is_read(
    pool: ReaderPool, tmp_path: Path
) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(2 * 1024**3)
    with pytest.raises(UnreadableError, match="more than 512 MB"):
        pool.read(huge)
    assert pool.read(MAIL).subject == "hi"


def test_many_mails_come_back_in_their_order_with_what_became_of_each(tmp_path: Path) -> None:
    mails = [b"Subject: %d\r\n\r\nx" % at for at in range(50)]
    mails[7] = b""
    with ReaderPool(2) as pool:
        outcomes = list(pool.read_many(mails))
    assert isinstance(outcomes.pop(7), UnreadableError)
    numbers = [one.subject for one in outcomes if isinstance(one, Letter)]
    assert numbers == [str(at) for at in range(50) if at != 7]


def test_reading_many_takes_only_few_ahead() -> None:
    taken = 0

    def mails() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(1_000):
            taken += 1
            yield MAIL

    with ReaderPool(2) as pool:
        found = pool.read_many(mails())
        next(found)
        assert taken < 20
        found.close()


def test_more_threads_than_workers_wait_for_their_turn() -> None:
    subjects: list[str] = []
    with ReaderPool(2) as pool:
        threads = [
            threading.Thread(target=lambda: subjects.append(pool.read(MAIL).subject))
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(pool._idle) <= 2
    assert subjects == ["hi"] * 12


def test_closing_ends_all_workers_those_at_work_too(tmp_path: Path) -> None:
    pool = ReaderPool(1)
    pool.read(MAIL)
    pid = pid_of(pool)
    errors: list[Exception] = []

    def read() -> None:
        try:
            pool.read(never_ending(tmp_path))
        except ReaderDiedError as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.3)
    pool.close()
    thread.join(5)
    assert len(errors) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(ReaderDiedError, match="closed"):
        pool.read(MAIL)


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    code = (
        "import os; from maild.parse import ReaderPool; p = ReaderPool(1); p.read(b'Subject: x');"
        "print(p._idle[0]._process.pid, flush=True); os._exit(0)"
    )
    printed = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    pid = int(printed.stdout)
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the worker outlived its parent")


def test_a_worker_gets_no_settings_by_its_environment(
    pool: ReaderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILD_RELAY__PASSWORD", "secret")
    pool.read(MAIL)
    environment = Path(f"/proc/{pid_of(pool)}/environ").read_bytes()
    assert b"secret" not in environment


def test_a_header_scan_costs_no_reader_to_import() -> None:
    code = (
        "import sys, maild.parse.header_block;"
        "print([name for name in ('mailparser', 'selectolax', 'email', 'pydantic') if name in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True
    )
    assert printed.stdout.strip() == "[]"


class TestShowing:
    """The same processes show mails: pages and files of them (M13)."""

    MAIL = b"Content-Type: text/html\r\n\r\n<p onclick=x>Hi</p>"

    def test_M13_a_page_and_a_file_come_from_a_worker(self, tmp_path: Path) -> None:
        path = tmp_path / "mail"
        path.write_bytes(self.MAIL)
        with ReaderPool(1) as pool:
            for raw in (self.MAIL, path):
                assert b"<p>Hi</p>" in pool.show(raw, Wish(what=What.PAGE)).octets
            file = pool.show(self.MAIL, Wish(what=What.FILE, path="1"))
            assert (file.type, file.size, file.octets) == ("text/html", 19, b"")
            assert file.span is not None
            assert self.MAIL[file.span.start : file.span.end] == b"<p onclick=x>Hi</p>"
            assert read_letter(self.MAIL).text == "Hi"
            with pytest.raises(NoSuchPartError):
                pool.show(self.MAIL, Wish(what=What.FILE, path="2"))
            with pytest.raises(UnreadableError):
                pool.show(b"\r\n", Wish(what=What.PAGE))
            assert pool.read(self.MAIL).text == "Hi", "the worker lives on"

    def test_T6_what_takes_too_long_is_stopped(self) -> None:
        with ReaderPool(1, seconds=0.0001) as pool, pytest.raises(ReaderDiedError):
            pool.show(self.MAIL, Wish(what=What.PAGE))
