"""Files out of mails, so that none of them can do anything in a browser but be saved (M13; safety.md 2.6).

A file is served as what it is only if it is a picture or a PDF by its name and by its first octets; everything else is
octets to be saved.  Only reads.  Content is taken from the stored mail piece by piece where its encoding allows.
"""

from __future__ import annotations

import binascii
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from typing_extensions import Buffer, override

from maild.core.app import Actor, App
from maild.core.file_names import disposition, file_name
from maild.core.opening import Shower
from maild.core.showing import no_part
from maild.core.tickets import Purpose, opened_ticket
from maild.core.views import bytes_of, visible_mail
from maild.model.letter import UnreadableError
from maild.model.reason import Reason, RefusedError
from maild.model.shown import INTO, NoSuchPartError, Shown, Span, What, Wish
from maild.parse.pool import ReaderDiedError
from maild.parse.safe_html import ALIASES

PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What a browser may draw within a page."""
_AS_IT_IS = PICTURES | {"application/pdf"}
_OCTETS = "application/octet-stream"
_ZIP = "application/zip"
_MESSAGES = frozenset({"message/rfc822", "message/global", "message/news"})
PIECE = 64 * 1024
"""Octets of a stored mail that are in memory at a time."""
FILES_MAX = 200
"""Files of one archive."""
ARCHIVE_MAX = 200 * 1024 * 1024
"""Octets of all files of one archive."""
READ_MAX = 512 * 1024 * 1024
"""Octets of the mail that are read for one archive, where it is read again for each file that does not stand in it as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file, with the header that it must be served with."""

    name: str
    """Fit for any disk."""
    type: str
    """As what it may be served."""
    size: int | None
    """None for an archive, which is made while it is sent."""
    header: Mapping[str, str]
    pieces: Iterator[bytes] = field(repr=False)
    """The content; to be taken once."""


def attachment(app: App, shower: Shower, ulid: str, path: str, *, by: Actor) -> File:
    """Return one part of a mail as a file to be saved; `path` as `attachments` of the mail say, also within others.

    Raises RefusedError NOT_FOUND, NOT_ALLOWED, CONFLICT (erased, or not to be read).
    """
    content = _content(app, ulid, by)
    shown = _shown(shower, content, ulid, path)
    return _file(shown, path, _pieces(content, shown), "attachment")


def picture_by_ticket(app: App, shower: Shower, ulid: str, ticket: str, path: str) -> File:
    """Return a picture of a mail to whoever has a ticket for its pictures: to the mail's own page.

    Raises RefusedError TICKET_REFUSED, NOT_FOUND (also for what is no picture), NOT_ALLOWED, CONFLICT.
    """
    terms = opened_ticket(app, Purpose.PICTURES, ulid, ticket)
    content = _content(app, ulid, terms.by)
    shown = _shown(shower, content, ulid, path)
    if _served_as(shown) not in PICTURES:
        raise no_part(ulid, path)
    file = _file(shown, path, _pieces(content, shown), "inline")
    # The page is sandboxed, so of no origin: of "same-origin" a browser draws nothing there.  The ticket is what protects.
    return replace(file, header={**file.header, "Cross-Origin-Resource-Policy": "cross-origin"})


def archive(app: App, shower: Shower, ulid: str, *, by: Actor) -> File:
    """Return all files of a mail in one, made while it is sent.

    Raises RefusedError NOT_FOUND, NOT_ALLOWED, CONFLICT (erased, not to be read, none, too many or too large).
    """
    content = _content(app, ulid, by)
    found = _asked(shower, content, ulid, Wish(what=What.PLACES))
    listed = found.files
    if not listed:
        raise RefusedError(Reason.CONFLICT, why=f"The mail {ulid} has no attachments.")
    if len(listed) > FILES_MAX or sum(one.size for one in listed) > ARCHIVE_MAX:
        raise RefusedError(
            Reason.CONFLICT,
            why=f"An archive takes up to {FILES_MAX} files and {ARCHIVE_MAX // 2**20} MiB; take the files one by one.",
        )
    if found.spans.count(None) * _size(content) > READ_MAX:
        raise RefusedError(
            Reason.CONFLICT,
            why="Too many files of this large mail stand in it in other encodings than base64; take the files one by one.",
        )
    name = f"mail-{ulid}.zip"
    return File(
        name=name,
        type=_ZIP,
        size=None,
        header=_header("attachment", name),
        pieces=_archived(shower, content, ulid, found),
    )


def _content(app: App, ulid: str, by: Actor) -> bytes | Path:
    with app.store.read() as tx:
        return bytes_of(app, tx, visible_mail(tx, ulid, by))


def _shown(shower: Shower, content: bytes | Path, ulid: str, path: str) -> Shown:
    if not path:
        raise no_part(ulid, path)
    return _asked(shower, content, ulid, Wish(what=What.FILE, path=path))


def _asked(shower: Shower, content: bytes | Path, ulid: str, wish: Wish) -> Shown:
    try:
        return shower.show(content, wish)
    except NoSuchPartError:
        raise no_part(ulid, wish.path) from None
    except (UnreadableError, ReaderDiedError) as error:
        raise RefusedError(
            Reason.CONFLICT,
            why=f"The parts of the mail {ulid} could not be read. {error} Its raw bytes are there as they came.",
        ) from error


def _file(shown: Shown, path: str, pieces: Iterator[bytes], kind: str) -> File:
    name = _name(shown.name, shown.type, path)
    return File(
        name=name,
        type=_served_as(shown),
        size=shown.size,
        header=_header(kind, name),
        pieces=pieces,
    )


def _name(name: str, type_: str, path: str) -> str:
    ending = "eml" if type_ in _MESSAGES else "bin"
    return file_name(name, f"part-{path.replace(INTO, '-')}.{ending}")


def _served_as(shown: Shown) -> str:
    """Return the type that a browser hears: what the mail says, if the content agrees and it is harmless."""
    said = ALIASES.get(shown.type, shown.type)
    return said if said in _AS_IT_IS and said == shown.seems else _OCTETS


def _header(kind: str, name: str) -> dict[str, str]:
    return {
        "Content-Disposition": disposition(kind, name),
        "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'self'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private",
    }


def _pieces(content: bytes | Path, shown: Shown) -> Iterator[bytes]:
    """Yield the content of a part: what the reader took out of the mail, or what stands there, decoded as it goes."""
    if shown.span is None:
        yield shown.octets
        return
    stands = _stands(content, shown.span)
    yield from _decoded(stands) if shown.span.is_base64 else stands


def _stands(content: bytes | Path, span: Span) -> Iterator[bytes]:
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
        file.seek(span.start)
        left = span.end - span.start
        while left > 0 and (piece := file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece


def _decoded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decode clean base64; the reader has seen that there is nothing else in it."""
    rest = b""
    for piece in pieces:
        letters = rest + piece.translate(None, b"\r\n\t ")
        whole = len(letters) - len(letters) % 4
        rest = letters[whole:]
        yield binascii.a2b_base64(letters[:whole])


