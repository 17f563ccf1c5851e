"""Worker processes that read mails, each under a deadline: a mail may kill its worker and nobody else (D11, T6).

Synchronous and safe for threads; no pickle and no multiprocessing, because what comes back from a worker is as hostile
as what went in.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from pydantic import ValidationError

from maild.model.letter import Letter, UnreadableError
from maild.model.shown import NoSuchPartError, Shown, Wish
from maild.parse import codec
from maild.parse.frames import ERROR, LENGTH, LETTER, NO_PART, PATH, RAW, SHOW, SHOWN, UNREADABLE
from maild.parse.limits import MIB, READ_SECONDS

ANSWER_MAX = 64 * MIB
"""A letter holds at most some 1 MiB of text, 2 MB of HTML and 1,000 addresses; JSON may write six octets for one."""
MAILS_PER_WORKER = 20_000
"""After so many mails a worker makes room for a new one: whatever a library never frees, ends with it."""
_PIPE = 64 * 1024
"""What a pipe holds."""
AHEAD = 4
"""Mails per process that `read_many` hands out before the first of them is taken."""


class ReaderDiedError(Exception):
    """Reading a mail took too long, broke its process, or ran into a fault of ours; the message says which."""


class ReaderClosedError(ReaderDiedError):
    """The pool was closed before or while the mail was read: that says nothing about the mail."""


Outcome: TypeAlias = Letter | UnreadableError | ReaderDiedError


class ReaderPool:
    """Reads mails in up to `processes` workers, which start when first needed.

    A worker that is killed is replaced at the next mail.  `seconds` is the wall time for one mail.
    """

    def __init__(self, processes: int, *, seconds: float = READ_SECONDS) -> None:
        """Start nothing yet."""
        self.processes = max(1, processes)
        self._seconds = seconds
        self._free = threading.BoundedSemaphore(self.processes)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        """Return the pool."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the pool."""
        self.close()

    def close(self) -> None:
        """End all workers, those at work too; their mails raise ReaderClosedError.  Safe to repeat."""
        with self._lock:
            self._closed.set()
            idle, self._idle = self._idle, []
            # Only killed: the pipes of a busy worker belong to the thread that waits on them.
            for worker in self._busy:
                worker.kill()
        for worker in idle:
            worker.end()

    def read(self, raw: bytes | Path) -> Letter:
        """Read one mail, given by its bytes or by its file; waits while all workers are busy.

        Raises UnreadableError, or ReaderDiedError when the mail took too long or killed its worker.
        """
        return _letter_in(self._answer(*_framed(raw)))

    def show(self, raw: bytes | Path, wish: Wish) -> Shown:
        """Return what is wished of one mail; waits while all workers are busy.

        Raises NoSuchPartError, UnreadableError, or ReaderDiedError when it took too long or killed its worker.
        """
        tag, payload = _framed(raw)
        return _shown_in(self._answer(SHOW, codec.dump_wish(wish, tag + payload)))

    def _answer(self, tag: bytes, payload: bytes) -> bytes:
        with self._free:
            worker = self._take()
            try:
                answer = worker.ask(tag, payload, time.monotonic() + self._seconds)
            except ReaderDiedError as error:
                self._give_back(worker, fit=False)
                if self._closed.is_set():
                    raise ReaderClosedError("The reader is closed.") from error
                raise
            except BaseException:
                self._give_back(worker, fit=False)
                raise
            self._give_back(worker, fit=True)
        return answer

    def read_many(self, items: Iterable[bytes | Path]) -> Generator[Outcome]:
        """Read mails on all workers and yield what became of each, in order.  Takes few items ahead."""
        waiting: deque[Future[Outcome]] = deque()
        with ThreadPoolExecutor(self.processes, "maild-read") as threads:
            try:
                for item in items:
                    waiting.append(threads.submit(self._outcome, item))
                    if len(waiting) > self.processes * AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _outcome(self, item: bytes | Path) -> Outcome:
        try:
            return self.read(item)
        except (UnreadableError, ReaderDiedError) as error:
            return error

    def _take(self) -> _Worker:
        """Return an idle worker that still lives, or a new one."""
        while (worker := self._idle_one()) is not None:
            if worker.lives:
                break
            worker.end()
        worker = worker or _Worker()
        with self._lock:
            if not self._closed.is_set():
                self._busy.add(worker)
                return worker
        worker.end()
        raise ReaderClosedError("The reader is closed.")

    def _idle_one(self) -> _Worker | None:
        with self._lock:
            if self._closed.is_set():
                raise ReaderClosedError("The reader is closed.")
            return self._idle.pop() if self._idle else None

    def _give_back(self, worker: _Worker, *, fit: bool) -> None:
        with self._lock:
            self._busy.discard(worker)
            if fit and not self._closed.is_set() and worker.mails < MAILS_PER_WORKER:
                self._idle.append(worker)
                return
        worker.end()


