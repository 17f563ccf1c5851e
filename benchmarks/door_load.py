"""Mails a second through the doors: N sessions at a time, one connection a mail or kept open.

python benchmarks/door_load.py                         our door beside aiosmtpd as released, an inside that keeps nothing
python benchmarks/door_load.py --port 2525 --to x@y    any server that listens already
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop
from aiosmtpd.smtp import SMTP

from maild.doors.smtp.facts import ListenerFacts
from maild.doors.smtp.listener import Listener
from maild.doors.smtp.sockets import listening
from maild.model.clock import system_clock
from maild.model.envelope import Door
from maild.model.written import HostPort
from maild.testing.intake import FakeIntake


class _Handler:
    async def handle_DATA(self, *_: object) -> str:  # noqa: N802
        return "250 2.0.0 ok"


def _serve(pipe: Connection, library: bool) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        if library:
            (sock,) = listening(HostPort("127.0.0.1", 0))
            await loop.create_server(lambda: SMTP(_Handler(), hostname="x", loop=loop), sock=sock)
            pipe.send(sock.getsockname()[1])
        else:
            intake = FakeIntake(Path(tempfile.mkdtemp()), keep_content=False)
            facts = ListenerFacts(
                name="load",
                door=Door.SMTP,
                bind=HostPort("127.0.0.1", 0),
                hostname="x",
                max_per_address=10_000,
                max_rate_per_address=1_000_000,
            )
            listener = Listener(facts, system_clock)
            await listener.start(intake)
            pipe.send(listener.port)
        await loop.run_in_executor(None, pipe.recv)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        pipe.send((usage.ru_utime + usage.ru_stime, usage.ru_maxrss))

    uvloop.run(run())
    os._exit(0)


async def _load(options: argparse.Namespace, port: int) -> float:
    mail = (
        b"Subject: load\r\nFrom: a@b.example\r\n\r\n"
        + (b"x" * 70 + b"\r\n") * (options.size // 72)
        + b".\r\n"
    )
    left = options.mails

    async def session() -> None:
        nonlocal left
        while left > 0:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await reader.readline()

            async def ask(
                text: bytes, lines: int = 1, reader: Any = reader, writer: Any = writer
            ) -> None:
                writer.write(text)
                for _ in range(lines):
                    line = await reader.readline()
                assert line[:1] in b"23", line

            writer.write(b"EHLO load\r\n")
            while (await reader.readline())[3:4] == b"-":
                pass
            for _ in range(options.per_session):
                if left <= 0:
                    break
                left -= 1
                envelope = f"MAIL FROM:<a@b.example>\r\nRCPT TO:<{options.to}>\r\nDATA\r\n"
                await ask(envelope.encode(), 3)
                await ask(mail)
            await ask(b"QUIT\r\n")
            writer.close()

    begin = time.perf_counter()
    await asyncio.gather(*(session() for _ in range(options.sessions)))
    return time.perf_counter() - begin


def measured(options: argparse.Namespace, *, library: bool) -> tuple[float, float, int]:
    """Return mails a second, the server's CPU seconds a mail, and its resident octets, of one fresh server."""
    pipe, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(
        target=_serve, args=(theirs, library), daemon=True
    )
    server.start()
    seconds = uvloop.run(_load(options, pipe.recv()))
    pipe.send("end")
    cpu, rss = pipe.recv()
    server.join()
    return options.mails / seconds, cpu / options.mails, rss


def compared(options: argparse.Namespace) -> None:
    """Run both sides in turn and print medians with min-max, and their ratio."""
    rates: dict[str, list[float]] = {"maild": [], "aiosmtpd": []}
    for _ in range(options.rounds):
        for name, found in rates.items():
            rate, cpu, rss = measured(options, library=name == "aiosmtpd")
            found.append(rate)
            print(
                f"  {name:9} {rate:6.0f} mails/s, {cpu * 1e6:4.0f} µs CPU a mail, {rss // 1024} MiB"
            )
    for name, found in rates.items():
        print(
            f"{name:9} {statistics.median(found):6.0f} mails/s ({min(found):.0f}-{max(found):.0f})"
        )
    ratio = statistics.median(rates["maild"]) / statistics.median(rates["aiosmtpd"])
    print(f"ratio maild / aiosmtpd as released, nothing stored on either side: {ratio:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--mails", type=int, default=3000)
    parser.add_argument("--per-session", type=int, default=1)
    parser.add_argument("--size", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--to", default="info@acme.example")
    parser.add_argument(
        "--port", type=int, help="measure the server that listens there, and nothing else"
    )
    options = parser.parse_args()
    print(
        f"{options.mails} mails of {options.size} octets, {options.sessions} sessions, {options.per_session} a session"
    )
    if options.port is None:
        compared(options)
    else:
        print(f"{options.mails / uvloop.run(_load(options, options.port)):.0f} mails/s")


if __name__ == "__main__":
    main()
