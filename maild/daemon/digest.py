"""The daily digest in the daemon: looked for twice a minute, beside the outbox; the store says whose time has come."""

from __future__ import annotations

import logging

from maild.config.zone import zone_of
from maild.core.app import App
from maild.core.digest import send_digests
from maild.settings import DigestSettings
from maild.store.engine import StoreDownError
from maild.threads import do

EVERY_S = 30

_log = logging.getLogger("maild.digest")


class Digests:
    """Has digests queued when their time has come."""

    def __init__(self, app: App, settings: DigestSettings) -> None:
        """Send nothing yet.  Raises ConfigError for a zone that this system does not know."""
        self._app = app
        self._zone = zone_of(settings.timezone)

    async def tick(self) -> None:
        """Look once.  What fails is told, and tried again at the next look."""
        try:
            count = await do(send_digests, self._app, self._zone)
        except StoreDownError as error:
            _log.warning("store_down error=%s", error)
            return
        if count:
            _log.info("digests_queued count=%d", count)
