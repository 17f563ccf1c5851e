"""A dot-ended text as SMTP and POP3 carry a mail: its end found, the dots put before lines taken away.  No I/O.

Only CRLF.CRLF ends a text (RFC 5321 4.1.1.4, RFC 1939 3), and `.` CRLF at once; every smuggling form (CVE-2024-27305)
is content.  Never holds more than a few octets, and never changes anything but those dots.
"""

from __future__ import annotations

import re

END = b"\r\n.\r\n"
# Short expressions find their literal twice as fast as bytes.find does, where line ends are many.
_DOT = re.compile(rb"\n\.")
_BARE_CR = re.compile(rb"\r[^\n]")


class DotStream:
    """Takes a mail as it comes and gives it as it is: without the final dot, dot-stuffing undone.  No I/O.

    A line end is always seen whole: what may be the beginning of the end is held back until more comes.
    """

    def __init__(self) -> None:
        """Begin as if a line had just ended, so that a dot at once is an empty mail."""
        self._held = b"\r\n"
        self._skip = 2
        self.size = 0
        """Octets of the mail so far, after unstuffing."""
        self.has_odd_bytes = False
        """Whether there is a bare CR, a bare LF or a NUL."""
        self.rest: bytes | None = None
        """What followed the end; None until the end is found."""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; return what of the mail is certain."""
        text = self._held + chunk
        has_dots = _DOT.search(text) is not None
        end = text.find(END) if has_dots else -1
        if end >= 0:
            self.rest = text[end + len(END) :]
            piece = text[: end + 2]
        else:
            held = next(n for n in (4, 3, 2, 1, 0) if text.endswith(END[:n]))
            piece = text[: len(text) - held]
            self._held = text[len(text) - held :]
        if has_dots:
            # RFC 5321 4.5.2: a dot that begins a line with more on it is not part of the mail.
            piece = piece.replace(b"\r\n.", b"\r\n")
        skip = min(self._skip, len(piece))
        self._look(piece)
        self._skip -= skip
        self.size += len(piece) - skip
        return piece[skip:]

    def _look(self, piece: bytes) -> None:
        """A CR at the end of a piece is bare: had LF followed, both would have been held back.

        As many LFs as CRs, and no CR without its LF: then no LF is without its CR.
        """
        if not self.has_odd_bytes:
            self.has_odd_bytes = (
                piece.count(b"\n") != piece.count(b"\r")
                or _BARE_CR.search(piece) is not None
                or piece.endswith(b"\r")
                or b"\0" in piece
            )
