"""strace as an instrument: it counts system calls, kills at the N-th, or makes it fail.

It counts for each thread and each system call by itself, so that "the N-th" is the N-th of whichever thread gets there.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from maild.testing.processes import beneath
from tests.conftest import absent

DURABLE = (
    "pwrite64",
    "fdatasync",
    "fsync",
    "link",
    "linkat",
    "rename",
    "unlink",
    "unlinkat",
    "ftruncate",
    "mkdir",
)
"""The calls that change what survives; `write` is left out where sockets use it, too."""
_KILLED = re.compile(r"^(\d+)\s+\+\+\+ killed by SIGKILL", re.MULTILINE)
_CALL = re.compile(r"^(\d+)\s+(\w+)\(", re.MULTILINE)


def need_strace() -> None:
    """Skip where processes may not be traced; that no package can change."""
    if shutil.which("strace") is None:
        absent("strace")
    tried = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, check=False
    )
    if tried.returncode != 0:
        pytest.skip(f"processes may not be traced here: {tried.stderr.decode().strip()}")


def rule(call: str, act: str, when: str) -> list[str]:
    """The options that do `act` at those passings of the call."""
    return ["-e", f"trace={call}", "-e", f"inject={call}:{act}:when={when}"]


def only(calls: Sequence[str]) -> list[str]:
    """The options that watch these calls and do nothing to them."""
    return ["-e", f"trace={','.join(calls)}"]


def counted(log: Path) -> Counter[str]:
    """How often the busiest thread made each call."""
    by_thread = Counter(_CALL.findall(log.read_text(errors="replace")))
    most: Counter[str] = Counter()
    for (_, call), count in by_thread.items():
        most[call] = max(most[call], count)
    return most


def injected(log: Path) -> int:
    """How many calls were made to fail."""
    return log.read_text(errors="replace").count("(INJECTED)")


def kills(log: Path) -> int:
    """How many processes died."""
    return len({int(pid) for pid in _KILLED.findall(log.read_text(errors="replace"))})


class Tracer:
    """strace on all threads of a running process and of those beneath it, until `detach` or until the process ends."""

    def __init__(self, pid: int, options: Sequence[str], log: Path) -> None:
        pids = [pid, *beneath(pid)]
        traced = [word for one in pids for word in ("-p", str(one))]
        self._process = subprocess.Popen(
            ["strace", "-f", "-o", str(log), *options, *traced], stderr=subprocess.PIPE
        )
        assert self._process.stderr is not None
        for _ in pids:
            said = self._process.stderr.readline()
            assert b"attached" in said, said
        self._pid = pid
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._let_the_dead_go, daemon=True)
        self._watch.start()

    def _let_the_dead_go(self) -> None:
        """End strace when its process is dead: it may keep the last thread, and with it the open sockets, for ever."""
        while not self._over.wait(0.05):
            if is_dead(self._pid):
                self._over.wait(0.1)
                self._process.kill()
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of_what: object) -> None:
        self.detach()

    def detach(self) -> None:
        """Let the process go on untraced.  Safe when it has ended."""
        self._over.set()
        self._watch.join()
        if self._process.poll() is None and not is_dead(self._pid):
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        self._process.kill()
        self._process.communicate(timeout=30)


def is_dead(pid: int) -> bool:
    """Whether a process has ended, though nobody may have heard of it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] in {b"Z", b"X"}
    except OSError:
        return True
