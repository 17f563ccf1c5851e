"""Workers and acceptor are processes beneath the doors: they come back when they die, and never outlive the doors."""

from __future__ import annotations

import os
import signal
import smtplib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maild.__main__ import run_here
from maild.testing.installation import Installation, a_small_company
from maild.testing.processes import beneath, command_of
from maild.testing.scripted_imap import NAME, SECRET, ScriptedImap

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(
        tmp_path / "m", runs=run_here, extra='[sources]\nallow_networks = ["127.0.0.0/8"]\n'
    )
    made.make()
    a_small_company(made)
    made.start()
    yield made
    made.stop()


def beneath_as(place: Installation, role: str) -> int:
    """The child of that role; it is there a moment after the doors."""
    assert place.process is not None
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for child in beneath(place.process.pid):
            if command_of(child)[-2:] == ["--beneath", role]:
                return child
        time.sleep(0.05)
    raise AssertionError(f"there is no child {role}")


def children(place: Installation) -> set[str]:
    """What runs beneath the doors, by role."""
    assert place.process is not None
    commands = [command_of(child) for child in beneath(place.process.pid)]
    return {words[-1] for words in commands if "--beneath" in words}


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if stat.split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def stored(place: Installation, number: int) -> bool:
    try:
        send(place, number)
    except smtplib.SMTPDataError:
        return False
    return True


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def send(place: Installation, number: int) -> None:
    with smtplib.SMTP("127.0.0.1", place.smtp, timeout=30) as peer:
        peer.sendmail(
            "anna@rossi.example",
            ["info@acme.example"],
            f"From: anna@rossi.example\r\nMessage-ID: <{number}@t>\r\nSubject: {number}\r\n\r\nHello\r\n",
        )


def test_D11_workers_that_die_are_started_again_and_the_doors_stay_open(
    place: Installation,
) -> None:
    first = beneath_as(place, "workers")
    os.kill(first, signal.SIGKILL)
    send(place, 1)
    place.settle()
    assert beneath_as(place, "workers") != first
    assert place.cli("doctor")["broken"] == []


def test_workers_end_with_doors_that_are_killed_and_the_next_daemon_starts_at_once(
    place: Installation,
) -> None:
    workers = beneath_as(place, "workers")
    place.kill()
    place.start()
    assert is_gone(workers)
    send(place, 2)
    place.settle()


def test_D1_an_acceptor_that_dies_with_mail_in_hand_is_a_temporary_answer_and_comes_back(
    place: Installation,
) -> None:
    acceptor = beneath_as(place, "acceptor")
    send(place, 1)
    os.kill(acceptor, signal.SIGSTOP)
    threading.Timer(1, os.kill, (acceptor, signal.SIGKILL)).start()
    began = time.monotonic()
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(place, 2)
    assert refused.value.smtp_code == 451
    assert time.monotonic() - began < 5
    assert beneath_as(place, "acceptor") != acceptor
    until(lambda: stored(place, 2))
    place.settle()
    # The first attempt died uncommitted, or was committed and is a retry now (D6): one mail either way.
    assert len(place.cli("mail", "list", "--account", "acme")) == 2
    assert place.cli("doctor")["broken"] == []


def test_D1_an_acceptor_that_stands_still_is_a_temporary_answer_in_time_and_then_no_double(
    place: Installation,
) -> None:
    acceptor = beneath_as(place, "acceptor")
    os.kill(acceptor, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(place, 1)
    assert refused.value.smtp_code == 451
    assert time.monotonic() - began < 10
    os.kill(acceptor, signal.SIGCONT)
    send(place, 1)
    place.settle()
    assert len(place.cli("mail", "list", "--account", "acme")) == 1


def test_the_acceptor_ends_with_doors_that_are_killed(place: Installation) -> None:
    acceptor = beneath_as(place, "acceptor")
    place.kill()
    assert is_gone(acceptor)
    place.start()
    send(place, 4)


def test_SIGTERM_ends_all_in_good_order(place: Installation) -> None:
    children = [beneath_as(place, role) for role in ("workers", "acceptor")]
    send(place, 3)
    assert place.stop() == 0
    assert all(is_gone(child) for child in children)
    said = place.log.read_text(encoding="utf-8")
    for name in ("workers", "acceptor"):
        assert f"{name}_killed" not in said
        assert f"{name}_ended" not in said


def test_SIGTERM_to_the_whole_group_still_answers_whoever_is_past_the_dot(
    place: Installation,
) -> None:
    """As a terminal's Ctrl-C and a careless supervisor do."""
    acceptor = beneath_as(place, "acceptor")
    send(place, 4)
    os.kill(acceptor, signal.SIGTERM)
    os.kill(acceptor, signal.SIGINT)
    send(place, 5)
    assert beneath_as(place, "acceptor") == acceptor
    assert place.stop() == 0


def test_D9_the_pollers_process_starts_with_the_first_source(place: Installation) -> None:
    beneath_as(place, "workers")
    time.sleep(2)
    assert children(place) == {"acceptor", "workers"}
    secret = place.folder / "secret"
    secret.touch(0o600)
    secret.write_text(SECRET)
    with ScriptedImap("good") as server:
        place.here(
            "source", "add", "box", "--inbox", "info@acme.example", "--kind", "imap", "--tls", "none",
            "--host", "localhost", "--port", str(server.port), "--username", NAME,
            "--password-file", str(secret), "--since", "all",
        )  # fmt: skip
        beneath_as(place, "pollers")
        until(lambda: place.here("source", "show", "box")["state"] == "OK")
    assert place.stop() == 0
