"""vCards of versions 2.1, 3.0 and 4.0 (RFC 2426, RFC 6350), as far as they say who a client is and how he writes.

Our own reading, linear in its input: the expressions of the reader at hand (vobject 0.9.9) need more than a minute for one
line of four thousand octets that never comes to its colon.  Photos and the like are passed over, never kept.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from maild.model.client_card import ClientCard
from maild.model.plain_text import few_marks
from maild.model.reason import Reason, RefusedError
from maild.model.wrong import Wrong

LINE_MAX = 8 * 1024
"""Octets of a line that is looked into, once it is unfolded; a longer one is no name and no address."""
EMAILS_MAX = 1000
"""Addresses of one card."""

_WANTED = frozenset({b"BEGIN", b"END", b"VERSION", b"FN", b"N", b"ORG", b"EMAIL", b"UID"})

# A group stands before a dot: item1.EMAIL.
_NAME = re.compile(rb"(?:[A-Za-z0-9-]{1,60}\.)?([A-Za-z]{1,10})[:;]")


@dataclass(slots=True)
class _Card:
    line: int
    values: dict[str, list[str]] = field(default_factory=dict)
    problem: str | None = None

    def first(self, name: str) -> str:
        return next((one for one in self.values.get(name, ()) if one), "")


@dataclass(slots=True)
class _Client:
    line: int
    name: str
    key: str | None
    identity: tuple[str, str]
    """What cards of one client have in common."""
    contacts: dict[str, None]


def read_vcards(raw: bytes) -> list[tuple[int, ClientCard | Wrong]]:
    """Read the clients that a file of vCards tells of, each with the line on which its first card begins.

    Cards of one organisation (ORG) are one client of that name with all their addresses; a card without one is a client
    by itself, and its UID is its key; of people who only have the same name nobody knows whether they are one.  A client whose
    cards have no EMAIL has contacts None: they do not say.  Raises RefusedError INVALID_VALUE for a file without any card.
    """
    found: dict[tuple[str, str], _Client] = {}
    wrong: list[tuple[int, ClientCard | Wrong]] = []
    for card in _cards(raw):
        if card.problem is not None:
            wrong.append((card.line, Wrong(card.first("FN"), _no_card(card.problem))))
            continue
        client = _client_of(card)
        found.setdefault(client.identity, client).contacts.update(client.contacts)
    if not (found or wrong):
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The vCard file",
            value="…",
            why="it has no card; one begins with BEGIN:VCARD",
        )
    read: list[tuple[int, ClientCard | Wrong]] = [
        (one.line, ClientCard(name=one.name, key=one.key, contacts=tuple(one.contacts) or None))
        for one in found.values()
    ]
    return sorted([*read, *wrong], key=lambda pair: pair[0])


def _no_card(why: str) -> RefusedError:
    return RefusedError(Reason.INVALID_VALUE, what="The card", value="…", why=why)


def _client_of(card: _Card) -> _Client:
    contacts = dict.fromkeys(card.values.get("EMAIL", ()))
    company = _plain(card.first("ORG"))
    if company:
        return _Client(card.line, company, None, ("org", company), contacts)
    name = _plain(card.first("FN")) or _plain(card.first("N"))
    key = _plain(card.first("UID")) or None
    identity = ("card", str(card.line)) if key is None else ("uid", key)
    return _Client(card.line, name, key, identity, contacts)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", few_marks(" ".join(text.split())))


def _cards(raw: bytes) -> Iterator[_Card]:
    """Yield the cards; one in another (AGENT of version 2.1) belongs to nobody, and one without an end has a problem."""
    card: _Card | None = None
    depth = 0
    for number, name, parameters, value in _properties(raw):
        if name == b"BEGIN" and value.strip().upper() == b"VCARD":
            depth += 1
            card = _Card(number) if depth == 1 else card
        elif name == b"END" and value.strip().upper() == b"VCARD" and depth:
            depth -= 1
            if depth == 0 and card is not None:
                yield card
                card = None
        elif card is not None and depth == 1:
            _take(card, name.decode("ascii"), parameters, value)
    if card is not None:
        card.problem = "it does not end: END:VCARD is missing"
        yield card


def _take(card: _Card, name: str, parameters: list[bytes], value: bytes) -> None:
    if name in {"BEGIN", "END", "VERSION"}:
        return
    values = card.values.setdefault(name, [])
    if len(values) >= EMAILS_MAX:
        card.problem = f"it has more than {EMAILS_MAX} lines of {name}"
        return
    text = _text(parameters, value)
    if name == "EMAIL":
        text = text.strip()
        values.append(text[7:] if text[:7].casefold() == "mailto:" else text)
    elif name in {"ORG", "N"}:
        parts = _components(text)
        # The organisation comes before its units (RFC 6350 6.6.4); the family name before the given ones (6.2.2).
        values.append(parts[0] if name == "ORG" else " ".join(reversed(parts[:2])))
    else:
        values.append(_unescaped(text))


def _properties(raw: bytes) -> Iterator[tuple[int, bytes, list[bytes], bytes]]:
    """Yield (line, name, parameters, value) of the properties that are wanted."""
    for number, line in _unfolded(raw):
        begun = _NAME.match(line)
        if begun is None or begun[1].upper() not in _WANTED:
            continue
        head, found, value = _split_head(line)
        if found:
            yield number, begun[1].upper(), [one.strip().upper() for one in head[1:]], value


def _split_head(line: bytes) -> tuple[list[bytes], bool, bytes]:
    """Return name and parameters, whether there is a colon behind them, and the value.  Quotes hide : and ; (RFC 6350 3.3)."""
    pieces: list[bytes] = []
    start, quoted = 0, False
    for place, octet in enumerate(line):
        if octet == 0x22:
            quoted = not quoted
        elif not quoted and octet in b":;":
            pieces.append(line[start:place])
            if octet == 0x3A:
                return pieces, True, line[place + 1 :]
            start = place + 1
    return pieces, False, b""


def _unfolded(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the logical lines, less those too long to matter, each with the number of its first.

    A line that begins with a blank goes on with the one before (RFC 6350 3.2); and in version 2.1 a quoted-printable one
    goes on behind an = at its end.
    """
    folded = _Folded(0, b"")
    for number, line in enumerate(_decoded(raw).replace(b"\r\n", b"\n").split(b"\n"), 1):
        if folded.is_soft:
            folded.go_on(line)
        elif line[:1] in {b" ", b"\t"}:
            folded.go_on(line[1:])
        else:
            if folded.size <= LINE_MAX:
                yield folded.number, b"".join(folded.pieces)
            folded = _Folded(number, line)
    if folded.size <= LINE_MAX:
        yield folded.number, b"".join(folded.pieces)


