"""A wire between a client and a server on the loopback that breaks where it is told to.

It must never change what it forwards: it only stops.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

_PIECE = 4096
_HANG_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where a line breaks: after so many octets, or at words; `says` is who sends them."""

    says: str
    """`client` or `server`."""
    octets: int | None = None
    words: bytes = b""
    passing: int = 1
    """At which occurrence of the words."""
    lets_through: bool = False
    """Whether the words still arrive; else the line breaks just before them."""

    def place(self, stream: bytes) -> int | None:
        """Return how many octets of the stream arrive, once that is known."""
        if self.octets is not None:
            return self.octets if len(stream) >= self.octets else None
        at = -1
        for _ in range(self.passing):
            at = stream.find(self.words, at + 1)
            if at < 0:
                return None
        return at + len(self.words) if self.lets_through else at


class Cutter:
    """Forwards each connection; the next one that comes to the cut's place breaks, and then no other does."""

    def __init__(self, server: int) -> None:
        """Listen; forward to this port of the loopback."""
        self._server = server
        self._cut: Cut | None = None
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.broken = 0
        """Lines that were cut so far."""
        self.octets = {"client": 0, "server": 0}
        """What the longest line has carried since the last cut was set, so that a test can cut at every place."""
        self._lines: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        """Go on listening."""
        return self

    def __exit__(self, *of_what: object) -> None:
        """Listen no more, and wait for what is under way."""
        self._listener.close()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            pass  # Only so that `accept` comes back.
        for line in self._lines:
            line.join(_HANG_S)

    def set(self, cut: Cut | None) -> None:
        """Let one line break there."""
        with self._lock:
            self._cut = cut
            self.octets = {"client": 0, "server": 0}

    def settle(self) -> None:
        """Wait until both ends of every line are closed: the server has done what it was told."""
        for line in self._lines:
            line.join(_HANG_S)
        self._lines = [line for line in self._lines if line.is_alive()]

    def _start(self, act: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server), timeout=_HANG_S)
            except OSError:
                client.close()
                continue
            line = _Line(self, client, server)
            self._lines.append(self._start(line.run))

    def _taken(self, says: str, stream: bytes) -> int | None:
        """Return where the line breaks, for the first that comes there."""
        with self._lock:
            self.octets[says] = max(self.octets[says], len(stream))
            if self._cut is None or self._cut.says != says:
                return None
            place = self._cut.place(stream)
            if place is not None:
                self._cut = None
                self.broken += 1
            return place


class _Line:
    """One connection, in both directions."""

    def __init__(self, cutter: Cutter, client: socket.socket, server: socket.socket) -> None:
        self._cutter = cutter
        self._ends = {"client": client, "server": server}
        for end in self._ends.values():
            end.settimeout(_HANG_S)

    def run(self) -> None:
        other = threading.Thread(target=self._carry, args=("server", "client"), daemon=True)
        other.start()
        self._carry("client", "server")
        other.join(_HANG_S)
        for end in self._ends.values():
            end.close()

    def _carry(self, says: str, hears: str) -> None:
        """Forward until the end, or until the line is cut."""
        source, target = self._ends[says], self._ends[hears]
        stream = bytearray()
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                done = len(stream)
                stream += piece
                place = self._cutter._taken(says, bytes(stream))
                if place is not None:
                    target.sendall(bytes(stream[done : max(done, place)]))
                    self._break()
                    return
                target.sendall(piece)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _break(self) -> None:
        """The client sees the line reset; the server reads all that was sent before it sees the end."""
        client, server = self._ends["client"], self._ends["server"]
        with suppress(OSError):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)
