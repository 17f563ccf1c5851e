"""What is let through to the parser of HTML is harmless, and says what a reader of the page sees."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings, strategies as st
from selectolax.lexbor import LexborHTMLParser, LexborNode

from maild.parse.limits import HTML_DEPTH
from maild.parse.outline import Outline
from maild.testing.growth import PLACES

BARE = re.compile(r"</?(?:[a-z]{1,10}|h1)>")
TAGS = st.lists(st.sampled_from(PLACES["HTML"].words), min_size=1, max_size=6).map(b"".join)


def seen(html: str) -> str:
    """Return the text that stands in what a sighted reading lets through."""
    return " ".join(re.sub(r"<[^>]*>", " ", Outline(sighted=True).read(html)).split())


def depth(html: str) -> int:
    """Return how deep the parser's tree is."""
    deepest, waiting = 0, [(LexborHTMLParser(html).root, 1)]
    while waiting:
        node, level = waiting.pop()
        deepest = max(deepest, level)
        child: LexborNode | None = node.child if node is not None else None
        while child is not None:
            waiting.append((child, level + 1))
            child = child.next
    return deepest


@settings(max_examples=300, deadline=None)
@given(TAGS, st.booleans())
def test_T6_nothing_is_let_through_but_bare_tags_of_a_bounded_tree(
    again: bytes, sighted: bool
) -> None:
    outline = Outline(sighted=sighted)
    page = outline.read((again * 3_000).decode("utf-8", "replace"))
    if outline.why is None:
        assert "<" not in BARE.sub("", page).removesuffix("</").removesuffix("<")
        # Between two elements that are counted, a paragraph, an item, or a row and its cell may be open.
        assert depth(page) < 5 * HTML_DEPTH


@pytest.mark.parametrize(
    "page",
    [
        "<<!---->a href=x>",
        "<<b>div x=1>",
        "<!--<--><<!-- -->div id=1>",
        "<<<b>img src=x>",
    ],
)
def test_T6_no_tag_is_put_together_from_what_is_left_out(page: str) -> None:
    assert LexborHTMLParser(Outline().read(page)).css_first("[href], [x], [id], [src]") is None


@pytest.mark.parametrize(
    "page",
    [
        '<div style="display: none">boss</div>',
        "<div hidden>boss</div>",
        "<span style='font-size:0px'>boss</span>",
        "<span style='font-size:0px'><span>a</span>boss</span>",
        '<span style="display:none"><p>a</span>boss',
        '<div style="display:none"><table><tr><td></div>boss</td></tr></table></div>',
        "<div hidden><div></div>boss</div>",
        "<tr hidden><td>boss</td></tr>",
        "<p hidden>boss<b>boss</b>",
        "<svg><text>boss</text></svg>",
        "<template>boss</template>",
        "<object>boss</object>",
        "<title>boss</title>",
        "<noscript>boss</noscript>",
        "<iframe>boss</iframe>",
        "<!-- boss -->",
        "<script>boss</script>",
        '<a href="mailto:boss@x.test" style="display:none">b</a>',
        '<p style="&#100;isplay:none">boss</p>',
        "<p style='x:1' style='display:none' hidden>boss</p>",
    ],
)
def test_what_a_reader_cannot_see_is_left_out(page: str) -> None:
    assert "boss" not in seen(f"{page}")


@pytest.mark.parametrize(
    "page",
    [
        "<span hidden>a</span>ann",
        "<p hidden>a</p>ann",
        "<p hidden>a<p>ann</p>",
        "<p hidden>a<div>ann</div>",
        "<table><tr hidden><td>a</td></tr><tr><td>ann</td></tr></table>",
        "<table><tr hidden><td><div>a</td></tr><tr><td>ann</td></tr></table>",
        "<table><tr><td hidden>a<td>ann</table>",
        "<ul><li hidden>a<li>ann</ul>",
        "<div hidden>a</div><div>ann</div>",
        "<span hidden><p>a</p></span>ann",
        "<p style='x:1' style='display:none'>ann</p>",
        "<br hidden>ann",
        "<img style='display:none'>ann",
    ],
)
def test_what_stands_behind_something_hidden_is_read(page: str) -> None:
    assert "ann" in seen(page)


def test_the_address_behind_a_name_is_shown_and_one_in_sight_is_not_repeated() -> None:
    assert seen('<a href="mailto:ann@x.test?subject=a">Ann</a>') == "Ann &lt;ann@x.test&gt;"
    assert seen('<a href="mailto:ann@x.test">ann@x.test</a>') == "ann@x.test"
