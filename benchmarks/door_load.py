"""Mails a second through the doors: N sessions at a time, one connection a mail or kept open.

python benchmarks/door_load.py                         our door, with an inside that keeps nothing
python benchmarks/door_load.py --library               aiosmtpd as released, in the same way
python benchmarks/door_load.py --port 2525 --to x@y    any server
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--mails", type=int, default=5000)
    parser.add_argument("--per-session", type=int, default=1)
    parser.add_argument("--size", type=int, default=8000)
    parser.add_argument("--to", default="info@acme.example")
    parser.add_argument("--port", type=int)
    parser.add_argument("--library", action="store_true")
    options = parser.parse_args()
    pipe, theirs = multiprocessing.Pipe()
    port = options.port
    if port is None:
        multiprocessing.get_context("fork").Process(
            target=_serve, args=(theirs, options.library), daemon=True
        ).start()
        port = pipe.recv()
    seconds = uvloop.run(_load(options, port))
    line = f"{options.mails / seconds:.0f} mails/s, {options.sessions} sessions, {options.size} octets a mail"
    if options.port is None:
        pipe.send("end")
        cpu, rss = pipe.recv()
        line += f", server: {cpu / options.mails * 1e6:.0f} µs CPU a mail, {rss // 1024} MiB"
    print(line)


if __name__ == "__main__":
    main()
