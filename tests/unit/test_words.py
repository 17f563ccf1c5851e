"""Words as search compares them, and the tokens that a mail has (M6)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, strategies as st

from maild.model.indexed import (
    BYTES_MAX,
    GAP,
    REPEATS_MAX,
    WORDS_MAX,
    Indexed,
    phrase_of,
    tokens_of,
)
from maild.model.words import WORD_MAX, asked_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Größe, GRÖSSE!", ["grosse", "grosse"]),
        ("café cafe\u0301", ["cafe", "cafe"]),
        ("ﬁnance Ⅳ", ["finance", "iv"]),
        ("Anna.Rossi@rossi-bau.example", ["anna", "rossi", "rossi", "bau", "example"]),
        ("日本語", ["日本", "本語", "語"]),
        ("见a面", ["见", "a", "面"]),
        ("snake_case", ["snake", "case"]),
        ("x" * (WORD_MAX + 9), ["x" * WORD_MAX]),
    ],
)
def test_M6_case_diacritics_and_forms_do_not_count(text: str, words: list[str]) -> None:
    assert list(words_of(text)) == words


def test_M6_one_character_of_a_script_without_spaces_begins_a_pair() -> None:
    assert asked_words("日本") == (("日本",), False)
    assert asked_words("語") == (("語",), True)
    assert asked_words("offer*") == (("offer",), True)


@example("*")
@given(st.text(max_size=60))
def test_M6_what_stands_in_a_text_is_found_by_itself(text: str) -> None:
    words, is_prefix = asked_words(text)
    kept = list(words_of(text))
    assert tuple(kept[: len(words)]) == words
    assert words or not is_prefix


def test_M6_no_account_shares_a_token_with_another_one() -> None:
    one, other = (
        set(tokens_of(Indexed(account_id=number, subject="offer 5", senders=frozenset({7}))))
        for number in (5, 55)
    )
    assert one & other == {GAP}


def test_M6_a_bomb_of_words_stays_within_what_databases_keep() -> None:
    long = " ".join(f"{'y' * 60}{number}" for number in range(20_000))
    found = tokens_of(Indexed(account_id=1, subject="s " * 5000, text=long))
    assert len(found) < 16_383
    assert sum(len(token) + 1 for token in found) <= BYTES_MAX
    same = tokens_of(Indexed(account_id=1, text="again " * 20_000))
    assert same.count("1_again") == REPEATS_MAX
    assert len(same) < WORDS_MAX + 20


def test_M6_combining_marks_without_end_cost_no_square() -> None:
    assert len(list(words_of("a" + "\u0301\u0323" * 100_000))) == 1


def test_M6_no_phrase_reaches_from_one_field_into_the_next() -> None:
    found = tokens_of(Indexed(account_id=1, subject="one", names=("two",), text="three"))
    for left, right in (("one", "two"), ("two", "three")):
        asked = phrase_of(1, "", f"{left} {right}").tokens
        assert asked not in set(pairwise(found))
