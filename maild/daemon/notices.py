"""Notices in the daemon: looked for twice a minute, beside the outbox (M12)."""

from __future__ import annotations

import logging

from maild.core.app import App
from maild.core.notices import send_notices
from maild.store.engine import StoreDownError
from maild.threads import do

EVERY_S = 30

_log = logging.getLogger("maild.notices")


class Notices:
    """Has people told of mail that they were given."""

    def __init__(self, app: App) -> None:
        """Send nothing yet."""
        self._app = app

    async def tick(self) -> None:
        """Look once.  What fails is told, and tried again at the next look."""
        try:
            count = await do(send_notices, self._app)
        except StoreDownError as error:
            _log.warning("store_down error=%s", error)
            return
        if count:
            _log.info("notices_queued count=%d", count)
