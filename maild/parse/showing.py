"""What is shown of a mail: the one way from bytes to what a person sees.  Pure; the pool adds time and memory."""

from __future__ import annotations

from collections.abc import Iterator

from maild.model.letter import UnreadableError
from maild.model.shown import INTO, PATH_MAX, Listed, NoSuchPartError, Shown, Span, What, Wish
from maild.parse import transfer
from maild.parse.attachments import attachments, is_text, name_of
from maild.parse.originals import MESSAGES
from maild.parse.pages import page
from maild.parse.parts import Part, read_parts

_BEGINS = 512
"""Octets of a file that tell what it is."""
_SIGNS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_LEVELS = 5
"""How far one looks into mails within mails."""


def show(raw: bytes, wish: Wish) -> Shown:
    """Return what is wished.  Linear in the mail's size.  Raises NoSuchPartError, UnreadableError."""
    if len(wish.path) > PATH_MAX:
        raise NoSuchPartError
    match wish.what:
        case What.PAGE:
            within = _message(raw, wish.path)
            if not within.strip(b"\r\n\t \0"):
                raise UnreadableError("The mail is empty.")
            return Shown(type="text/html", octets=page(within, wish))
        case What.FILE:
            return _file(raw, wish.path)
        case What.FILES:
            return Shown(files=tuple(_files(_message(raw, wish.path))))


def _files(raw: bytes) -> Iterator[Listed]:
    root = read_parts(raw, [])
    own = [part for part in root.leaves() if is_text(part)]
    for one in attachments(raw, list(root.leaves()), own):
        yield Listed(name=one.name, type=one.type, size=one.size, path=one.path)


def _message(raw: bytes, path: str) -> bytes:
    """Return the attached mail of that name, or the mail itself.  Raises NoSuchPartError."""
    for step in _steps(path):
        part = _part(raw, step)
        if part.type not in MESSAGES:
            raise NoSuchPartError
        raw = part.octets(raw).lstrip(b"\r\n \t")
    return raw


def _steps(path: str) -> list[str]:
    steps = path.split(INTO) if path else []
    if len(steps) > _LEVELS:
        raise NoSuchPartError
    return steps


def _part(raw: bytes, path: str) -> Part:
    for part in read_parts(raw, []).leaves():
        if part.path == path:
            return part
    raise NoSuchPartError


def _file(raw: bytes, path: str) -> Shown:
    """Return a part as a file: its place in the mail where that will do, its octets where not."""
    outer, into, last = path.rpartition(INTO)
    if into and not outer:
        raise NoSuchPartError
    within = _message(raw, outer)
    part = _part(within, last)
    content = within[part.start : part.end]
    is_base64 = part.encoding == "base64"
    stands = part.encoding in transfer.AS_IT_STANDS or (is_base64 and transfer.is_clean(content))
    if stands and not into:
        span = Span(start=part.start, end=part.end, is_base64=is_base64)
        size = transfer.decoded_size(content, part.encoding)
        seems = sniffed(transfer.decoded(content[: 2 * _BEGINS], part.encoding))
        return Shown(type=part.type, name=name_of(part), size=size, seems=seems, span=span)
    octets = part.octets(within)
    return Shown(
        type=part.type,
        name=name_of(part),
        size=len(octets),
        seems=sniffed(octets[:_BEGINS]),
        octets=octets,
    )


def sniffed(begins: bytes) -> str:
    """Return the type that the first octets of a file show, of those that a browser may open; empty for any other."""
    for sign, found in _SIGNS:
        if begins.startswith(sign):
            return found
    if begins[:4] == b"RIFF" and begins[8:12] == b"WEBP":
        return "image/webp"
    return ""
