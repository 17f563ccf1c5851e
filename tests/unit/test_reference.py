"""References of clients in subjects and +tags (F4)."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from maild.model.reference import (
    DIGITS,
    FOUND_MAX,
    in_addresses,
    in_subject,
    number_of,
    quoted,
    spelled,
)

NUMBERS = st.integers(0, (1 << 63) - 1)
CHECKS = st.integers(0, (1 << 30) - 1)


@given(NUMBERS, CHECKS)
def test_F4_a_reference_is_read_as_it_was_spelled(number: int, check: int) -> None:
    reference = spelled(number, check)
    assert number_of(reference) == number
    assert in_subject(f"Re: AW: {quoted(reference)} Offer") == (reference,)
    address = f"info+{reference.lower()}@acme.example"
    assert in_addresses([address], {"info@acme.example"}) == (reference,)


@given(st.text())
def test_F4_whatever_stands_in_a_subject_is_read_or_left_alone(subject: str) -> None:
    for reference in in_subject(subject):
        assert set(reference) <= {*DIGITS, "-"}
        assert number_of(reference) < 1 << 63


def test_F4_what_is_mistyped_for_a_digit_is_that_digit() -> None:
    assert in_subject("[#1o-8kQ2zl]") == ("10-8KQ2Z1",)


@pytest.mark.parametrize(
    "subject",
    [
        "[#3F-8KQ2ZM",  # no end
        "#3F-8KQ2ZM",  # no brackets
        "[#12345]",  # another system's ticket
        "[#3F-8KQ2Z]",  # a digit too few
        "[#3F-8KQ2ZMM]",
        "[#-8KQ2ZM]",
        "[#03F-8KQ2ZM]",  # one number has one spelling
        "[#3U-8KQ2ZM]",  # no digit
        "[#ZZZZZZZZZZZZZ-8KQ2ZM]",  # a number that no client can have
        "[#3F-8KQ2ZM4444444444444444444444]",
        "[#３F-8KQ2ZM]",
    ],
)
def test_F4_what_only_looks_like_one_is_none(subject: str) -> None:
    assert in_subject(subject) == ()


def test_F4_somebody_elses_tag_is_their_own() -> None:
    assert in_addresses(["anna+3f-8kq2zm@rossi.example"], {"info@acme.example"}) == ()


def test_F4_only_so_many_are_looked_at() -> None:
    subject = " ".join(quoted(spelled(number, 0)) for number in range(100))
    assert len(in_subject(subject)) == FOUND_MAX
    assert in_subject("[#" * 100_000) == ()
