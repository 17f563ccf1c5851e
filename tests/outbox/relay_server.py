"""A relay that keeps what it is given, and misbehaves where it is told to."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

SILENCE = "(silence)"
"""In place of a reply: none comes, until the client goes."""
CUT = "(cut)"
"""In place of a reply: the line breaks."""


@dataclass
class RelayServer:
    """Answers each step by `replies`, which is asked first; what is not in it goes well.

    A step is a verb in lower case, `greeting`, or `dot`.
    """

    replies: dict[str, str] = field(default_factory=dict)
    offers: list[str] = field(default_factory=lambda: ["SMTPUTF8"])
    tls: ssl.SSLContext | None = None
    is_implicit: bool = False
    decide: Callable[[str, str], str | None] = lambda step, line: None
    """Asked with each step and its line; may answer in place of `replies`."""
    mails: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Envelope sender, recipient and octets of each mail whose dot was heard."""
    lines: list[str] = field(default_factory=list)
    sessions: int = 0
    gone: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._open: list[socket.socket] = []

    def run(self) -> None:
        """Take one session after the other, each in a thread."""
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self.sessions += 1
            self._open.append(sock)
            threading.Thread(target=self._session, args=(sock,), daemon=True).start()

    def close(self) -> None:
        self.gone.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for sock in self._open:
            sock.close()

    def _session(self, sock: socket.socket) -> None:
        session = _Session(self, sock)
        with suppress(OSError, ValueError, EOFError):
            if self.is_implicit:
                session.wrap()
            session.talk()
        session.close()


class _Session:
    def __init__(self, server: RelayServer, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.file: BinaryIO = sock.makefile("rb")
        self.sender = self.recipient = ""
        self.is_secure = False

    def wrap(self) -> None:
        assert self.server.tls is not None
        self.file.close()
        plain = self.sock
        try:
            self.sock = self.server.tls.wrap_socket(plain, server_side=True)
        finally:
            plain.close()  # Its descriptor went over to the wrapped one.
        self.file = self.sock.makefile("rb")
        self.is_secure = True

    def close(self) -> None:
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):
            self.sock.close()

    def say(self, step: str, line: str, usual: str) -> str:
        reply = self.server.decide(step, line) or self.server.replies.get(step, usual)
        if reply == SILENCE:
            self.server.gone.wait(30)
            raise EOFError
        if reply == CUT:
            self.sock.shutdown(socket.SHUT_RDWR)
            raise EOFError
        self.sock.sendall(reply.encode() + b"\r\n")
        return reply

    def talk(self) -> None:
        self.say("greeting", "", "220 relay.test ESMTP")
        while raw := self.file.readline():
            line = raw.decode().rstrip("\r\n")
            self.server.lines.append(line)
            step = line.partition(" ")[0].lower()
            getattr(self, f"do_{step}", self.do_other)(step, line)

    def do_other(self, step: str, line: str) -> None:
        self.say(step, line, "250 2.0.0 ok")

    def do_ehlo(self, step: str, line: str) -> None:
        offers = [offer for offer in self.server.offers if self.is_secure or "AUTH" not in offer]
        if self.server.tls is not None and not self.is_secure:
            offers.append("STARTTLS")
        listed = ["relay.test", *offers]
        usual = "\r\n".join([f"250-{one}" for one in listed[:-1]] + [f"250 {listed[-1]}"])
        self.say(step, line, usual)

    def do_starttls(self, step: str, line: str) -> None:
        self.say(step, line, "220 go")
        self.wrap()

    def do_auth(self, step: str, line: str) -> None:
        self.say(step, line, "235 2.7.0 welcome")

    def do_mail(self, step: str, line: str) -> None:
        self.sender = line.partition("<")[2].partition(">")[0]
        self.say(step, line, "250 2.1.0 ok")

    def do_rcpt(self, step: str, line: str) -> None:
        self.recipient = line.partition("<")[2].partition(">")[0]
        self.say(step, line, "250 2.1.5 ok")

    def do_data(self, step: str, line: str) -> None:
        if not self.say(step, line, "354 go on").startswith("354"):
            return
        content = b""
        while (raw := self.file.readline()) != b".\r\n":
            if not raw:
                return
            content += raw.removeprefix(b".")
        self.server.mails.append((self.sender, self.recipient, content))
        self.say("dot", line, "250 2.0.0 queued")

    def do_quit(self, step: str, line: str) -> None:
        self.say(step, line, "221 bye")
        raise EOFError


@contextmanager
def a_relay(server: RelayServer | None = None) -> Iterator[RelayServer]:
    """Run a relay for as long as the block lasts."""
    made = server or RelayServer()
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        thread.join(10)


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something to become true; the time is against hangs only."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
