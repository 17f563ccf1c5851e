"""What the doors and the acceptor say to each other: frames of a JSON head and bytes as they are.

The doors say one frame a mail; the acceptor says one a commit.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from maild.core.raw import Raw
from maild.core.share import Incoming
from maild.model.envelope import Envelope
from maild.model.reason import Answer, Reason

_LENGTHS = struct.Struct("!II")


@dataclass(frozen=True, slots=True)
class _Head:
    """A mail without its bytes."""

    number: int
    envelope: Envelope
    size: int
    digest: str
    body_digest: str
    head_size: int
    spooled: Path | None
    """None: the bytes that follow are the whole mail, else its header block."""
    published_for: frozenset[int]


_HEAD: TypeAdapter[_Head] = TypeAdapter(_Head)


def _frame(head: bytes, content: bytes = b"") -> bytes:
    return b"".join((_LENGTHS.pack(len(head), len(content)), head, content))


class Frames:
    """Takes octets as they come and gives the frames that are complete."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> list[tuple[bytes, bytes]]:
        """Take the next octets; return the heads and contents that they complete."""
        self._buffer += piece
        found, start = [], 0
        with memoryview(self._buffer) as view:
            while len(view) - start >= _LENGTHS.size:
                head, content = _LENGTHS.unpack_from(view, start)
                middle = start + _LENGTHS.size + head
                if middle + content > len(view):
                    break
                found.append(
                    (
                        bytes(view[start + _LENGTHS.size : middle]),
                        bytes(view[middle : middle + content]),
                    )
                )
                start = middle + content
        del self._buffer[:start]
        return found


def mail_frame(number: int, mail: Incoming) -> bytes:
    """Return a mail as it is sent."""
    raw = mail.raw
    head = _Head(
        number,
        mail.envelope,
        raw.size,
        raw.digest,
        raw.body_digest,
        len(raw.head),
        raw.spooled,
        mail.published_for,
    )
    return _frame(_HEAD.dump_json(head), raw.head if raw.inline is None else raw.inline)


def mail_of(head: bytes, content: bytes) -> tuple[int, Incoming]:
    """Return the mail of a frame, with its number."""
    said = _HEAD.validate_json(head)
    raw = Raw(
        size=said.size,
        digest=said.digest,
        body_digest=said.body_digest,
        head=content[: said.head_size],
        inline=content if said.spooled is None else None,
        spooled=said.spooled,
    )
    return said.number, Incoming(said.envelope, raw, said.published_for)


def answers_frame(answered: Sequence[tuple[int, Sequence[Answer]]]) -> bytes:
    """Return the answers of a commit, by the mails' numbers, as they are sent."""
    said = [
        (number, [(answer.reason.name, answer.facts) for answer in answers])
        for number, answers in answered
    ]
    return _frame(json.dumps(said).encode())


def answers_of(head: bytes) -> list[tuple[int, list[Answer]]]:
    """Return the answers of a frame."""
    return [
        (number, [Answer(Reason[name], facts) for name, facts in answers])
        for number, answers in json.loads(head)
    ]
