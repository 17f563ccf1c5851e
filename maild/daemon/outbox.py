"""Sending what is queued: one task that is woken each second by the schedule, and works as long as there is something.

It stands in the process of the workers.  Several nodes may each have one: an errand is leased to one of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress

from maild import failpoint
from maild.core.app import App
from maild.core.letters import Composed, Sender, compose, returns_to
from maild.core.outbox import (
    LEASE,
    Hand,
    give_back,
    keep_hand,
    note_fate,
    release_errands,
    take_hand,
)
from maild.core.writing_fates import letter_to_send
from maild.model.errand import Fate, Later, Never, Topic
from maild.plugs.relay import Relay, RelayError
from maild.settings import Settings
from maild.store.engine import StoreDownError
from maild.store.outbox import Errand
from maild.tasks import end
from maild.threads import do

GRACE_S = 10.0
"""How long the mail in hand may take at the end."""
REST_AFTER_FAULT_S = 2.0
FIRST_REST_S, LONGEST_REST_S = 5.0, 300.0
"""How long the relay is left alone after it could not be had; doubled each time."""

NOTING_RESTS_S = (0.5, 2.0, 5.0, 10.0)
"""Between tries to write down what came of a mail."""

_log = logging.getLogger("maild.outbox")


def sender_of(settings: Settings, app: App) -> Sender:
    """Return as whom the installation writes.

    Reads the store.  Raises RelayError without a key: such mails could not be known again; StoreDownError.
    """
    if app.key is None:
        raise RelayError(
            "there is no secret_key, by which our own mails are known when they come back"
        )
    return Sender(
        address=settings.relay.from_address or f"maild@{settings.hostname}",
        name=settings.relay.from_name,
        hostname=settings.hostname,
        key=app.key,
        bounces_to=returns_to(app, settings.relay.from_address),
    )


async def probe_relay(settings: Settings, app: App) -> str:
    """Go to the relay as for a mail, and send none; return who mails are from.  Raises RelayError."""
    sender = await do(sender_of, settings, app)
    async with Relay(settings.relay, settings.hostname):
        return sender.address


class OutboxWorker:
    """Sends until it is stopped."""

    def __init__(self, app: App, settings: Settings) -> None:
        """Send nothing yet."""
        self._app = app
        self._settings = settings
        self._awake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._troubles = 0
        """Sessions in a row that could not be had."""

    def start(self) -> None:
        """Begin; without a relay nothing is ever sent.  Raises StoreDownError."""
        if self._app.store.database.is_sqlite:
            # We hold the workers' lock: whoever had leases is dead.
            release_errands(self._app)
        if self._settings.relay.host:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def wake(self) -> None:
        """Say that there may be work.  Cheap; in the loop, whatever the schedule does with plain functions."""
        self._awake.set()

    async def stop(self) -> None:
        """Finish the mail in hand, give back the others, and end."""
        self._stopping.set()
        self._awake.set()
        if self._task is None:
            return
        await asyncio.wait([self._task], timeout=GRACE_S)
        await end(self._task)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            await self._awake.wait()
            self._awake.clear()
            rest = 0.0
            try:
                while not self._stopping.is_set() and await self.work():
                    pass
            except RelayError as error:
                rest = min(FIRST_REST_S * 2 ** min(self._troubles, 10), LONGEST_REST_S)
                self._troubles += 1
                _log.warning("relay_trouble error=%s rest=%d", error, rest)
            except StoreDownError as error:
                _log.warning("store_down error=%s", error)
                rest = REST_AFTER_FAULT_S
            except Exception:  # noqa: BLE001 - the task must not die: a fault is told, the work is tried again
                _log.exception("outbox_fault")
                rest = REST_AFTER_FAULT_S
            with suppress(TimeoutError):
                if rest:
                    async with asyncio.timeout(rest):
                        await self._stopping.wait()

    async def work(self) -> bool:
        """Work through what is due, one session's worth; return whether there was anything.

        Raises RelayError, StoreDownError; whatever is raised, what was not begun is given back.
        """
        hand = await self._hand()
        if not hand.errands:
            return False
        left = deque(hand.errands)
        why: str | None = None
        session = asyncio.ensure_future(self._session(hand, left))
        keeping = asyncio.ensure_future(self._keep(hand))
        try:
            await asyncio.wait([session, keeping], return_when=asyncio.FIRST_COMPLETED)
            if not session.done():
                _log.warning("lease_lost lease=%s", hand.lease)
                return False
            await session
        except RelayError as error:
            why = str(error)
            raise
        finally:
            for task in (session, keeping):
                task.cancel()
            await asyncio.wait([session, keeping])
            await do(give_back, self._app, hand, list(left), why)
        return True

    async def _hand(self) -> Hand:
        """Claim what people wrote, and where there is none of it, what maild writes itself."""
        hand = await do(take_hand, self._app, Topic.LETTER)
        return hand if hand.errands else await do(take_hand, self._app, Topic.MAIL)

    async def _keep(self, hand: Hand) -> None:
        """Renew the lease; return when it cannot be had any more, for then somebody else may be at it."""
        kept_at = self._app.clock()
        while self._app.clock() < kept_at + LEASE:
            await asyncio.sleep(LEASE.total_seconds() / 4)
            with suppress(StoreDownError):
                if not await do(keep_hand, self._app, hand):
                    return
                kept_at = self._app.clock()

    async def _session(self, hand: Hand, left: deque[Errand]) -> None:
        failpoint.reached("outbox.after_claim")
        sender = await do(sender_of, self._settings, self._app)
        async with Relay(self._settings.relay, self._settings.hostname) as relay:
            self._troubles = 0
            while left and not self._stopping.is_set():
                await self._send(relay, sender, hand, left.popleft())

    async def _send(self, relay: Relay, sender: Sender, hand: Hand, errand: Errand) -> None:
        try:
            mail = await self._composed(sender, errand)
        except (KeyError, ValueError) as error:
            await self._note(hand, errand, Never(f"it cannot be written: {error}"))
            return
        except OSError as error:
            await self._note(hand, errand, Later(f"it cannot be read: {error.strerror}"))
            return
        try:
            fate: Fate = await relay.send(mail)
        except RelayError as error:
            # It was begun, so it counts as a try, and another mail is the next one to be begun.
            await self._note(hand, errand, Later(str(error)))
            raise
        except asyncio.CancelledError:
            await self._note(hand, errand, Later("maild was stopped meanwhile"))
            raise
        except Exception as error:
            # It counts as a try of this mail: it waits for its next one, and stands in nobody's way.
            await self._note(hand, errand, Later(f"a fault of maild's ({type(error).__name__})"))
            raise
        failpoint.reached("outbox.after_send")
        await self._note(hand, errand, fate)
        failpoint.reached("outbox.after_done")

    async def _composed(self, sender: Sender, errand: Errand) -> Composed:
        """Return an errand's mail.  Raises ValueError, KeyError for one that there cannot be; OSError, StoreDownError."""
        if errand.topic is Topic.MAIL:
            return compose(errand, sender)
        mail = await do(letter_to_send, self._app, errand)
        if mail is None:
            raise ValueError("it was erased before it was sent")
        return mail

    async def _note(self, hand: Hand, errand: Errand, fate: Fate) -> None:
        """Write what came of it; a database that is away for a moment makes no mail go twice."""
        for rest in (*NOTING_RESTS_S, None):
            try:
                await do(note_fate, self._app, hand, errand, fate)
            except StoreDownError:
                if rest is None:
                    raise
                await asyncio.sleep(rest)
            else:
                return
