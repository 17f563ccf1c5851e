"""One source's task: a round, a pause, a round, for as long as the lease is ours (D9, D10).

It backs off and says when it tries next; it never switches the source off, and never acts without its lease.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from maild.core import collect
from maild.core.app import App
from maild.core.collect import Claim, LeaseLostError
from maild.core.polling import Figures, SourceRow
from maild.core.remote import RemoteError, Trouble
from maild.core.sources import note_round
from maild.daemon.lines import Lines
from maild.daemon.rounds import Rounds
from maild.doors.imap.client import ImapClient
from maild.model.source import SourceKind
from maild.store.engine import StoreDownError
from maild.tasks import end
from maild.threads import do

FULL_EVERY = timedelta(hours=1)
"""How often the whole listing is held against the ledger."""
BACK_OFF_S = 900.0
"""The longest pause after failures; credentials that were refused get an hour, since servers lock accounts."""
REFUSED_BACK_OFF_S = 3600.0
REST_MOST_S = 3600.0
"""The longest pause between sessions that a server gets because it asks for it."""
REPORT_S = 1.0
NEWS_S = 0.5
"""Pause between hearing of news and looking."""
DEAD_LINE_S = 5.0
"""Pause after a line that ended while it was idle."""
_CHANCE = secrets.SystemRandom()

_log = logging.getLogger("maild.poll")


def holder_name() -> str:
    """Return what this process is called in leases."""
    return f"{socket.gethostname()} {os.getpid()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the tasks of one process share."""

    app: App
    lines: Lines
    rounds: Rounds
    lease: timedelta
    slots: asyncio.Semaphore
    """Rounds at a time."""


@dataclass(slots=True)
class _Wait:
    """When the next round is, and why not now."""

    seconds: float


