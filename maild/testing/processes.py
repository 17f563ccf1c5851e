"""The processes beneath one, as /proc shows them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def beneath(pid: int) -> list[int]:
    """Return the children of a process and theirs, as far as they still run."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                for child in (task / "children").read_text(encoding="ascii").split():
                    found += [int(child), *beneath(int(child))]
    return found


def command_of(pid: int) -> list[str]:
    """Return a process's command line; empty when it has gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [word.decode("utf-8", "replace") for word in words.rstrip(b"\0").split(b"\0")]
