"""Verifying mails whose From is a user's: who asks DNS, for which mails, and until when (I3).

No transaction is open while DNS is asked, and nothing waits for it before the peer is answered: only deciding does.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from maild.auth.finding import Verdict
from maild.settings import AuthSettings

if TYPE_CHECKING:
    from maild.auth.dns import Dns

AT_A_TIME = 16
"""Mails that are verified beside each other: most of the time DNS is waited for."""
LATER_FROM, LATER_TO = timedelta(minutes=5), timedelta(hours=2)
GIVE_UP = timedelta(hours=24)
"""How long after its receipt a mail is verified again that could not be verified."""

Wanted = tuple[bytes | Path, str, datetime]
"""A mail, its author, and when it was received."""


class Prover:
    """What verifies mails for one process."""

    def __init__(self, settings: AuthSettings) -> None:
        """Keep what `[auth]` says; resolvers are asked at the port of the first."""
        self._settings = settings

    @cached_property
    def _dns(self) -> Dns:
        # Imported by whoever verifies: the pipe and most commands never do, and it takes as long as all the rest.
        from maild.auth.dns import Dns  # noqa: PLC0415

        servers = self._settings.dns
        return Dns(
            [server.host for server in servers],
            port=servers[0].port if servers else 53,
            deadline=self._settings.dns_timeout,
        )

    def verify_all(self, wanted: Mapping[int, Wanted]) -> dict[int, Verdict]:
        """Verify mails beside each other.  Raises OSError when a body cannot be read."""
        if not wanted:
            return {}
        self._dns  # noqa: B018 - made once, before there are threads
        with ThreadPoolExecutor(min(AT_A_TIME, len(wanted)), "verify") as threads:
            return dict(zip(wanted, threads.map(self._verify, wanted.values()), strict=True))

    def _verify(self, one: Wanted) -> Verdict:
        from maild.auth.verdict import verify  # noqa: PLC0415 - as above

        raw, author, received_at = one
        return verify(
            raw,
            author,
            self._dns,
            now=received_at,
            trusted_sealers=self._settings.trusted_arc_sealers,
        )


def look_again_at(verdict: Verdict | None, received_at: datetime, now: datetime) -> datetime | None:
    """Return when a mail is to be verified again: after half its age, for a day."""
    age = now - received_at
    if verdict is None or not verdict.is_temporary or age >= GIVE_UP:
        return None
    return now + min(max(age / 2, LATER_FROM), LATER_TO)
