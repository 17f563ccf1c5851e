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
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError
from typing_extensions import Self

from maild.model.letter import Letter, UnreadableError
from maild.parse import codec
from maild.parse.limits import MIB, READ_SECONDS
from maild.parse.frames import ERROR, LENGTH, LETTER, PATH, RAW, UNREADABLE

ANSWER_MAX = 64 * MIB
"""A letter holds at most some 1 MiB of text, 2 MB of HTML and 1,000 addresses; JSON may write six octets for one."""
AHEAD = 4
"""Mails per process that `read_many` hands out before the first of them is taken."""

Outcome = Letter | UnreadableError | "ReaderDiedError"


class ReaderDiedError(Exception):
    """Reading a mail took too long, broke its process, or ran into a fault of ours; the message says which."""


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
        self._all: set[_Worker] = set()
        self._closed = False

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
        """End all workers, those at work too; their mails raise ReaderDiedError.  Safe to repeat."""
        with self._lock:
            self._closed = True
            workers, self._all = self._all, set()
            self._idle.clear()
        for worker in workers:
            worker.kill()

    def read(self, raw: bytes | Path) -> Letter:
        """Read one mail, given by its bytes or by its file; waits while all workers are busy.

        Raises UnreadableError, or ReaderDiedError when the mail took too long or killed its worker.
        """
        with self._free:
            worker = self._take()
            try:
                answer = worker.ask(raw, time.monotonic() + self._seconds)
            except BaseException:
                self._discard(worker)
                raise
            self._give_back(worker)
        return _letter_in(answer)

    def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Outcome]:
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
        while True:
            with self._lock:
                if self._closed:
                    raise ReaderDiedError("The reader is closed.")
                worker = self._idle.pop() if self._idle else None
            if worker is None:
                break
            if worker.lives:
                return worker
            self._discard(worker)
        worker = _Worker()
        with self._lock:
            if not self._closed:
                self._all.add(worker)
                return worker
        worker.kill()
        raise ReaderDiedError("The reader is closed.")

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(worker)

    def _discard(self, worker: _Worker) -> None:
        with self._lock:
            self._all.discard(worker)
        worker.kill()


class _Worker:
    """One process and the two pipes to it.  Used by one thread at a time; only `kill` may come from another."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "maild.parse.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            close_fds=True,
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdin is not None  # noqa: S101 - both were asked for; for the type checker
        assert self._process.stdout is not None  # noqa: S101
        self._to = self._process.stdin.fileno()
        self._from = self._process.stdout.fileno()
        self._lock = threading.Lock()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)

    @property
    def lives(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process at once and take its exit status.  Safe to repeat."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        with self._lock:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()

    def ask(self, raw: bytes | Path, deadline: float) -> bytes:
        """Send a mail and return the answer's frame.  Raises ReaderDiedError; then this worker is of no more use."""
        tag, payload = (PATH, os.fsencode(raw)) if isinstance(raw, Path) else (RAW, raw)
        self._send((len(payload) + 1).to_bytes(LENGTH, "big") + tag, deadline)
        self._send(payload, deadline)
        length = int.from_bytes(self._receive(LENGTH, deadline), "big")
        if not 1 <= length <= ANSWER_MAX:
            raise ReaderDiedError("Its reader gave an answer that is none.")
        return self._receive(length, deadline)

    def _send(self, octets: bytes, deadline: float) -> None:
        rest = memoryview(octets)
        while rest:
            self._wait(self._to, select.POLLOUT, deadline)
            try:
                rest = rest[os.write(self._to, rest[:MIB]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ReaderDiedError(self._why()) from error

    def _receive(self, octets: int, deadline: float) -> bytes:
        pieces = bytearray()
        while len(pieces) < octets:
            self._wait(self._from, select.POLLIN, deadline)
            try:
                piece = os.read(self._from, min(octets - len(pieces), MIB))
            except BlockingIOError:
                continue
            except OSError as error:
                raise ReaderDiedError(self._why()) from error
            if not piece:
                raise ReaderDiedError(self._why())
            pieces += piece
        return bytes(pieces)

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


def _letter_in(answer: bytes) -> Letter:
    tag, payload = answer[:1], answer[1:]
    if tag == UNREADABLE:
        raise UnreadableError(payload.decode("utf-8", "replace"))
    if tag == LETTER:
        try:
            return codec.load(payload)
        except ValidationError as error:
            raise ReaderDiedError("Its reader gave an answer that is no letter.") from error
    what = payload.decode("utf-8", "replace") if tag == ERROR else "an unknown answer"
    raise ReaderDiedError(f"Its reader met a fault of maild: {what}.")
