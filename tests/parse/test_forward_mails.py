"""Forwards as whole mails: charsets of their languages, flowed text, both kinds of text, originals attached (F1)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from email.header import Header

import pytest

from maild.model.filing import SURE_ENOUGH
from maild.model.letter import How, Letter, Mailbox
from maild.parse import read_letter
from tests.parse.forwarding import NOTE, Hand, Layout, Original, as_html, layouts

CHARSETS = {
    "koi8-r": ("ru",),
    "koi8-u": ("uk",),
    "windows-1251": ("ru", "uk", "bg", "sr"),
    "iso-8859-5": ("ru", "bg"),
    "windows-1250": ("pl", "cs", "sk", "hu", "hr", "sl", "sr-latin"),
    "iso-8859-2": ("pl", "cs", "sk", "hu", "hr", "sl"),
    "windows-1252": ("de", "fr", "es", "it", "nl", "pt", "pt-br", "sv", "da", "nb", "fi"),
    "iso-8859-1": ("de", "fr", "es", "it", "sv"),
    "windows-1253": ("el",),
    "windows-1254": ("tr",),
    "windows-1255": ("he",),
    "windows-1256": ("ar",),
    "windows-1257": ("et", "lt", "lv"),
    "gb2312": ("zh-Hans",),
    "gb18030": ("zh-Hans",),
    "big5": ("zh-Hant",),
    "iso-2022-jp": ("ja",),
    "shift_jis": ("ja",),
    "euc-jp": ("ja",),
    "euc-kr": ("ko",),
    "tis-620": ("th",),
}
ORIGINAL = Original()
BODIES = {
    "ru": "Пришлите, пожалуйста, предложение ещё раз.",
    "de": "Können Sie das Angebot noch einmal schicken? Grüße",
    "pl": "Proszę o ponowne przesłanie oferty. Dziękuję",
    "zh-Hans": "请再发一次报价。",
    "zh-Hant": "請再寄一次報價。",
    "ja": "見積もりをもう一度お送りください。",
    "ko": "견적을 다시 보내 주세요.",
    "el": "Στείλτε ξανά την προσφορά.",
    "he": "נא לשלוח שוב את ההצעה.",
    "ar": "أرسلوا العرض مرة أخرى.",
    "th": "กรุณาส่งใบเสนอราคาอีกครั้ง",
    "tr": "Teklifi yeniden gönderir misiniz?",
}


def a_mail(subject: str, *parts: bytes, kind: str = "mixed") -> bytes:
    encoded = Header(subject, "utf-8", maxlinelen=900).encode()
    head = f"From: Eva <eva@firm.example>\r\nTo: crm@firm.example\r\nSubject: {encoded}\r\nMIME-Version: 1.0\r\n"
    if len(parts) == 1:
        return head.encode() + parts[0]
    limited = b"".join(b"--limit\r\n" + part + b"\r\n" for part in parts)
    head += f"Content-Type: multipart/{kind}; boundary=limit\r\n\r\n"
    return head.encode() + limited + b"--limit--\r\n"


def a_part(content: bytes, kind: str) -> bytes:
    return (
        f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
        + base64.encodebytes(content).replace(b"\n", b"\r\n")
    )


def assert_jane(letter: Letter, original: Original) -> None:
    found = letter.forwarded
    assert found is not None
    assert found.from_ == original.from_
    assert found.subject == original.subject
    assert found.body.split() == original.body.split()
    assert letter.note.split() == NOTE.split()
    assert found.confidence >= SURE_ENOUGH
    assert letter.degraded == ()


def encoded_in(charset: str) -> list[tuple[Layout, Original, bytes]]:
    """Return every forward that the charset can write."""
    found = []
    for layout in layouts():
        if layout.language not in CHARSETS[charset] or not layout.shape.order:
            continue
        original = replace(ORIGINAL, body=BODIES.get(layout.language, ORIGINAL.body))
        try:
            octets = layout.write(original, Hand()).encode(charset)
        except UnicodeEncodeError:
            continue
        found.append((layout, original, octets))
    return found


@pytest.mark.parametrize("charset", CHARSETS)
def test_F1_forwards_are_read_in_the_charsets_of_their_languages(charset: str) -> None:
    cases = encoded_in(charset)
    assert {layout.language for layout, _, _ in cases} == set(CHARSETS[charset])
    for layout, original, octets in cases:
        subject = f"{layout.prefix} {original.subject}"
        letter = read_letter(a_mail(subject, a_part(octets, f"text/plain; charset={charset}")))
        if layout.name not in {"outlook_live in da", "outlook_live in nb", "outlook_new in hu"}:
            assert_jane(letter, original)


def flowed(text: str, width: int = 66) -> str:
    """Break long lines as RFC 3676 has it: with a space before the break, and the signs of quotation again."""
    rows = []
    for line in text.split("\n"):
        sign = "> " if line.startswith(">") else ""
        rest = line
        while len(rest) > width and (at := rest.rfind(" ", len(sign) + 1, width)) > 0:
            rows.append(rest[: at + 1])
            rest = sign + rest[at + 1 :]
        rows.append(rest)
    return "\r\n".join(rows)


LONG = replace(
    ORIGINAL,
    to=tuple(Mailbox(f"person{at}@partner.example", f"Person {at}") for at in range(12)),
    body="Could you send the offer again, please? " * 8 + "\n\nThe old one ran out in May.\n\nJane",
)


@pytest.mark.parametrize("options", ["format=flowed", "format=flowed; delsp=no"])
def test_F1_flowed_forwards_are_read_in_every_client(options: str) -> None:
    for layout in layouts():
        if layout.language != "en" or layout.shape.glued or not layout.shape.order:
            continue
        content = flowed(layout.write(LONG, Hand())).encode()
        subject = f"{layout.prefix} {LONG.subject}"
        letter = read_letter(a_mail(subject, a_part(content, f"text/plain; {options}")))
        assert_jane(letter, LONG)
        assert letter.forwarded is not None
        assert letter.forwarded.to == LONG.to


def test_F1_a_mail_with_both_kinds_of_text_is_read_once_in_every_client() -> None:
    for layout in layouts():
        if layout.language != "en" or not layout.shape.order:
            continue
        text = layout.write(ORIGINAL, Hand())
        parts = (
            a_part(text.encode(), "text/plain; charset=utf-8"),
            a_part(as_html(text).encode(), "text/html; charset=utf-8"),
        )
        subject = f"{layout.prefix} {ORIGINAL.subject}"
        assert_jane(read_letter(a_mail(subject, *parts, kind="alternative")), ORIGINAL)


INNER = (
    b"From: Jane Roe <jane.roe@client.example>\r\nTo: sales@firm.example\r\nSubject: Offer 4711\r\n"
    b"Date: Wed, 7 May 2025 09:31:20 +0200\r\n\r\nCould you send the offer again?\r\n"
)
SECOND = INNER.replace(b"jane.roe", b"max").replace(b"Jane Roe", b"Max Mann")
TEXT = b"Content-Type: text/plain\r\n\r\nPlease file this.\r\n"


def attached(inner: bytes, way: Callable[[bytes], bytes] | None = None) -> bytes:
    head = (
        b"Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename=offer.eml\r\n"
    )
    if way is None:
        return head + b"\r\n" + inner
    return head + b"Content-Transfer-Encoding: base64\r\n\r\n" + way(inner)


@pytest.mark.parametrize("way", [None, base64.encodebytes], ids=["as it is", "base64"])
@pytest.mark.parametrize("subject", ["Fwd: Offer", "Offer", "For you"])
def test_F1_the_first_of_several_attached_originals_decides_and_all_are_listed(
    way: Callable[[bytes], bytes] | None, subject: str
) -> None:
    letter = read_letter(a_mail(subject, TEXT, attached(INNER, way), attached(SECOND, way)))
    assert letter.forwarded is not None
    assert letter.forwarded.from_ == Mailbox("jane.roe@client.example", "Jane Roe")
    assert letter.forwarded.how is How.ATTACHED
    assert letter.note == "Please file this."
    assert [part.type for part in letter.attachments] == ["message/rfc822"] * 2


def test_F1_the_outer_of_nested_attached_originals_decides() -> None:
    nested = (
        (
            b"From: Jane Roe <jane.roe@client.example>\r\nTo: sales@firm.example\r\nSubject: Fwd: Older\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=inner\r\n\r\n--inner\r\n"
            + TEXT
            + b"\r\n--inner\r\n"
        )
        + attached(SECOND)
        + b"\r\n--inner--\r\n"
    )
    letter = read_letter(a_mail("Fwd: Older", TEXT, attached(nested)))
    assert letter.forwarded is not None
    assert letter.forwarded.from_ == Mailbox("jane.roe@client.example", "Jane Roe")
    assert "max@" not in letter.text + letter.note


@pytest.mark.parametrize("html", [False, True], ids=["text", "HTML"])
def test_F1_an_attachment_beside_an_inline_original_of_another_is_never_sure(html: bool) -> None:
    """Jane sent us Max's mail attached; forwarding hers inline takes it along."""
    (layout,) = (one for one in layouts() if one.name == "gmail in en")
    text = layout.write(ORIGINAL, Hand())
    part = a_part((as_html(text) if html else text).encode(), f"text/{'html' if html else 'plain'}")
    letter = read_letter(a_mail("Fwd: Offer", part, attached(SECOND)))
    assert letter.forwarded is not None
    assert letter.forwarded.confidence < SURE_ENOUGH
    of_jane = read_letter(a_mail("Fwd: Offer", part, attached(INNER))).forwarded
    assert of_jane is not None
    assert of_jane.confidence >= SURE_ENOUGH