class _Worker:
    """One process and the two pipes to it.  Used by one thread at a time; only `kill` may come from another.

    Settings that came by the environment stay here: a worker must hold no secret.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "maild.parse.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                name: value for name, value in os.environ.items() if not name.startswith("MAILD_")
            },
            close_fds=True,
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdin is not None  # noqa: S101 - both were asked for; for the type checker
        assert self._process.stdout is not None  # noqa: S101
        self.mails = 0
        self._to = self._process.stdin.fileno()
        self._from = self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)

    @property
    def lives(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process at once.  The only method that another thread may call."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def end(self) -> None:
        """Kill the process, take its exit status, and close the pipes.  Safe to repeat."""
        self.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def ask(self, tag: bytes, payload: bytes, deadline: float) -> bytes:
        """Send a frame and return the answer's.  Raises ReaderDiedError; then this worker is of no more use."""
        self.mails += 1
        self._send((len(payload) + 1).to_bytes(LENGTH, "big") + tag + payload, deadline)
        answer = self._receive(bytearray(), LENGTH, deadline)
        length = int.from_bytes(answer[:LENGTH], "big")
        if not 1 <= length <= ANSWER_MAX:
            raise ReaderDiedError("Its reader gave an answer that is none.")
        answer = self._receive(answer, LENGTH + length, deadline)
        if len(answer) > LENGTH + length:
            raise ReaderDiedError("Its reader gave more than an answer.")
        return bytes(memoryview(answer)[LENGTH:])

    def _send(self, octets: bytes, deadline: float) -> None:
        rest = memoryview(octets)
        while rest:
            try:
                rest = rest[os.write(self._to, rest[:MIB]) :]
            except BlockingIOError:
                self._wait(self._to, select.POLLOUT, deadline)
            except OSError as error:
                raise ReaderDiedError(self._why()) from error

    def _receive(self, pieces: bytearray, octets: int, deadline: float) -> bytearray:
        """Return the pieces with at least so many octets: nothing comes behind an answer."""
        while len(pieces) < octets:
            self._wait(self._from, select.POLLIN, deadline)
            try:
                piece = os.read(self._from, max(_PIPE, min(octets - len(pieces), MIB)))
            except BlockingIOError:
                continue
            except OSError as error:
                raise ReaderDiedError(self._why()) from error
            if not piece:
                raise ReaderDiedError(self._why())
            pieces += piece
        return pieces

    def _wait(self, pipe: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise ReaderDiedError("Reading it took too long and was stopped.")

    def _why(self) -> str:
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "Its reader closed the line."
        if status < 0:
            return f"Its reader was killed by signal {-status}."
        return f"Its reader ended with status {status}."


def _framed(raw: bytes | Path) -> tuple[bytes, bytes]:
    return (PATH, os.fsencode(raw)) if isinstance(raw, Path) else (RAW, raw)


def _letter_in(answer: bytes) -> Letter:
    tag, payload = answer[:1], answer[1:]
    if tag == UNREADABLE:
        raise UnreadableError(payload.decode("utf-8", "replace"))
    if tag == LETTER:
        try:
            return codec.load(payload)
        except ValidationError as error:
            raise ReaderDiedError("Its reader gave an answer that is no letter.") from error
    raise _fault(tag, payload)


def _shown_in(answer: bytes) -> Shown:
    tag, payload = answer[:1], answer[1:]
    if tag == NO_PART:
        raise NoSuchPartError
    if tag == UNREADABLE:
        raise UnreadableError(payload.decode("utf-8", "replace"))
    if tag == SHOWN:
        try:
            return codec.load_shown(payload)
        except ValueError as error:
            raise ReaderDiedError("Its reader gave an answer that shows nothing.") from error
    raise _fault(tag, payload)


def _fault(tag: bytes, payload: bytes) -> ReaderDiedError:
    what = payload.decode("utf-8", "replace") if tag == ERROR else "an unknown answer"
    return ReaderDiedError(f"Its reader met a fault of maild: {what}.")
