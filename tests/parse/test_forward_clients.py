"""Every client in every language of `layouts/` is read in full (F1)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maild.model.filing import SURE_ENOUGH
from maild.model.letter import Forwarded, How
from maild.parse.forward import ForwardReading, find_forward
from tests.parse.forwarding import NOTE, Hand, Layout, Original, as_html, layouts, quoted

ORIGINAL = Original()
BLOCKS = [pytest.param(one, id=one.name) for one in layouts() if "line" not in one.words]
LINES = [pytest.param(one, id=one.name) for one in layouts() if "line" in one.words]
UNSURE = {
    # VS: is also what a Finnish reply begins with, and the block is English in all languages.
    "outlook_live in da",
    "outlook_live in nb",
    # No label of the date is known, and no separator says "forward".
    "outlook_new in hu",
}


def read(layout: Layout, text: str, page: str | None = None) -> ForwardReading:
    subject = f"{layout.prefix} {ORIGINAL.subject}"
    return find_forward(subject=subject, text=text, html=page, attached=[])


def assert_in_full(layout: Layout, original: Forwarded | None) -> None:
    assert original is not None
    assert original.from_ == ORIGINAL.from_
    assert original.to == (() if layout.lacks("to") else ORIGINAL.to)
    assert original.cc == (() if layout.lacks("cc") else ORIGINAL.cc)
    assert original.date == ("" if layout.lacks("date") else ORIGINAL.date)
    assert original.subject == ORIGINAL.subject
    assert original.how is How.INLINE
    assert (original.confidence >= SURE_ENOUGH) == (layout.name not in UNSURE)


@pytest.mark.parametrize("layout", BLOCKS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_F1_every_client_is_read_in_each_of_its_languages(layout: Layout, newline: str) -> None:
    reading = read(layout, layout.write(ORIGINAL, Hand()).replace("\n", newline))
    assert_in_full(layout, reading.original)
    assert reading.original is not None
    assert reading.original.body.replace("\r\n", "\n") == ORIGINAL.body
    assert reading.note.replace("\r\n", "\n") == NOTE
    assert reading.looks_forwarded


@pytest.mark.parametrize("layout", BLOCKS)
def test_F1_html_alone_is_enough_in_every_language(layout: Layout) -> None:
    reading = read(layout, "", as_html(layout.write(ORIGINAL, Hand())))
    assert_in_full(layout, reading.original)
    assert reading.original is not None
    assert reading.original.body.split() == ORIGINAL.body.split()
    assert reading.note == NOTE


@pytest.mark.parametrize("layout", BLOCKS)
def test_F1_a_forward_quoted_as_a_whole_is_read_in_every_language(layout: Layout) -> None:
    reading = read(layout, quoted(layout.write(ORIGINAL, Hand())))
    assert_in_full(layout, reading.original)
    assert reading.original is not None
    assert reading.original.body == ORIGINAL.body
    assert reading.note == NOTE


@pytest.mark.parametrize("layout", LINES)
@pytest.mark.parametrize("form", ["plain", "html", "quoted"])
def test_F1_a_forward_below_one_line_is_read_and_never_sure(layout: Layout, form: str) -> None:
    text = layout.write(ORIGINAL, Hand())
    text = quoted(text) if form == "quoted" else text
    reading = read(layout, "", as_html(text)) if form == "html" else read(layout, text)
    original = reading.original
    assert original is not None
    assert original.from_ is not None
    assert original.from_.address == ORIGINAL.from_.address
    assert original.from_.name in {ORIGINAL.from_.name, ""}
    assert original.date == ORIGINAL.date
    assert original.body == ORIGINAL.body
    assert original.confidence < SURE_ENOUGH
    assert reading.note == NOTE


@pytest.mark.parametrize("layout", LINES)
def test_F1_the_same_line_in_a_reply_is_no_forward(layout: Layout) -> None:
    text = layout.write(ORIGINAL, Hand())
    for subject in ("Offer 4711", "Re: Offer 4711", "Re: FW: Offer 4711"):
        reading = find_forward(subject=subject, text=text, html=None, attached=[])
        assert reading.original is None
        assert not reading.looks_forwarded


def test_F1_a_from_line_that_is_labelled_recipient_names_nobody() -> None:
    """KMail's simplified Chinese."""
    text = (
        "----------  转发的信件  ----------\n\n主题: Offer\n日期: 2025-05-07 09:31\n收件人: jane.roe@client.example\n"
        "至: sales@firm.example\n抄送: max@client.example\n\nHello"
    )
    original = find_forward(subject="Fwd: Offer", text=text, html=None, attached=[]).original
    assert original is None or original.from_ is None


@pytest.mark.parametrize(
    "below", ["", "\n\n-- \nEva", "\n\n" + "-" * 20 + "\nEva"], ids=["none", "signature", "rule"]
)
def test_F1_the_line_that_closes_an_original_ends_its_body(below: str) -> None:
    (layout,) = (one for one in layouts() if one.name == "mutt in en")
    original = read(layout, layout.write(ORIGINAL, Hand()) + below).original
    assert original is not None
    assert original.body == ORIGINAL.body


def test_F1_a_closing_line_of_an_older_forward_does_not_end_the_outer_one() -> None:
    older, outer = (
        next(one for one in layouts() if one.name == name) for name in ("mutt in en", "gmail in en")
    )
    body = older.write(ORIGINAL, Hand()) + "\n\nJane's signature"
    for layout in (outer, older):
        original = read(layout, layout.write(replace(ORIGINAL, body=body), Hand())).original
        assert original is not None
        assert original.body == body
