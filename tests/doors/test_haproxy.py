"""Behind a real HAProxy: who comes is known by its header, its checks find the door up, and TLS goes through it (D2)."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from maild.doors.smtp.facts import TlsMode
from maild.testing.installation import free_port
from tests.conftest import absent
from tests.doors.conftest import Client

if TYPE_CHECKING:
    from tests.doors.conftest import OpenDoor, OpenIt

pytestmark = [pytest.mark.real, pytest.mark.slow]

PEER = "127.0.0.77"
"""An address of this machine that is not the balancer's."""
CONFIGURATION = """\
global
    stats socket {folder}/stats
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    option smtpchk EHLO balancer.example
listen mail
    bind 127.0.0.1:{port}
    server maild 127.0.0.1:{behind} {how} check inter 200ms rise 2
"""
HEADERS = ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"]


class Balancer:
    """One HAProxy before a door."""

    def __init__(self, folder: Path, behind: int, how: str) -> None:
        self.port = free_port()
        self.folder = folder
        plan = folder / "haproxy.cfg"
        plan.write_text(
            CONFIGURATION.format(folder=folder, port=self.port, behind=behind, how=how), "ascii"
        )
        self.process = subprocess.Popen(["haproxy", "-db", "-f", str(plan)])

    def connect(self) -> socket.socket:
        """Return a line to it from the peer's address, once it answers."""
        end = time.monotonic() + 60
        while True:
            try:
                return socket.create_connection(
                    ("127.0.0.1", self.port), 30, source_address=(PEER, 0)
                )
            except ConnectionRefusedError:
                assert time.monotonic() < end
                time.sleep(0.05)

    def state(self) -> tuple[str, str]:
        """Return what its checks say of the door: its state, and how the last check ended; nothing, before it may be asked.

        It listens for mail a moment before its own socket has its name.
        """
        with closing(socket.socket(socket.AF_UNIX)) as sock:
            try:
                sock.connect(str(self.folder / "stats"))
            except FileNotFoundError:
                return "", ""
            sock.sendall(b"show stat\n")
            said = sock.makefile(encoding="ascii").read()
        header, *rows = (line.split(",") for line in said.splitlines() if line)
        [row] = [dict(zip(header, row, strict=True)) for row in rows if row[1] == "maild"]
        return row["status"], row["check_status"]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


Start: TypeAlias = Callable[["OpenDoor", str], Balancer]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    if shutil.which("haproxy") is None:
        absent("HAProxy")
    started: list[Balancer] = []

    def start_it(door: OpenDoor, how: str) -> Balancer:
        started.append(Balancer(tmp_path, door.listener.port, how))
        return started[-1]

    yield start_it
    for one in started:
        one.stop()


@pytest.fixture
def door(open_door: OpenIt) -> OpenDoor:
    return open_door(proxy_protocol=True, relays=(ip_network("127.0.0.1"),))


@pytest.mark.parametrize("how", HEADERS)
def test_D2_who_comes_through_it_is_the_peer(door: OpenDoor, start: Start, how: str) -> None:
    client = Client(start(door, how).connect())
    assert client.reply().startswith("220 ")
    client.to_data().send(b"x\r\n.\r\n")
    assert client.reply().startswith("250")
    assert door.intake.kept[-1].envelope.peer == PEER
    client.close()


@pytest.mark.parametrize("how", HEADERS)
def test_its_checks_find_the_door_up(door: OpenDoor, start: Start, how: str) -> None:
    balancer = start(door, how)
    balancer.connect().close()
    end = time.monotonic() + 60
    while (state := balancer.state()) != ("UP", "L7OK"):
        assert time.monotonic() < end, state
        time.sleep(0.1)


def test_implicit_tls_goes_through_it(
    open_door: OpenIt,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    start: Start,
) -> None:
    door = open_door(
        proxy_protocol=True,
        relays=(ip_network("127.0.0.1"),),
        tls=TlsMode.IMPLICIT,
        tls_context=server_tls,
    )
    line = start(door, "send-proxy-v2").connect()
    client = Client(client_tls.wrap_socket(line, server_hostname="localhost"))
    assert client.reply().startswith("220 ")
    client.to_data().send(b"x\r\n.\r\n")
    assert client.reply().startswith("250")
    assert door.intake.kept[-1].envelope.peer == PEER
    assert door.intake.kept[-1].envelope.tls
    client.close()
