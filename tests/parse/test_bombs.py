"""What was built to break readers is read in bounded time, with a note of what was left out (T6)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.model.letter import Letter
from maild.parse import ReaderPool, read_letter
from maild.testing.bombs import (
    BOMBS,
    commas,
    endless_field,
    html,
    many_parts,
    nested_multiparts,
    plain,
    recipients,
)

SECONDS = 5.0
"""Most take some milliseconds; a quadratic reader would take minutes."""


@pytest.fixture(scope="module")
def pool() -> Iterator[ReaderPool]:
    with ReaderPool(1) as pool:
        yield pool


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_read_within_the_limits_of_a_worker(name: str, pool: ReaderPool) -> None:
    pool.read(b"Subject: it begins to live\r\n\r\n")
    before = seconds_of_worker(pool)
    assert isinstance(pool.read(BOMBS[name]()), Letter)
    assert seconds_of_worker(pool) - before < SECONDS


def seconds_of_worker(pool: ReaderPool) -> float:
    """Return the processor time that the pool's worker has used: other programs do not count."""
    (worker,) = pool._idle
    stat = Path(f"/proc/{worker._process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def degraded(raw: bytes) -> str:
    return "; ".join(read_letter(raw).degraded)


def test_what_nests_deeper_than_a_hundred_is_not_opened() -> None:
    assert "100 deep" in degraded(nested_multiparts(3_000))
    assert "deep" not in degraded(nested_multiparts(99))


def test_parts_beyond_a_thousand_are_not_read() -> None:
    letter = read_letter(many_parts(50_000))
    assert "more than 1000 parts" in letter.degraded[0]
    assert letter.text.startswith("x")


def test_addresses_beyond_a_thousand_are_not_read() -> None:
    letter = read_letter(recipients(10_000))
    assert len(letter.to) == 1_000
    assert "To names more than 1000 addresses" in letter.degraded[-1]


def test_a_thousand_addresses_are_read_without_a_note() -> None:
    letter = read_letter(recipients(1_000))
    assert (len(letter.to), letter.degraded) == (1_000, ())


def test_a_header_beyond_256_kib_is_cut_and_the_body_is_still_read() -> None:
    letter = read_letter(endless_field(1_000_000))
    assert "header is longer than 256 KiB" in letter.degraded[0]
    assert letter.text.strip() == "hello"
    assert letter.from_[0].address == "ann@x.test"


def test_a_field_beyond_64_kib_is_cut() -> None:
    assert "the field To is longer than 64 KiB" in degraded(commas(200_000))


def test_a_subject_is_cut_where_nobody_reads_on() -> None:
    letter = read_letter(b"Subject: " + b"a" * 60_000 + b"\r\n\r\n")
    assert len(letter.subject) == 4096
    assert "subject was cut" in letter.degraded[0]


def test_html_nested_too_deep_loses_its_layout_and_not_its_words() -> None:
    letter = read_letter(html(b"<div>" * 100_000 + b"deep"))
    assert letter.text == "deep"
    assert "500 deep" in letter.degraded[0]


def test_html_with_too_many_tags_loses_its_layout_and_not_its_words() -> None:
    letter = read_letter(html(b"<br>" * 100_001 + b"word"))
    assert letter.text == "word"
    assert "50000 elements" in letter.degraded[0]


def test_a_text_is_kept_up_to_one_mebibyte() -> None:
    letter = read_letter(plain(b"word " * 1_000_000))
    assert len(letter.text) == 1024 * 1024
    assert "only its beginning was kept" in letter.degraded[0]
