"""Fail points: named places between two steps of a mail's life where a test makes the process die, fail or wait.

Off, `reached` tests whether a dict is empty and does nothing else.  It never reads the environment: the daemon does
(`maild.daemon.arming`), and refuses to where a stranger can reach a door.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import signal
import threading
import time
from dataclasses import dataclass, field

VARIABLE = "MAILD_FAILPOINT"
SECRET = "a secret of the inside"  # noqa: S105 - no password: tests look for it where it must not appear
"""The text of the RuntimeError of `error`."""

POINTS = {
    "door.connection_taken": "A peer is connected and counted; it has not been greeted.",
    "recipient.looked_up": "The directory was asked for a recipient; the peer has not heard the answer.",
    "door.before_354": "The envelope is complete; the peer has not been told to go on.",
    "door.after_dot": "The mail has come in up to its dot; nothing of it is durable, no file is flushed.",
    "door.before_answer": "The outcome is fixed, and what is stored is durable; the peer has not heard of it.",
    "pipe.after_end": "The mail has been read to its end, and its file is flushed; no row exists.",
    "pipe.before_exit": "The outcome is fixed, and what is stored is durable; the caller has no exit status yet.",
    "http.body_read": "The request has come to its end; nothing of the mail is durable, no file is flushed.",
    "http.before_answer": "The outcome is fixed, and what is stored is durable; no response has begun.",
    "spool.opened": "The mail outgrew memory and its file exists, empty.",
    "spool.written": "A piece of the mail is in the file, and perhaps only in the page cache.",
    "spool.before_flush": "All bytes are written; none has to be on the disk.",
    "spool.after_flush": "All bytes are on the disk, under the spool's name; no row names them.",
    "publish.before_link": "The file has only its spool name; the folders of its account may be new.",
    "publish.after_link": "The file has its lasting name, which a power cut may still take away.",
    "publish.before_folder_flush": "Every file of the batch is linked; one of its folders is not flushed.",
    "publish.after_folder_flush": "The files of the batch are durable under their names; no row names them.",
    "acceptor.batch_taken": "Mails have left the queue for one commit; nothing of them is stored.",
    "accept.before_transaction": "Large bodies are published; the transaction has not begun.",
    "accept.before_commit": "Every row of the batch is written in the transaction; none is committed.",
    "accept.after_commit": "The batch is durable; nobody has been answered, the spool files still exist.",
    "import.after_store": "Old mails are stored, and leased by who imports them; none is decided.",
    "erase.before_commit": "Mails are tombstones in the transaction; nothing is committed.",
    "erase.after_commit": "Mails are erased; the files of their bodies still lie there, and no row names them.",
    "collect.before_store": "Mails are fetched; nothing of them is stored (window A).",
    "collect.after_store": "Mails and their ledger rows are committed together; the server was told nothing (window C).",
    "collect.before_intent": "What is to happen on the server is due; that it begins is not written.",
    "collect.after_intent": "That it begins is written; the server was told nothing (windows C, D).",
    "collect.before_done": "The server has done it; that is not written (windows E, F).",
    "collect.after_done": "The server has done it, and that is written.",
    "collect.before_adopt": "After a renumbering known mails are found again; the new generation is not written (window H).",
    "collect.after_adopt": "The new generation is written whole; nothing of it is fetched.",
    "decide.before_claim_commit": "Deliveries are leased and their attempts counted; that is not committed.",
    "decide.after_claim": "The leases are committed; nothing has been read.",
    "decide.before_reading": "The bodies are found; no reading process has them.",
    "decide.after_reading": "All readings of the batch have ended; their outcomes are not written.",
    "decide.before_settle_commit": "Every outcome of the batch is written in the transaction; none is committed.",
    "decide.after_settle_commit": "The outcomes are committed; the worker does not know it.",
    "decide.before_release": "Work on a batch has failed; its leases are still held.",
    "outbox.after_claim": "Errands are leased and their attempts counted; the relay has heard nothing.",
    "outbox.after_send": "The relay has answered for a mail; that is not written.",
    "outbox.after_done": "What came of a mail is committed; its worker has not gone on.",
    "webhook.after_claim": "A receiver is leased, and its events are read; nothing is sent.",
    "webhook.after_send": "A receiver has taken an event; that is not written.",
    "webhook.after_round": "What came of a round is committed; its worker has not gone on.",
    "start.before_release": "The daemon holds its lock; the leases of its dead predecessor still stand.",
    "start.after_release": "Those leases are given back; nobody works yet, every door is closed.",
}
"""Each name, with what has and what has not happened there."""

_ACT = re.compile(
    r"(?P<act>kill|sleep:(?P<seconds>\d{1,4}(?:\.\d{1,3})?)|error(?::(?P<errno>[A-Z0-9]+))?)"
    r"(?:@(?P<passing>[1-9]\d{0,5})(?P<onwards>\+)?)?",
    re.ASCII,
)
_ACTS = "kill, sleep:SECONDS, error, error:ERRNO (each with @N: at its N-th passing only, or @N+: from then on)"

_log = logging.getLogger("maild.failpoint")


class FailpointError(ValueError):
    """A fail point or an act that does not exist; the message names those that do."""


@dataclass(slots=True)
class _Trap:
    """What happens at one point, and how often it has been passed."""

    act: str
    seconds: float | None
    number: int | None
    """The errno of the OSError."""
    passing: int | None
    """At which passing; None: at each."""
    onwards: bool
    passed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_due(self) -> bool:
        """Count this passing, and say whether it is one to act at."""
        with self.lock:
            self.passed += 1
            if self.passing is None:
                return True
            if self.onwards:
                return self.passed >= self.passing
            return self.passed == self.passing


_armed: dict[str, _Trap] = {}


def reached(name: str) -> None:
    """Pass the point: nothing, unless a test armed it.

    Then the process ends here, or this waits (in the event loop, too: so a hanging disk looks), or raises.
    """
    if _armed:
        _spring(name)


def arm(text: str) -> None:
    """Set the traps that `NAME=ACT;NAME=ACT` describes, in place of all others.  Raises FailpointError."""
    traps = dict(_trap_in(part.strip()) for part in text.split(";") if part.strip())
    _armed.clear()
    _armed.update(traps)
    for name, trap in traps.items():
        _log.warning("failpoint_armed name=%s act=%s", name, trap.act)


def is_armed() -> bool:
    """Whether any trap is set."""
    return bool(_armed)


def disarm() -> None:
    """Take every trap away."""
    _armed.clear()


def _trap_in(part: str) -> tuple[str, _Trap]:
    name, _, words = part.partition("=")
    if name not in POINTS:
        raise FailpointError(f"{name!r} is no fail point; there are: {', '.join(POINTS)}")
    found = _ACT.fullmatch(words)
    if found is None:
        raise FailpointError(f"{words!r} is nothing that {name} can do; there are: {_ACTS}")
    number = None
    if found["errno"] is not None:
        number = getattr(errno, found["errno"], None)
        if not isinstance(number, int):
            raise FailpointError(f"{found['errno']!r} is no error of this system; as ENOSPC")
    return name, _Trap(
        act=found["act"],
        seconds=float(found["seconds"]) if found["seconds"] is not None else None,
        number=number,
        passing=int(found["passing"]) if found["passing"] is not None else None,
        onwards=found["onwards"] is not None,
    )


def _spring(name: str) -> None:
    trap = _armed.get(name)
    if trap is None or not trap.is_due():
        return
    _log.warning("failpoint name=%s act=%s", name, trap.act)
    if trap.act == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif trap.seconds is not None:
        time.sleep(trap.seconds)
    elif trap.number is not None:
        raise OSError(trap.number, os.strerror(trap.number))
    else:
        raise RuntimeError(SECRET)
