"""Pages: whatever bytes a mail is of, its page is whole, UTF-8 and harmless (M13)."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import example, given, settings, strategies as st

from maild.model.letter import UnreadableError
from maild.model.shown import NoSuchPartError, What, Wish
from maild.parse.showing import show
from tests.parse.test_safe_html import PARTS, wrong_in
from tests.parse.winmail import file, winmail

HEAD, TAIL = b"<!DOCTYPE html><html><head>", b"</div></body></html>"
FRAGMENTS = [
    b"Content-Type: text/html\r\n", b"Content-Type: text/plain; format=flowed\r\n", b"Content-Type: multipart/alternative; boundary=b\r\n",
    b"Content-Type: multipart/related; boundary=b\r\n", b"Content-Type: text/html; charset=utf-7\r\n", b"Content-Type: message/rfc822\r\n",
    b"Content-Type: text/html; charset=utf-16\r\n", b"Content-Type: application/ms-tnef\r\n", b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n", b"Content-ID: <a@b>\r\n", b"\r\n", b"--b\r\n", b"--b--\r\n", b"<img src='cid:a@b'>",
    winmail(file("a", b"x"), html=b"<script>alert(1)</script>"), b"https://x.example/\"onclick=x", b"> quoted\r\n", b"\x1b$B", b"\xff\xfe", b"\0",
    *(part.encode() for part in PARTS),
]  # fmt: skip


def page(raw: bytes, **asked: object) -> str:
    """Return what stands in the page of a mail, without what is ours."""
    found = show(raw, Wish(what=What.PAGE, name="N" * 32, **asked)).octets  # type: ignore[arg-type]  # a test's words
    assert found.startswith(HEAD)
    assert found.endswith(TAIL)
    body = found.decode("utf-8").partition('<div class="mail">')[2]
    return body.removesuffix(TAIL.decode())


@given(
    st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=20), max_size=40),
    st.booleans(),
    st.booleans(),
)
@example([b"\r\n", b"<img src=x onerror=alert(1)>"], False, False)
@settings(max_examples=150, deadline=None)
def test_M13_any_bytes_are_a_harmless_page(pieces: list[bytes], plain: bool, images: bool) -> None:
    raw = b"".join(pieces)
    try:
        body = page(raw, plain=plain)
    except UnreadableError:
        return
    assert wrong_in(body) == []
    assert wrong_in(page(raw, images=images)) == []


@given(st.binary(max_size=200), st.text("0123456789~.x", max_size=12))
@settings(max_examples=100, deadline=None)
def test_M13_any_part_of_any_bytes_is_a_file_or_none(raw: bytes, path: str) -> None:
    try:
        found = show(raw, Wish(what=What.FILE, path=path))
    except NoSuchPartError:
        return
    assert found.size >= 0
    show(raw, Wish(what=What.FILES))


@pytest.mark.parametrize(
    ("label", "codec"), [("utf-7", "utf-7"), ("utf-16", "utf-16"), ("utf-16le", "utf-16-le"), ("utf-32", "utf-32"), ("cp037", "cp037"), ("iso-2022-jp", "iso2022_jp"), ("hz", "hz")]
)  # fmt: skip
def test_M13_no_charset_hides_a_script(label: str, codec: str) -> None:
    encoded = base64.encodebytes(
        "<p>Hi</p><script>alert(1)</script><img src=x onerror=x>".encode(codec)
    )
    raw = (
        f"Content-Type: text/html; charset={label}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
        + encoded
    )
    body = page(raw)
    assert wrong_in(body) == []
    assert "alert" not in body


def test_M13_a_text_is_flowed_and_its_quotes_are_marked() -> None:
    body = page(
        b"Content-Type: text/plain; format=flowed\r\n\r\nOne \r\nline\r\n> quoted \r\n> too\r\n"
    )
    assert body.startswith(
        '<div class="text">One line</div><div class="text q1">&gt; quoted too</div>'
    )


def test_M13_a_mail_that_is_too_much_shows_its_text_and_says_so() -> None:
    found = show(
        b"Content-Type: text/html\r\n\r\n<p>Hello</p>" + b"<div>" * 5_000, Wish(what=What.PAGE)
    ).octets
    assert (
        b"This mail&#x27;s HTML has elements more than 500 deep; only its text is shown." in found
    )
    assert b">Hello</div>" in found


def test_M13_pixels_and_pictures_that_are_left_out_are_counted() -> None:
    html = (
        b"<img src=https://x/a><img src=https://x/b><img src=https://x/c width=1><img src=cid:none>"
    )
    found = show(b"Content-Type: text/html\r\n\r\n" + html, Wish(what=What.PAGE)).octets.decode()
    assert "2 pictures from elsewhere were not loaded." in found
    assert (
        "1 picture too small to be seen was left out: such tell the sender that a mail is read."
        in found
    )
    assert "1 picture that the mail does not bring was left out." in found


def test_M13_the_name_for_a_ticket_stands_nowhere_but_in_pictures_of_the_mail() -> None:
    raw = (
        b"Content-Type: text/html\r\n\r\n"
        + b"N" * 31
        + b"<img src='cid:a@b'><img src='cid/NNNN/2'>"
    )
    assert "N" * 32 not in page(raw)


def multipart(kind: str, *parts: bytes) -> bytes:
    inner = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return b"Content-Type: multipart/%s; boundary=b\r\n\r\n" % kind.encode() + inner + b"--b--\r\n"


TEXT, HTML = b"Content-Type: text/plain\r\n\r\n", b"Content-Type: text/html\r\n\r\n"
PDF = b"Content-Type: application/pdf\r\nContent-Disposition: inline; filename=a.pdf\r\n\r\n%PDF"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (multipart("mixed", TEXT + b"Cancel <4711>", HTML + b"<p>Confidential</p>"), ["Cancel &lt;4711&gt;", "<p>Confidential</p>"]),
        (multipart("mixed", HTML + b"<p>First</p>", PDF, HTML + b"<p>Second</p>"), ["<p>First</p>", "<p>Second</p>"]),
        (multipart("mixed", HTML + b"<p>First</p>", TEXT + b"Footer"), ["<p>First</p>", "Footer"]),
        (multipart("mixed", HTML + b"<p>First<!-- <script><div", HTML + b"<p>Second</p>"), ["<p>First", "<p>Second</p>"]),
    ],
)  # fmt: skip
def test_M13_a_page_says_all_that_the_mail_says_in_order(raw: bytes, said: list[str]) -> None:
    """A gateway's disclaimer, and the pieces around an attachment, are parts of their own."""
    found = page(raw)
    places = [found.find(one) for one in said]
    assert -1 not in places, found
    assert places == sorted(places)


