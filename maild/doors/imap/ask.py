"""One command on its way: what it says, what it may be answered, and what came.

It must never show what it says: a secret may be in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from aioimaplib.aioimaplib import Command
from typing_extensions import override

_NOISE_MAX = 16 * 1024 * 1024


class Ask(Command):  # type: ignore[misc] # aioimaplib declares no types
    """One command, and what the server said to it."""

    def __init__(
        self,
        name: str,
        *words: str,
        prefix: str | None = None,
        replies: Iterable[bytes] = (),
        room: int = 1024 * 1024,
        line: int = 0,
    ) -> None:
        """`replies` are what the server gets each time it asks for more: literals, SASL; secrets belong there alone.

        `room` is how many octets it may answer; `line` how many in one line, when that is more than usual.
        """
        super().__init__(name, "", *words, prefix=prefix)
        self.replies = deque(replies)
        self.room = room
        self.line = line
        self.noise = _NOISE_MAX
        """How many octets may come that nobody asked for; they are not kept."""
        self.answers: list[list[bytes]] = []
        self.challenge = b""
        """What the server last asked for more with."""
        self.is_kept = name != "IDLE"
        """Whether answers are collected; while idling they are only noticed."""

    @override
    def __str__(self) -> str:
        """Return the line to send."""
        return str(super().__repr__())

    @override
    def __repr__(self) -> str:
        """Return the name alone: this may end in a log."""
        return f"Ask({self.name})"

    @property
    def is_ok(self) -> bool:
        """Whether the server did it."""
        return str(self._resp_result) == "OK"

    @property
    def is_bad(self) -> bool:
        """Whether the server does not know such a command."""
        return str(self._resp_result) == "BAD"

    @property
    def is_over(self) -> bool:
        """Whether the server has answered, or the line is lost."""
        return bool(self._event.is_set())

    @property
    def closing(self) -> bytes:
        """The words after OK, NO or BAD."""
        return bytes(self._resp_lines[-1]) if self._resp_lines else b""

    def fail(self, error: Exception) -> None:
        """End the wait."""
        self._exception = error
        self._event.set()
