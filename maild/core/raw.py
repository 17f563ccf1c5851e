"""A mail's bytes on their way in: hashed while they come, in memory while small, in a file when large.

The bytes are kept exactly as received.  Nothing here understands mail beyond where its header block ends; it must
never decide anything.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from maild import failpoint

_HEAD_END = re.compile(rb"\r?\n\r?\n")
"""The empty line; with bare line feeds too, since LMTP and the pipe keep odd bytes (D2)."""

HEAD_MAX = 256 * 1024
"""Octets of the header block that are kept at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A mail's bytes, complete.  Exactly one of `inline` and `spooled` is set."""

    size: int
    digest: str
    """SHA-256 of all bytes, hex."""
    body_digest: str
    """SHA-256 of what follows the header block, less line ends at its end; CRLF and LF count alike (D6)."""
    head: bytes
    """The header block, cut at HEAD_MAX."""
    inline: bytes | None = None
    spooled: Path | None = None
    """A flushed file that `discard` deletes."""

    def discard(self) -> None:
        """Delete the spool file, if there is one.  Safe to repeat.

        Never raises: a file that does not go away must not undo what is committed; the hourly sweep takes it.
        """
        if self.spooled is not None:
            with suppress(OSError):
                self.spooled.unlink(missing_ok=True)


class Spool:
    """Takes a mail's bytes in pieces.  Use: `write` often, then `finish` once, or `abandon`."""

    def __init__(self, folder: Path, inline_max: int) -> None:
        """Keep up to `inline_max` octets in memory; beyond that write to a file in `folder`."""
        self._folder = folder
        self._inline_max = inline_max
        self._buffer: bytearray = bytearray()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._digest = hashlib.sha256()
        self._body = _BodyDigest()
        self.size = 0

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Take the next bytes.  Raises OSError when the disk does not take them."""
        self.size += len(piece)
        self._digest.update(piece)
        self._body.update(bytes(piece))
        if self._file is None:
            self._buffer += piece
            if len(self._buffer) > self._inline_max:
                self._open()
        else:
            self._file.write(piece)
            failpoint.reached("spool.written")

    def _open(self) -> None:
        self._path = self._folder / secrets.token_hex(16)
        self._file = os.fdopen(
            os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", 0
        )
        failpoint.reached("spool.opened")
        self._file.write(self._buffer)
        self._buffer = bytearray()

    def finish(self) -> Raw:
        """Return the whole; a file is flushed to the disk first.  Raises OSError.  If it raises, nothing is left behind.

        Blocks for the flush: call it outside an event loop when `is_spooled`.
        """
        inline = None
        if self._file is not None:
            try:
                failpoint.reached("spool.before_flush")
                os.fdatasync(self._file.fileno())
                self._file.close()
                failpoint.reached("spool.after_flush")
            except BaseException:
                self.abandon()
                raise
        else:
            inline = bytes(self._buffer)
        head, body_digest = self._body.finish()
        return Raw(
            size=self.size,
            digest=self._digest.hexdigest(),
            body_digest=body_digest,
            head=head,
            inline=inline,
            spooled=self._path,
        )

    @property
    def is_spooled(self) -> bool:
        """Whether the bytes outgrew memory."""
        return self._file is not None

    def abandon(self) -> None:
        """Forget everything.  Safe to repeat and after errors."""
        if self._file is not None:
            self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self._buffer = bytearray()


class _BodyDigest:
    """Cuts the header block off and hashes the rest, whatever the pieces are.

    Line ends at the very end do not count, and CRLF counts as LF: carriers add, drop and change them.  A mail without
    an empty line is all head.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._in_head = True
        self._digest = hashlib.sha256()
        self._held = b""
        self._held_ends = 0

    def update(self, piece: bytes) -> None:
        if not self._in_head:
            self._hash(piece)
            return
        start = max(0, len(self._head) - 3)
        self._head += piece
        if self._head[:2] == b"\r\n" or self._head[:1] == b"\n":
            self._leave_head(0, 0)
            return
        end = _HEAD_END.search(self._head, start)
        if end is not None and end.start() <= HEAD_MAX:
            self._leave_head(end.end(), end.end())
        elif len(self._head) > HEAD_MAX + 3:  # An empty line at the limit may still be on its way.
            self._leave_head(HEAD_MAX, HEAD_MAX)

    def _leave_head(self, head_end: int, body_start: int) -> None:
        self._in_head = False
        rest = bytes(self._head[body_start:])
        del self._head[head_end:]
        self._hash(rest)

    def _hash(self, piece: bytes) -> None:
        """Hash what is sure to be followed by something else than line ends; count the line ends held back."""
        piece = self._held + piece
        self._held = b"\r" if piece.endswith(b"\r") else b""  # Perhaps half of a line end.
        lines = piece[: len(piece) - len(self._held)].replace(b"\r\n", b"\n")
        solid = lines.rstrip(b"\n")
        if solid:
            self._digest.update(b"\n" * self._held_ends + solid)
            self._held_ends = 0
        self._held_ends += len(lines) - len(solid)

    def finish(self) -> tuple[bytes, str]:
        if self._in_head and len(self._head) > HEAD_MAX:
            self._leave_head(HEAD_MAX, HEAD_MAX)
        if self._held:
            self._digest.update(b"\n" * self._held_ends + self._held)
        return bytes(self._head), self._digest.hexdigest()


def raw_of(content: bytes, folder: Path, inline_max: int) -> Raw:
    """Return the Raw of bytes that are at hand already.  Raises OSError."""
    spool = Spool(folder, inline_max)
    try:
        spool.write(content)
        return spool.finish()
    except OSError:
        spool.abandon()
        raise
