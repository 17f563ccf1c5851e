"""The MIME parts of a mail: one pass over the bytes, on no stack but our own (RFC 2045, 2046).

Only spans are kept: nothing is copied or decoded before somebody asks for it.  Depth and number of parts are bounded,
and the work is linear in the size whatever the boundaries are, which the standard library's tree is not (each line is
compared with each open boundary, and 3,000 levels end in RecursionError).  That both see the same parts in honest
mail is a test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from maild.parse import transfer
from maild.parse.header_block import Field, capped, fields, split, topmost
from maild.parse.limits import DEPTH, PART_HEADER, PARTS
from maild.parse.parameters import NOTHING, Valued, read_valued

# Begins with what is looked for: twelve times as fast as `^` with MULTILINE, which is tried at every octet.
_DASHES = re.compile(rb"\n--([^\r\n]*+)")
_HEADER_END = re.compile(rb"^(?:\r?\n|--)", re.MULTILINE)
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+(?![^\s;,])")


@dataclass(slots=True, eq=False)
class Part:
    """One node of the tree.  Spans are offsets into the mail's bytes."""

    type: str
    content_type: Valued
    disposition: Valued
    encoding: str
    content_id: str
    description: bytes
    start: int
    """Where the content begins, behind the part's header."""
    end: int
    path: str = ""
    """As IMAP numbers it (RFC 9051 6.4.5.1); empty for the root of a multipart mail."""
    too_deep: bool = False
    """A multipart that was not opened, because of the limit."""
    children: list[Part] = field(default_factory=list)
    _measured: transfer.Measured | None = None

    @property
    def is_multipart(self) -> bool:
        """Whether it holds parts rather than content."""
        return bool(self.children)

    def octets(self, raw: bytes) -> bytes:
        """Return the decoded content."""
        return transfer.decoded(raw[self.start : self.end], self.encoding)

    def size(self, raw: bytes) -> int:
        """Return how many octets the content decodes to; base64 is counted, not decoded."""
        if self.encoding == "base64":
            return self.measured(raw).size
        return len(self.octets(raw))

    def measured(self, raw: bytes) -> transfer.Measured:
        """Measure the content as base64, once: a large one takes milliseconds."""
        if self._measured is None:
            self._measured = transfer.measured(raw[self.start : self.end])
        return self._measured

    def leaves(self) -> Iterator[Part]:
        """Return the parts with content, in the order of the mail."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            if part.children:
                waiting.extend(reversed(part.children))
            else:
                yield part


def read_parts(raw: bytes, notes: list[str]) -> Part:
    """Return the root of the tree; what was not read is added to `notes`."""
    head = split(raw)
    root = _part(fields(head.block), head.body, len(raw), "text/plain")
    if _boundary(root):
        _Walk(raw, root, notes).run()
    _settle(root, notes)
    _number(root)
    return root


def damage(raw: bytes, part: Part) -> str | None:
    """Say what is wrong with the encoding of a part, where two readers may see two contents (T24)."""
    if part.encoding == "base64" and part.measured(raw).is_torn:
        return f"the base64 of part {part.path} is torn"
    if part.encoding not in transfer.KNOWN:
        return f"part {part.path} has an encoding that nobody knows"
    return None


class _Walk:
    """One pass over all lines that begin with two dashes."""

    def __init__(self, raw: bytes, root: Part, notes: list[str]) -> None:
        self.raw = raw
        self.notes = notes
        self.open: list[tuple[Part, bytes]] = []
        self.levels: dict[bytes, list[int]] = {}
        self.part = root
        self.count = 1
        self._enter(root)

    def run(self) -> None:
        # In front of a multipart's content there is a header, and the line end behind it.
        for match in _DASHES.finditer(self.raw, self.part.start - 1):
            at = match.start() + 1
            if at < self.part.start or not self.levels:
                continue
            line = match[1].rstrip(b" \t")
            if (level := self._level(line)) is not None:
                if self.count > PARTS:
                    self.notes.append(f"more than {PARTS} parts; the rest was not read")
                    self._finish(at)
                    return
                self._finish(at)
                self._leave(level + 1)
                self._begin(self._line_end(match.end()))
            elif line.endswith(b"--") and (level := self._level(line[:-2])) is not None:
                self._finish(at)
                self._leave(level)
                self.part = _nowhere(self._line_end(match.end()))
        self._finish(len(self.raw), last=True)
        if self.open and self.count > 1:
            self.notes.append("a closing boundary never came; the end of the mail may be missing")

    def _level(self, boundary: bytes) -> int | None:
        levels = self.levels.get(boundary)
        return levels[-1] if levels else None

    def _line_end(self, at: int) -> int:
        newline = self.raw.find(b"\n", at)
        return len(self.raw) if newline < 0 else newline + 1

    def _enter(self, part: Part) -> None:
        boundary = _boundary(part)
        if not boundary:
            return
        if len(self.open) >= DEPTH:
            part.too_deep = True
            self.notes.append(f"parts nest more than {DEPTH} deep; the rest was not read")
            return
        self.levels.setdefault(boundary, []).append(len(self.open))
        self.open.append((part, boundary))

    def _leave(self, level: int) -> None:
        """Close all multiparts from that level on, in whose middle an outer boundary came."""
        while len(self.open) > level:
            _, boundary = self.open.pop()
            levels = self.levels[boundary]
            levels.pop()
            if not levels:
                del self.levels[boundary]

    def _finish(self, at: int, *, last: bool = False) -> None:
        """End the content of the part at hand; the line end in front of a boundary is the boundary's (RFC 2046 5.1.1)."""
        if not last:
            at -= 2 if self.raw[at - 2 : at] == b"\r\n" else 1
        self.part.end = max(self.part.start, at)

    def _begin(self, at: int) -> None:
        parent = self.open[-1][0]
        default = "message/rfc822" if parent.type == "multipart/digest" else "text/plain"
        limit = at + PART_HEADER
        end = _HEADER_END.search(self.raw, at, limit)
        if end is None:
            header_end = content = min(len(self.raw), limit)
        else:
            header_end = end.start()
            content = header_end if end[0] == b"--" else end.end()
        self.part = _part(fields(self.raw[at:header_end]), content, content, default)
        parent.children.append(self.part)
        self.count += 1
        self._enter(self.part)


