"""The text that a person reads: alternatives, charsets, flowed lines, HTML."""

from __future__ import annotations

import pytest

from maild.parse import read_letter
from maild.parse.encoded_words import decode_words
from maild.parse.html_text import html_to_text
from maild.parse.text import unflowed

HEAD = b"From: ann@x.test\r\nMIME-Version: 1.0\r\n"
PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n"


def mixed(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    inner = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return (
        HEAD + b"Content-Type: multipart/" + kind + b"; boundary=b\r\n\r\n" + inner + b"--b--\r\n"
    )


def text(content_type: bytes, body: bytes) -> str:
    return read_letter(HEAD + b"Content-Type: " + content_type + b"\r\n\r\n" + body).text


def test_of_alternatives_the_plain_one_is_the_text_and_the_other_the_html() -> None:
    letter = read_letter(mixed(PLAIN + b"plain", HTML + b"<p>rich", kind=b"alternative"))
    assert (letter.text, letter.html, letter.attachments) == ("plain", "<p>rich", ())


def test_an_empty_plain_alternative_gives_way_to_the_html() -> None:
    letter = read_letter(mixed(PLAIN, HTML + b"<p>rich", kind=b"alternative"))
    assert letter.text == "rich"


def test_a_plain_alternative_of_blanks_gives_way_to_the_html() -> None:
    letter = read_letter(mixed(PLAIN + b" \r\n\r\n", HTML + b"<p>rich", kind=b"alternative"))
    assert letter.text == "rich"


def test_html_alone_becomes_text() -> None:
    letter = read_letter(HEAD + HTML + b"<p>Hi <b>Bo</b>,</p><p>bye</p>")
    assert letter.text == "Hi Bo,\n\nbye"


def test_texts_around_a_picture_are_joined_in_order() -> None:
    letter = read_letter(mixed(PLAIN + b"one", b"Content-Type: image/png\r\n\r\nx", PLAIN + b"two"))
    assert letter.text == "one\ntwo"
    assert [part.type for part in letter.attachments] == ["image/png"]


def test_a_text_file_that_is_attached_is_not_the_text() -> None:
    file = b"Content-Disposition: attachment; filename=a.txt\r\n" + PLAIN + b"file"
    letter = read_letter(mixed(PLAIN + b"hello", file))
    assert letter.text == "hello"
    assert [part.name for part in letter.attachments] == ["a.txt"]


@pytest.mark.parametrize(
    ("charset", "body", "found"),
    [
        (b"utf-8", "grüße".encode(), "grüße"),
        (b"iso-8859-1", "grüße".encode("latin-1"), "grüße"),
        (b"iso-8859-1", b"\x93quoted\x94", "“quoted”"),
        (b"us-ascii", "grüße".encode(), "grüße"),
        (b"windows-1251", "привет".encode("cp1251"), "привет"),
        (b"iso-2022-jp", "猫".encode("iso2022_jp"), "猫"),
        (b"gb2312", "猫".encode("gb2312"), "猫"),
        (b"ks_c_5601-1987", "고양이".encode("cp949"), "고양이"),
        (b"uft-8", "grüße".encode(), "grüße"),
        (b'"\\"utf-8\\""', "grüße".encode(), "grüße"),
        (b"x-unknown", "grüße".encode(), "grüße"),
        (b"x-unknown", b"plain", "plain"),
        (b"rot13", b"plain", "plain"),
        (b"hex", b"6162", "6162"),
        (b"unicode_escape", b"\\u0041", "\\u0041"),
        (
            b"utf-8",
            b"cut \xe2\x82 off, \xe2\x82\xac and \xc3\xbc and \xc3\xa9 \xc3\xa9",
            "cut � off, € and ü and é é",
        ),
    ],
)
def test_a_text_is_decoded_by_its_charset_or_the_likeliest(
    charset: bytes, body: bytes, found: str
) -> None:
    assert text(b"text/plain; charset=" + charset, body) == found


def test_a_text_in_no_known_charset_is_guessed_and_said() -> None:
    letter = read_letter(
        HEAD
        + b"Content-Type: text/plain; charset=x-unknown\r\n\r\n"
        + "привет, как дела? ".encode("cp1251") * 20
    )
    assert "not known" in letter.degraded[0]
    assert letter.text


def test_no_text_holds_nul_or_half_a_surrogate() -> None:
    assert text(b"text/plain; charset=utf-8", b"a\0b") == "a�b"
    assert text(b"text/plain; charset=utf-7", b"+2AA-") == "�"


def test_line_ends_are_one_character() -> None:
    assert text(b"text/plain", b"a\r\nb\rc\nd") == "a\nb\nc\nd"


def test_flowed_lines_are_joined_for_reading() -> None:
    assert text(b"text/plain; format=flowed", b"one \r\ntwo\r\nthree") == "one two\nthree"


def test_flowed_lines_with_delsp_lose_their_space() -> None:
    assert text(b"text/plain; format=flowed; delsp=yes", b"one \r\ntwo") == "onetwo"


@pytest.mark.parametrize(
    ("flowed", "read"),
    [
        (">> a \n>> b\n> c", ">> a b\n> c"),
        ("> a \nb", "> a\nb"),
        ("a \n-- \nAnn", "a\n-- \nAnn"),
        (" >not quoted", ">not quoted"),
        ("a \n", "a "),
        ("", ""),
    ],
)
def test_flowed_text_follows_rfc_3676(flowed: str, read: str) -> None:
    assert unflowed(flowed, delsp=False) == read


@pytest.mark.parametrize(
    ("html", "read"),
    [
        ("one<br>two", "one\ntwo"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("<p>a</p>\n\n<p>b</p>", "a\n\nb"),
        ("<b>From:</b> Ann &lt;ann@x.test&gt;<br>", "From: Ann <ann@x.test>"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<script>x</script><style>y</style>a<!-- z -->", "a"),
        ("<title>t</title>a", "a"),
        ("a<b>b</b>c", "abc"),
        ("a <b>b</b> c", "a b c"),
        ("<pre> a\n  b</pre>", "a\n  b"),
        ("1 < 2 &amp; 3", "1 < 2 & 3"),
        ('<a title="x>y">z</a>', "z"),
        ("<o:p>&nbsp;</o:p>a", "a"),
        ("&#0;&#xD800;", "��"),
        ("", ""),
    ],
)
def test_html_is_read_as_a_browser_would_lay_it_out(html: str, read: str) -> None:
    assert html_to_text(html, []) == read


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("=?utf-8?q?gr=C3=BC=C3=9Fe?=", "grüße"),
        ("=?utf-8?b?Z3LDvMOfZQ==?=", "grüße"),
        ("=?utf-8?b?Z3LDvMOfZQ?=", "grüße"),
        ("=?utf-8?q?gr=C3?= =?utf-8?q?=BC?=", "grü"),
        ("=?utf-8?q?a?= =?iso-8859-1?q?=FC?=", "aü"),
        ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        ("=?utf-8*en?q?a_b?=", "a b"),
        ("=?utf-8?q?with blanks?=", "with blanks"),
        ("=?x-unheard?q?a?=", "a"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?utf-8?q?never", "=?utf-8?q?never"),
        ("Re: =?utf-8?q?a?=b", "Re: ab"),
        ("=?utf-8?b?AA==?=", "�"),
    ],
)
def test_encoded_words_are_decoded_the_broken_ones_too(words: str, read: str) -> None:
    assert decode_words(words) == read
