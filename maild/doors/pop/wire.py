"""The line to a POP3 server: poplib's session with connecting, TLS, reading, deadlines and bounds replaced.

It must never wait longer than its deadline, keep more than its bounds, let a secret into an error, or go on after a
fault: whatever is raised as RemoteError has closed the line.
"""

from __future__ import annotations

import poplib
import re
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from typing_extensions import override

from maild.core.dots import END, DotStream
from maild.core.remote import Bounds, Endpoint, Patience, RemoteError, Trouble
from maild.doors.pop.answers import Refused, printable, session_trouble
from maild.model.source import TlsMode

_CHUNK = 256 * 1024
_LINE_MAX = 16 * 1024
"""Of a line that is an answer.  Those of lists have the bound of `Bounds`."""
_LONG_WORD = re.compile(rb"[^\s'\"<>()\[\]]{8,}")


class Wire(poplib.POP3):
    """One connection.  Everything but `abort` belongs to one thread."""

    def __init__(
        self, endpoint: Endpoint, address: str, *, patience: Patience, bounds: Bounds
    ) -> None:
        """Connect to `address`, with TLS if it is implicit, and read the greeting.  Raises RemoteError."""
        self._endpoint = endpoint
        self._address = address
        self._patience = patience
        self._line_max = min(bounds.line, _LINE_MAX)
        self._buffer = b""
        self._at = 0
        self._room = bytearray(_CHUNK)
        self._secrets: list[bytes] = []
        self._has_greeted = False
        self._ending = threading.Lock()
        self._aborted = False
        self.is_open = False
        self.asked = 0
        """Answers that are on their way."""
        self._deadline = 0.0
        self.give(patience.connect)
        super().__init__(endpoint.host, endpoint.port, timeout=patience.connect)

    # What poplib calls in place of its own.

    def _create_socket(self, timeout: float) -> socket.socket:
        try:
            self.sock = socket.create_connection((self._address, self._endpoint.port), timeout)
        except OSError as error:
            raise RemoteError(Trouble.NOT_REACHED, _words(error)) from None
        self.is_open = True
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._endpoint.tls is TlsMode.IMPLICIT:
            self.begin_tls()
        self.give(self._patience.connect)
        return self.sock

    def _putline(self, line: bytes) -> None:
        self.send(line + b"\r\n")

    def _getresp(self) -> bytes:
        if self._has_greeted:
            return self.answer()
        self._has_greeted = True
        return self._greeting()

    @override
    def set_debuglevel(self, level: int) -> None:
        """Stay quiet: poplib would print passwords."""

    def _greeting(self) -> bytes:
        try:
            line = self.line(ends_well=False)
        except RemoteError as error:
            # No word at all, or so long a one: whoever answers there has another protocol.
            self.close()
            raise RemoteError(Trouble.NOT_THIS_PROTOCOL, error.said or "no greeting") from None
        if line[:3].upper() == b"+OK":
            return line
        if line[:4].upper() == b"-ERR":
            refused = Refused(line)
            raise self.fail(session_trouble(refused), refused.said)
        raise self.fail(Trouble.NOT_THIS_PROTOCOL, printable(line))

    # Time.

    def give(self, seconds: float) -> None:
        """Begin a step that may take so long."""
        self._deadline = time.monotonic() + seconds

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the step end later by what passes in here: what others do with a mail is not the server's time."""
        begun = time.monotonic()
        yield
        self._deadline += time.monotonic() - begun

    # The end.

    def fail(self, trouble: Trouble, said: str = "") -> RemoteError:
        """Close the line; return what to raise."""
        self.close()
        if self._aborted:
            return RemoteError(Trouble.LINE_LOST, "ended by us")
        return RemoteError(trouble, self._scrubbed(said.encode()).decode("utf-8", "replace"))

    @override
    def close(self) -> None:
        """Drop the line.  Without QUIT the server deletes nothing (RFC 1939 6).  Safe to repeat."""
        with self._ending:
            if not self.is_open:
                return
            self.is_open = False
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
            with suppress(OSError, AttributeError, ValueError):
                self.file.close()
            with suppress(OSError):
                self.sock.close()

    def abort(self) -> None:
        """End everything at once, from any thread; the one that waits gets LINE_LOST."""
        self._aborted = True
        with self._ending, suppress(OSError):
            if self.is_open:
                # Not SSLSocket.shutdown: that takes the TLS away under the other thread's feet, which would then read
                # what is encrypted as text.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    # TLS.

    def begin_tls(self) -> None:
        """Go on under TLS.  What came in clear before is forgotten: anybody could have put it there."""
        host = self._endpoint.host.removeprefix("[").removesuffix("]")
        try:
            context = tls_context(self._endpoint.ca_file)
        except (OSError, ValueError) as error:
            raise self.fail(Trouble.TLS_FAILED, f"the CA file: {_words(error)}") from None
        self._buffer, self._at = b"", 0
        try:
            self.sock.settimeout(self._left())
            self.sock = context.wrap_socket(self.sock, server_hostname=host)
        except TimeoutError:
            raise self.fail(Trouble.TIMED_OUT, "no answer to the TLS handshake") from None
        except (OSError, ValueError) as error:
            raise self.fail(Trouble.TLS_FAILED, _words(error)) from None

    # Sending and reading.

    def hide(self, *secrets: str) -> None:
        """Never show these, nor their base64: servers repeat what they were told."""
        for secret in filter(None, secrets):
            octets = secret.encode()
            self._secrets += [octets, b64encode(octets)]

    def _scrubbed(self, said: bytes) -> bytes:
        """Take out the secrets, and long words that are part of one: a server may repeat what it cut."""
        for secret in self._secrets:
            said = said.replace(secret, b"***")

        def of_a_secret(word: re.Match[bytes]) -> bytes:
            part = word[0].strip(b".,:;")
            return b"***" if any(part in secret for secret in self._secrets) else word[0]

        return _LONG_WORD.sub(of_a_secret, said)

    def send(self, octets: bytes, answers: int = 1) -> None:
        """Send commands that so many answers will come to."""
        if not self.is_open:
            raise self.fail(Trouble.LINE_LOST, "the session is over")
        if not self.asked and self._at < len(self._buffer):
            raise self.fail(Trouble.BROKEN_PROTOCOL, "an answer to no question")
        try:
            self.sock.settimeout(min(self._left(), self._patience.command))
            self.sock.sendall(octets)
        except TimeoutError:
            raise self.fail(Trouble.TIMED_OUT) from None
        except OSError as error:
            raise self.fail(Trouble.LINE_LOST, _words(error)) from None
        self.asked += answers

    def answer(self) -> bytes:
        """Return the next answer that is a yes, or `+` alone.  Raises Refused: the session goes on; or RemoteError."""
        line = self.line()
        self.asked -= 1
        if line[:4].upper() == b"-ERR":
            raise Refused(self._scrubbed(line))
        if line[:1] != b"+":
            raise self.fail(Trouble.BROKEN_PROTOCOL, printable(self._scrubbed(line)))
        return line

    def line(self, *, ends_well: bool = True) -> bytes:
        """Return a line without its end."""
        begin = self._at
        while (end := self._buffer.find(b"\n", begin)) < 0:
            held = len(self._buffer) - self._at
            if held > self._line_max:
                break
            self._fill()
            begin = held
        if end < 0 or end - self._at > self._line_max:
            raise self.fail(Trouble.BROKEN_PROTOCOL, "a line has no end" if ends_well else "")
        line = self._buffer[self._at : end]
        self._at = end + 1
        return line.removesuffix(b"\r")

    def text(self) -> Iterator[tuple[bytes, bool]]:
        """Give the text after an answer, up to its dot, in pieces; and whether all line ends so far were CRLF."""
        dots = DotStream()
        rest = None
        while rest is None:
            if self._at >= len(self._buffer):
                self._fill()
            # Small mails come many in a chunk: each is cut out first.  The line end before it may be half of its end.
            end = self._buffer.find(END, max(0, self._at - 2))
            stop = len(self._buffer) if end < 0 else end + len(END)
            piece = dots.feed(self._buffer[self._at : stop])
            rest = dots.rest
            self._at = stop - len(rest or b"")
            yield piece, not dots.has_odd_bytes

    def _fill(self) -> None:
        """Wait for more octets."""
        try:
            self.sock.settimeout(min(self._patience.idle_data, self._left()))
            count = self.sock.recv_into(self._room)
        except TimeoutError:
            raise self.fail(Trouble.TIMED_OUT) from None
        except (OSError, ValueError) as error:
            raise self.fail(Trouble.LINE_LOST, _words(error)) from None
        if not count:
            raise self.fail(Trouble.LINE_LOST)
        self._buffer = self._buffer[self._at :] + self._room[:count]
        self._at = 0

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return what servers are verified by.  Raises OSError."""
    return _context(ca_file, Path(ca_file).stat().st_mtime_ns if ca_file else 0)


@lru_cache(maxsize=64)
def _context(ca_file: str, _changed: int) -> ssl.SSLContext:
    """Reading the system's certificates takes longer than a whole session."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return printable(error.verify_message.encode())
    if isinstance(error, ssl.SSLError):
        return printable((error.reason or "").replace("_", " ").lower().encode())
    if isinstance(error, TimeoutError):
        return "no answer"
    return printable((getattr(error, "strerror", None) or "").encode())
