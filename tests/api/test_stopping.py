"""The end of the web role: nothing that waits for a database keeps the loop from closing the other doors."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from maild.core.app import open_app, upgrade_schema
from maild.daemon.web import Web
from maild.model.written import FileBodies, HostPort
from maild.settings import Settings, StoreSettings, WebSettings
from maild.testing.installation import free_port
from maild.testing.intake import FakeIntake


def test_a_look_up_that_hangs_does_not_hold_the_loop_at_the_end(tmp_path: Path) -> None:
    settings = Settings(
        database=f"sqlite:///{tmp_path}/maild.db",
        store=StoreSettings(bodies=FileBodies(tmp_path / "bodies")),
        web=WebSettings(bind=HostPort("127.0.0.1", free_port())),
    )
    upgrade_schema(settings)
    app = open_app(settings)
    answers, over = threading.Event(), threading.Event()

    def hang() -> None:
        answers.wait(20)
        over.set()

    spool = tmp_path / "spool"
    spool.mkdir()

    async def run() -> Web:
        web = Web(settings, app)
        await web.start(FakeIntake(spool))
        assert web._intake is not None
        web._intake._lookups.submit(hang)
        await asyncio.wait_for(web.stop(1), 20)
        return web

    try:
        web = asyncio.run(run())
        assert not over.is_set(), "it still waits, and nobody for it"
    finally:
        answers.set()
    web.close()
    app.store.close()
