"""Forwards that nobody's client writes: any text, work that grows, and the tables themselves (F1)."""

from __future__ import annotations

import sys
from types import FrameType

import pytest
from hypothesis import example, given, settings, strategies as st

from maild.parse.forward.languages import tables
from maild.parse.forward.lines import MAX_LINES
from tests.parse.forwarding import UNDERLINE
from tests.parse.forwarding_by_hand import BODY, GMAIL, GMAIL_SEPARATOR, find, gmail, original_of

# ------------------------------------------------------------------ hostile input

_WORDS = st.sampled_from(
    [
        "\n",
        "\n\n",
        "> ",
        ">> ",
        "From: ",
        "Von: ",
        "De : ",
        "Date: ",
        "Sent: ",
        "To: ",
        "Cc: ",
        "Subject: ",
        "*",
        "a@b.example",
        "<c@d.example>",
        "[mailto:e@f.example]",
        '"g@h.example"',
        "Name ",
        ",",
        ";",
        "<",
        ">",
        GMAIL_SEPARATOR,
        UNDERLINE,
        "-----Original Message-----",
        "Begin forwarded message:",
        "----- Forwarded Message ----- ",
        " wrote:",
        "On 1 May 2025 9:31 ",
        "\u200b",
        "\u202e",
        "\u00a0",
        "\r\n",
        "@",
        "mailto:",
        "?",
        " on behalf of ",
        "2025年",
        "：",
    ]
)
_TEXTS = st.one_of(st.text(max_size=300), st.lists(_WORDS, max_size=60).map("".join))
_SUBJECTS = st.one_of(
    st.text(max_size=40), st.sampled_from(["Fwd: x", "Re: x", "x", "VS: x", "[", "[Fwd: ", "::::"])
)


@settings(max_examples=600, deadline=None)
@given(subject=_SUBJECTS, text=_TEXTS, html=st.none() | _TEXTS)
@example(subject="Fwd:", text="\x00From: \ud800@x\nTo: \ud800\nDate: 1", html="\ud800")
def test_any_text_gives_a_reading_that_invents_no_address(
    subject: str, text: str, html: str | None
) -> None:
    for reading in (find(subject, text), find(subject, text, html)):
        original = reading.original
        if original is None:
            assert reading.note == ""
            continue
        assert reading.looks_forwarded
        assert 0.0 <= original.confidence <= 1.0
        assert (original.confidence == 0.0) == (original.from_ is None)
    original = find(subject, text).original
    if original is not None and original.from_ is not None:
        assert original.from_.address in text


def _steps(subject: str, text: str, html: str | None = None) -> int:
    """Count calls, Python's and C's: a measure of work that no other load on the machine disturbs."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        find(subject, text, html)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(
    "piece",
    [
        "From: a@b.example\n",
        "Date: 1 May 2025\n\n",
        "Subject: x\nDate: 9:31\n",
        "To: a@b.example,\n",
        "On 9:31 a@b.example\n",
        "x:\n",
        "wrote:\n",
        ">",
        "> ",
        "a: b\n",
        "---- x ----\n",
        "----- Forwarded Message -----",
        "________________\n",
        "From: x\nTo: x\n",
        "<",
        "a@b.example,",
        "From:",
        "\u200b",
        "word ",
    ],
)
def test_work_grows_with_the_text_and_not_with_its_square(piece: str) -> None:
    for subject in ("Fwd: x", "x"):
        tables()
        small = _steps(subject, piece * 400)
        large = _steps(subject, piece * 1_600)
        assert large <= 5 * small + 2_000, (piece, small, large)


@pytest.mark.parametrize(
    "piece",
    [
        "<div>",
        "<blockquote>",
        "<a href='mailto:a@b.example'>x</a>",
        "<table>",
        "<p>From: a@b.example",
    ],
)
def test_work_on_html_grows_with_its_size(piece: str) -> None:
    small = _steps("Fwd: x", "", piece * 300)
    large = _steps("Fwd: x", "", piece * 1_200)
    assert large <= 5 * small + 2_000, (piece, small, large)


def test_a_forward_is_searched_for_near_the_top_only_and_its_body_kept_whole() -> None:
    deep = "line\n" * (MAX_LINES + 10) + gmail(GMAIL["en"])
    assert find("Fwd: Offer", deep).original is None
    long = "word " * 20 + "\n"
    original = original_of("Fwd: Offer", gmail(GMAIL["en"]) + "\n" + long * 20_000 + "the end")
    assert original.body.endswith("the end")
    assert original.body.count("\n") == BODY.count("\n") + 20_001


# ------------------------------------------------------------------ the tables themselves


def test_every_language_has_every_field_and_every_separator_its_phrases() -> None:
    known = tables()
    assert {"en", "de", "fr", "es", "it", "nl"} <= known.languages
    for language in known.languages:
        fields = {meanings[language] for meanings in known.labels.values() if language in meanings}
        assert len(fields) == 6, language


def test_no_prefix_means_both_in_one_language() -> None:
    for word, meanings in tables().prefixes.items():
        assert word
        assert word == word.casefold()
        assert meanings