def test_M13_of_alternatives_a_page_shows_the_html_alone() -> None:
    found = page(multipart("alternative", TEXT + b"Plain", HTML + b"<p>Rich</p>"))
    assert "<p>Rich</p>" in found
    assert "Plain" not in found
    text = page(multipart("alternative", TEXT + b"Plain", HTML + b"<p>Rich</p>"), plain=True)
    assert "Plain" in text
    assert "Rich" not in text


@pytest.mark.parametrize(
    ("raw", "notice"),
    [
        (HTML + (b"<p>" + b"x" * 97 + b"</p>") * 20_000 + b"THE END", "The HTML part is longer than 2 MB; only its beginning was kept."),
        (TEXT + b"line\r\n" * 300_000 + b"THE END", "The text is longer than 1 MiB; only its beginning was kept."),
    ],
)  # fmt: skip
def test_M13_a_page_that_is_not_whole_says_so(raw: bytes, notice: str) -> None:
    found = show(raw, Wish(what=What.PAGE)).octets
    assert b"THE END" not in found
    assert notice.encode() in found


def test_M13_an_end_tag_without_a_name_takes_nothing_along() -> None:
    assert "Hello <b>x</b> world" in page(HTML + b"</>Hello <b>x</b> world")


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ('<a href="https://evil.example/">' + " " * 250 + "www.bank.example</a>", "www.bank.example [evil.example]"),
        ('<a href="https://evil.example/">www.bank.example', "www.bank.example [evil.example]"),
        ('<a href="https://evil.example/">www.bank.example<a href="https://bank.example">', "www.bank.example [evil.example]"),
        ('<a href="https://' + "&#" + "0" * 4200 + '101;vil.example/">www.bank.example</a>', "www.bank.example [evil.example]"),
        ('<a href="https://\U0001f4a9.example/">www.bank.example</a>', "www.bank.example [%F0%9F%92%A9.example]"),
        ('<a href="https://a_b.ev\u00efl.example/">www.bank.example</a>', "www.bank.example [a_b.ev%C3%AFl.example]"),
        ('<a href="https://evil.example/"><img src="cid:none" alt="www.bank.example"></a>', "> [evil.example]"),
    ],
)  # fmt: skip
def test_T8_a_link_that_names_another_host_shows_the_true_one_however_it_is_written(
    link: str, shown: str
) -> None:
    assert shown in page(HTML.replace(b"html", b"html; charset=utf-8") + link.encode())


@pytest.mark.parametrize("source", ["cid:a@b", "cid:a%40b", " cid:a@b", "CID:%3Ca@b%3E"])
@pytest.mark.parametrize("type_", [b"image/png", b"image/jpg"])
def test_M13_a_picture_that_the_mail_brings_is_found_however_it_is_named(
    source: str, type_: bytes
) -> None:
    picture = b"Content-Type: " + type_ + b"\r\nContent-ID: <a@b>\r\n\r\nx"
    found = page(multipart("related", HTML + f'<img src="{source}">'.encode(), picture))
    assert f'src="cid/{"N" * 32}/2"' in found


def test_T6_formats_that_would_be_opened_in_every_paragraph_are_too_much() -> None:
    fonts = "".join(f"<font color=c{at}>" for at in range(400))
    raw = HTML + f"<div>{fonts}</div>{'<p>x' * 20_000}".encode()
    assert (
        b"opened again and again; only its text is shown" in show(raw, Wish(what=What.PAGE)).octets
    )


def test_T6_an_address_of_many_brackets_is_soon_read() -> None:
    began = time.process_time()
    page(TEXT + (b"http://" + b")" * 1990 + b" ") * 500)
    assert time.process_time() - began < 2
    assert '<a href="https://x.example/a_(b)"' in page(TEXT + b"(see https://x.example/a_(b)).")
