"""The header block and its fields."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from maild.model.letter import Letter, Mailbox
from maild.parse import read_letter
from maild.parse.header_block import (
    authentication_results,
    content_fields,
    fields,
    message_id_of,
    split,
    topmost,
)


def letter(block: str | bytes) -> Letter:
    octets = block.encode() if isinstance(block, str) else block
    return read_letter(octets.replace(b"\n", b"\r\n") + b"\r\n\r\nbody")


@pytest.mark.parametrize(
    ("raw", "block", "body"),
    [
        (b"A: b\r\n\r\nc", b"A: b\r\n", b"c"),
        (b"A: b\n\nc", b"A: b\n", b"c"),
        (b"A: b\r\n\nc", b"A: b\r\n", b"c"),
        (b"A: b\n\r\nc", b"A: b\n", b"c"),
        (b"\r\nA: b\r\n\r\nc", b"", b"A: b\r\n\r\nc"),
        (b"\nA: b", b"", b"A: b"),
        (b"A: b\r\n", b"A: b\r\n", b""),
        (b"A: b", b"A: b", b""),
        (b"", b"", b""),
    ],
)
def test_the_header_block_ends_at_the_first_empty_line(
    raw: bytes, block: bytes, body: bytes
) -> None:
    head = split(raw)
    assert (head.block, raw[head.body :]) == (block, body)


def test_fields_keep_their_order_and_folds_and_their_names_lose_case() -> None:
    found = fields(b"A: b\r\nX-Y : c\r\n d\r\njunk\r\na: e\r\n")
    assert found == [(b"a", b"b"), (b"x-y", b"c\r\n d"), (b"a", b"e")]
    assert topmost(found, b"a") == b"b"
    assert topmost(found, b"z") is None


def test_a_bare_carriage_return_begins_no_field() -> None:
    assert fields(b"A: b\rFrom: c\r\n") == [(b"a", b"b\rFrom: c")]


def test_the_fields_of_a_content_key_are_the_topmost_ones() -> None:
    block = b"Date: d\r\nFrom: f\r\nMessage-ID: <m@x>\r\nFrom: g\r\n"
    assert content_fields(block) == (b"<m@x>", b"f", b"d")
    assert content_fields(b"") == (None, None, None)


def test_authentication_results_come_topmost_first_on_one_line_each() -> None:
    block = (
        b"Authentication-Results: a;\r\n\tdkim=pass\r\nReceived: x\r\nAuthentication-Results: b\r\n"
    )
    assert authentication_results(block) == ("a; dkim=pass", "b")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"<a@b>", "a@b"),
        (b" <a@b> (comment)", "a@b"),
        (b"<a>", "a"),
        (b"a@b", "a@b"),
        (b"<>", None),
        (b"", None),
        (b"two words", None),
        (b"<a b@c>", None),
        (b"<\xff@x>", None),
    ],
)
def test_a_message_id_loses_its_brackets_or_is_none(value: bytes, found: str | None) -> None:
    assert message_id_of(value) == found


@pytest.mark.parametrize(
    ("field", "boxes"),
    [
        ("Ann <ann@x.test>, bo@x.test", [("ann@x.test", "Ann"), ("bo@x.test", "")]),
        ('"Boer, Ann" <ann@x.test>', [("ann@x.test", "Boer, Ann")]),
        ("=?utf-8?q?J=C3=BC?= <j@x.test>", [("j@x.test", "Jü")]),
        ('"=?utf-8?q?J=C3=BC?=" <j@x.test>', [("j@x.test", "Jü")]),
        ("Jürgen <j@x.test>", [("j@x.test", "Jürgen")]),
        ("Team: a@x.test, b@x.test;", [("a@x.test", ""), ("b@x.test", "")]),
        ("undisclosed-recipients:;", []),
        ("ann@x.test <ann@x.test>", [("ann@x.test", "")]),
        ("", []),
        (",,,", []),
    ],
)
def test_the_mailboxes_of_a_field_are_read_with_their_names(
    field: str, boxes: list[tuple[str, str]]
) -> None:
    assert letter(f"To: {field}").to == tuple(Mailbox(*box) for box in boxes)


def test_the_mailboxes_of_all_fields_of_a_name_are_read() -> None:
    assert [box.address for box in letter("From: a@x.test\nFrom: b@x.test").from_] == [
        "a@x.test",
        "b@x.test",
    ]


def test_a_raw_latin_1_name_is_read() -> None:
    assert letter(b"To: J\xfcrgen <j@x.test>").to == (Mailbox("j@x.test", "Jürgen"),)


@pytest.mark.parametrize(
    ("field", "moment"),
    [
        ("Thu, 19 Nov 2026 09:00:00 +0100", datetime(2026, 11, 19, 8, tzinfo=UTC)),
        ("19 Nov 2026 10:00", datetime(2026, 11, 19, 10, tzinfo=UTC)),
        ("Thu, 19 Nov 2026 09:00:00 +0100 (CET)", datetime(2026, 11, 19, 8, tzinfo=UTC)),
        ("Thu, 19 Nov 2026 09:00:00 GMT", datetime(2026, 11, 19, 9, tzinfo=UTC)),
        ("yesterday", None),
        ("Thu, 99 Nov 2026 09:00:00 +0100", None),
        ("Thu, 19 Nov 99999999999999999999 09:00:00 +0100", None),
        ("", None),
    ],
)
def test_a_date_is_read_as_utc_or_not_at_all(field: str, moment: datetime | None) -> None:
    assert letter(f"Date: {field}").date == moment


def test_a_subject_is_unfolded_and_has_no_control_characters() -> None:
    assert letter("Subject: one\n two\x07\n\tthree").subject == "one two three"


def test_delivered_to_and_its_kin_are_listed_topmost_first_and_once() -> None:
    block = "X-Original-To: <b@x.test>\nDelivered-To: a@x.test\nEnvelope-To: a@x.test, c@x.test"
    assert letter(block).delivered_to == ("b@x.test", "a@x.test", "c@x.test")


def test_references_keep_the_first_and_the_newest() -> None:
    found = letter("References:" + "".join(f" <{at}@x>" for at in range(500))).references
    assert (len(found), found[0], found[-1]) == (200, "0@x", "499@x")


def test_in_reply_to_is_read_with_and_without_brackets() -> None:
    assert letter("In-Reply-To: <a@x>").in_reply_to == ("a@x",)
    assert letter("In-Reply-To: a@x").in_reply_to == ("a@x",)
