"""A peer that hands over mails as they are, odd bytes and all (RFC 2033); for tests and for `make fuzz`."""

from __future__ import annotations

import socket
from pathlib import Path

SECONDS = 60.0
"""How long it waits for any answer."""


class Lmtp:
    """One session on a unix socket; its commands are pipelined (RFC 2920)."""

    def __init__(self, path: Path, recipient: str) -> None:
        """Connect and say LHLO."""
        self._recipient = recipient
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        self._socket.connect(str(path))
        self._stream = self._socket.makefile("rb")
        self._expect(b"220")
        self._socket.sendall(b"LHLO odd.test\r\n")
        self._expect(b"250")

    def send(self, mail: bytes, recipient: str = "") -> None:
        """Hand over one mail that ends with a line end.  Raises ConnectionError when it is not taken."""
        to = (recipient or self._recipient).encode()
        self._socket.sendall(b"MAIL FROM:<anna@rossi.example>\r\nRCPT TO:<%b>\r\nDATA\r\n" % to)
        self._expect(b"250")
        self._expect(b"250")
        self._expect(b"354")
        self._socket.sendall(_stuffed(mail) + b".\r\n")
        self._expect(b"250")

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self._socket.close()

    def _expect(self, code: bytes) -> None:
        line = self._stream.readline()
        while line[3:4] == b"-":
            line = self._stream.readline()
        if not line.startswith(code):
            raise ConnectionError(line)


def whole(mail: bytes) -> bytes:
    """Return the mail with a line end at its end, without which no protocol of lines can carry it."""
    return mail if mail.endswith(b"\r\n") else mail + b"\r\n"


def _stuffed(mail: bytes) -> bytes:
    """Double the dots (RFC 5321 4.5.2)."""
    return (b"." if mail.startswith(b".") else b"") + mail.replace(b"\r\n.", b"\r\n..")
