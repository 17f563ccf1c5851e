"""Pollers in this process, on a database of their own, and sources for them.

It must never wait a fixed time for something to come about: it looks until it is so.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from maild.config import load
from maild.core.app import OPERATOR, App, open_app
from maild.core.source_views import SourceView
from maild.core.sources import (
    NewSource,
    add_source,
    ask_for_round,
    set_source,
    show_source,
    source_row,
)
from maild.daemon.pollers import Pollers
from maild.model.source import SignIn, SourceKind, TlsMode
from maild.settings import Settings

HANG_S = 45.0
"""Against hangs only."""
NO_PENALTY = "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n"
"""Else Dovecot makes wait who was refused."""
_SETTINGS = """\
database = "sqlite:///maild.db"
[store]
reserve = "0B"
[sources]
allow_networks = ["127.0.0.0/8"]
lease = "10s"
connect_timeout = "5s"
command_timeout = "5s"
fetch_timeout = "20s"
"""


@dataclass
class Site:
    """An app, the settings of its pollers, and its sources."""

    app: App
    settings: Settings
    folder: Path

    @classmethod
    def make(cls, database: Path, folder: Path) -> Site:
        shutil.copy(database, folder / "maild.db")
        config = folder / "maild.toml"
        config.write_text(_SETTINGS, encoding="utf-8")
        settings = load(config, {})
        return cls(open_app(settings), settings, folder)

    @property
    def config(self) -> Path:
        return self.folder / "maild.toml"

    def keep_secret(self, secret: str) -> str:
        """Write a secret into the file that sources read."""
        path = self.folder / "password"
        path.touch(0o600)
        path.write_text(f"{secret}\n", encoding="utf-8")
        return str(path)

    def add(self, name: str, kind: str, port: int, user: str, every: str = "1h") -> None:
        """Connect a mailbox, to be collected whole."""
        new = NewSource(
            name=name,
            kind=SourceKind(kind),
            host="127.0.0.1",
            port=port,
            tls=TlsMode.NONE,
            username=user,
            inbox="info@acme.example",
            sign_in=SignIn.FILE,
            options={"ref": str(self.folder / "password")},
            since="all",
            every=every,
        )
        add_source(self.app, new, by=OPERATOR)

    def set(self, name: str, **changes: str) -> None:
        set_source(self.app, name, changes, by=OPERATOR)

    def show(self, name: str) -> SourceView:
        return show_source(self.app, name, by=OPERATOR)

    def ask(self, name: str) -> None:
        ask_for_round(self.app, source_row(self.app, name, by=OPERATOR).id)

    def came(self) -> Counter[str]:
        """The digests of the mails that came in; what was fetched twice is counted twice."""
        query = text("SELECT m.digest FROM arrivals a JOIN messages m ON m.id = a.message_id")
        with self.app.store.read() as tx:
            return Counter(row.digest for row in tx.connection.execute(query))

    @asynccontextmanager
    async def polling(self) -> AsyncIterator[Pollers]:
        """Run the pollers; the table of sources is read five times a second."""
        pollers = Pollers(self.app, self.settings)
        ticking = asyncio.create_task(_tick(pollers))
        try:
            yield pollers
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
            await pollers.stop()

    async def until(self, is_so: Callable[[], bool], what: str = "it never came about") -> None:
        deadline = time.monotonic() + HANG_S
        while not await asyncio.to_thread(is_so):
            assert time.monotonic() < deadline, what
            await asyncio.sleep(0.05)


async def _tick(pollers: Pollers) -> None:
    while True:
        await pollers.tick()
        await asyncio.sleep(0.2)
