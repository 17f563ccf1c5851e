"""Group commit: whatever waits when the last commit ended shares the next one.

One thread, no timer: a lonely mail pays no delay, fifty sessions share a flush.  A full queue is an answer (BUSY),
never memory.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from maild import failpoint
from maild.core.accept import Incoming, accept
from maild.core.app import App
from maild.model.reason import Answer, Reason
from maild.store.engine import CollisionError, StoreDownError

BATCH_MAILS = 200
BATCH_OCTETS = 16 * 1024 * 1024
"""Bounds of one commit: what a peer waits for must stay short."""
WAITING_MAX = 2000
"""How many mails may wait for a commit; the next one is answered BUSY."""

_log = logging.getLogger("maild.accept")

Tell = Callable[[list[Answer]], None]
"""Takes the answers for one mail, one for each recipient; called on the acceptor's thread, and must not raise."""
_Waiting = tuple[Incoming, Tell]


class Acceptor:
    """Takes mails from every door of this process and commits them in batches."""

    def __init__(self, app: App, accepted: Callable[[], None]) -> None:
        """`accepted` is called after each commit, on the acceptor's thread: there is work for the deciders."""
        self._app = app
        self._accepted = accepted
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="acceptor", daemon=True)

    def start(self) -> None:
        """Begin to take mails."""
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, then end.  Nothing may be submitted any more."""
        self._queue.put(None)
        self._thread.join()

    def submit(self, mail: Incoming, tell: Tell) -> None:
        """Have a mail stored, and its answers told; whoever asked may be gone by then."""
        if self._queue.qsize() >= WAITING_MAX:
            mail.raw.discard()
            tell(_same(mail, Answer(Reason.BUSY)))
        else:
            self._queue.put((mail, tell))

    def _run(self) -> None:
        while not self._is_ending and (batch := self._take()):
            self._commit(batch)

    def _take(self) -> list[_Waiting]:
        """Return all that waits, up to the bounds; empty at the end."""
        first = self._queue.get()
        if first is None:
            return []
        batch = [first]
        octets = _kept_inline(first[0])
        while len(batch) < BATCH_MAILS and octets < BATCH_OCTETS:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._is_ending = True
                break
            batch.append(following)
            octets += _kept_inline(following[0])
        return batch

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            failpoint.reached("acceptor.batch_taken")
            answers = accept(self._app, [mail for mail, _ in batch])
        except CollisionError:
            self._one_by_one(batch)
        except StoreDownError as error:
            _log.error("store_down mails=%d error=%s", len(batch), error)
            self._refuse(batch, Answer(Reason.STORE_DOWN))
        except Exception as error:  # noqa: BLE001 - one of two broad catches: a fault of ours is a temporary answer
            if len(batch) > 1:
                self._one_by_one(batch)
                return
            self._refuse(batch, _fault(self._app, error))
        else:
            self._accepted()
            for (_, tell), answer in zip(batch, answers, strict=True):
                tell(answer)

    def _one_by_one(self, batch: list[_Waiting]) -> None:
        """Commit each alone, so that it fails alone; one that is alone already is the peer's to repeat."""
        if len(batch) == 1:
            self._refuse(batch, Answer(Reason.BUSY))
            return
        for waiting in batch:
            self._commit([waiting])

    def _refuse(self, batch: list[_Waiting], answer: Answer) -> None:
        for mail, tell in batch:
            mail.raw.discard()
            tell(_same(mail, answer))


def _kept_inline(mail: Incoming) -> int:
    return len(mail.raw.inline or b"")


def _same(mail: Incoming, answer: Answer) -> list[Answer]:
    return [answer] * len(mail.envelope.recipients)


def _fault(app: App, error: Exception) -> Answer:
    """Turn what nobody foresaw into a temporary answer; the peer hears a reference, the log the fault."""
    if isinstance(error, OSError) and error.errno in {28, 122}:  # ENOSPC, EDQUOT
        _log.error("disk_full error=%s", error.strerror)
        return Answer(Reason.DISK_FULL)
    ref = app.ids()
    _log.error("accept_failed ref=%s", ref, exc_info=error)
    return Answer(Reason.INTERNAL_ERROR, {"ref": ref})
