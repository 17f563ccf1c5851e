"""A mail as signatures see it: fields exactly as they came, and digests of the canonical body.

Linear in the mail, and in memory bounded by the header block: the body is read in pieces, from bytes or from a file.
It never decides who sent the mail; where the header block can be read in two ways, it says so and nothing is verified.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

HEADER_MAX = 256 * 1024
FIELDS_MAX = 2000
"""Fields of a mail whose signatures are looked at; the work on one grows with them."""
ONCE = (
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"in-reply-to",
    b"references",
    b"content-type",
    b"content-transfer-encoding",
)
"""What a mail is read and filed by, and has once (RFC 5322 3.6, RFC 2045).

Of several a signature covers the lowest, and people read the topmost (RFC 6376 8.15): who has one mail that a user signed
could put another subject and other recipients on top of it, and send it as that user's.
"""
_PIECE = 64 * 1024
_ENDS_MAX = 16 * 1024

_END = re.compile(rb"\r?\n\r?\n")
_WELL_FORMED = re.compile(
    rb"(?:From [^\r\n]*+\r\n)?+(?:[!-9;-~]++[ \t]*+:[^\r\n]*+\r\n(?:[ \t][^\r\n]*+\r\n)*+)*+"
)
_FIELD = re.compile(
    rb"^([!-9;-~]++)([ \t]*+):([^\r\n]*+\r\n(?:[ \t][^\r\n]*+\r\n)*+)", re.MULTILINE
)
_SPACES = re.compile(rb"[ \t]+")


class Field(NamedTuple):
    """One header field, ready for hashing."""

    name: bytes
    """As it came."""
    value: bytes
    """As it came, with its last line end (CRLF)."""

    @property
    def key(self) -> bytes:
        """The name in lower case."""
        return self.name.lower()

    @property
    def text(self) -> str:
        """The value unfolded; what is not ASCII becomes a replacement that no grammar accepts."""
        return self.value.replace(b"\r\n", b"").decode("ascii", "replace").strip(" \t")


@dataclass(frozen=True, slots=True)
class Damaged:
    """Nothing in this mail can be verified; `why` is a clause for the trace."""

    why: str


class SignedMail:
    """A mail whose header block reads one way only."""

    def __init__(
        self,
        raw: bytes | Path,
        fields: tuple[Field, ...],
        body_at: int,
        spaced: frozenset[bytes] = frozenset(),
    ) -> None:
        """Use `read_signed`."""
        self._raw = raw
        self.fields = fields
        self.spaced = spaced
        """Names, in lower case, of fields with a space in front of their colon: whoever reads the mail reads them, and no
        signature speaks for them."""
        self._body_at = body_at
        self._digests: dict[str, bytes] = {}

    def named(self, key: bytes) -> list[Field]:
        """Return the fields of that lower-case name, topmost first."""
        return [field for field in self.fields if field.key == key]

    def body_digest(self, canonicalization: str) -> bytes:
        """Return the SHA-256 of the body in its `simple` or `relaxed` form.  Raises OSError for a file."""
        if canonicalization not in self._digests:
            digest = BodyDigest(is_relaxed=canonicalization == "relaxed")
            for piece in self._pieces():
                digest.update(piece)
            self._digests[canonicalization] = digest.finish()
        return self._digests[canonicalization]

    def _pieces(self) -> Iterator[bytes]:
        if isinstance(self._raw, bytes):
            for at in range(self._body_at, len(self._raw), _PIECE):
                yield self._raw[at : at + _PIECE]
            return
        with self._raw.open("rb") as file:
            file.seek(self._body_at)
            while piece := file.read(_PIECE):
                yield piece


def read_signed(raw: bytes | Path) -> SignedMail | Damaged:
    """Read the header block.  Raises OSError when a file cannot be read; nothing else, whatever the bytes."""
    if isinstance(raw, bytes):
        start = raw[: HEADER_MAX + 4]
    else:
        with raw.open("rb") as file:
            start = file.read(HEADER_MAX + 4)
    end = _END.search(start)
    if end is None and len(start) > HEADER_MAX:
        return Damaged(f"its header block is longer than {HEADER_MAX // 1024} KiB")
    block, body_at = (start, len(start)) if end is None else (start[: end.start()], end.end())
    if b"\r" not in block:
        block = block.replace(b"\n", b"\r\n")
    if not block.endswith(b"\r\n"):
        block += b"\r\n"
    why = _damage(block)
    if why is not None:
        return Damaged(why)
    found = _fields(block)
    return found if isinstance(found, Damaged) else SignedMail(raw, found[0], body_at, found[1])


def _damage(block: bytes) -> str | None:
    pairs = block.count(b"\r\n")
    if block.count(b"\r") != pairs or block.count(b"\n") != pairs or b"\0" in block:
        return "its header block has a lone carriage return, a lone line feed or a NUL"
    good = _WELL_FORMED.match(block)
    if good is None or good.end() != len(block):
        return "its header block has a line that is not a header field"
    return None


def _fields(block: bytes) -> tuple[tuple[Field, ...], frozenset[bytes]] | Damaged:
    found = []
    spaced = set()
    senders = 0
    for match in _FIELD.finditer(block):
        name, blanks, value = match.groups()
        is_from = name.lower() == b"from"
        senders += is_from
        if blanks and is_from:
            return Damaged("there is a space between “From” and its colon")
        # Obsolete (RFC 5322 4.5), and hashed differently by everybody: no signature can speak for such a field.
        if blanks:
            spaced.add(name.lower())
        else:
            found.append(Field(name, value))
        if len(found) > FIELDS_MAX:
            return Damaged(f"it has more than {FIELDS_MAX} header fields")
    if senders != 1:
        return Damaged(f"it has {senders} From fields where one must be")
    return tuple(found), frozenset(spaced)


class BodyDigest:
    """Hashes a body in its canonical form (RFC 6376 3.4.3, 3.4.4), whatever the pieces are.

    A lone LF counts as a line end, as it does for whoever reads the mail; a lone CR is a character.
    """

    def __init__(self, *, is_relaxed: bool) -> None:
        """Begin with an empty body."""
        self._is_relaxed = is_relaxed
        self._digest = hashlib.sha256()
        self._has_cr = False
        self._has_space = False
        self._ends = 0
        self._is_empty = True

    def update(self, piece: bytes) -> None:
        """Take the next bytes."""
        if self._has_cr:
            piece = b"\r" + piece
        self._has_cr = piece.endswith(b"\r")  # Perhaps half of a line end.
        if self._has_cr:
            piece = piece[:-1]
        self._take(piece.replace(b"\r\n", b"\n"))

    def _take(self, lines: bytes) -> None:
        if self._is_relaxed:
            lines = _SPACES.sub(b" ", b" " + lines if self._has_space else lines)
            lines = lines.replace(b" \n", b"\n")
            self._has_space = lines.endswith(b" ")
            if self._has_space:
                lines = lines[:-1]
        text = lines.rstrip(b"\n")
        if text:
            self._write_ends()
            self._digest.update(text.replace(b"\n", b"\r\n"))
            self._is_empty = False
        self._ends += len(lines) - len(text)

    def _write_ends(self) -> None:
        while self._ends:
            some = min(self._ends, _ENDS_MAX)
            self._digest.update(b"\r\n" * some)
            self._ends -= some

    def finish(self) -> bytes:
        """Return the digest; one line end stands at the end of what is not empty."""
        if self._has_cr:
            self._has_cr = False
            self._take(b"\r")
        if not (self._is_relaxed and self._is_empty):
            self._digest.update(b"\r\n")
        return self._digest.digest()