class Polled:
    """One source."""

    def __init__(self, means: Means, source: SourceRow) -> None:
        """Begin at once."""
        self.source = source
        self._means = means
        self._app = means.app
        self._lease = means.lease
        self._asked = asyncio.Event()
        self._client: ImapClient | None = None
        self._full_at: datetime | None = None
        self._fails = source.fail_count
        self._task = asyncio.get_running_loop().create_task(self._run())

    def ask(self, source: SourceRow) -> None:
        """Do a round now."""
        self.source = source
        self._asked.set()

    async def stop(self) -> None:
        """End in good order: what is in hand is stored, the line closed, the lease given up."""
        await end(self._task)

    async def _run(self) -> None:
        """Poll for as long as the lease is ours; wait for it when it is not."""
        await asyncio.sleep(_CHANCE.uniform(0, 0.5))
        while True:
            try:
                claim = await do(collect.claim, self._app, self.source, holder_name(), self._lease)
            except StoreDownError as error:
                _log.warning("store_down source=%s error=%s", self.source.name, error)
                claim = None
            if claim is None:
                await asyncio.sleep(self._lease.total_seconds() / 3)
                continue
            try:
                await self._while_ours(claim)
            finally:
                self._hang_up()
                with suppress(StoreDownError):
                    await do(collect.give_up, self._app, claim)

    async def _while_ours(self, claim: Claim) -> None:
        polling = asyncio.ensure_future(self._poll_for_ever(claim))
        renewing = asyncio.ensure_future(self._renew(claim))
        try:
            await asyncio.wait([polling, renewing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (polling, renewing):
                task.cancel()
            await asyncio.gather(polling, renewing, return_exceptions=True)
        _log.warning("lease_lost source=%s", self.source.name)

    async def _renew(self, claim: Claim) -> None:
        """Keep the lease; return when it is lost, or when nobody can tell for as long as it lasts."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                if not await do(collect.renew, self._app, claim, self._lease):
                    return
                last = loop.time()
            except StoreDownError:
                if loop.time() - last > self._lease.total_seconds():
                    return

    async def _poll_for_ever(self, claim: Claim) -> None:
        wait = self._first_wait()
        while True:
            await self._pause(wait)
            self._asked.clear()
            wait = await self._round(claim)

    def _first_wait(self) -> _Wait:
        """After a start a source that failed keeps the pause that it has."""
        due = self.source.next_try_at
        if due is None or self._fails == 0:
            return _Wait(0)
        return _Wait(max(0.0, (due - self._app.clock()).total_seconds()))

    async def _pause(self, wait: _Wait) -> None:
        """Wait until it is time, somebody asks, or the server has something new."""
        client = self._client
        if client is not None and client.can_idle and client.is_usable:
            asked = asyncio.ensure_future(self._asked.wait())
            idling = asyncio.ensure_future(client.idle(wait.seconds))
            try:
                await asyncio.wait([asked, idling], return_when=asyncio.FIRST_COMPLETED)
            finally:
                asked.cancel()
                if not idling.done():
                    # A line that was left in the middle of IDLE is not to be used again.
                    idling.cancel()
                    self._hang_up()
                await asyncio.gather(asked, idling, return_exceptions=True)
            is_dead = idling.done() and not idling.cancelled() and idling.exception() is not None
            if is_dead:
                self._hang_up()
            # A server that always has news, or that ends each line, is not to keep us busy.
            await asyncio.sleep(min(wait.seconds, DEAD_LINE_S if is_dead else NEWS_S))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(wait.seconds):
                await self._asked.wait()

    async def _round(self, claim: Claim) -> _Wait:
        """Do a round and write down how it went; return the pause until the next."""
        began = self._app.clock()
        # A clock that was set back does not put it off.
        is_full = self._full_at is None or abs(began - self._full_at) >= FULL_EVERY
        report = _Report(self._app, self.source, began)
        values: dict[str, Any] = {"last_try_at": began}
        try:
            async with self._means.slots:
                report.start()
                report.tell(await self._attempt(claim, report, is_full=is_full))
        except RemoteError as error:
            self._hang_up()
            wait = self._failed(values, error)
        except (StoreDownError, OSError) as error:
            # Ours, not the server's: nothing is said about the source.
            _log.warning("round_failed source=%s error=%s", self.source.name, error)
            self._hang_up()
            wait = _Wait(min(self.source.every_s, 10.0))
        except LeaseLostError:
            raise
        except Exception:  # noqa: BLE001 - any fault of our own: without a pause the server would be asked again and again
            wait = self._at_fault()
        else:
            self._fails = 0
            self._full_at = began if is_full else self._full_at
            wait = _Wait(max(self.source.every_s, min(report.latest.rest_s, REST_MOST_S)))
            values |= {"last_ok_at": began, "last_trouble": None, "last_said": None}
        finally:
            await report.stop()
        await self._write_down(report, values, wait)
        return wait

    async def _write_down(self, report: _Report, values: dict[str, Any], wait: _Wait) -> None:
        now = self._app.clock()
        values |= {
            "fail_count": self._fails,
            "next_try_at": now + timedelta(seconds=wait.seconds),
            "backlog": report.latest.to_take,
            "round": report.shown(ended=now),
        }
        with suppress(StoreDownError):
            await do(note_round, self._app, self.source, values)

    async def _attempt(self, claim: Claim, report: _Report, *, is_full: bool) -> Figures:
        if self.source.kind is SourceKind.POP:
            return await self._means.rounds.poll(claim, report.tell)
        if self._client is None or not self._client.is_usable:
            self._client = await self._means.lines.imap(self.source)
            is_full = True
        return await self._means.rounds.poll_on(self._client, claim, report.tell, is_full=is_full)

    def _failed(self, values: dict[str, Any], error: RemoteError) -> _Wait:
        """Back off, with jitter, and say when the next try is (D9)."""
        self._fails += 1
        values |= {"last_trouble": error.trouble.value, "last_said": error.said or None}
        most = REFUSED_BACK_OFF_S if error.trouble in _ADMINS else BACK_OFF_S
        pause = min(most, self.source.every_s * 2.0 ** min(self._fails - 1, 12))
        pause *= _CHANCE.uniform(0.75, 1.0)  # Never more than the most.
        pause = max(pause, min(error.not_before_s, REST_MOST_S))
        _log.warning(
            "round_failed source=%s trouble=%s said=%s next_in_s=%d",
            self.source.name,
            error.trouble.value,
            error.said,
            pause,
        )
        return _Wait(pause)

    def _at_fault(self) -> _Wait:
        """Back off after a fault of our own; nothing is said about the source."""
        _log.exception("round_failed source=%s", self.source.name)
        self._hang_up()
        self._fails += 1
        return _Wait(min(BACK_OFF_S, self.source.every_s * 2.0 ** min(self._fails - 1, 12)))

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


_ADMINS = frozenset(
    {Trouble.REFUSED_LOGIN, Trouble.SIGN_IN_AGAIN, Trouble.NO_SECRET, Trouble.NOT_ALLOWED}
)
"""What only a person can mend: asking often would only lock the account."""


class _Report:
    """Writes a round's figures down each second while it runs, for who wants to see how far it is."""

    def __init__(self, app: App, source: SourceRow, began: datetime) -> None:
        self._app = app
        self._source = source
        self._began = began
        self.latest = Figures()
        self._task: asyncio.Task[None] | None = None

    def tell(self, figures: Figures) -> None:
        self.latest = figures

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            with suppress(StoreDownError):
                await do(note_round, self._app, self._source, {"round": self.shown()})

    def shown(self, ended: datetime | None = None) -> dict[str, Any]:
        return {
            **self.latest.shown(),
            "began_at": self._began.isoformat(),
            "ended_at": None if ended is None else ended.isoformat(),
        }

    async def stop(self) -> None:
        if self._task is not None:
            await end(self._task)
