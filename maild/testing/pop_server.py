"""A POP3 server on loopback that behaves; scripts (`scripted_pop.py`) are subclasses of its sessions that do not.

It takes sessions until it is stopped, so it serves whole polling rounds; what QUIT deletes is gone for the next session.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Self

from maild.core.remote import Endpoint
from maild.model.source import TlsMode
from maild.testing.certificates import Certificates

NAME, SECRET = "anna", "s3cret-w0rd"


@dataclass
class PopMail:
    """A mail on the server."""

    octets: bytes
    uidl: str


class GoneError(Exception):
    """The session is over."""


class Peer:
    """One session of a server that behaves.  A script changes what it needs to: a method is what a command does."""

    tls: TlsMode = TlsMode.NONE
    certificate = "good"
    """A name of `Certificates`."""
    capabilities: Sequence[str] = ("TOP", "UIDL", "USER", "RESP-CODES", "PIPELINING")
    greeting: bytes = b"+OK here\r\n"

    def __init__(self, server: PopServer, sock: socket.socket) -> None:
        """Serve one connection."""
        self.server = server
        self.sock = sock
        self.mails = list(server.mails)
        self.marked: set[int] = set()
        self._buffer = b""

    def run(self) -> None:
        """Serve until the end."""
        if self.tls is TlsMode.IMPLICIT:
            self.begin_tls()
        self.greet()
        while True:
            self.obey(self.read_line())

    def obey(self, line: bytes) -> None:
        """Do a command."""
        word, _, argument = line.partition(b" ")
        name = word.decode("ascii", "replace").lower()
        self.server.commands.append(name)
        act = getattr(self, f"do_{name}", None)
        if act is None:
            self.say(b"-ERR what?\r\n")
        else:
            act(argument)

    def say(self, octets: bytes) -> None:
        """Send."""
        self.sock.sendall(octets)

    def say_text(self, first: bytes, octets: bytes) -> None:
        """Send an answer with a text, dots stuffed."""
        text = octets if octets.endswith(b"\r\n") or not octets else octets + b"\r\n"
        stuffed = (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:]
        self.say(first + b"\r\n" + stuffed + b".\r\n")

    def read_line(self) -> bytes:
        """Wait for a command."""
        while b"\n" not in self._buffer:
            more = self.sock.recv(65536)
            if not more:
                raise GoneError
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def hang(self) -> None:
        """Say nothing any more until the other side has gone or the server ends."""
        self.sock.settimeout(0.1)
        while not self.server.is_ending:
            with suppress(TimeoutError):
                if not self.sock.recv(65536):
                    break
        raise GoneError

    def lose(self) -> None:
        """Cut the line."""
        raise GoneError

    def drip(self, octets: bytes, pause: float = 0.05) -> None:
        """Send octet by octet."""
        for octet in octets:
            self.say(bytes([octet]))
            time.sleep(pause)
            if self.server.is_ending:
                raise GoneError

    def begin_tls(self) -> None:
        """Go on under TLS."""
        context = self.server.certificates.context(self.certificate)
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self._buffer = b""

    def at(self, argument: bytes) -> PopMail | None:
        """Return the mail of a number, if it is there and not marked."""
        number = int(argument.split(b" ")[0])
        if number in self.marked or not 0 < number <= len(self.mails):
            self.say(b"-ERR no such mail\r\n")
            return None
        return self.mails[number - 1]

    def numbered(self) -> list[tuple[int, PopMail]]:
        """Return what a listing has."""
        return [(n, mail) for n, mail in enumerate(self.mails, 1) if n not in self.marked]

    # The commands.

    def greet(self) -> None:
        """Say the first word."""
        self.say(self.greeting)

    def do_capa(self, _: bytes) -> None:
        """CAPA."""
        self.say_text(b"+OK", b"".join(f"{word}\r\n".encode() for word in self.capabilities))

    def do_stls(self, _: bytes) -> None:
        """STLS."""
        self.say(b"+OK begin\r\n")
        self.begin_tls()

    def do_user(self, _: bytes) -> None:
        """USER."""
        self.say(b"+OK\r\n")

    def do_pass(self, argument: bytes) -> None:
        """PASS."""
        right = argument == SECRET.encode()
        self.say(b"+OK\r\n" if right else b"-ERR [AUTH] no\r\n")

    def do_list(self, _: bytes) -> None:
        """LIST."""
        lines = [f"{n} {len(mail.octets)}\r\n".encode() for n, mail in self.numbered()]
        self.say_text(b"+OK", b"".join(lines))

    def do_uidl(self, _: bytes) -> None:
        """UIDL."""
        lines = [f"{n} {mail.uidl}\r\n".encode() for n, mail in self.numbered()]
        self.say_text(b"+OK", b"".join(lines))

    def do_retr(self, argument: bytes) -> None:
        """RETR."""
        mail = self.at(argument)
        if mail is not None:
            self.say_text(b"+OK", mail.octets)

    def do_top(self, argument: bytes) -> None:
        """TOP."""
        mail = self.at(argument)
        if mail is not None:
            self.say_text(b"+OK", mail.octets.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

    def do_dele(self, argument: bytes) -> None:
        """DELE."""
        if self.at(argument) is not None:
            self.marked.add(int(argument))
            self.say(b"+OK\r\n")

    def do_rset(self, _: bytes) -> None:
        """RSET."""
        self.marked.clear()
        self.say(b"+OK\r\n")

    def do_noop(self, _: bytes) -> None:
        """NOOP."""
        self.say(b"+OK\r\n")

    def do_quit(self, _: bytes) -> None:
        """QUIT: what is marked goes."""
        self.server.remove([self.mails[number - 1] for number in sorted(self.marked)])
        self.say(b"+OK bye\r\n")
        raise GoneError


class PopServer:
    """The server, on a port of its own.  Use it as a context, or `start` and `stop`."""

    def __init__(self, peer: type[Peer] = Peer, mails: Sequence[bytes] = ()) -> None:
        """Hold these mails, and serve each session by such a peer."""
        self.peer = peer
        self.mails = [PopMail(octets, f"uid-{n}") for n, octets in enumerate(mails, 1)]
        self.deleted: list[PopMail] = []
        """What a QUIT has deleted."""
        self.commands: list[str] = []
        """The commands of all sessions, in lower case."""
        self.sessions = 0
        self.is_ending = False
        self.certificates = Certificates()
        self.address = "127.0.0.1"
        self._listening = socket.create_server((self.address, 0))
        self.port: int = self._listening.getsockname()[1]
        self._socks: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._take)]

    def endpoint(self) -> Endpoint:
        """Return where it is, with the certificate to trust."""
        return Endpoint(
            host="localhost",
            port=self.port,
            tls=self.peer.tls,
            ca_file=self.ca_file(),
        )

    def ca_file(self) -> str:
        """Return the file of the certificate that a client is to trust; empty without TLS."""
        if self.peer.tls is TlsMode.NONE:
            return ""
        return str(self.certificates.trusted(self.peer.certificate))

    def remove(self, mails: Sequence[PopMail]) -> None:
        """Delete mails."""
        self.deleted += mails
        gone = set(map(id, mails))
        self.mails = [mail for mail in self.mails if id(mail) not in gone]

    def _take(self) -> None:
        while not self.is_ending:
            with suppress(OSError):
                sock, _ = self._listening.accept()
                self.sessions += 1
                sock.settimeout(30)
                self._socks.append(sock)
                self._threads.append(threading.Thread(target=self._serve, args=[sock]))
                self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        peer = self.peer(self, sock)
        with suppress(OSError, GoneError, ValueError):
            peer.run()
        for each in {peer.sock, sock}:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def start(self) -> Self:
        """Take sessions."""
        self._threads[0].start()
        return self

    def stop(self) -> None:
        """End all sessions."""
        self.is_ending = True
        with suppress(OSError), closing(self._listening):
            self._listening.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            for sock in self._socks:
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
            thread.join(10)
        self.certificates.remove()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *of_what: object) -> None:
        """Stop."""
        self.stop()