def _part(found: list[Field], start: int, end: int, default: str) -> Part:
    found = capped(found, [])
    content_type = read_valued(topmost(found, b"content-type"))
    disposition = topmost(found, b"content-disposition")
    encoding = topmost(found, b"content-transfer-encoding") or b""
    return Part(
        type=_type(content_type.value, default),
        content_type=content_type,
        disposition=read_valued(disposition) if disposition else NOTHING,
        encoding=encoding.partition(b";")[0].strip(b" \t\"'").lower().decode("ascii", "replace"),
        content_id=(topmost(found, b"content-id") or b"")
        .strip(b"<> \t")
        .decode("utf-8", "replace"),
        description=topmost(found, b"content-description") or b"",
        start=start,
        end=end,
    )


def _type(value: str, default: str) -> str:
    """Return the media type; one that is none is text (RFC 2045 5.2), a bare `text` or `multipart` its usual kind."""
    if (match := _TYPE.match(value)) is not None:
        return match[0]
    return {"": default, "text": "text/plain", "html": "text/html"}.get(value, "text/plain")


def _nowhere(at: int) -> Part:
    """Return what takes the epilogue: nobody keeps it."""
    return Part("text/plain", NOTHING, NOTHING, "", "", b"", at, at)


def _boundary(part: Part) -> bytes:
    if not part.type.startswith("multipart/"):
        return b""
    return part.content_type.get("boundary").rstrip(" \t").encode("utf-8", "replace")


def _settle(root: Part, notes: list[str]) -> None:
    """Make text of multiparts in which no boundary ever came (RFC 2046 5.1 asks for one part at least)."""
    for part in root.leaves():
        if part.type.startswith("multipart/") and not part.too_deep:
            part.type = "text/plain"
            if part.end > part.start:
                notes.append(f"no boundary of {part.content_type.value[:60]} was found")


def _number(root: Part) -> None:
    """Give each part its IMAP number."""
    if not root.children:
        root.path = "1"
        return
    waiting = [root]
    while waiting:
        parent = waiting.pop()
        for at, child in enumerate(parent.children, 1):
            child.path = f"{parent.path}.{at}" if parent.path else str(at)
            waiting.append(child)


def read_part(raw: bytes, path: str) -> bytes:
    """Return the decoded content of the part with that path.  Raises KeyError when the mail has none such."""
    for part in read_parts(raw, []).leaves():
        if part.path == path:
            return part.octets(raw)
    raise KeyError(path)
