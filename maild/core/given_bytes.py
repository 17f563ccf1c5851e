"""Bytes of a mail that another system has accepted already: LF made CRLF, an mbox separator dropped, the rest kept (D2).

For doors that are handed a mail as a whole (pipe, HTTP); piece by piece, never holding more than a piece.  Every odd
octet stays: refusing here would bounce what was accepted elsewhere.
"""

from __future__ import annotations

_SEPARATOR = b"From "


class Separator:
    """Drops a first line that is an mbox separator (RFC 4155)."""

    def __init__(self) -> None:
        """Begin before the first octet."""
        self._start: bytes | None = b""
        """What may be the beginning of a separator; None once that is settled."""

    def feed(self, piece: bytes) -> bytes:
        """Take the next bytes; return what of the mail is certain."""
        if self._start is None:
            return piece
        start = self._start + piece
        if not _SEPARATOR.startswith(start[: len(_SEPARATOR)]):
            self._start = None
            return start
        _, end, rest = start.partition(b"\n")
        if end:
            self._start = None
            return rest
        # However long that line is, that it is one is all there is to know.
        self._start = start[: len(_SEPARATOR)]
        return b""

    def end(self) -> bytes:
        """Return what is still held: the mail ended before its first line did."""
        start, self._start = self._start or b"", None
        return b"" if start.startswith(_SEPARATOR) else start


class LineEnds:
    """Makes every lone LF a CRLF; what ends with CRLF stays, and every other odd octet, too."""

    def __init__(self) -> None:
        """Begin before the first octet."""
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Take the next bytes; return what of the mail is certain: a CR at the end is held back."""
        piece = self._held + piece
        self._held = b"\r" if piece.endswith(b"\r") else b""
        piece = piece[: len(piece) - len(self._held)]
        return piece.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def end(self) -> bytes:
        """Return what is still held."""
        held, self._held = self._held, b""
        return held


class GivenBytes:
    """Both, one after the other."""

    def __init__(self) -> None:
        """Begin before the first octet."""
        self._separator = Separator()
        self._ends = LineEnds()

    def feed(self, piece: bytes) -> bytes:
        """Take the next bytes; return what of the mail is certain."""
        return self._ends.feed(self._separator.feed(piece))

    def end(self) -> bytes:
        """Return what is still held."""
        return self._ends.feed(self._separator.end()) + self._ends.end()
