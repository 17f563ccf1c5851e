"""The digests of a mail on its way in: of all bytes, and of what carriers leave alone (D6)."""

from __future__ import annotations

import hashlib
import io
import os
import random
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from maild.core.raw import Raw, Spool

WHOLE = re.compile(rb"\r\n|.", re.DOTALL)


def canonical(raw: bytes) -> str:
    """The digest of the body as the rule says it: lone LF is CRLF, line ends at the end do not count."""
    end = re.search(rb"\r?\n\r?\n", raw)
    body = raw if raw.startswith((b"\n", b"\r\n")) else b"" if end is None else raw[end.end() :]
    body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return hashlib.sha256(body).hexdigest()


def spooled(tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[bytes, bool]]) -> Raw:
    spool = Spool(tmp_path_factory.getbasetemp(), 100_000)
    for piece, is_crlf in pieces:
        spool.write(piece, is_crlf=is_crlf)
    return spool.finish()


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    return [raw[start:end] for start, end in pairwise([0, *places, len(raw)])]


def test_D6_the_bodys_digest_does_not_depend_on_line_ends_or_pieces(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    dice = random.Random(5)
    for _ in range(20_000):
        words = [b"a", b"\r", b"\n", b"\r\n", b"\r\n", b"b: c", b"\0"]
        raw = b"".join(dice.choice(words) for _ in range(dice.randrange(14)))
        places = sorted(dice.randrange(len(raw) + 1) for _ in range(dice.randrange(4)))
        found = spooled(tmp_path_factory, [(piece, False) for piece in cut(raw, places)])
        assert found.digest == hashlib.sha256(raw).hexdigest()
        assert found.body_digest == canonical(raw), raw


def test_D6_a_door_that_knows_its_line_ends_makes_the_same_digest(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    dice = random.Random(6)
    for _ in range(10_000):
        lines = [dice.choice([b"", b"", b"x", b"y: z"]) for _ in range(dice.randrange(8))]
        raw = b"H: v\r\n\r\n" + b"\r\n".join([*lines, b""][: dice.randrange(1, 9)])
        whole = [match.end() for match in WHOLE.finditer(raw)]
        places = sorted(dice.choice(whole) for _ in range(dice.randrange(4)))
        pieces = [(piece, dice.random() < 0.7) for piece in cut(raw, places)]
        assert spooled(tmp_path_factory, pieces).body_digest == canonical(raw), pieces


def test_D1_a_disk_that_takes_half_of_a_piece_is_asked_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Grudging(io.FileIO):
        @override
        def write(self, octets: Any, /) -> int:
            return super().write(memoryview(octets)[:1000])

    monkeypatch.setattr(os, "fdopen", lambda fd, *_: Grudging(fd, "wb"))
    spool = Spool(tmp_path, 0)
    spool.write(b"first " * 1000)
    spool.write(b"second" * 1000)
    made = spool.finish()
    assert made.spooled is not None
    assert made.spooled.read_bytes() == b"first " * 1000 + b"second" * 1000
