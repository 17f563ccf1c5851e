"""The sanitiser: what of a mail's HTML a page may hold (M13; T6, T8, T9; ux.md 2.1)."""

from __future__ import annotations

import html as entities
import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings, strategies as st
from typing_extensions import override

from maild.parse.html_guard import ATTRIBUTES, TAGS, TooMuchError
from maild.parse.links import host_of, hosts_in, safe_link
from maild.parse.plain_page import text_as_html
from maild.parse.safe_css import safe_style
from maild.parse.safe_html import sanitised

EVIL = "https://evil.example/x"
LINK = re.compile(r"(?:https?://|mailto:|tel:)", re.IGNORECASE)
STYLE = re.compile(r"[\w:;#%.,+!/ '\"()-]*")


class _Seen(HTMLParser):
    """Takes a page apart as a browser would, and says of each tag whether it may stand there."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.wrong.append(f"<{tag}>")
        if tag == "div" and attrs and attrs[0][0] == "class":
            attrs = attrs[1:]  # How a text of ours looks.
        allowed = ATTRIBUTES.get(tag, frozenset()) | ATTRIBUTES["*"] | {"rel", "target"}
        for name, value in attrs:
            if name not in allowed or not self._is_harmless(name, value or ""):
                self.wrong.append(f"<{tag} {name}={value!r}>")

    def _is_harmless(self, name: str, value: str) -> bool:
        match name:
            case "href":
                return LINK.match(value) is not None
            case "src":
                return (
                    value.startswith("cid/")
                    or re.match(r"data:image/(png|jpe?g|gif|webp);", value, re.IGNORECASE)
                    is not None
                )
            case "style":
                return STYLE.fullmatch(value) is not None and "url" not in value.lower()
            case _:
                return True


def wrong_in(html: str) -> list[str]:
    """Return what must not stand in a page."""
    seen = _Seen()
    seen.feed(html)
    seen.close()
    return seen.wrong


PARTS = [
    "<script>", "</script>", "<style>", "</style>", "<svg>", "<math>", "<mtext>", "<mglyph>", "<table>", "</table>", "<td>",
    "<noscript>", "</noscript>", "<title>", "</title>", "<textarea>", "</textarea>", "<iframe>", "<xmp>", "<plaintext>", "<template>",
    "<select>", "<option>", "<form action=//e>", "<input onfocus=x autofocus>", "<base href=//e>", "<meta http-equiv=refresh content=0>",
    "<!--", "-->", "--!>", "<![CDATA[", "]]>", "<?", "<!", "</", "<", ">", '"', "'", "`", "=", "/", "&lt;", "&#60", "&#x3c;", "\0", "\n",
    "<img src=x onerror=alert(1)>", "<a href=javascript:alert(1)>", "<a href='java&#10;script:alert(1)'>", "<a href=data:text/html,x>",
    "<p title='</p><img src=x onerror=alert(1)>'>", "<foreignObject>", "<annotation-xml encoding=text/html>", "<desc>", "<b ", "<img ",
    " style=background:url(//e)", " onload=x", " src=//e", " href=//e", "<font face=", "<div>", "</div>", "<br>", "</p>", "<p>", "text",
]  # fmt: skip


class TestWhatStays:
    @pytest.mark.parametrize(
        "html",
        [
            "<p>One <b>two</b> <i>three</i></p>",
            '<table width="600"><tbody><tr><td align="center" bgcolor="#fff">x</td></tr></tbody></table>',
            "<div style=\"color:red;font-family:Arial, 'Open Sans';margin:0 auto\">x</div>",
            "<ul><li>One</li><li>Two</li></ul>",
            "<blockquote><pre>x\n y</pre></blockquote>",
        ],
    )
    def test_M13_what_is_only_looks_stays_as_it_is(self, html: str) -> None:
        assert sanitised(html, {}).html == html

    def test_M13_links_open_apart_and_tell_nobody_where_they_were_followed(self) -> None:
        safe = sanitised('<a href="https://shop.example/a?b=1&amp;copy=2">Shop</a>', {}).html
        assert safe == (
            '<a href="https://shop.example/a?b=1&amp;copy=2" title="shop.example" target="_blank"'
            ' rel="noopener noreferrer nofollow">Shop</a>'
        )

    def test_M13_a_link_that_names_another_host_shows_the_true_one(self) -> None:
        for text in ("www.bank.example", "https://bank.example/login", "Go to <b>bank.example</b>"):
            safe = sanitised(f'<a href="https://bank.example@evil.example/">{text}</a>', {}).html
            assert " [evil.example]</a>" in safe
        for text in ("Click here", "evil.example", "www.evil.example", "mail.evil.example"):
            assert " [" not in sanitised(f'<a href="{EVIL}">{text}</a>', {}).html

    def test_M13_the_mails_own_pictures_are_found_by_their_ids(self) -> None:
        safe = sanitised('<img src="cid:a@b"><img src="CID:none">', {"a@b": "cid/NAME/2"})
        assert safe.html == '<img src="cid/NAME/2"><img>'
        assert (safe.lost, safe.blocked) == (1, 0)

    def test_M13_small_pictures_within_the_html_stay_and_pages_do_not(self) -> None:
        png = "data:image/png;base64,iVBORw0KGgo="
        assert sanitised(f'<img src="{png}">', {}).html == f'<img src="{png}">'
        for other in ("data:image/svg+xml;base64,PHN2Zz4=", "data:text/html,<script>", "data:,x"):
            assert (
                sanitised(f'<img src="{other}"><a href="{other}">x</a>', {}).html.count("data:")
                == 0
            )


class TestWhatGoes:
    @pytest.mark.parametrize(
        "html",
        [
            f'<img src="{EVIL}">',
            f'<img src="//evil.example/x" srcset="{EVIL} 2x" lowsrc="{EVIL}" dynsrc="{EVIL}" longdesc="{EVIL}">',
            f'<picture><source srcset="{EVIL}"><img src="{EVIL}"></picture>',
            f'<table background="{EVIL}"><tr background="{EVIL}"><td background="{EVIL}">x</td></tr></table>',
            f'<body background="{EVIL}" style="background:url({EVIL})" onload="x">x</body>',
            f'<p style="background-image:url({EVIL})">x',
            f'<p style="background:u\\72l({EVIL})">x',
            f'<p style="background:&#117;rl({EVIL})">x',
            f'<p style="color:red;list-style:url({EVIL});content:url({EVIL});cursor:url({EVIL}),auto">x',
            f'<p style="background:image-set(\'{EVIL}\' 1x)">x',
            f'<p style="--x:url({EVIL});background:var(--x)">x',
            f"<style>@import '{EVIL}'; @font-face{{font-family:x;src:url({EVIL})}} p{{background:url({EVIL})}}</style>x",
            f'<link rel="stylesheet" href="{EVIL}"><link rel="prefetch" href="{EVIL}"><link rel="dns-prefetch" href="{EVIL}">',
            f'<base href="{EVIL}"><meta http-equiv="refresh" content="0;url={EVIL}">',
            f'<iframe src="{EVIL}"></iframe><frame src="{EVIL}"><embed src="{EVIL}"><object data="{EVIL}"></object>',
            f'<iframe srcdoc="<img src={EVIL}>"></iframe><portal src="{EVIL}"></portal><applet code="{EVIL}"></applet>',
            f'<video src="{EVIL}" poster="{EVIL}"><track src="{EVIL}"></video><audio src="{EVIL}"></audio>',
            f'<svg><image href="{EVIL}" xlink:href="{EVIL}"/><use href="{EVIL}#x"/><feImage href="{EVIL}"/></svg>',
            f'<svg><style>@import "{EVIL}"</style><script href="{EVIL}"></script></svg>',
            f'<math><mi xlink:href="{EVIL}" href="{EVIL}">x</mi></math>',
            f'<form action="{EVIL}"><input type="image" src="{EVIL}"><button formaction="{EVIL}">x</button></form>',
            f'<script src="{EVIL}"></script><script>location="{EVIL}"</script>',
            f'<blockquote cite="{EVIL}">x</blockquote><q cite="{EVIL}">x</q><ins cite="{EVIL}">x</ins>',
            f'<html manifest="{EVIL}"><head profile="{EVIL}"><title>{EVIL}</title></head>x',
            f'<a ping="{EVIL}">x</a><area href="{EVIL}"><map><area href="{EVIL}"></map>',
            f'<!--[if gte mso 9]><v:fill src="{EVIL}"/><![endif]--><v:imagedata src="{EVIL}"/>',
            f'<!--><img src="{EVIL}">--><![CDATA[<img src="{EVIL}">]]>',
            f'<noscript><img src="{EVIL}"></noscript><template><img src="{EVIL}"></template>',
            f'<isindex action="{EVIL}"><bgsound src="{EVIL}"><layer src="{EVIL}"><ilayer src="{EVIL}">',
            f'<xml><?xml-stylesheet href="{EVIL}"?></xml><import src="{EVIL}">',
            f'<img src=" \t{EVIL}"><img/src="{EVIL}"/><IMG SRC={EVIL}>',
            f'<a href="x"><img src="{EVIL}" width="1" height="1"></a>',
        ],
    )  # fmt: skip
    def test_M13_nothing_is_left_that_a_browser_would_load(self, html: str) -> None:
        safe = sanitised(html, {}).html
        assert "evil.example" not in safe, safe
        assert wrong_in(safe) == []

    @pytest.mark.parametrize(
        "url",
        ["javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)",
         "java&Tab;script:alert(1)", "\x01javascript:alert(1)", "vbscript:x", "data:text/html,x", "file:///etc/passwd",
         "blob:https://x", "view-source:https://x", "intent://x", "ms-word:ofe|u|https://x", "//evil.example/", "/app/logout",
         "?logout", "#x", "cid:x", "https:///x", "https:evil.example", "&#106;avascript:alert(1)", "x-y:z", ""],
    )  # fmt: skip
    def test_M13_no_link_leads_elsewhere_than_to_the_web_to_mail_and_to_telephones(
        self, url: str
    ) -> None:
        assert "href" not in sanitised(f'<a href="{url}">x</a>', {}).html

    @pytest.mark.parametrize(
        "html",
        [
            # What was read as text becomes a tag when it is read again: each of these needs two ways to be read.
            '<svg></p><style><a title="</style><img src=x onerror=alert(1)>">',
            '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=alert(1)&gt;">',
            '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
            '<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>',
            '<svg><annotation-xml encoding="text/html"><style><img src=x onerror=alert(1)></style></svg>',
            '<select><noembed></select><script>x="<noembed>";</script></noembed></select>',
            '<textarea><p title="</textarea><img src=x onerror=alert(1)>">',
            '<title><p title="</title><img src=x onerror=alert(1)>">',
            '<xmp><p title="</xmp><svg/onload=alert(1)>">',
            '<p id="`"onmouseover=alert(1) x="`">x',
            "<scr<script>ipt>alert(1)</scr</script>ipt>",
            "<img src=`x`onerror=alert(1)>",
            '<a href="https://x.example/&quot; onclick=&quot;alert(1)">x</a>',
            '<font color="red;&quot;onmouseover=alert(1)">x</font>',
        ],
    )  # fmt: skip
    def test_M13_nothing_becomes_a_script_by_being_read_twice(self, html: str) -> None:
        once = sanitised(html, {}).html
        assert wrong_in(once) == []
        assert sanitised(once, {}).html == once

    def test_M13_a_style_moves_nothing_over_anything(self) -> None:
        style = "position:fixed;top:0;left:0;z-index:9;margin:-900px 0;transform:scale(9);color:#123;opacity:0"
        assert safe_style(style) == ("color:#123", False)

    @given(st.lists(st.sampled_from(PARTS), max_size=30))
    @settings(max_examples=150, deadline=None)
    def test_M13_whatever_is_put_together_is_safe(self, parts: list[str]) -> None:
        safe = sanitised("".join(parts), {}).html
        assert wrong_in(safe) == [], safe

    @given(st.text(max_size=300))
    @settings(max_examples=100, deadline=None)
    def test_M13_any_text_is_safe_as_html_and_as_text(self, text: str) -> None:
        assert wrong_in(sanitised(text, {}).html) == []
        written = text_as_html(text)
        assert entities.unescape(re.sub(r"<[^>]*>", "", written)).replace("\n", "") == text.replace(
            "\n", ""
        )


class TestBombs:
    @pytest.mark.parametrize(
        "html",
        [
            "<div>" * 100_000,
            "<b>" * 40_000,
            "<td><div></td>" * 20_000,
            "<div></x>" * 20_000,
            "<ul>" + "<li><ul></li>" * 20_000,
            "<b><div></b>" * 20_000,
            "<table><tr>" * 20_000,
            "<table>" + "<div></td>" * 20_000,
            "<svg>" * 5 + "<p><i>" * 20_000,
            "".join(f"<div><font size={at}></div>x" for at in range(20_000)),
            "".join(f"<p><font size={at}>" for at in range(20_000)),
            "<a " + " ".join(f"x{at}" for at in range(100_000)) + ">",
            "<br>" * 200_000,
            "&" * 500_000,
        ],
        ids=range(14),
    )
    def test_M13_what_a_sanitiser_does_not_bear_never_reaches_it(self, html: str) -> None:
        began = time.process_time()
        with pytest.raises(TooMuchError):
            sanitised(html, {})
        assert time.process_time() - began < 5

    @pytest.mark.parametrize(
        "html",
        [
            "<table>" + "<tr><td><p style='color:red'>x<b>y</b></td></tr>" * 8_000 + "</table>",
            "<p>One<p>Two<br>" * 10_000,
            "<ul>" + "<li>One<li>Two" * 10_000,
            "<b><i>x</b></i>" * 8_000,
            "<div><span>x</div>" * 10_000,
            "<table>" + "<tr><td><font size=2>x<td>y" * 5_000,
            "<p>x</p></div></div></td>" * 5_000,
        ],
        ids=range(7),
    )
    def test_M13_long_mails_that_people_write_are_shown(self, html: str) -> None:
        assert len(sanitised(html, {}).html) > 10_000

    @pytest.mark.parametrize(
        "html",
        ["<" * 500_000, '<a href="' + "&#" * 90_000, "<a " + " " * 500_000, "<a href='https://a.b/'>" + "a." * 200_000,
         "<!--" * 200_000, "</" * 300_000, "&" * 90_000, "<p style='" + "(" * 500_000, "<p style='" + "rgb(" * 100_000 + "'>"],
        ids=range(9),
    )  # fmt: skip
    def test_T6_reading_is_linear_whatever_stands_there(self, html: str) -> None:
        began = time.process_time()
        sanitised(html, {})
        text_as_html(html)
        assert time.process_time() - began < 10


class TestText:
    def test_M13_links_in_a_text_are_live_and_end_where_the_sentence_does(self) -> None:
        shown = text_as_html(
            "See https://a.example/x(1) and (https://b.example/?q=<>), or javascript:alert(1)."
        )
        assert '<a href="https://a.example/x(1)" ' in shown
        assert ">https://b.example/?q=</a>&lt;&gt;), or javascript" in shown
        assert shown.count("<a ") == 2

    def test_M13_what_a_text_quotes_is_marked_by_its_depth(self) -> None:
        shown = text_as_html("Yes.\n> Really?\n>> Who asks?\n> I.\n" + ">" * 9 + " deep")
        assert list(re.findall(r'class="text ?(\w*)"', shown)) == [
            "",
            "q1",
            "q2",
            "q1",
            "q5",
        ]

    def test_M13_tags_in_a_text_are_letters(self) -> None:
        assert wrong_in(text_as_html('<script>alert(1)</script><img src=x onerror=x> "&')) == []


def test_M13_the_true_host_is_the_one_that_a_browser_goes_to() -> None:
    assert host_of("https://bank.example\\@evil.example/") == "bank.example"
    assert host_of("https://bank.example@evil.example/") == "evil.example"
    assert host_of("https://xn--e1awd7f.example/") == "xn--e1awd7f.example"
    assert host_of("https://\u0435vil.example/").startswith("xn--")
    assert host_of("https://[::1]/x") == "::1"
    assert host_of("mailto:a@b.example") == host_of("https://[") == host_of("x") == ""
    assert hosts_in("write to anna@bank.example or see www.bank.example/x") == ["bank.example"]
    assert safe_link("https://a.example/a b") == "https://a.example/a%20b"
