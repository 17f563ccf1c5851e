"""Hundreds of sources wait in one process: little memory for each, and no thread."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path

import pytest

from maild.core.remote import Password, Patience
from maild.doors.imap.client import ImapClient
from maild.testing.scripted_imap import NAME, SECRET, ScriptedImap
from tests.doors_imap.round import BOUNDS

MANY = 200
EACH_MAX_KIB = 160
"""Ours takes about 20; the rest is the scripted server's half, which lives in this process, and room for noise."""


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4


async def idling(server: ScriptedImap) -> tuple[ImapClient, asyncio.Task[bool]]:
    client = await ImapClient.connect(
        server.endpoint(), server.address, patience=Patience(), bounds=BOUNDS
    )
    await client.sign_in(Password(NAME, SECRET))
    await client.select("INBOX")
    return client, asyncio.create_task(client.idle(600))


@pytest.mark.slow
def test_an_idling_connection_costs_little_memory_and_no_thread() -> None:
    async def run() -> None:
        first = [await idling(server) for _ in range(5)]
        gc.collect()
        before, threads = resident_kib(), threading.active_count()
        more = [await idling(server) for _ in range(MANY)]
        gc.collect()
        try:
            assert (resident_kib() - before) / MANY < EACH_MAX_KIB
            assert threading.active_count() == threads
            assert not any(task.done() for _, task in more)
        finally:
            for client, _ in first + more:
                client.close()
            await asyncio.gather(*(task for _, task in first + more), return_exceptions=True)

    with ScriptedImap("good") as server:
        asyncio.run(run())
