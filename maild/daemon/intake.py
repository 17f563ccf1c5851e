"""The inside as the doors see it: core's synchronous calls, on threads, with back-pressure."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from maild.core.accept import glance, publish, recipient
from maild.core.app import App
from maild.core.door_faults import internal_error
from maild.core.raw import Raw, Spool
from maild.core.room import Room
from maild.core.share import Incoming
from maild.core.signing_in import check_submission
from maild.daemon.acceptor import Acceptor
from maild.model.envelope import Envelope
from maild.model.reason import Answer, Reason, RefusedError
from maild.store.engine import READERS, StoreDownError

PATIENCE_S = 8
"""How long a peer waits for the store: then it hears 451, whatever has become of its mail."""
SIGN_INS = 2
"""Passwords that are checked at a time: each takes a core and tens of megabytes."""
SIGN_INS_WAITING_MAX = 50
SIGN_IN_PATIENCE_S = 30
"""How long a peer waits for that: longer than for the store, for on a busy machine a check is hundreds of milliseconds."""

_log = logging.getLogger("maild.accept")


class DaemonIntake:
    """Implements `maild.core.intake.Intake`."""

    def __init__(self, app: App, acceptor: Acceptor, reserve: int) -> None:
        """`reserve` is how many octets stay free on the disk of the bodies."""
        self._app = app
        self._acceptor = acceptor
        self._room = Room(app, reserve)
        self._lookups = ThreadPoolExecutor(READERS, thread_name_prefix="recipient")
        self._sign_ins = ThreadPoolExecutor(SIGN_INS, thread_name_prefix="sign-in")
        self._signing_in = 0

    def room(self, size: int) -> Answer | None:
        """Return DISK_FULL when the reserve and half as much again as the mail would not stay free."""
        return self._room.refusal(size)

    def spool(self) -> Spool:
        """Return a place for a mail's bytes."""
        return Spool(self._app.store.bodies.tmp, self._app.store.inline_max)

    async def recipient(self, address: str, size: int | None) -> tuple[Answer, int | None]:
        """Ask the directory: an embedded one at once, another one on a thread, because a network may hang."""
        try:
            return glance(self._app, address, size)
        except StoreDownError:
            return await self._ask(address, size)

    async def _ask(self, address: str, size: int | None) -> tuple[Answer, int | None]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await loop.run_in_executor(
                    self._lookups, recipient, self._app, address, size
                )
        except TimeoutError:
            _log.error("store_slow seconds=%d", PATIENCE_S)
            return Answer(Reason.STORE_DOWN), None
        except StoreDownError as error:
            _log.error("store_down error=%s", error)
            return Answer(Reason.STORE_DOWN), None

    async def sign_in(self, name: str, secret: str, peer: str) -> int | Answer:
        """Check a password on the few threads that are for it: a check costs tens of milliseconds of one core.

        Where too many wait already, or the answer does not come in time, it is temporary; the check goes on and counts.
        """
        if self._signing_in >= SIGN_INS_WAITING_MAX:
            return Answer(Reason.BUSY)
        loop = asyncio.get_running_loop()
        self._signing_in += 1
        check = loop.run_in_executor(self._sign_ins, self._check, name, secret, peer)
        check.add_done_callback(self._checked)
        try:
            async with asyncio.timeout(SIGN_IN_PATIENCE_S):
                return await asyncio.shield(check)
        except TimeoutError:
            _log.error("sign_in_slow seconds=%d", SIGN_IN_PATIENCE_S)
            return Answer(Reason.STORE_DOWN)

    def _check(self, name: str, secret: str, peer: str) -> int | Answer:
        try:
            return check_submission(self._app, name, secret, peer=peer).user_id
        except RefusedError as refused:
            return Answer(refused.reason, refused.facts)
        except StoreDownError as error:
            _log.error("store_down error=%s", error)
            return Answer(Reason.STORE_DOWN)
        except Exception as error:  # noqa: BLE001 - whatever was not foreseen is temporary
            return internal_error("sign_in_failed", error)

    def _checked(self, check: asyncio.Future[int | Answer]) -> None:
        self._signing_in -= 1

    async def accept(self, envelope: Envelope, raw: Raw) -> list[Answer]:
        """Hand the mail to the next commit and wait for it, but not for ever.

        The commit goes on without us; when the peer comes back with its mail, it meets the retry rule (D6).
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._accept(envelope, raw)
        except TimeoutError:
            _log.error("store_slow seconds=%d", PATIENCE_S)
            return [Answer(Reason.STORE_DOWN)] * len(envelope.recipients)

    async def _accept(self, envelope: Envelope, raw: Raw) -> list[Answer]:
        mail = Incoming(envelope, raw)
        if raw.spooled is not None:
            # Flushing shares one flush of the disk's journal with whoever flushes at the same time.
            try:
                mail = await asyncio.get_running_loop().run_in_executor(
                    None, publish, self._app, mail
                )
            except StoreDownError as error:
                _log.error("store_down error=%s", error)
                raw.discard()
                return [Answer(Reason.STORE_DOWN)] * len(envelope.recipients)
            except BaseException:
                raw.discard()
                raise
        return await self._acceptor.submit(mail)

    def close(self) -> None:
        """End the threads."""
        self._lookups.shutdown()
        self._sign_ins.shutdown(cancel_futures=True)
