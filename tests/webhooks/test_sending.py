"""The sender on real sockets: receivers have their turns, and an admin's word ends a round that is under way (G)."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from maild.core.app import OPERATOR, App
from maild.core.webhooks import add_webhook, remove_webhook
from maild.daemon import webhooks as daemon
from maild.daemon.webhooks import Webhooks
from maild.threads import do
from tests.core.conftest import Frozen
from tests.webhooks.crm import Crm

LOOPBACK = (ip_network("127.0.0.0/8"),)
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture
def reaching(app: App) -> App:
    """The company, whose webhooks may point to this machine."""
    return replace(app, hook_networks=LOOPBACK)


@asynccontextmanager
async def listening(rest: Callable[[str], float]) -> AsyncIterator[tuple[int, Counter[str]]]:
    """Take everything on the loopback, by path after a rest; count what came to each."""
    came: Counter[str] = Counter()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                path = head.split()[1].decode()
                await asyncio.sleep(rest(path))
                came[path] += 1
                writer.write(OK)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], came
    finally:
        server.close()


async def ticking(
    sender: Webhooks, clock: Frozen, is_enough: Callable[[], bool], seconds: float
) -> bool:
    """Tick until it is enough; return whether it was in time."""
    until = time.monotonic() + seconds
    while not is_enough():
        if time.monotonic() > until:
            return False
        clock.advance(timedelta(seconds=0.1))
        await sender.tick()
        await asyncio.sleep(0.1)
    return True


def run(sender: Webhooks, act: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        try:
            await act()
        finally:
            await sender.stop()

    asyncio.run(whole())


def test_G_receivers_with_a_long_backlog_leave_their_places_to_others(
    reaching: App, crm: Crm, clock: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "RECEIVERS", 2)
    monkeypatch.setattr(daemon, "ROUND_S", 0.5)
    sender = Webhooks(reaching)
    mails = crm.mails(20)

    async def act() -> None:
        async with listening(lambda path: 0.0 if path == "/fast" else 0.2) as (port, came):
            for path in ("slow", "slower", "fast"):
                url = f"http://127.0.0.1:{port}/{path}"
                await do(add_webhook, reaching, url, events=["mail.noted"], by=OPERATOR)
            await do(crm.happen, mails, 40)
            assert await ticking(sender, clock, lambda: came["/fast"] > 0, 60)
            assert came["/slow"] < 800

    run(sender, act)


def test_G_a_webhook_that_is_removed_hears_no_more_of_the_round_under_way(
    reaching: App, crm: Crm, clock: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "WATCH_S", 0.1)
    sender = Webhooks(reaching)
    mails = crm.mails(10)

    async def act() -> None:
        async with listening(lambda _: 0.2) as (port, came):
            url = f"http://127.0.0.1:{port}/"
            made = await do(add_webhook, reaching, url, events=["mail.noted"], by=OPERATOR)
            await do(crm.happen, mails, 20)
            assert await ticking(sender, clock, lambda: came["/"] > 0, 60)
            await do(remove_webhook, reaching, made.webhook.id, by=OPERATOR)
            await asyncio.sleep(5)
            heard = came["/"]
            assert heard < 150
            await asyncio.sleep(1)
            assert came["/"] == heard

    run(sender, act)


def test_G_a_dead_address_of_two_costs_a_try_and_no_rest(
    reaching: App, crm: Crm, clock: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two(*_: object, **__: object) -> list[str]:
        return ["127.0.0.9", "127.0.0.1"]

    monkeypatch.setattr("maild.plugs.receiver.resolve", two)
    sender = Webhooks(reaching)
    mails = crm.mails(10)

    async def act() -> None:
        async with listening(lambda _: 0.0) as (port, came):
            url = f"http://two.example:{port}/"
            await do(add_webhook, reaching, url, events=["mail.noted"], by=OPERATOR)
            await do(crm.happen, mails, 5)
            start = clock()
            assert await ticking(sender, clock, lambda: came["/"] >= 50, 60)
            assert clock() - start < timedelta(seconds=60)
            assert came["/"] == 50

    run(sender, act)


def test_G_silent_name_servers_take_no_thread_from_the_database(
    reaching: App, crm: Crm, clock: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()
    asked = Counter[str]()

    def silent(host: str, *_: object, **__: object) -> list[str]:
        asked[host] += 1
        answered.wait(60)
        raise socket.gaierror

    monkeypatch.setattr("maild.plugs.receiver.resolve", silent)
    sender = Webhooks(reaching)
    mails = crm.mails(1)

    async def act() -> None:
        for number in range(20):
            url = f"https://silent{number}.example/"
            await do(add_webhook, reaching, url, events=["mail.noted"], by=OPERATOR)
        await do(crm.happen, mails)
        try:
            assert await ticking(sender, clock, lambda: len(asked) == 20, 60)
            begun = time.monotonic()
            await do(nothing)
            assert time.monotonic() - begun < 3
        finally:
            answered.set()

    run(sender, act)


def nothing() -> Any:
    """Take a thread, and no time."""