class _Sink(io.RawIOBase):
    """Takes what an archive writes and hands it on; it has no way back, so the archive writes straight on."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, piece: Buffer, /) -> int:
        octets = bytes(piece)
        self.pieces.append(octets)
        return len(octets)

    def taken(self) -> bytes:
        found = b"".join(self.pieces)
        self.pieces.clear()
        return found


def _size(content: bytes | Path) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _archived(shower: Shower, content: bytes | Path, ulid: str, found: Shown) -> Iterator[bytes]:
    sink = _Sink()
    names: set[str] = set()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as made:
        for one, span in zip(found.files, found.spans, strict=True):
            shown = Shown(span=span) if span else _shown(shower, content, ulid, one.path)
            name = _free(_name(one.name, one.type, one.path), names)
            with made.open(zipfile.ZipInfo(name), "w") as file:
                for piece in _pieces(content, shown):
                    file.write(piece)
                    yield sink.taken()
    yield sink.taken()


def _free(name: str, names: set[str]) -> str:
    """Return a name that no file of the archive has, on a disk that knows no large letters."""
    stem, dot, ending = name.rpartition(".")
    shown, count = name, 1
    while shown.casefold() in names:
        count += 1
        shown = f"{stem} ({count}){dot}{ending}" if dot else f"{name} ({count})"
    names.add(shown.casefold())
    return shown
