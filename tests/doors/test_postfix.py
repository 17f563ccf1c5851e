"""Debian's Postfix hands mail to our LMTP door: each recipient has his own fate, and none hears it twice."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maild.model.envelope import Door
from maild.model.reason import Answer, Reason
from maild.model.written import UnixSocket
from maild.testing.postfix import Postfix, is_installed
from tests.conftest import absent

if TYPE_CHECKING:
    from tests.doors.conftest import OpenIt

StartIt = Callable[[str], Postfix]


@pytest.fixture
def start_postfix() -> Iterator[StartIt]:
    if not is_installed():
        absent("Postfix (or we are not root)")
    started: list[Postfix] = []

    def start_it(target: str) -> Postfix:
        started.append(Postfix(target))
        started[-1].start()
        return started[-1]

    yield start_it
    for postfix in started:
        postfix.stop()


@pytest.fixture
def common_folder() -> Iterator[Path]:
    """A folder that Postfix's own user can walk into; pytest's are root's alone."""
    with tempfile.TemporaryDirectory(prefix="maild-lmtp-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def mail() -> str:
    return "From: a@b.example\nTo: info@acme.example\nSubject: big\n\n" + ("x" * 70 + "\n") * 100


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["uvloop"], indirect=True)
@pytest.mark.parametrize("way", ["inet", "unix"])
def test_one_recipient_is_bounced_and_the_other_not_delivered_again(
    open_door: OpenIt, start_postfix: StartIt, common_folder: Path, way: str, mail: str
) -> None:
    if way == "inet":
        door = open_door(Door.LMTP)
        postfix = start_postfix(f"inet:127.0.0.1:{door.listener.port}")
    else:
        door = open_door(Door.LMTP, bind=UnixSocket(common_folder / "lmtp.sock"))
        (common_folder / "lmtp.sock").chmod(0o666)
        postfix = start_postfix(f"unix:{common_folder / 'lmtp.sock'}")
    door.intake.inboxes["small@acme.example"] = 1000
    postfix.send("a@b.example", ["info@acme.example", "small@acme.example"], mail)
    postfix.settle()
    time.sleep(2.5)  # Time for a second delivery, if there were one.
    postfix.settle()
    log = postfix.log()
    fates = dict(re.findall(r"/lmtp\[\d+\]: \w+: to=<([^>]+)>.* status=(\w+)", log))
    assert fates == {"info@acme.example": "sent", "small@acme.example": "bounced"}, log
    assert "552 5.3.4" in log
    assert door.intake.entered == 1
    assert len(door.intake.kept) == 1
    assert len(re.findall(r"to=<a@b\.example>", log)) == 1, "one bounce goes to the sender"


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["uvloop"], indirect=True)
def test_postfix_tries_again_after_a_temporary_answer(
    open_door: OpenIt, start_postfix: StartIt, mail: str
) -> None:
    door = open_door(Door.LMTP)
    door.intake.answer = lambda envelope, raw, path: (
        Answer(Reason.BUSY) if door.intake.entered == 1 else Answer(Reason.ACCEPTED, {"ref": "R"})
    )
    postfix = start_postfix(f"inet:127.0.0.1:{door.listener.port}")
    postfix.send("a@b.example", ["info@acme.example"], mail)
    postfix.settle()
    assert door.intake.entered == 2
    assert len(door.intake.kept) == 1
    assert "status=bounced" not in postfix.log()
