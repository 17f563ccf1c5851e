"""A client that is no bottleneck: mails rendered beforehand, one protocol object a session, no streams.

Sends by itself in one process; says how long it took, and every time from the dot to its 250.
"""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import uvloop

SENDER = "anna@rossi.example"
_HEADER = """\
From: Anna Rossi <{sender}>\r
To: Info <{recipient}>\r
Subject: Offer {number}\r
Date: Sat, 21 Nov 2026 09:{minute:02d}:{second:02d} +0100\r
Message-ID: <{tag}.{number}@rossi.example>\r
MIME-Version: 1.0\r
"""
_LINE = "Could you send us the offer for the second floor again, with delivery in week 12?\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be sent."""

    port: int
    mails: list[bytes]
    """Dot-stuffed, with the final dot."""
    sessions: int
    recipient: str
    keeps_open: bool = True
    """One connection for all mails of a session, or a connection for each mail."""


@dataclass(slots=True)
class Sent:
    """What was seen."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    """Seconds from the dot to its 250, a mail each."""


def small_mails(count: int, tag: str, recipient: str, size: int = 4096) -> list[bytes]:
    """Return mails of about 4 KB of plain text."""
    return [_mail(_head(n, tag, recipient) + _text(size - 300), b"") for n in range(count)]


def mixed_mails(count: int, tag: str, recipient: str) -> list[bytes]:
    """Return 70 % of 2-10 KB text and HTML, 25 % of 30-100 KB and 5 % of 1-5 MB with an attachment."""
    dice = random.Random(4711)  # the same sizes in every round
    blob = random.Random(1).randbytes(3_700_000)
    mails = []
    for n in range(count):
        share = n % 20
        if share < 14:
            mails.append(_both(n, tag, recipient, dice.randrange(2_000, 10_000)))
        else:
            size = (
                dice.randrange(30_000, 100_000)
                if share < 19
                else dice.randrange(1_000_000, 5_000_000)
            )
            start = dice.randrange(1000)
            mails.append(_attached(n, tag, recipient, blob[start : start + size * 3 // 4]))
    return mails


def _head(number: int, tag: str, recipient: str) -> str:
    minute, second = divmod(number % 3600, 60)
    return _HEADER.format(
        sender=SENDER, recipient=recipient, number=number, tag=tag, minute=minute, second=second
    )


def _text(size: int) -> str:
    return "\r\n" + _LINE * max(1, size // len(_LINE))


def _mail(head: str, rest: bytes) -> bytes:
    return head.encode() + rest + b".\r\n"


def _both(number: int, tag: str, recipient: str, size: int) -> bytes:
    text = _LINE * (size // 3 // len(_LINE) + 1)
    html = "".join(f"<p>{line}</p>\r\n" for line in text.splitlines())
    head = (
        _head(number, tag, recipient) + 'Content-Type: multipart/alternative; boundary="b1"\r\n\r\n'
    )
    return _mail(
        head,
        f"--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}"
        f"--b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>{html}</body></html>\r\n--b1--\r\n".encode(),
    )


def _attached(number: int, tag: str, recipient: str, content: bytes) -> bytes:
    head = _head(number, tag, recipient) + 'Content-Type: multipart/mixed; boundary="b2"\r\n\r\n'
    return _mail(
        head,
        f"--b2\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{_LINE * 10}--b2\r\n"
        'Content-Type: application/pdf; name="plan.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
        'Content-Disposition: attachment; filename="plan.pdf"\r\n\r\n'.encode()
        + base64.encodebytes(content).replace(b"\n", b"\r\n")
        + b"--b2--\r\n",
    )


def send(load: Load) -> Sent:
    """Send everything; raises RuntimeError for any answer but success."""
    return uvloop.run(_send(load))


async def _send(load: Load) -> Sent:
    loop = asyncio.get_running_loop()
    sent = Sent()
    left = iter(load.mails)
    ends = [loop.create_future() for _ in range(load.sessions)]
    begin = time.perf_counter()
    for end in ends:
        await _connect(load, left, sent, end)
    await asyncio.gather(*ends)
    sent.seconds = time.perf_counter() - begin
    return sent


async def _connect(
    load: Load, left: Iterator[bytes], sent: Sent, end: asyncio.Future[None]
) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: _Session(load, left, sent, end), "127.0.0.1", load.port)


class _Session(asyncio.Protocol):
    """Greeting, EHLO, then for each mail MAIL, RCPT, DATA, the mail; every answer is waited for, as smtp-source does."""

    def __init__(
        self, load: Load, left: Iterator[bytes], sent: Sent, end: asyncio.Future[None]
    ) -> None:
        self._load, self._left, self._sent, self._end = load, left, sent, end
        self._buffer = b""
        self._steps = self._talk()
        self._wants = b""
        self._dot_at = 0.0

    def _talk(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield what to send and how the answer must begin."""
        yield b"", b"220"
        yield b"EHLO load.example\r\n", b"250"
        envelope = (
            f"MAIL FROM:<{SENDER}>\r\n".encode(),
            f"RCPT TO:<{self._load.recipient}>\r\n".encode(),
        )
        for mail in self._left:
            yield envelope[0], b"250"
            yield envelope[1], b"250"
            yield b"DATA\r\n", b"354"
            self._dot_at = time.perf_counter()
            yield mail, b"250"
            self._sent.waits.append(time.perf_counter() - self._dot_at)
            if not self._load.keeps_open:
                break
        yield b"QUIT\r\n", b"221"

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._go_on()

    def _go_on(self) -> None:
        text, self._wants = next(self._steps)
        if text:
            self._transport.write(text)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (at := self._buffer.find(b"\r\n")) >= 0:
            line, self._buffer = self._buffer[:at], self._buffer[at + 2 :]
            if line[3:4] == b"-":
                continue
            if not line.startswith(self._wants):
                self._fail(RuntimeError(f"unexpected answer: {line!r}"))
                return
            if self._wants == b"221":
                self._transport.close()
                return
            self._go_on()

    def _fail(self, error: Exception) -> None:
        self._transport.abort()
        if not self._end.done():
            self._end.set_exception(error)

    def connection_lost(self, error: Exception | None) -> None:
        if self._end.done():
            return
        if self._wants != b"221":
            self._end.set_exception(RuntimeError("the server closed the connection"))
        elif self._load.keeps_open or self._left.__length_hint__() == 0:  # type: ignore[attr-defined]  # a list's
            self._end.set_result(None)
        else:
            task = asyncio.ensure_future(_connect(self._load, self._left, self._sent, self._end))
            task.add_done_callback(
                lambda done: done.exception() and self._fail(RuntimeError("connect"))
            )
