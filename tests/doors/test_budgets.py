"""What one peer, or very many, may cost: time, connections, memory (safety against floods)."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maild.doors.smtp import gate
from maild.doors.smtp.facts import ListenerFacts
from maild.doors.smtp.gate import Gate
from maild.doors.smtp.transaction import Peer
from maild.model.envelope import Door
from maild.model.written import HostPort

if TYPE_CHECKING:
    from tests.doors.conftest import Client, OpenChild, OpenIt

SOON = 20.0
"""Only against hangs."""


def _until_cut(client: Client, piece: bytes, pause: float) -> str:
    """Send the piece again and again; return what ends it."""
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        try:
            client.send(piece)
        except ConnectionError:
            break
        time.sleep(pause)
    while (reply := client.reply()).startswith("250"):
        pass
    return reply


# -- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("relays", [(), (ip_network("127.0.0.1"),)])
def test_a_session_that_brings_no_mail_ends(open_door: OpenIt, relays: tuple[object, ...]) -> None:
    client = open_door(session_timeout=0.8, relays=relays).client()
    assert _until_cut(client, b"NOOP\r\n", 0.1) == "421 4.4.2 too long without a mail"
    assert client.is_closed()


@pytest.mark.slow
def test_a_mail_gives_the_session_its_time_again(open_door: OpenIt) -> None:
    client = open_door(session_timeout=1.5).client()
    for _ in range(4):
        time.sleep(0.5)
        client.to_data().send(b"x\r\n.\r\n")
        assert client.reply().startswith("250")
    assert client.reply() == "421 4.4.2 too long without a mail"


@pytest.mark.slow
def test_a_mail_that_was_refused_does_not(open_door: OpenIt) -> None:
    client = open_door(session_timeout=3).client()
    for _ in range(2):
        time.sleep(1)
        client.to_data().send(b".\r\n")
        assert client.reply().startswith("554")
    begin = time.monotonic()
    assert client.reply() == "421 4.4.2 too long without a mail"
    assert time.monotonic() - begin < 2.5


@pytest.mark.slow
def test_a_mail_under_way_outlives_the_session_without_a_mail(open_door: OpenIt) -> None:
    client = open_door(session_timeout=1).client().to_data()
    time.sleep(1.3)
    assert client.send(b"x\r\n.\r\n").reply().startswith("250")
    assert client.ask("NOOP").startswith("250")


@pytest.mark.slow
def test_a_mail_that_drips_is_cut_off_though_never_silent(open_door: OpenIt) -> None:
    client = open_door(idle_timeout=0.6).client().to_data()
    begin = time.monotonic()
    assert _until_cut(client, b"x", 0.1) == "421 4.4.2 the mail took too long"
    assert time.monotonic() - begin < SOON


@pytest.mark.slow
def test_a_mail_may_stall_on_what_it_sent_before(open_door: OpenIt) -> None:
    client = open_door(idle_timeout=1).client().to_data().send(b"x" * 500)
    for _ in range(3):
        time.sleep(0.6)
        client.send(b"y")
    assert client.send(b"\r\n.\r\n").reply().startswith("250")


# -- connections -----------------------------------------------------------------------------------------------------


def test_one_address_may_connect_so_often_in_a_minute(open_door: OpenIt) -> None:
    door = open_door(max_rate_per_address=3)
    for _ in range(3):
        assert door.client().ask("QUIT").startswith("221")
    late = door.connect()
    assert late.reply() == "421 4.7.0 too many connections within a minute"
    assert late.is_closed()


def test_a_relay_may_connect_as_often_as_it_likes(open_door: OpenIt) -> None:
    door = open_door(max_rate_per_address=1, relays=(ip_network("127.0.0.1"),))
    for _ in range(5):
        assert door.client().ask("QUIT").startswith("221")


@pytest.mark.slow
def test_ten_thousand_connections_of_one_address_do_not_hinder_another(open_door: OpenIt) -> None:
    door = open_door(max_rate_per_address=600)
    said: Counter[str] = Counter()
    for _ in range(10_000):
        client = door.connect()
        said[client.reply()[:3]] += 1
        client.close()
        door.clients.remove(client)
    assert said["421"] >= 10_000 - 2 * 600  # A minute may end in between.
    source = ("127.0.0.2", 0)
    with socket.create_connection(("127.0.0.1", door.listener.port), source_address=source) as sock:
        assert sock.recv(100).startswith(b"220 ")


def _gate(rate: int) -> Gate:
    bind = HostPort("127.0.0.1", 0)
    facts = ListenerFacts(
        name="x", door=Door.SMTP, bind=bind, hostname="x", max_rate_per_address=rate
    )
    return Gate(facts)


def _visit(at: Gate, network: str, now: float) -> bool:
    peer = Peer(network, network)
    is_welcome = at.enter(peer, 0, now) is None
    if is_welcome:
        at.leave(peer)
    return is_welcome


def test_the_minute_is_forgotten() -> None:
    at = _gate(2)
    assert [_visit(at, "a", 100.0) for _ in range(3)] == [True, True, False]
    assert not _visit(at, "a", 159.9)
    assert _visit(at, "b", 159.9)
    assert _visit(at, "a", 160.0)
    assert at._lately.keys() == {"a"}


def test_ever_new_addresses_need_no_more_memory_and_shut_nobody_out() -> None:
    at = _gate(2)
    for number in range(gate.RATES_MAX + 1000):
        assert _visit(at, str(number), 100.0)
    assert len(at._lately) == gate.RATES_MAX
    assert [_visit(at, "0", 101.0) for _ in range(2)] == [True, False]
    assert at.is_empty


# -- memory, and a thousand at a time --------------------------------------------------------------------------------

MANY = 1000
ENVELOPE = b"EHLO me\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<info@acme.example>\r\nDATA\r\n"
CROWD = {"max_connections": 2 * MANY, "max_per_address": 2 * MANY, "max_rate_per_address": 10**6}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def many_files() -> Iterator[None]:
    """Enough descriptors for a thousand clients."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 4 * MANY:
        pytest.skip(f"this process may not open {4 * MANY} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4 * MANY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def _connected(port: int, count: int, tls: ssl.SSLContext | None = None) -> list[Streams]:
    name = None if tls is None else "localhost"
    found = []
    for _ in range(count):
        found.append(
            await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
        )
        assert (await found[-1][0].readline()).startswith(b"220")
    return found


async def _hear(reader: asyncio.StreamReader, code: bytes) -> bytes:
    while line := await reader.readline():
        if line.startswith(code):
            return line
    raise AssertionError(f"closed before {code!r}")


HEADED = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 1400
HEADLESS = b"X: " + (b"y" * 70 + b"\r\n\t") * 1400


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("content", [HEADED, HEADLESS], ids=["a body", "a head without end"])
def test_a_thousand_half_mails_need_little_memory(
    open_child: OpenChild, many_files: None, content: bytes
) -> None:
    child = open_child("ours", facts=CROWD)
    child.begin()
    asyncio.run(_send_half_mails(child.port, content))
    assert child.growth() < 200


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("content", [HEADED, HEADLESS], ids=["a body", "a head without end"])
def test_tls_adds_no_more_than_its_own_buffers(
    open_child: OpenChild,
    many_files: None,
    content: bytes,
    certificate: Path,
    client_tls: ssl.SSLContext,
) -> None:
    child = open_child("ours", facts=CROWD, certificate=str(certificate))
    child.begin()
    asyncio.run(_send_half_mails(child.port, content, client_tls))
    assert child.growth() < 400


async def _send_half_mails(port: int, content: bytes, tls: ssl.SSLContext | None = None) -> None:
    """Send a thousand mails at a time, all but their dots; stay until the door has read them."""
    clients = await _connected(port, MANY, tls)
    for reader, writer in clients:
        writer.write(ENVELOPE + content)
        await writer.drain()
        await _hear(reader, b"354")
    await asyncio.sleep(1)
    for _, writer in clients:
        writer.transport.abort()
    await asyncio.sleep(0)


@pytest.mark.slow
@pytest.mark.real
def test_a_thousand_peers_that_send_on_while_their_mail_is_stored_are_held_back(
    open_child: OpenChild, many_files: None
) -> None:
    child = open_child("ours", facts=CROWD, hangs=True)

    async def attack() -> None:
        clients = await _connected(child.port, MANY)
        for reader, writer in clients:
            writer.write(ENVELOPE + b"x\r\n.\r\n")
            await _hear(reader, b"354")
            writer.write(b"NOOP\r\n" * 100_000)
        await asyncio.sleep(3)
        for _, writer in clients:
            writer.transport.abort()
        await asyncio.sleep(0)

    child.begin()
    asyncio.run(attack())
    assert child.growth() < 300


async def _hear_all(reader: asyncio.StreamReader) -> bytes:
    """Return what was said up to the end, also when the end is a reset: the answer to an octet sent after it."""
    said = b""
    with suppress(ConnectionResetError):
        while piece := await reader.read(1024):
            said += piece
    return said


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send an octet a second; return what was said, when it is over."""
    ending = asyncio.create_task(_hear_all(reader))
    while not ending.done():
        writer.write(b"N")
        await asyncio.wait({ending}, timeout=1)
    writer.close()
    return await ending


async def _send_mails(port: int, took: list[float], over: threading.Event) -> None:
    """Send one mail after the other, each with a connection of its own."""
    while not over.is_set():
        begin = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ENVELOPE)
        await _hear(reader, b"354")
        writer.write(b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n")
        await _hear(reader, b"250 2.0.0 stored")
        await _hear(reader, b"221")
        took.append(time.monotonic() - begin)
        writer.close()
        await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.real
def test_a_thousand_drippers_do_not_delay_a_healthy_peer_and_all_end(
    open_child: OpenChild, many_files: None
) -> None:
    limits = {"idle_timeout": 6, "data_timeout": 15, "session_timeout": 12}
    child = open_child("ours", facts=CROWD | limits)
    took: list[float] = []

    async def attack() -> list[bytes]:
        slow = await _connected(child.port, MANY)
        for reader, writer in slow[: MANY // 2]:
            writer.write(ENVELOPE)
            await _hear(reader, b"354")
        over = threading.Event()
        # In a loop of its own: what is measured is how long the door takes, not how long a thousand of our own tasks do.
        healthy = threading.Thread(
            target=asyncio.run, args=(_send_mails(child.port, took, over),), daemon=True
        )
        healthy.start()
        try:
            async with asyncio.timeout(60):
                return await asyncio.gather(*(_drip(*streams) for streams in slow))
        finally:
            over.set()
            await asyncio.to_thread(healthy.join, 20)

    child.begin()
    said = asyncio.run(attack())
    assert all(last.startswith(b"421 4.4.2") for last in said)
    assert len(took) > 20
    assert sorted(took)[int(len(took) * 0.99)] < 1
    assert child.growth() < 100
