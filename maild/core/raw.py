"""A mail's bytes on their way in: hashed while they come, in memory while small, in a file when large.

The bytes are kept exactly as received.  Nothing here understands mail beyond where its header block ends; it must
never decide anything.
"""

from __future__ import annotations

import errno
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

MEMORY_MAX = 32 * 1024
"""Octets of one mail that wait in memory; a thousand peers may send at a time."""
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
        """Keep little in memory, and more in a file in `folder`; up to `inline_max` octets end as `Raw.inline`."""
        self._folder = folder
        self._inline_max = inline_max
        self._memory_max = min(inline_max, MEMORY_MAX)
        self._buffer: bytearray = bytearray()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._digest = hashlib.sha256()
        self._body = _BodyDigest()
        self.size = 0

    def write(self, piece: bytes, *, is_crlf: bool = False) -> None:
        """Take the next bytes; `is_crlf` when every line end in them is known to be CRLF, and whole.

        Raises OSError when the disk does not take them.
        """
        self.size += len(piece)
        self._digest.update(piece)
        self._body.update(piece, is_crlf=is_crlf)
        if self._file is None:
            self._buffer += piece
            if len(self._buffer) > self._memory_max:
                self._open()
        else:
            _write_all(self._file, piece)
            failpoint.reached("spool.written")

    def _open(self) -> None:
        self._path = self._folder / secrets.token_hex(16)
        self._file = os.fdopen(
            os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb", 0
        )
        failpoint.reached("spool.opened")
        _write_all(self._file, self._buffer)
        self._buffer = bytearray()

    def finish(self) -> Raw:
        """Return the whole; a large one is flushed to the disk first.  Raises OSError; then nothing is left behind.

        Blocks for the flush: call it outside an event loop when `is_spooled`.
        """
        inline = None
        if self._file is None:
            inline = bytes(self._buffer)
        else:
            try:
                inline = self._finish_file(self._file)
            except BaseException:
                self.abandon()
                raise
        head, body_digest = self._body.finish()
        return Raw(
            size=self.size,
            digest=self._digest.hexdigest(),
            body_digest=body_digest,
            head=head,
            inline=inline,
            spooled=None if inline is not None else self._path,
        )

    def _finish_file(self, file: BinaryIO) -> bytes | None:
        """Flush the file, or take it back into memory if the database is to have it: that is one flush less."""
        if self.size > self._inline_max:
            failpoint.reached("spool.before_flush")
            os.fdatasync(file.fileno())
            file.close()
            failpoint.reached("spool.after_flush")
            return None
        inline = os.pread(file.fileno(), self.size, 0)
        if len(inline) != self.size:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.abandon()
        return inline

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


def _write_all(file: BinaryIO, piece: bytes | bytearray) -> None:
    """Write every octet: a disk that becomes full takes some of them first, and says so only at the next call."""
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]


class _BodyDigest:
    """Cuts the header block off and hashes the rest, whatever the pieces are.

    Line ends at the very end do not count, and LF counts as CRLF: carriers add, drop and change them.  A mail without
    an empty line is all head.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._in_head = True
        self._is_crlf = True
        """Whether the head has no line end but CRLF."""
        self._digest = hashlib.sha256()
        self._held = b""
        self._held_ends = 0

    def update(self, piece: bytes, *, is_crlf: bool) -> None:
        if not self._in_head:
            self._hash(piece, is_crlf=is_crlf)
            return
        self._is_crlf &= is_crlf
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
        self._hash(rest, is_crlf=self._is_crlf)

    def _hash(self, piece: bytes, *, is_crlf: bool) -> None:
        """Hash what is sure to be followed by something else than line ends; count the line ends held back."""
        if self._held or not is_crlf:
            piece = self._held + piece
            self._held = b"\r" if piece.endswith(b"\r") else b""  # Perhaps half of a line end.
            lines = piece[: len(piece) - len(self._held)]
            piece = lines.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        ends = _ends(piece)
        if len(piece) > 2 * ends:
            self._digest.update(b"\r\n" * self._held_ends)
            self._digest.update(memoryview(piece)[: len(piece) - 2 * ends])
            self._held_ends = 0
        self._held_ends += ends

    def finish(self) -> tuple[bytes, str]:
        if self._in_head and len(self._head) > HEAD_MAX:
            self._leave_head(HEAD_MAX, HEAD_MAX)
        if self._held:
            self._digest.update(b"\r\n" * self._held_ends + self._held)
        return bytes(self._head), self._digest.hexdigest()


def _ends(lines: bytes) -> int:
    """Return how many CRLFs a text of CRLF lines ends with; a bare CR among them ends the count."""
    if not lines.endswith(b"\n"):
        return 0
    tail = lines[len(lines.rstrip(b"\r\n")) :]
    return (len(tail) - 1 - tail.rfind(b"\r\r")) // 2


def raw_of(content: bytes, folder: Path, inline_max: int) -> Raw:
    """Return the Raw of bytes that are at hand already.  Raises OSError."""
    spool = Spool(folder, inline_max)
    try:
        spool.write(content)
        return spool.finish()
    except OSError:
        spool.abandon()
        raise


def raw_in_memory(content: bytes) -> Raw:
    """Return the Raw of bytes that stay in memory, whatever their size."""
    body = _BodyDigest()
    body.update(content, is_crlf=False)
    head, body_digest = body.finish()
    return Raw(
        size=len(content),
        digest=hashlib.sha256(content).hexdigest(),
        body_digest=body_digest,
        head=head,
        inline=content,
    )
