"""winmail.dat: files and texts that Outlook wraps in a format of its own (MS-OXTNEF).  Read as far as it is whole.

Our own reading, in one pass: lengths that lead beyond the end end it, nothing is unpacked (compressed RTF stays out),
and what is attached within is handed on as it stands.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from maild.parse.attachments import safe_name
from maild.parse.charsets import decode

TYPES = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
FILES_MAX = 200
"""Files taken out of one winmail.dat."""
PROPERTIES_MAX = 20_000
"""Properties and attributes that are looked at, in all."""
_SIGNATURE = 0x223E9F78
_ATTACHMENT = 2

_BEGIN, _TITLE, _DATA, _PROPERTIES = 0x9002, 0x8010, 0x800F, 0x9005
_BODY, _CODEPAGE, _MESSAGE_PROPERTIES = 0x800C, 0x9007, 0x9003
_LONG_NAME, _NAME, _TYPE, _CONTENT_ID, _OBJECT = 0x3707, 0x3704, 0x370E, 0x3712, 0x3701
_TEXT, _HTML = 0x1000, 0x1013

_FIXED = {
    0x02: 4,
    0x03: 4,
    0x04: 4,
    0x05: 8,
    0x06: 8,
    0x07: 8,
    0x0A: 4,
    0x0B: 4,
    0x14: 8,
    0x40: 8,
    0x48: 16,
}
"""Octets of a property's value, by its type (MS-OXCDATA 2.11.1)."""
_STRING, _UNICODE, _EMBEDDED, _BINARY = 0x1E, 0x1F, 0x0D, 0x102
_MANY = 0x1000
_NAMED = 0x8000


class _EndError(Exception):
    """The stream ends before it says all."""


@dataclass(slots=True)
class TnefFile:
    """One file."""

    name: str = ""
    type: str = ""
    content_id: str = ""
    octets: bytes = b""
    is_text: bool = False
    """What the message itself says."""


def read_tnef(raw: bytes) -> list[TnefFile]:
    """Return the files of a winmail.dat in order, the message's own text among them.  Never raises; linear."""
    found = _Reader(raw)
    with suppress(_EndError):  # What came before the end is there.
        found.run()
    return found.files()


