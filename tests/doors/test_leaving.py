"""Time within a mail, peers that leave, and a door that closes: what is past the dot is carried out (D1, D2)."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest

from maild.doors.smtp.data import _on_a_thread

if TYPE_CHECKING:
    from tests.doors.conftest import Client, OpenDoor, OpenIt

ALL = b"EHLO me\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<info@acme.example>\r\nDATA\r\n"


@pytest.fixture
def door(open_door: OpenIt) -> OpenDoor:
    return open_door()


def test_a_slow_but_living_upload_outlives_the_idle_time(open_door: OpenIt) -> None:
    door = open_door(idle_timeout=0.4)
    client = door.client().to_data()
    for _ in range(8):
        client.send(b"a line, well above the least rate\r\n")
        time.sleep(0.15)
    assert client.send(b".\r\n").reply().startswith("250")


def test_a_commit_outlives_the_idle_time(open_door: OpenIt) -> None:
    door = open_door(idle_timeout=0.2)
    door.hold()
    client = door.client().to_data().send(b"x\r\n.\r\n")
    time.sleep(0.6)
    door.let_go()
    assert client.reply().startswith("250")


def test_silence_between_commands_and_within_a_mail_ends_the_session(open_door: OpenIt) -> None:
    door = open_door(idle_timeout=0.2)
    for client in (door.client(), door.client().to_data().send(b"half a ma")):
        assert client.reply().startswith("421 4.4.2")
        assert client.is_closed()
    assert door.intake.entered == 0


def test_a_mail_that_takes_for_ever_is_cut_off(open_door: OpenIt) -> None:
    client = open_door(idle_timeout=0.4, data_timeout=0.6).client().to_data()
    for _ in range(8):
        try:
            client.send(b"a line, well above the least rate\r\n")
        except ConnectionError:
            break
        time.sleep(0.15)
    assert client.reply() == "421 4.4.2 the mail took too long"


def _soon(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
@pytest.mark.parametrize("size", [10, 100_000])
def test_a_peer_gone_after_the_dot_does_not_stop_the_commit(
    door: OpenDoor, how: str, size: int
) -> None:
    door.hold()
    client = door.client().to_data().send(b"x" * size + b"\r\n.\r\n")
    _soon(lambda: door.intake.entered)
    _leave(client, how)
    time.sleep(0.05)
    assert not door.intake.kept
    door.let_go()
    _soon(lambda: door.intake.kept)
    if how == "half-close":
        assert client.reply().startswith("250")


def _leave(client: Client, how: str) -> None:
    if how == "half-close":
        client.sock.shutdown(socket.SHUT_WR)
        return
    if how == "reset":
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_what_was_sent_before_a_half_close_is_answered(door: OpenDoor) -> None:
    client = door.client().send(ALL + b"mail\r\n.\r\n")
    client.sock.shutdown(socket.SHUT_WR)
    assert [reply[:3] for reply in client.replies(5)] == ["250", "250", "250", "354", "250"]
    assert client.is_closed()


def test_a_peer_gone_before_the_dot_leaves_nothing(door: OpenDoor) -> None:
    client = door.client().to_data().send(b"x" * 100_000 + b"\r\n.")
    time.sleep(0.1)
    client.close()
    _soon(lambda: not door.listener._sessions)
    assert door.intake.entered == 0


@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
def test_a_peer_gone_within_its_mail_is_no_fault_of_ours(
    door: OpenDoor, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = door.client().to_data().send(b"half a mail\r\n")
    _leave(client, how)
    _soon(lambda: not door.listener._sessions)
    assert "door_failed" not in caplog.text
    if how == "half-close":
        assert client.is_closed()


@pytest.mark.parametrize("cancels", [1, 3])
def test_a_session_that_ends_waits_for_the_disk_however_often_it_is_told_to_end(
    loop: asyncio.AbstractEventLoop, cancels: int
) -> None:
    answers = threading.Event()

    def write() -> None:
        answers.wait(10)

    async def end_it() -> tuple[bool, bool]:
        writing = asyncio.create_task(_on_a_thread(write))
        for _ in range(cancels):
            await asyncio.sleep(0.02)
            writing.cancel()
        await asyncio.sleep(0.02)
        is_early = writing.done()
        answers.set()
        await asyncio.wait([writing])
        return is_early, writing.cancelled()

    assert asyncio.run_coroutine_threadsafe(end_it(), loop).result(20) == (False, True)


# -- the end of the listener -----------------------------------------------------------------------------------------


def test_stopping_answers_who_is_past_the_dot_and_tells_the_others(open_door: OpenIt) -> None:
    door = open_door()
    door.hold()
    idle, within = door.client(), door.client().to_data().send(b"half")
    past = door.client().to_data().send(b"whole\r\n.\r\n")
    _soon(lambda: door.intake.entered)
    stopping = asyncio.run_coroutine_threadsafe(door.listener.stop(10), door.loop)
    assert idle.reply().startswith("421 4.3.2")
    assert within.reply().startswith("421 4.3.2")
    assert idle.is_closed()
    assert within.is_closed()
    with pytest.raises(ConnectionRefusedError):
        door.connect()
    time.sleep(0.1)
    assert not stopping.done()
    door.let_go()
    assert past.reply() == "250 2.0.0 stored as T1"
    assert past.reply().startswith("421 4.3.2")
    assert past.is_closed()
    stopping.result(10)
    assert [kept.content for kept in door.intake.kept] == [b"whole\r\n"]


def test_stopping_does_not_wait_for_ever(open_door: OpenIt) -> None:
    door = open_door()
    door.hold()
    client = door.client().to_data().send(b"whole\r\n.\r\n")
    _soon(lambda: door.intake.entered)
    begin = time.monotonic()
    door.stop(0.2)
    assert time.monotonic() - begin < 5
    assert client.is_closed()
    door.let_go()
