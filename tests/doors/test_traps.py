"""The traps of the stock library: the bytes of a mail, time, and answers.

Each test says the same words to aiosmtpd as released and to our door, and shows the fault on the one and its absence on
the other.  When a release of the library mends a fault, its test fails here, and we may have less of our own.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from aiosmtpd.lmtp import LMTP

from maild.model.envelope import Door, Envelope
from maild.model.reason import Answer
from tests.doors.stock import Stock, send_mail, to_354

if TYPE_CHECKING:
    from maild.core.raw import Raw
    from tests.doors.conftest import Client, OpenChild, OpenDoor, OpenIt

SOON = 10.0
"""Only against hangs."""


@pytest.fixture
def door(open_door: OpenIt) -> OpenDoor:
    return open_door()


def _wait_for(found: object) -> bool:
    assert callable(found)
    end = time.monotonic() + SOON
    while not found() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(found())


# -- the bytes of a mail ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.real
def test_memory_stock_holds_each_mail_several_times_ours_a_chunk_of_it(
    open_child: OpenChild,
) -> None:
    grown = {}
    # The library reads line by line, so five mails must do for it; they cost it more than our twenty.
    for kind, mails in {"ours": 20, "stock": 5}.items():
        child = open_child(kind)
        child.begin()
        asyncio.run(_send_at_once(child.port, mails, size=25_000_000))
        grown[kind] = child.growth()
    assert grown["ours"] < 60
    assert grown["stock"] > 5 * 25


async def _send_at_once(port: int, mails: int, size: int) -> None:
    block = (b"y" * 70 + b"\r\n") * 1000
    together = asyncio.Barrier(mails)

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"EHLO me\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<info@acme.example>\r\nDATA\r\n"
        )
        while not (line := await reader.readline()).startswith(b"354"):
            assert line, "it hung up"
        for _ in range(size // len(block)):
            writer.write(block)
            await writer.drain()
        await together.wait()  # All are there but for their dots.
        writer.write(b".\r\n")
        assert (await reader.readline()).startswith(b"250")
        writer.close()

    await asyncio.gather(*(send() for _ in range(mails)))


def test_line_length_stock_refuses_a_mail_with_a_line_of_1100_octets(
    stock: Stock, door: OpenDoor
) -> None:
    assert send_mail(stock.client(), b"x" * 1100).startswith("500 Line too long")
    assert send_mail(door.client(), b"x" * 1100).startswith("250")


def test_no_limit_stock_without_a_limit_announces_none_ours_always_has_one(
    stock: Stock, door: OpenDoor
) -> None:
    assert "SIZE" not in stock.client(data_size_limit=None).ask("EHLO me")
    assert "250-SIZE 36700160" in door.client().ask("EHLO me")


def test_over_the_limit_stock_reads_for_ever(stock: Stock, open_door: OpenIt) -> None:
    flood = (b"x" * 70 + b"\r\n") * 5000
    client = to_354(stock.client(data_size_limit=10_000)).send(flood * 4)
    client.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.reply()
    client = to_354(open_door(max_size=10_000).client()).send(flood)
    assert client.reply().startswith("421 4.7.0")
    assert client.is_closed()


def test_the_size_stock_counts_the_stuffing(stock: Stock, open_door: OpenIt) -> None:
    content = b"..x\r\n" * 2000  # 8,000 octets of mail, 10,000 on the wire
    assert send_mail(stock.client(data_size_limit=9000), content).startswith("552")
    assert send_mail(open_door(max_size=9000).client(), content).startswith("250")


def test_odd_bytes_stock_keeps_them(stock: Stock, door: OpenDoor) -> None:
    odd = b"Subject: hi\rFrom: boss@acme.example\r\n\r\nx\ny"
    assert send_mail(stock.client(), odd).startswith("250")
    assert stock.recorder.contents == [odd + b"\r\n"]
    assert send_mail(door.client(), odd).startswith("550 5.6.0")
    assert not door.intake.kept


# -- time ------------------------------------------------------------------------------------------------------------


def _drip(client: Client) -> str:
    """A mail that comes slowly, a line at a time."""
    to_354(client)
    try:
        for _ in range(12):
            client.send(b"a line of a mail that is slow\r\n")
            time.sleep(0.15)
        return client.send(b".\r\n").reply()
    except ConnectionError:
        return ""


@pytest.mark.slow
def test_timer_stock_cuts_off_a_mail_that_is_coming(stock: Stock, open_door: OpenIt) -> None:
    assert _drip(stock.client(timeout=0.8)) == ""
    assert _drip(open_door(idle_timeout=0.8).client()).startswith("250")


@pytest.mark.slow
def test_timer_stock_cancels_a_handler_that_takes_its_time(stock: Stock, open_door: OpenIt) -> None:
    stock.recorder.seconds = 1
    assert send_mail(stock.client(timeout=0.5), b"x") == ""
    time.sleep(0.7)
    assert not stock.recorder.contents
    door = open_door(idle_timeout=0.5)
    door.hold()
    threading.Timer(1, door.let_go).start()
    assert send_mail(door.client(), b"x").startswith("250")
    assert len(door.intake.kept) == 1


def test_half_close_stock_forgets_a_mail_whose_sender_has_said_all(
    stock: Stock, door: OpenDoor
) -> None:
    stock.recorder.seconds = 0.2
    client = to_354(stock.client()).send(b"x\r\n.\r\n")
    client.sock.shutdown(socket.SHUT_WR)
    assert client.is_closed()
    time.sleep(0.3)
    assert not stock.recorder.contents
    door.hold()
    client = to_354(door.client()).send(b"x\r\n.\r\n")
    client.sock.shutdown(socket.SHUT_WR)
    assert _wait_for(lambda: door.intake.entered)
    door.let_go()
    assert client.reply().startswith("250")
    assert len(door.intake.kept) == 1


# -- answers ---------------------------------------------------------------------------------------------------------


def test_a_fault_of_ours_stock_makes_it_final_and_tells_its_text(
    stock: Stock, door: OpenDoor, caplog: pytest.LogCaptureFixture
) -> None:
    stock.recorder.error = RuntimeError("postgresql://u:secret@h")
    assert send_mail(stock.client(), b"x") == "500 Error: (RuntimeError) postgresql://u:secret@h"

    def fail(envelope: Envelope, raw: Raw, path: str) -> Answer:
        raise RuntimeError("postgresql://u:secret@h")

    door.intake.answer = fail
    said = send_mail(door.client(), b"x")
    assert said.startswith("451 4.3.0")
    assert "secret" not in said


def test_lmtp_stock_answers_once_for_two_recipients(stock: Stock, open_door: OpenIt) -> None:
    both = ("info@acme.example", "crm@acme.example")
    client = to_354(stock.client(LMTP), *both, hello="LHLO me").send(b"x\r\n.\r\nNOOP\r\n")
    assert client.replies(2) == ["250 OK kept", "250 OK"]
    client = to_354(open_door(Door.LMTP).client(), *both, hello="LHLO me")
    client.send(b"x\r\n.\r\nNOOP\r\n")
    said = ["250 2.0.0 stored as T1", "250 2.0.0 stored as T1", "250 2.0.0 OK"]
    assert client.replies(3) == said


def test_lmtp_stock_announces_neither_pipelining_nor_codes(stock: Stock, open_door: OpenIt) -> None:
    musts = {"PIPELINING", "ENHANCEDSTATUSCODES"}  # RFC 2033 5
    words = stock.client(LMTP).ask("LHLO me").replace("250-", "").replace("250 ", "").split("|")
    assert not musts & set(words)
    client = open_door(Door.LMTP).client()
    words = client.ask("LHLO me").replace("250-", "").replace("250 ", "").split("|")
    assert set(words) >= musts


def test_an_unknown_recipient_stock_takes_for_anybody(stock: Stock, door: OpenDoor) -> None:
    for client, said in ((stock.client(), "250 OK"), (door.client(), "550 5.1.1")):
        client.ask("EHLO me")
        client.ask("MAIL FROM:<a@b.example>")
        assert client.ask("RCPT TO:<nobody@acme.example>").startswith(said)


def test_the_null_sender_stock_calls_by_a_name(stock: Stock, door: OpenDoor) -> None:
    for client in (stock.client(), door.client()):
        client.ask("EHLO me")
        assert client.ask("MAIL FROM:<>").startswith("250")
        client.ask("RCPT TO:<info@acme.example>")
        client.ask("DATA")
        assert client.send(b"x\r\n.\r\n").reply().startswith("250")
    assert stock.recorder.senders == ["<>"]
    assert door.intake.kept[0].envelope.mail_from == ""


def test_parameters_that_nobody_announced_are_refused_by_both(stock: Stock, door: OpenDoor) -> None:
    for client in (stock.client(), door.client()):
        client.ask("EHLO me")
        assert client.ask("MAIL FROM:<a@b.example> AUTH=<>").startswith("555")
        client.ask("MAIL FROM:<a@b.example>")
        assert client.ask("RCPT TO:<info@acme.example> NOTIFY=NEVER").startswith("555")


def test_a_bare_line_feed_ends_a_command_for_stock(stock: Stock, door: OpenDoor) -> None:
    assert stock.client().send(b"EHLO me\n").reply().startswith("250")
    assert door.client().send(b"EHLO me\n").reply().startswith("500 5.5.2")
