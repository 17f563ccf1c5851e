"""Accepting what waits, with every failure turned into an answer: what a commit is for the doors.

Whatever waits when one commit has ended shares the next one: a lonely mail pays no delay, fifty sessions share a flush.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from maild import failpoint
from maild.core.accept import accept
from maild.core.app import App
from maild.core.share import Incoming
from maild.model.reason import Answer, Reason
from maild.store.engine import CollisionError, StoreDownError

BATCH_MAILS = 200
BATCH_OCTETS = 16 * 1024 * 1024
"""Bounds of one commit: what a peer waits for must stay short."""

_log = logging.getLogger("maild.accept")


def accept_all(app: App, batch: Sequence[Incoming]) -> list[list[Answer]]:
    """Store mails as `accept` does; return for each an answer for each of its recipients, in order.

    Commits the batch in one transaction, or each mail in its own where they fail together.  Raises nothing: a fault of
    ours is a temporary answer.  The spool files are gone when it returns.
    """
    try:
        failpoint.reached("acceptor.batch_taken")
        return accept(app, batch)
    except CollisionError:
        if len(batch) == 1:
            return _refused(batch, Answer(Reason.BUSY))  # The peer's to repeat.
    except StoreDownError as error:
        _log.error("store_down mails=%d error=%s", len(batch), error)
        return _refused(batch, Answer(Reason.STORE_DOWN))
    except Exception as error:  # noqa: BLE001 - one of two broad catches: a fault of ours is a temporary answer
        if len(batch) == 1:
            return _refused(batch, _fault(app, error))
    # Each alone, so that it fails alone.
    return [answers for mail in batch for answers in accept_all(app, [mail])]


def batches(waiting: Sequence[Incoming]) -> list[Sequence[Incoming]]:
    """Divide what waits into commits, in order."""
    found = []
    start = octets = 0
    for end, mail in enumerate(waiting, 1):
        octets += len(mail.raw.inline or b"")
        if end - start >= BATCH_MAILS or octets >= BATCH_OCTETS:
            found.append(waiting[start:end])
            start, octets = end, 0
    return [*found, waiting[start:]] if start < len(waiting) else found


def _refused(batch: Sequence[Incoming], answer: Answer) -> list[list[Answer]]:
    for mail in batch:
        mail.raw.discard()
    return [same(mail, answer) for mail in batch]


def same(mail: Incoming, answer: Answer) -> list[Answer]:
    """Return one answer for every recipient of a mail."""
    return [answer] * len(mail.envelope.recipients)


def _fault(app: App, error: Exception) -> Answer:
    """Turn what nobody foresaw into a temporary answer; the peer hears a reference, the log the fault."""
    if isinstance(error, OSError) and error.errno in {28, 122}:  # ENOSPC, EDQUOT
        _log.error("disk_full error=%s", error.strerror)
        return Answer(Reason.DISK_FULL)
    ref = app.ids()
    _log.error("accept_failed ref=%s", ref, exc_info=error)
    return Answer(Reason.INTERNAL_ERROR, {"ref": ref})
