"""Any bytes are a Letter or unreadable, whole or in pieces, and a Letter survives being stored."""

from __future__ import annotations

import json
import os
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from hypothesis import example, given, settings, strategies as st

from maild.model.letter import Letter, UnreadableError
from maild.parse import read_letter, read_part
from maild.parse.codec import dump, load
from maild.testing.mutation import mutant

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "fixtures" / "eml").glob("*.eml"))

MUTANTS = 100_000 if os.environ.get("MAILD_TEST_FULL") else 3_000
SMALL = 20 if os.environ.get("MAILD_TEST_FULL") else 4
"""Mails that are cut at each place."""

PIECES = st.sampled_from(
    [
        b"From: a@x.test",
        b"To: b@x.test, c@x.test",
        b"Subject: =?utf-8?q?=FF?=",
        b"\r\n",
        b"\n",
        b"\r",
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type: multipart/report; boundary=c",
        b"--b",
        b"--b--",
        b"--c",
        b"Content-Type: text/html; charset=utf-7",
        b"Content-Type: message/rfc822",
        b"Content-Transfer-Encoding: base64",
        b"Content-Disposition: attachment; filename*0*=x''%ff",
        b"+2AA-",
        b"QUJD=",
        b"<p>",
        b"&#xd800;",
        b"\x00",
        b"\xff",
        b" ",
        b"format=flowed; charset=idna",
        b"Content-Transfer-Encoding: quoted-printable",
        b"=C3",
        b"Date: 31 Feb 2026 00:00 +9999",
    ]
)


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for one in value for text in strings(one)]
    if is_dataclass(value):
        return [text for field in fields(value) for text in strings(getattr(value, field.name))]
    return []


def holds(raw: bytes) -> None:
    """What holds for any bytes."""
    try:
        letter = read_letter(raw)
    except UnreadableError:
        return
    assert isinstance(letter, Letter)
    for text in strings(letter):
        assert "\0" not in text
        text.encode()
    assert load(dump(letter)) == letter
    assert json.dumps(letter.as_dict())
    for part in letter.attachments[:20]:
        assert len(read_part(raw, part.path)) == part.size


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=2_000))
@example(b"")
@example(b"\r\n\r\n")
@example(b"a")
def test_any_bytes_are_a_letter_or_unreadable(raw: bytes) -> None:
    holds(raw)


@settings(max_examples=1500, deadline=None)
@given(
    st.lists(st.one_of(PIECES, st.just(b"\r\n"), st.binary(max_size=8)), max_size=40).map(b"".join)
)
def test_any_arrangement_of_a_mails_pieces_is_a_letter_or_unreadable(raw: bytes) -> None:
    holds(raw)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_damaged_mail_is_a_letter_or_unreadable(path: Path, data: st.DataObject) -> None:
    raw = bytearray(path.read_bytes()[:20_000])
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 50)))
    raw[start:end] = data.draw(st.binary(max_size=20))
    holds(bytes(raw[: data.draw(st.integers(0, len(raw)))]))


@pytest.mark.slow
def test_D11_whatever_is_damaged_in_a_mail_it_is_a_letter_or_unreadable() -> None:
    samples = [path.read_bytes() for path in SAMPLES]
    for number in range(MUTANTS):
        holds(mutant(samples, number))


@pytest.mark.slow
def test_D11_a_mail_that_is_cut_anywhere_is_a_letter_or_unreadable() -> None:
    for raw in sorted((path.read_bytes() for path in SAMPLES), key=len)[:SMALL]:
        for end in range(len(raw)):
            holds(raw[:end])


@pytest.mark.parametrize(
    "content", [b"QQ==QUJD", b"QUJD=QUJD", b"=QUJD", b"Q=U=JD", b"QQ==\r\n--", b"Q"]
)
def test_T24_base64_that_goes_on_behind_its_padding_is_as_long_as_it_is_said_to_be(
    content: bytes,
) -> None:
    holds(b"Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n" + content)
