"""A door in a thread of its own, and a client that speaks bytes: tests stay in order and read from top to bottom."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from maild.doors.smtp.facts import ListenerFacts
from maild.doors.smtp.listener import Listener
from maild.model.clock import system_clock
from maild.model.envelope import Door
from maild.model.written import HostPort
from maild.testing.intake import FakeIntake
from tests.doors.stock import Stock


class Client:
    """A peer that sends what the test says, and reads replies by the protocol."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(10)
        self._buffer = b""

    def send(self, data: bytes) -> Client:
        self.sock.sendall(data)
        return self

    def line(self) -> str:
        """One line; empty when the other side has closed."""
        while b"\r\n" not in self._buffer:
            try:
                more = self.sock.recv(65536)
            except ConnectionError:
                more = b""
            if not more:
                assert not self._buffer, f"half a line before the end: {self._buffer!r}"
                return ""
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line.decode("ascii")

    def reply(self) -> str:
        """One reply, its lines joined by |."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "|".join(lines)

    def replies(self, count: int) -> list[str]:
        return [self.reply() for _ in range(count)]

    def ask(self, command: str) -> str:
        self.send(command.encode() + b"\r\n")
        return self.reply()

    def to_data(self, *recipients: str, hello: str = "EHLO client.example") -> Client:
        """Say all up to 354."""
        self.ask(hello)
        assert self.ask("MAIL FROM:<a@b.example>").startswith("250")
        for recipient in recipients or ("info@acme.example",):
            assert self.ask(f"RCPT TO:<{recipient}>").startswith("250")
        assert self.ask("DATA").startswith("354")
        return self

    def is_closed(self) -> bool:
        return self.line() == ""

    def close(self) -> None:
        self.sock.close()


class OpenDoor:
    """One listener and its inside, on a loop in a thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, facts: ListenerFacts, intake: FakeIntake
    ) -> None:
        self.loop = loop
        self.intake = intake
        self.listener = Listener(facts, system_clock)
        self.clients: list[Client] = []
        self.errors: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.run(self.listener.start(intake))

    def run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self.loop).result(30)

    def call(self, act: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(act)

    def hold(self) -> None:
        """Make `accept` wait until `let_go`."""

        async def make() -> None:
            self.intake.gate = asyncio.Event()

        self.run(make())

    def let_go(self) -> None:
        gate = self.intake.gate
        assert gate is not None
        self.call(gate.set)

    def connect(self) -> Client:
        if self.listener.address.startswith("unix:"):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(self.listener.address.removeprefix("unix:"))
        else:
            sock = socket.create_connection(("127.0.0.1", self.listener.port))
        client = Client(sock)
        self.clients.append(client)
        return client

    def client(self) -> Client:
        """A client that was greeted."""
        client = self.connect()
        assert client.reply().startswith("220 ")
        return client

    def stop(self, grace: float = 10) -> None:
        self.run(self.listener.stop(grace))


OpenIt = Callable[..., OpenDoor]


class ChildDoor:
    """A door in a process of its own."""

    def __init__(self, **plan: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("child_door.py")), json.dumps(plan)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _ask(self, question: str) -> list[int]:
        assert self._process.stdin is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        sizes: list[int] = json.loads(self._line())
        return sizes

    def begin(self) -> None:
        """Measure from here on."""
        self._before = self._ask("begin")[0]

    def growth(self) -> float:
        """MiB between the peak and the beginning."""
        return (self._ask("memory")[1] - self._before) / 1024

    def close(self) -> None:
        self._process.communicate(timeout=30)


OpenChild = Callable[..., ChildDoor]


@pytest.fixture
def open_child(tmp_path: Path) -> Iterator[OpenChild]:
    """Open doors in processes of their own."""
    children: list[ChildDoor] = []

    def open_it(kind: str, **plan: Any) -> ChildDoor:
        children.append(ChildDoor(kind=kind, folder=str(tmp_path), **plan))
        return children[-1]

    yield open_it
    for child in children:
        child.close()


@pytest.fixture(params=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread; uvloop is what the daemon uses."""
    loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture
def intake(tmp_path: Path) -> FakeIntake:
    folder = tmp_path / "spool"
    folder.mkdir()
    return FakeIntake(folder)


@pytest.fixture
def open_door(loop: asyncio.AbstractEventLoop, intake: FakeIntake) -> Iterator[OpenIt]:
    """Open doors with the facts that the test names; afterwards nothing may be left over."""
    doors: list[OpenDoor] = []

    def open_it(door: Door = Door.SMTP, **facts: Any) -> OpenDoor:
        facts.setdefault("bind", HostPort("127.0.0.1", 0))
        facts.setdefault("hostname", "mail.acme.example")
        facts.setdefault("max_rate_per_address", 1_000_000)
        doors.append(OpenDoor(loop, ListenerFacts(name="test", door=door, **facts), intake))
        return doors[-1]

    yield open_it
    for door in doors:
        for client in door.clients:
            client.close()
        door.stop()
        assert not door.errors
        assert not door.listener._sessions
        assert not door.listener._refused
        assert door.listener._gate.is_empty
    assert not list(intake.folder.iterdir()), "a spool file was left"


@pytest.fixture
def stock() -> Iterator[Stock]:
    """The library as released."""
    stock = Stock()
    yield stock
    stock.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cert.pem and key.pem, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = "-addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem"
    subprocess.run(f"{make} {names}".split(), cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


@pytest.fixture
def client_tls(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate / "cert.pem"))
