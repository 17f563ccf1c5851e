"""The workers are a process beneath the doors: they come back when they die, and never outlive the doors."""

from __future__ import annotations

import os
import signal
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.testing.installation import Installation, a_small_company

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "m")
    made.make()
    a_small_company(made)
    made.start()
    yield made
    made.stop()


def workers_of(place: Installation) -> int:
    """The child that decides; it is there a moment after the doors."""
    assert place.process is not None
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for child in _children(place.process.pid):
            if "--beneath" in Path(f"/proc/{child}/cmdline").read_text(encoding="utf-8"):
                return child
        time.sleep(0.05)
    raise AssertionError("there are no workers")


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found


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
    first = workers_of(place)
    os.kill(first, signal.SIGKILL)
    send(place, 1)
    place.settle()
    assert workers_of(place) != first
    assert place.cli("doctor")["broken"] == []


def test_workers_end_with_doors_that_are_killed_and_the_next_daemon_starts_at_once(
    place: Installation,
) -> None:
    workers = workers_of(place)
    place.kill()
    place.start()
    assert is_gone(workers)
    send(place, 2)
    place.settle()


def test_SIGTERM_ends_both_in_good_order(place: Installation) -> None:
    workers = workers_of(place)
    send(place, 3)
    assert place.stop() == 0
    assert is_gone(workers)
    said = place.log.read_text(encoding="utf-8")
    assert "workers_killed" not in said
    assert "workers_ended" not in said
