"""What is shown of a mail: the one way from bytes to what a person sees.  Pure; the pool adds time and memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from maild.model.letter import UnreadableError
from maild.model.shown import (
    INTO,
    PATH_MAX,
    Event,
    Listed,
    NoSuchPartError,
    Shown,
    Span,
    What,
    Wish,
)
from maild.parse import transfer
from maild.parse.attachments import attachments, is_text, name_of
from maild.parse.calendar import EVENTS_MAX, read_calendar
from maild.parse.originals import MESSAGES
from maild.parse.pages import page
from maild.parse.parts import Part, read_parts
from maild.parse.protection import protection_of
from maild.parse.text import read_texts
from maild.parse.tnef import TYPES as TNEF, read_tnef

_BEGINS = 512
"""Octets of a file that tell what it is."""
_LEVELS = 5
"""How far one looks into mails within mails."""
_CALENDARS = frozenset({"text/calendar", "application/ics"})
_CALENDARS_MAX = 10
_TNEF_MAX = 5
"""Files of a kind, of one mail, that are opened for its list."""
_SIGNS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)


@dataclass(frozen=True, slots=True)
class _Item:
    """A part of a mail, or a file of a winmail.dat."""

    type: str
    name: str
    octets: bytes
    part: Part | None = None

    @property
    def is_tnef(self) -> bool:
        return self.type in TNEF or self.name.lower() == "winmail.dat"


def show(raw: bytes, wish: Wish) -> Shown:
    """Return what is wished.  Linear in the mail's size.  Raises NoSuchPartError, UnreadableError."""
    steps = _steps(wish.path)
    match wish.what:
        case What.PAGE:
            return _page(raw, steps, wish)
        case What.FILE:
            return _file(raw, steps)
        case What.FILES:
            return _inside(raw)
        case What.PLACES:
            return _places(raw)


def _steps(path: str) -> list[str]:
    steps = path.split(INTO) if path else []
    if len(path) > PATH_MAX or len(steps) > _LEVELS:
        raise NoSuchPartError
    return steps


def _item(raw: bytes, steps: list[str]) -> _Item:
    """Return what lies at the end of the steps.  Raises NoSuchPartError."""
    item = _Item("message/rfc822", "", raw)
    for step in steps:
        item = _child(item, step)
    return item


def _child(item: _Item, step: str) -> _Item:
    if item.is_tnef:
        files = read_tnef(item.octets)
        at = int(step) if step.isascii() and step.isdigit() and len(step) < 6 else 0
        if not 1 <= at <= len(files):
            raise NoSuchPartError
        found = files[at - 1]
        return _Item(found.type, found.name, found.octets)
    if item.type not in MESSAGES:
        raise NoSuchPartError
    raw = item.octets if item.part is None else item.octets.lstrip(b"\r\n \t")
    for part in read_parts(raw, []).leaves():
        if part.path == step:
            return _Item(part.type, name_of(part), part.octets(raw), part)
    raise NoSuchPartError


def _page(raw: bytes, steps: list[str], wish: Wish) -> Shown:
    item = _item(raw, steps)
    if item.type not in MESSAGES:
        raise NoSuchPartError
    octets = item.octets.lstrip(b"\r\n \t") if steps else raw
    if not octets.strip(b"\r\n\t \0"):
        raise UnreadableError("The mail is empty.")
    return Shown(type="text/html", octets=page(octets, wish))


def _file(raw: bytes, steps: list[str]) -> Shown:
    """Return a part as a file: its place in the mail where that will do, its octets where not."""
    if not steps:
        raise NoSuchPartError
    item = _item(raw, steps)
    found = Shown(
        type=item.type,
        name=item.name,
        size=len(item.octets),
        seems=sniffed(item.octets[:_BEGINS]),
    )
    span = _span(raw, item.part) if len(steps) == 1 and item.part is not None else None
    return replace(found, octets=item.octets) if span is None else replace(found, span=span)


def _span(raw: bytes, part: Part) -> Span | None:
    is_base64 = part.encoding == "base64"
    if is_base64 and not transfer.is_clean(raw[part.start : part.end]):
        return None
    if not is_base64 and part.encoding not in transfer.AS_IT_STANDS:
        return None
    return Span(start=part.start, end=part.end, is_base64=is_base64)


def _inside(raw: bytes) -> Shown:
    """Return the files of a mail, those within winmail.dat too, its events, and how it is protected."""
    root = read_parts(raw, [])
    leaves = list(root.leaves())
    texts = [part for part in leaves if is_text(part)]
    events: list[Event] = []
    for part in [one for one in leaves if one.type in _CALENDARS][:_CALENDARS_MAX]:
        events.extend(read_calendar(part.octets(raw), part.content_type.get("charset")))
    return Shown(
        files=tuple(_files(raw, leaves, texts)),
        events=_each_once(events),
        protection=protection_of(root, read_texts(raw, root, []).text),
    )


def _places(raw: bytes) -> Shown:
    leaves = list(read_parts(raw, []).leaves())
    files = tuple(_files(raw, leaves, [part for part in leaves if is_text(part)]))
    by_path = {part.path: part for part in leaves}
    spans = tuple(_span(raw, by_path[one.path]) if one.path in by_path else None for one in files)
    return Shown(files=files, spans=spans)


def _files(raw: bytes, leaves: list[Part], texts: list[Part]) -> Iterator[Listed]:
    opened = 0
    by_path = {part.path: part for part in leaves}
    for one in attachments(raw, leaves, texts):
        yield Listed(name=one.name, type=one.type, size=one.size, path=one.path)
        item = _Item(one.type, one.name, b"")
        if item.is_tnef and opened < _TNEF_MAX:
            opened += 1
            for at, file in enumerate(read_tnef(by_path[one.path].octets(raw)), 1):
                path = f"{one.path}{INTO}{at}"
                yield Listed(name=file.name, type=file.type, size=len(file.octets), path=path)


def _each_once(events: list[Event]) -> tuple[Event, ...]:
    """Leave out what stands in the mail twice: as an alternative of its text, and as a file."""
    return tuple(dict.fromkeys(events))[:EVENTS_MAX]


def sniffed(begins: bytes) -> str:
    """Return the type that the first octets of a file show, of those that a browser may open; empty for any other."""
    for sign, found in _SIGNS:
        if begins.startswith(sign):
            return found
    if begins[:4] == b"RIFF" and begins[8:12] == b"WEBP":
        return "image/webp"
    return ""
