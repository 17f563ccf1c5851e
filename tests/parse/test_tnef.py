"""winmail.dat: what Outlook wraps comes out, and whatever else it holds hurts nobody (M13, T6)."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given, settings, strategies as st

from maild.parse.tnef import FILES_MAX, read_tnef
from tests.parse.winmail import ATTACHMENT, MESSAGE, attribute, embedded, file, prop, props, winmail

WHOLE = winmail(
    file("Übersicht 2026.pdf", b"%PDF-1.7", "application/pdf"),
    file("logo.png", b"\x89PNG", "image/png", "logo@x"),
    body="Grüße",
    html=b"<p>Hi</p>",
)


def test_M13_files_and_texts_come_out_with_their_long_names() -> None:
    found = [(one.name, one.type, one.octets, one.is_text) for one in read_tnef(WHOLE)]
    assert found == [
        ("Übersicht 2026.pdf", "application/pdf", b"%PDF-1.7", False),
        ("logo.png", "image/png", b"\x89PNG", False),
        ("message.txt", "text/plain", "Grüße".encode("cp1252"), True),
        ("message.html", "text/html", b"<p>Hi</p>", True),
    ]
    assert read_tnef(WHOLE)[1].content_id == "logo@x"


def test_M13_a_name_within_is_as_safe_as_any() -> None:
    [found] = read_tnef(winmail(file("../../\u202eetc/passwd", b"x", "text/html; x=<script>")))
    assert "/" not in found.name
    assert "\u202e" not in found.name
    assert found.type == "application/octet-stream"


def test_M13_a_message_within_is_a_winmail_of_its_own() -> None:
    [found] = read_tnef(winmail(embedded(winmail(file("deep.txt", b"deep")))))
    assert found.type == "application/ms-tnef"
    assert [one.octets for one in read_tnef(found.octets)] == [b"deep"]


def test_T6_wherever_it_is_cut_what_is_whole_comes_out() -> None:
    names = [[one.name for one in read_tnef(WHOLE[:at])] for at in range(0, len(WHOLE), 3)]
    assert names[0] == []
    assert len(names[-1]) >= 2


@given(st.binary(max_size=400), st.integers(0, len(WHOLE)))
@settings(max_examples=150, deadline=None)
def test_T6_any_octets_are_some_files_or_none(octets: bytes, at: int) -> None:
    read_tnef(octets)
    read_tnef(WHOLE[:at] + octets + WHOLE[at:])
    read_tnef(WHOLE[:40] + octets)


def test_T6_bombs_cost_no_more_than_their_size() -> None:
    huge = struct.pack("<I", 0xFFFFFFFF)
    bombs = [
        winmail(*[file("a", b"")] * 3_000),
        winmail(attribute(ATTACHMENT, 0x00069002, b""), attribute(ATTACHMENT, 0x00069005, huge)),
        winmail(
            attribute(ATTACHMENT, 0x00069002, b""),
            attribute(
                ATTACHMENT, 0x00069005, props(struct.pack("<HHI", 0x101E, 0x3707, 0xFFFFFFFF))
            ),
        ),
        winmail(
            attribute(ATTACHMENT, 0x00069002, b""),
            attribute(
                ATTACHMENT, 0x00069005, struct.pack("<I", 10**6) + prop(3, 1, b"1234") * 10**6
            ),
        ),
        winmail(
            attribute(
                1,
                0x00069003,
                struct.pack("<I", 1) + struct.pack("<HHI", 0x101E, 1, 10**6) + b"\0" * 4 * 10**6,
            )
        ),
        winmail() + struct.pack("<BII", 2, 0x0006800F, 0xFFFFFFFF) + b"x",
        winmail(*[attribute(1, 0x1, b"")] * 400_000),
    ]
    for bomb in bombs:
        began = time.process_time()
        assert len(read_tnef(bomb)) <= FILES_MAX
        assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "broken",
    [struct.pack("<HH", 0x01, 0x3001), struct.pack("<HHI", 0x102, 0x1013, 9)],
    ids=["a type of unknown length", "more than is there"],
)
@pytest.mark.parametrize("at", [(MESSAGE, 0x00069003), (ATTACHMENT, 0x00069005)])
def test_M13_a_property_that_cannot_be_read_ends_its_own_attribute_alone(
    broken: bytes, at: tuple[int, int]
) -> None:
    odd = attribute(*at, props(broken))
    found = read_tnef(winmail(odd, file("a.pdf", b"%PDF-1"), odd, file("b.pdf", b"%PDF-2")))
    assert [(one.name, one.octets) for one in found] == [("a.pdf", b"%PDF-1"), ("b.pdf", b"%PDF-2")]
