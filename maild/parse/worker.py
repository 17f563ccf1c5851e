"""The process that reads hostile bytes: `python -m maild.parse.worker`.  Holds no secret, opens only the files it is given.

Frames on stdin: four octets of length (big endian), one octet of tag, payload.  `r` carries a mail's bytes, `p` the
path of a file that holds them.  For each one a frame of the same shape goes to stdout: `L` a letter as JSON, `U` why
it is unreadable, `E` the name of an error of ours; `s` and `S` carry what is wished and what is shown.  It ends when stdin ends, so it never outlives its parent by more
than one mail; PR_SET_PDEATHSIG would tie it to the thread that started it instead.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
import resource
import sys
from pathlib import Path
from typing import BinaryIO

from maild.model.letter import UnreadableError
from maild.model.shown import NoSuchPartError
from maild.parse.codec import dump, dump_shown, load_wish
from maild.parse.frames import ERROR, LENGTH, LETTER, NO_PART, PATH, SHOW, SHOWN, UNREADABLE
from maild.parse.limits import MIB, READ_CPU_SECONDS, READ_MEMORY
from maild.parse.reader import read_letter

TOO_LARGE = b"!"
"""In place of a frame that did not fit into memory."""
_NEEDS_MORE = f"Reading it needs more than {READ_MEMORY // MIB} MB of memory.".encode()


def main() -> None:
    """Answer frames until stdin ends."""
    _warm_up()
    _limit()
    # Whatever a library prints must not land between two frames.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = sys.stdin.buffer
    while (frame := read_frame(requests)) is not None:
        _limit_cpu()
        tag, payload = answer(frame[:1], frame[1:])
        del frame
        answers.write((len(payload) + 1).to_bytes(LENGTH, "big") + tag)
        answers.write(payload)
        answers.flush()


def read_frame(stream: BinaryIO) -> bytes | None:
    """Return the next frame with its tag, or None at the end of the stream, which may come in its middle."""
    length = stream.read(LENGTH)
    if len(length) < LENGTH:
        return None
    wanted = int.from_bytes(length, "big")
    try:
        frame = stream.read(wanted)
    except MemoryError:
        _skip(stream, wanted)
        return TOO_LARGE
    return frame if len(frame) == wanted else None


def _skip(stream: BinaryIO, octets: int) -> None:
    while octets and (piece := stream.read(min(octets, MIB))):
        octets -= len(piece)


def answer(tag: bytes, payload: bytes) -> tuple[bytes, bytes]:
    """Read one mail and return the tag and payload of the answer.  Never raises but for a broken interpreter."""
    if tag == TOO_LARGE:
        return UNREADABLE, _NEEDS_MORE
    try:
        if tag == SHOW:
            return _shown(payload)
        return LETTER, dump(read_letter(_bytes_of(tag, payload)))
    except Exception as error:  # noqa: BLE001 - one mail must not take the next ones along (D11)
        return _failed(error)


def _failed(error: Exception) -> tuple[bytes, bytes]:
    match error:
        case NoSuchPartError():
            return NO_PART, b""
        case UnreadableError():
            return UNREADABLE, str(error).encode()
        case MemoryError():
            return UNREADABLE, _NEEDS_MORE
        case OSError():
            return UNREADABLE, f"Its file cannot be read: {error.strerror}.".encode()
        case _:
            return ERROR, type(error).__name__.encode()


def _bytes_of(tag: bytes, payload: bytes) -> bytes:
    return Path(os.fsdecode(payload)).read_bytes() if tag == PATH else payload


def _shown(payload: bytes) -> tuple[bytes, bytes]:
    # Loaded when first needed: most workers never show a mail to anybody.
    from maild.parse.showing import show  # noqa: PLC0415

    wish, rest = load_wish(payload)
    return SHOWN, dump_shown(show(_bytes_of(rest[:1], rest[1:]), wish))


def _warm_up() -> None:
    """Load what a first mail would load, so that the memory limit counts from here."""
    dump(read_letter(b"Subject: =?utf-8?q?a?=\r\nContent-Type: text/html\r\n\r\n<p>b</p>"))
    gc.freeze()  # It stays to the end: the collector need not go over it for each mail.


def _limit() -> None:
    """Bound memory and forbid core dumps: a dump would leave a mail on the disk."""
    pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    most = pages * resource.getpagesize() + READ_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_cpu() -> None:
    """Allow this mail its share: for the case that the parent, which keeps the real deadline, is gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + READ_CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


if __name__ == "__main__":
    # A parent that was killed takes no more answers; there is nobody to tell.
    with contextlib.suppress(BrokenPipeError):
        main()
