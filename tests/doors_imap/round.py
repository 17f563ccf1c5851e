"""What a round of collecting does with a client, step by step, and how far it came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from maild.core.raw import Raw, Spool
from maild.core.remote import Bearer, Bounds, Endpoint, Password, Patience, RemoteError
from maild.doors.imap.client import Deleted, Head, ImapClient
from maild.testing.scripted_imap import NAME, SECRET, TOKEN, ScriptedImap

SHORT = Patience(connect=0.6, sign_in=0.6, command=0.6, idle_data=0.6, whole_fetch=1.2)
BOUNDS = Bounds(piece=131_072, listing=20_000, line=600_000)


@dataclass
class Round:
    """A round's progress."""

    folder: Path
    step: str = "connect"
    error: RemoteError | None = None
    client: ImapClient | None = None
    uids: list[int] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    bodies: dict[int, Raw | None] = field(default_factory=dict)
    moved: dict[int, int] = field(default_factory=dict)
    deleted: Deleted | None = None
    is_new: bool | None = None

    def contents(self) -> dict[int, bytes]:
        """Return the mails that came."""
        return {uid: content_of(raw) for uid, raw in self.bodies.items() if raw is not None}


def content_of(raw: Raw) -> bytes:
    if raw.inline is not None:
        return raw.inline
    assert raw.spooled is not None
    return raw.spooled.read_bytes()


def run_round(server: ScriptedImap, folder: Path, patience: Patience = SHORT) -> Round:
    """Do everything, until something goes wrong."""
    done = Round(folder)

    async def run() -> None:
        try:
            await _steps(done, server, patience)
        except RemoteError as error:
            done.error = error
        finally:
            if done.client is not None:
                done.client.close()

    asyncio.run(run())
    return done


async def _steps(done: Round, server: ScriptedImap, patience: Patience) -> None:
    client = done.client = await ImapClient.connect(
        server.endpoint(), server.address, patience=patience, bounds=BOUNDS
    )
    done.step = "sign_in"
    is_token = server.script.signs_in_with == "token"
    await client.sign_in(Bearer(NAME, TOKEN) if is_token else Password(NAME, SECRET))
    done.step = "select"
    await client.select("INBOX")
    done.step = "uids"
    done.uids = await client.uids()
    done.step = "heads"
    done.heads = [head async for head in client.heads(done.uids)]
    done.step = "bodies"
    wanted = [(head.uid, head.size) for head in done.heads]
    async for uid, raw in client.bodies(wanted, lambda: Spool(done.folder, 65_536)):
        done.bodies[uid] = raw
    done.step = "move"
    done.moved = await client.move([7], "Done")
    done.step = "delete"
    done.deleted = await client.delete([4, 5])
    done.step = "idle"
    done.is_new = await client.idle(0.3)
    done.step = "logout"
    await client.logout()


def with_client(
    endpoint: Endpoint,
    proof: Password | Bearer | None,
    act: Callable[[ImapClient], Awaitable[None]],
    *,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    bounds: Bounds = Bounds(),  # noqa: B008 - frozen
) -> None:
    """Connect to loopback, sign in, act, leave."""

    async def run() -> None:
        client = await ImapClient.connect(endpoint, "127.0.0.1", patience=patience, bounds=bounds)
        try:
            if proof is not None:
                await client.sign_in(proof)
            await act(client)
        finally:
            client.close()

    asyncio.run(run())