class _Folded:
    """A logical line, as far as it was read; of one that is too long nothing is kept."""

    def __init__(self, number: int, first: bytes) -> None:
        self.number = number
        self.size = 0
        self.pieces: list[bytes] = []
        self._is_quoted = b"QUOTED-PRINTABLE" in first[:200].upper()
        self.is_soft = False
        self.go_on(first)

    def go_on(self, piece: bytes) -> None:
        self.size += len(piece)
        self.is_soft = self._is_quoted and piece.endswith(b"=")
        if self.size <= LINE_MAX:
            self.pieces.append(piece[:-1] if self.is_soft else piece)
        else:
            self.pieces.clear()


def _decoded(raw: bytes) -> bytes:
    """Return the file in UTF-8, or as it is; Windows' programs also write UTF-16."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace").encode()
    return raw.removeprefix(b"\xef\xbb\xbf")


def _text(parameters: list[bytes], value: bytes) -> str:
    """Return a value in characters, by its ENCODING and CHARSET (version 2.1), else as UTF-8 or Windows' own."""
    charset = "utf-8"
    for one in parameters:
        sort, _, word = one.rpartition(b"=")
        if word == b"QUOTED-PRINTABLE":
            value = quopri.decodestring(value)
        elif word in {b"BASE64", b"B"} and sort in {b"", b"ENCODING"}:
            try:
                value = base64.b64decode(value)
            except (binascii.Error, ValueError):
                value = b""
        elif sort == b"CHARSET":
            charset = _known(word)
    try:
        return value.decode(charset)
    except UnicodeDecodeError:
        return value.decode("cp1252", "replace")


def _known(word: bytes) -> str:
    name = word.decode("ascii", "replace").strip('"').casefold()
    allowed = {"iso-8859-1": "cp1252", "windows-1252": "cp1252", "us-ascii": "utf-8"}
    more = {f"iso-8859-{n}" for n in (2, 5, 7, 9, 15)} | {f"windows-125{n}" for n in range(9)}
    return allowed.get(name, name if name in more | {"shift_jis", "gb18030", "big5"} else "utf-8")


def _components(text: str) -> list[str]:
    """Return the parts between ; that no \\ stands before, unescaped."""
    parts: list[str] = []
    piece: list[str] = []
    escaped = False
    for char in text:
        if char == ";" and not escaped:
            parts.append(_unescaped("".join(piece)))
            piece = []
        else:
            piece.append(char)
        escaped = char == "\\" and not escaped
    return [*parts, _unescaped("".join(piece))]


def _unescaped(text: str) -> str:
    """Return a text without its \\ (RFC 6350 3.4)."""
    found: list[str] = []
    escaped = False
    for char in text:
        if escaped:
            found.append(" " if char in "nN" else char)
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            found.append(char)
    return "".join(found).strip()
