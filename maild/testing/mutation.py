"""Mails that somebody damaged: each number is one mail, the same in every run and on every machine.

It must never look at what maild makes of a mail: only then does it find what nobody thought of.
"""

from __future__ import annotations

import random  # noqa: TID251 - seeded with the number of the mail: nothing is left to chance
import re
from collections.abc import Callable, Sequence

MAX_OCTETS = 256 * 1024
"""A mutant is cut here, so that a million of them can be read in an hour; `Growing` makes the long ones."""

_CHARSETS = (
    b"utf-8 utf-7 utf-16 us-ascii iso-8859-1 windows-1252 iso-2022-jp gb18030 big5 hz koi8-r punycode idna x-none zlib rot13"
).split()
_ENCODINGS = b"base64 quoted-printable 7bit 8bit binary x-uuencode base64base64 none".split()
_TYPES = (
    b"text/plain text/html multipart/mixed multipart/alternative multipart/related multipart/report multipart/digest "
    b"message/rfc822 message/delivery-status text/calendar application/ms-tnef application/pkcs7-mime text / *"
).split()
_NAMES = (
    b"From To Cc Subject Date Message-ID References In-Reply-To Reply-To Sender Content-Type Content-Disposition "
    b"Content-Transfer-Encoding MIME-Version Received Delivered-To Auto-Submitted List-Id Return-Path From\t Fr"
).split(b" ")
_ODD = (
    *(
        b"\0",
        b"\r",
        b"\n",
        b"\r\n\r\n",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\x1b$B",
        b"+2AA-",
        b"\xe2\x80\xae",
        b"=?utf-8?b?",
    ),
    *(
        b"&#xd800;",
        b"\r\n.\r\n",
        b".\r\n",
        b"From ",
        b"<!--",
        b"\x85",
        b"\xe2\x80\xa8",
        b"=\r\n",
        b"\x1a",
        b"--",
    ),
    b"\r\nFrom: eve@evil.test\r\n",
)
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_BOUNDARY = re.compile(rb"boundary=\"?([^\"\r\n;]{1,70})", re.IGNORECASE)

_Change = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def mutant(samples: Sequence[bytes], number: int) -> bytes:
    """Return the mutant of that number; 1 to 6 changes to one of the samples."""
    chance = random.Random(number)  # noqa: S311 - not for secrets
    raw = chance.choice(samples)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 6))):
        raw = chance.choice(_CHANGES)(chance, raw, samples)[:MAX_OCTETS]
    return raw


def _span(chance: random.Random, raw: bytes, most: int = 2_000) -> tuple[int, int]:
    start = chance.randint(0, len(raw))
    return start, min(len(raw), start + chance.randint(0, min(most, 1 << chance.randint(0, 12))))


def _flip(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    octets = bytearray(raw or b"x")
    for _ in range(1 << chance.randint(0, 6)):
        octets[chance.randrange(len(octets))] ^= 1 << chance.randint(0, 7)
    return bytes(octets)


def _noise(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    start, end = _span(chance, raw)
    return raw[:start] + chance.randbytes(chance.randint(0, 64)) + raw[end:]


def _splice(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    other = chance.choice(samples)
    return raw[: chance.randint(0, len(raw))] + other[chance.randint(0, len(other)) :]


def _graft(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    other = chance.choice(samples)
    start, end = _span(chance, other, 8_000)
    at = chance.randint(0, len(raw))
    return raw[:at] + other[start:end] + raw[at:]


def _cut(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    return raw[: chance.randint(0, len(raw))]


def _lose(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    start, end = _span(chance, raw)
    return raw[:start] + raw[end:]


def _repeat(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    start, end = _span(chance, raw, 200)
    times = min(1 << chance.randint(1, 14), MAX_OCTETS // max(1, end - start))
    return raw[:start] + raw[start:end] * times + raw[end:]


def _lines(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    """Double, drop, or exchange lines, mostly those of the header."""
    lines = _LINE.findall(raw) or [b""]
    most = min(len(lines), chance.choice((10, 30, len(lines)))) - 1
    for _ in range(chance.randint(1, 4)):
        one, other = chance.randint(0, most), chance.randint(0, most)
        match chance.randint(0, 2):
            case 0:
                lines.insert(one, lines[other])
            case 1:
                lines[one], lines[other] = lines[other], lines[one]
            case _:
                lines[one] = b""
    return b"".join(lines)


def _rename(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    """Give fields other names, so that values stand where nobody expects them."""
    lines = _LINE.findall(raw) or [b""]
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(min(40, len(lines)))
        _, colon, value = lines[at].partition(b":")
        lines[at] = chance.choice(_NAMES) + (colon or b": ") + value
    return b"".join(lines)


def _boundaries(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    found = _BOUNDARY.findall(raw)
    if not found:
        return b"Content-Type: multipart/mixed; boundary=x\r\n" + raw.replace(
            b"\r\n", b"\r\n--x\r\n", 3
        )
    old = chance.choice(found)
    new = chance.choice(
        (old[:-1], old + b"x", old * 2, b"", b"--", old.swapcase(), chance.choice(found))
    )
    if chance.random() < 0.5:
        return raw.replace(b"--" + old, b"--" + new, chance.randint(1, 4))
    return raw.replace(old, new, chance.randint(1, 2))


def _labels(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    """Say another charset, encoding or type than the content has."""
    pattern, words = chance.choice(
        (
            (rb"(?i)charset=\"?[\w-]+", [b"charset=" + one for one in _CHARSETS]),
            (rb"(?i)(?<=encoding: )[\w-]+", _ENCODINGS),
            (rb"(?i)(?<=content-type: )[\w-]+/[\w-]+", _TYPES),
            (rb"=\?[\w-]+\?", [b"=?" + one + b"?" for one in _CHARSETS]),
        )
    )
    return re.sub(pattern, lambda _: chance.choice(words), raw)


def _line_ends(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    old, new = chance.choice(
        (
            (b"\r\n", b"\n"),
            (b"\r\n", b"\r"),
            (b"\n", b"\r\n"),
            (b"\r\n", b"\n\r"),
            (b"\n", b"\n\n"),
            (b"\n", b"\n "),
        )
    )
    return raw.replace(old, new, chance.choice((-1, 1, 3, 20)))


def _odd(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    """Write what breaks readers into the mail, mostly into its head."""
    piece = chance.choice(_ODD)
    at = chance.randint(0, min(len(raw), chance.choice((200, 2_000, len(raw)))))
    return raw[:at] + piece * chance.choice((1, 1, 2, 50)) + raw[at:]


def _wrap(chance: random.Random, raw: bytes, samples: Sequence[bytes]) -> bytes:
    """Put the mail into another one, as part or as attached message, several times."""
    for level in range(chance.choice((1, 1, 2, 5, 120))):
        kind = chance.choice((b"message/rfc822", b"text/plain", chance.choice(_TYPES)))
        raw = (
            b"From: a@x.test\r\nSubject: Fwd: x\r\nContent-Type: multipart/mixed; boundary=w%d\r\n\r\n"
            b"--w%d\r\nContent-Type: %s\r\n\r\n" % (level, level, kind)
        ) + raw
    return raw


_CHANGES: tuple[_Change, ...] = (
    *(_flip, _noise, _splice, _graft, _cut, _lose, _repeat, _lines, _lines, _rename),
    *(_boundaries, _labels, _labels, _line_ends, _odd, _odd, _wrap),
)
