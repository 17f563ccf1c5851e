"""The strict From: what it accepts is read alike by three other parsers, and everything else says why not."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given, settings, strategies as st

from maild.model.letter import Author, Unclear
from maild.parse import read_letter
from maild.parse.strict_from import author_of, with_crlf
from maild.testing.authors import block_of, readings

# What nobody can mistake: no quoting, no blanks, nothing that separates, one at sign, a name with a dot or none.
PLAIN = re.compile(r"[^\s\x00-\x20\x7f-\x9f<>()\[\],;:\\\"@]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*")
BLOCKS = 1_000_000 if os.environ.get("MAILD_TEST_FULL") else 100_000


def author(value: str | bytes) -> Author | Unclear:
    octets = value.encode() if isinstance(value, str) else value
    return author_of(b"Received: by x\r\nFrom: " + octets + b"\r\nSubject: hi\r\n")


def why(value: str | bytes) -> str:
    found = author(value)
    assert isinstance(found, Unclear)
    return found.why


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("ann@crm.test", "ann@crm.test"),
        ("<ann@crm.test>", "ann@crm.test"),
        ("Ann <ann@crm.test>", "ann@crm.test"),
        ("Ann van der Boer <ann@crm.test>", "ann@crm.test"),
        ("J. R. R. Tolkien <jrr@crm.test>", "jrr@crm.test"),
        ('"Boer, Ann" <ann@crm.test>', "ann@crm.test"),
        ('"Ann \\"the\\" Boer" <ann@crm.test>', "ann@crm.test"),
        ("=?utf-8?q?J=C3=BCrgen?= <ann@crm.test>", "ann@crm.test"),
        ("=?utf-8?q?=4A=C3=BCrgen?= <ann@crm.test>", "ann@crm.test"),
        ('=?utf-8?q?J=C3=BCrgen?= "=?utf-8?q?B=C3=B6r?=" <ann@crm.test>', "ann@crm.test"),
        ("=?utf-8?q?Who??= <ann@crm.test>", "ann@crm.test"),
        ('"=?" <ann@crm.test>', "ann@crm.test"),
        ("Jürgen <ann@crm.test>", "ann@crm.test"),
        ("Ann\r\n <ann@crm.test>", "ann@crm.test"),
        ("ANN+Tag@CRM.Test", "ann+tag@crm.test"),
        ("jürgen@müller.test", "jürgen@xn--mller-kva.test"),
        ('"boss@corp.test" <evil@z.test>', "evil@z.test"),
        ('"<boss@corp.test>" <evil@z.test>', "evil@z.test"),
    ],
)
def test_one_plain_mailbox_is_the_author(value: str, address: str) -> None:
    assert author(value) == Author(address)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "empty"),
        ("mallory@evil.test, alice@corp.test", "several mailboxes"),
        ("x: alice@corp.test, mallory@evil.test;", "group"),
        ("undisclosed:;", "group"),
        ("alice@corp.test(<mallory@evil.test>", "comment"),
        ("alice@corp.test (Alice)", "comment"),
        ("alice@corp.test)mallory@evil.test", "comment"),
        ("<alice@corp.test><mallory@evil.test>", "several addresses in angle brackets"),
        ("<alice@corp.test> <mallory@evil.test>", "several addresses in angle brackets"),
        ("<@corp.test,@evil.test:alice@corp.test>", "route"),
        ("=?utf-8?q?alice=40corp.test?=", "encoded word"),
        ("<=?utf-8?q?alice?=@corp.test>", "encoded word"),
        ("=?utf-8?q?alice=40corp.test <x?=~@evil.test>", "another part"),
        ("=?utf-8?q?alice <o'nei?=l@corp.test>", "another part"),
        ('"=?utf-8?b?Ym9zc0Bjb3JwLnRlc3Q="?=.=<eve@evil.test>', "another part"),
        ('"=?utf-8?q?=41" ?= <eve@evil.test>', "another part"),
        ("al?=ice@corp.test", "piece of one"),
        ("boss@corp.test <evil@z.test>", "where a name belongs"),
        ('"quoted local"@corp.test', "quoted local part"),
        ('"Ann <ann@crm.test>', "never closed"),
        ("Ann", "no usable address"),
        ("ann@[192.0.2.1]", "malformed"),
        ("ann..boer@crm.test", "no usable address"),
        ("ann@", "no usable address"),
        ("alice＠corp.test", "no usable address"),
        (b"j\xfcrgen@corp.test", "unknown encoding"),
        ("ann@crm.test\r\n \r\n <eve@evil.test>", "empty line"),
        ("ann@crm.test\x1b", "control character"),
        ("ann@crm.test\u0085", "control character"),
        ("Ann <ann@crm.test> x", "malformed"),
        ("Ann < ann@crm.test >", "malformed"),
        ('Ann "Boer,\r\n Ann" <ann@crm.test>', "line break between quotation marks"),
    ],
)
def test_whatever_else_a_from_field_says_is_unclear_with_its_own_reason(
    value: str | bytes, said: str
) -> None:
    assert said in why(value)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (b"Subject: nobody\r\n", "no From field"),
        (b"", "no From field"),
        (b"From: a@x.test\r\nFrom: b@x.test\r\n", "2 From fields"),
        (b"From: a@x.test\r\nFROM: a@x.test\r\n", "2 From fields"),
        (b"From : b@x.test\r\nFrom: a@x.test\r\n", "2 From fields"),
        (b"From : a@x.test\r\n", "space between"),
        (b"X : y\r\nFrom: a@x.test\r\n", "space in front of its colon"),
        (b"X: y\rFrom: alice@corp.test\r\nFrom: mallory@evil.test\r\n", "carriage return"),
        (b"Subject: hi\rFrom: boss@corp.test\r\nTo: x\r\n", "carriage return"),
        (b"X: y\nFrom: alice@corp.test\r\n", "line feed"),
        (b"X: a\0b\r\nFrom: a@x.test\r\n", "NUL"),
        (b"From: alice@corp.test\0<mallory@evil.test>\r\n", "NUL"),
        (b" From: a@x.test\r\n", "not a header field"),
        (b"nonsense\r\nFrom: a@x.test\r\n", "not a header field"),
        (b"From: a@x.test\r\nnonsense\r\n", "not a header field"),
        (b"Fr\r\n om: b@x.test\r\nFrom: a@x.test\r\n", "not a header field"),
    ],
)
def test_a_header_on_whose_lines_parsers_disagree_is_unclear(block: bytes, said: str) -> None:
    found = author_of(block)
    assert isinstance(found, Unclear)
    assert said in found.why


def test_a_from_line_of_an_mbox_is_no_from_field() -> None:
    assert author_of(b"From eve Mon\r\nFrom: a@x.test\r\n") == Author("a@x.test")


def test_a_mail_that_begins_with_an_empty_line_has_no_author() -> None:
    sender = read_letter(b"\r\nFrom: a@x.test\r\n\r\nhi").sender
    assert isinstance(sender, Unclear)


def test_a_mail_with_line_feeds_throughout_has_its_author() -> None:
    assert read_letter(b"From: a@x.test\nTo: b@x.test\n\nhi\n").sender == Author("a@x.test")


def test_a_mail_with_mixed_line_ends_in_its_header_has_none() -> None:
    sender = read_letter(b"From: a@x.test\r\nTo: b@x.test\nCc: c@x.test\r\n\r\nhi").sender
    assert isinstance(sender, Unclear)


def disagreeing(block: bytes, found: Author) -> dict[str, set[str]]:
    return {who: read for who, read in readings(block).items() if read != {found.address}}


PIECES = st.sampled_from(
    [
        "a",
        "b@x.test",
        "eve@evil.test",
        "<a@x.test>",
        "<",
        ">",
        "@",
        ".",
        ",",
        ";",
        ":",
        '"',
        "\\",
        "(",
        ")",
        "[",
        "]",
        "=",
        "?",
        "\t",
        "ü",
        "ß",
        "ａ",
        "＠",
        "é",
        " ",
        "\r\n ",
        "=?utf-8?q?a?=",
        "=?utf-8?q?b=40x.test?=",
        "=?utf-8?q?b=40x.test ",
        "?=",
        '"Boss" ',
        "Ann ",
        '"a@b.test" ',
    ]
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=7).map("".join))
def test_no_accepted_address_differs_from_what_any_other_parser_reads(value: str) -> None:
    block = b"Subject: x\r\nFrom: " + value.encode() + b"\r\nTo: y@x.test\r\n"
    found = author_of(block)
    if isinstance(found, Author):
        assert disagreeing(block, found) == {}


LINES = st.sampled_from(
    [
        b"From: a@x.test",
        b"from: b@x.test",
        b"From : c@x.test",
        b"From:",
        b" d@x.test",
        b"\tx",
        b"",
        b"Subject: s",
        b"X: y\rFrom: e@x.test",
        b"X: y\nFrom: f@x.test",
        b"junk",
        b"From g",
        b":",
    ]
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=6))
def test_no_arrangement_of_lines_lets_another_parser_see_another_author(lines: list[bytes]) -> None:
    block = b"\r\n".join(lines) + b"\r\n"
    found = author_of(block)
    if isinstance(found, Author):
        assert disagreeing(block, found) == {}


def test_a_field_with_a_space_before_its_colon_below_the_from_hides_nothing() -> None:
    assert author_of(b"From: a@x.test\r\nX : y\r\n") == Author("a@x.test")


@pytest.mark.slow
def test_I2_of_a_hundred_thousand_headers_none_is_accepted_that_another_parser_reads_otherwise() -> (
    None
):
    accepted = 0
    for number in range(BLOCKS):
        block = with_crlf(block_of(number))
        found = author_of(block)
        if isinstance(found, Author):
            accepted += 1
            assert disagreeing(block, found) == {}, (number, block)
            assert PLAIN.fullmatch(found.address), (number, found.address)
    print(f"{accepted} of {BLOCKS} accepted")
    # Otherwise it would prove little.
    assert accepted > BLOCKS // 10