class _Stream:
    """Octets, taken in order."""

    def __init__(self, raw: bytes) -> None:
        self.raw = memoryview(raw)
        self.at = 0

    def take(self, octets: int) -> memoryview:
        if octets < 0 or octets > len(self.raw) - self.at:
            raise _EndError
        taken = self.raw[self.at : self.at + octets]
        self.at += octets
        return taken

    def number(self, shape: str = "<I") -> int:
        found: int = struct.unpack(shape, self.take(struct.calcsize(shape)))[0]
        return found

    @property
    def is_at_end(self) -> bool:
        return self.at >= len(self.raw)


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._stream = _Stream(raw)
        self._found: list[TnefFile] = []
        self._texts: dict[str, bytes] = {}
        self._charset = "cp1252"
        self._left = PROPERTIES_MAX

    def run(self) -> None:
        if self._stream.number() != _SIGNATURE:
            return
        self._stream.take(2)
        while not self._stream.is_at_end:
            self._count()
            level = self._stream.number("<B")
            attribute = self._stream.number() & 0xFFFF
            content = self._stream.take(self._stream.number())
            self._stream.take(2)  # A sum of the octets, which many writers get wrong.
            self._attribute(level, attribute, content)

    def _count(self) -> None:
        self._left -= 1
        if self._left <= 0:
            raise _EndError

    def _attribute(self, level: int, attribute: int, content: memoryview) -> None:
        match attribute:
            case _ if attribute == _BEGIN:
                if len(self._found) >= FILES_MAX:
                    raise _EndError
                self._found.append(TnefFile())
            case _ if attribute == _CODEPAGE and len(content) >= 4:
                self._charset = f"cp{struct.unpack('<I', content[:4])[0]}"
            case _ if attribute == _BODY:
                self._texts.setdefault("plain", bytes(content).rstrip(b"\0"))
            case _ if attribute == _MESSAGE_PROPERTIES:
                with suppress(
                    _EndError
                ):  # Of this attribute alone: where the next one begins is known.
                    self._texts_among(content)
            case _ if level == _ATTACHMENT and self._found:
                with suppress(_EndError):
                    self._attachment(self._found[-1], attribute, content)

    def _attachment(self, file: TnefFile, attribute: int, content: memoryview) -> None:
        match attribute:
            case _ if attribute == _TITLE:
                file.name = file.name or self._string(bytes(content))
            case _ if attribute == _DATA:
                file.octets = bytes(content)
            case _ if attribute == _PROPERTIES:
                for key, kind, value in self._properties(content):
                    self._file_property(file, key, kind, value)

    def _file_property(self, file: TnefFile, key: int, kind: int, value: memoryview) -> None:
        match key:
            case _ if key == _LONG_NAME or (key == _NAME and not file.name):
                file.name = self._text(kind, value) or file.name
            case _ if key == _TYPE:
                file.type = self._text(kind, value).strip().lower()
            case _ if key == _CONTENT_ID:
                file.content_id = self._text(kind, value).strip("<> ")
            case _ if key == _OBJECT and not file.octets:
                # Behind the id of its interface stands a message as a winmail.dat of its own.
                is_message = kind == _EMBEDDED and bytes(value[16:20]) == struct.pack(
                    "<I", _SIGNATURE
                )
                file.octets = bytes(value[16:] if is_message else value)
                file.type = "application/ms-tnef" if is_message else file.type

    def _texts_among(self, content: memoryview) -> None:
        for key, kind, value in self._properties(content):
            if key == _HTML:
                self._texts.setdefault("html", bytes(value))
            elif key == _TEXT:
                self._texts.setdefault("plain", self._text(kind, value).encode())

    def _properties(self, content: memoryview) -> Iterator[tuple[int, int, memoryview]]:
        """Yield number, type and first value of each property, as far as they are whole."""
        stream = _Stream(b"")
        stream.raw = content
        for _ in range(stream.number()):
            self._count()
            kind, key = stream.number("<H"), stream.number("<H")
            if key >= _NAMED:
                stream.take(16)
                stream.take(_padded(stream.number()) if stream.number() == 1 else 4)
            for at, value in enumerate(_values(stream, kind)):
                self._count()
                if at == 0:
                    yield key, kind & ~_MANY, value

    def _text(self, kind: int, value: memoryview) -> str:
        octets = bytes(value)
        if kind == _UNICODE:
            return octets.decode("utf-16-le", "replace").rstrip("\0")
        return self._string(octets)

    def _string(self, octets: bytes) -> str:
        return decode(octets.partition(b"\0")[0], self._charset)[0]

    def files(self) -> list[TnefFile]:
        """Return the files, and behind them the texts, as files too."""
        texts = [
            TnefFile(
                f"message.{'html' if kind == 'html' else 'txt'}",
                f"text/{kind}",
                "",
                octets,
                is_text=True,
            )
            for kind, octets in self._texts.items()
            if octets.strip(b"\0\r\n\t ")
        ]
        for file in self._found:
            file.name = safe_name(file.name[:4_000])
            file.content_id = safe_name(file.content_id)
            file.type = file.type if _is_type(file.type) else "application/octet-stream"
        return [*self._found, *texts]


def _values(stream: _Stream, kind: int) -> Iterator[memoryview]:
    base = kind & ~_MANY
    fixed = _FIXED.get(base)
    if fixed is not None:
        for _ in range(stream.number() if kind & _MANY else 1):
            yield stream.take(fixed)
        return
    if base not in {_STRING, _UNICODE, _EMBEDDED, _BINARY}:
        raise _EndError  # How long it is, nobody knows.
    for _ in range(stream.number()):
        length = stream.number()
        value = stream.take(length)
        stream.take(min(_padded(length) - length, len(stream.raw) - stream.at))
        yield value


def _padded(length: int) -> int:
    return length + -length % 4


def _is_type(text: str) -> bool:
    first, slash, second = text.partition("/")
    return bool(slash) and all(
        part
        and len(part) < 64
        and part.isascii()
        and part.replace("-", "").replace(".", "").replace("+", "").isalnum()
        for part in (first, second)
    )
