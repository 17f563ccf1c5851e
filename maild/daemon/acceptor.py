"""The acceptor beside the doors, in a process of its own: every mail of the doors is committed there.

In one process the event loop and the commits hand Python's one lock to each other at each step of the database, which
costs more than both.  Mails that come within one turn of the loop go together; what waits in the socket when a commit
has ended is the next commit.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence

from typing_extensions import override

from maild.core.acceptor import accept_all, batches, same
from maild.core.app import App
from maild.core.share import Incoming
from maild.daemon.child import Child
from maild.daemon.frames import Frames, answers_frame, answers_of, mail_frame, mail_of
from maild.model.reason import Answer, Reason

WAITING_MAX = 2000
"""How many mails may wait for a commit; the next one is answered BUSY."""
_PIECE = 1024 * 1024

_log = logging.getLogger("maild.accept")


class Acceptor(Child):
    """The doors' end: takes mails from every door of this process, gives the answers back."""

    name = "acceptor"

    def __init__(self, command: Sequence[str], accepted: Callable[[], None]) -> None:
        """`accepted` is called after commits: there may be work for the workers."""
        super().__init__(command)
        self._accepted = accepted
        self._theirs: socket.socket | None = None
        self._wire: asyncio.Transport | None = None
        self._waiting: dict[int, tuple[Incoming, asyncio.Future[list[Answer]]]] = {}
        self._to_send: list[bytes] = []
        self._number = 0
        self._is_up = asyncio.Event()

    async def up(self, seconds: float) -> None:
        """Wait until its process has said its first word, no longer than this."""
        try:
            async with asyncio.timeout(seconds):
                await self._is_up.wait()
        except TimeoutError:
            _log.warning("acceptor_slow seconds=%d", seconds)

    def submit(self, mail: Incoming) -> asyncio.Future[list[Answer]]:
        """Have a mail stored; the answers come when it is durable.  Whoever asked may be gone by then."""
        loop = asyncio.get_running_loop()
        answers: asyncio.Future[list[Answer]] = loop.create_future()
        if len(self._waiting) >= WAITING_MAX or self._wire is None:
            mail.raw.discard()
            reason = Reason.STORE_DOWN if self._wire is None else Reason.BUSY
            answers.set_result(same(mail, Answer(reason)))
            return answers
        self._number += 1
        said = mail_frame(self._number, mail)
        self._waiting[self._number] = mail, answers
        if not self._to_send:
            loop.call_soon(self._send)
        self._to_send.append(said)
        return answers

    def _send(self) -> None:
        if self._wire is not None and self._to_send:
            self._wire.write(b"".join(self._to_send))
        self._to_send.clear()

    def heard(self, answered: Sequence[tuple[int, list[Answer]]]) -> None:
        """Give the answers of one or more commits to those who wait; the first word is about none."""
        self._is_up.set()
        self._accepted()
        for number, answers in answered:
            _, waiting = self._waiting.pop(number)
            if not waiting.done():  # Cancelled: who asked is gone; the mail is stored all the same.
                waiting.set_result(answers)

    @override
    async def _open(self) -> int:
        ours, self._theirs = socket.socketpair()
        ours.setblocking(False)
        for end in (ours, self._theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIECE)
        self._wire, _ = await asyncio.get_running_loop().create_connection(
            lambda: _Answers(self), sock=ours
        )
        return self._theirs.fileno()

    @override
    def _started(self) -> None:
        if self._theirs is not None:
            self._theirs.close()

    @override
    def _ended(self) -> None:
        """Answer for what it had in hand: a mail may be stored, and is a retry when it comes again (D6)."""
        if self._wire is not None:
            self._wire.abort()
            self._wire = None
        self._started()
        self._to_send.clear()
        for mail, waiting in self._waiting.values():
            mail.raw.discard()
            if not waiting.done():
                waiting.set_result(same(mail, Answer(Reason.STORE_DOWN)))
        self._waiting.clear()

    @override
    def _tell_to_end(self, process: Process) -> None:
        if self._wire is not None:
            self._send()
            self._wire.close()


class _Answers(asyncio.Protocol):
    """Reads what the acceptor's process says."""

    def __init__(self, acceptor: Acceptor) -> None:
        self._acceptor = acceptor
        self._frames = Frames()

    @override
    def data_received(self, data: bytes) -> None:
        for said, _ in self._frames.feed(data):
            self._acceptor.heard(answers_of(said))


def accept_for_doors(app: App, wire: socket.socket) -> None:
    """Be the acceptor: commit what the doors send, until they close.

    Raises StoreDownError when the disk failed: the answers are given, and the doors start another one, which opens the
    database anew.
    """
    wire.sendall(answers_frame([]))
    frames = Frames()
    while piece := wire.recv(_PIECE):
        waiting = [mail_of(*said) for said in frames.feed(piece)]
        done = 0
        for batch in batches([mail for _, mail in waiting]):
            answers = accept_all(app, batch)
            numbers = [number for number, _ in waiting[done : done + len(batch)]]
            wire.sendall(answers_frame(list(zip(numbers, answers, strict=True))))
            done += len(batch)
        app.store.database.check()
