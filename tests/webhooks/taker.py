"""A receiver on a real socket, which keeps what comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override


@dataclass(frozen=True)
class Came:
    """One request."""

    path: str
    header: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The webhook-id."""
        return self.header["webhook-id"]


@dataclass
class Taker:
    """What came, in order; `status` says what each hears."""

    port: int = 0
    came: list[Came] = field(default_factory=list)
    status: Callable[[int], int] = lambda _: 204
    """By how many came before."""

    def wait(self, is_enough: Callable[[list[Came]], bool], seconds: float = 60.0) -> None:
        """Wait until enough has come."""
        deadline = time.monotonic() + seconds
        while not is_enough(list(self.came)):
            assert time.monotonic() < deadline, [one.body for one in self.came]
            time.sleep(0.05)


@contextmanager
def taking() -> Iterator[Taker]:
    """Listen on the loopback."""
    taker = Taker()

    class Hears(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            header = {name.lower(): text for name, text in self.headers.items()}
            status = taker.status(len(taker.came))
            taker.came.append(Came(self.path, header, body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hears)
    server.daemon_threads = True
    taker.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield taker
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
