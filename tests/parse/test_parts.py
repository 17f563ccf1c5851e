"""The MIME walk: spans, numbers, names, sizes; and that it sees what the standard library sees in honest mail."""

from __future__ import annotations

import json
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest

from maild.model.letter import How
from maild.parse import read_letter, read_part
from maild.parse.attachments import safe_name
from maild.parse.parameters import read_valued
from maild.parse.parts import read_parts

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "eml"
HEAD = b"From: ann@x.test\r\nMIME-Version: 1.0\r\n"


def multipart(
    *parts: bytes, kind: bytes = b"mixed", boundary: bytes = b"b", end: bool = True
) -> bytes:
    inner = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    close = b"--" + boundary + b"--\r\n" if end else b""
    return (
        b"Content-Type: multipart/" + kind + b"; boundary=" + boundary + b"\r\n\r\n" + inner + close
    )


def paths(raw: bytes) -> list[tuple[str, str]]:
    return [(part.path, part.type) for part in read_parts(raw, []).leaves()]


def attachment(field: bytes, body: bytes = b"x", encoding: bytes = b"7bit") -> bytes:
    return (
        b"Content-Disposition: attachment; " + field + b"\r\nContent-Type: application/pdf\r\n"
        b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body
    )


def test_a_mail_of_one_part_has_the_number_one() -> None:
    assert paths(HEAD + b"\r\nhi") == [("1", "text/plain")]


def test_parts_are_numbered_as_imap_numbers_them() -> None:
    inner = multipart(b"\r\nplain", b"Content-Type: text/html\r\n\r\n<p>", boundary=b"i")
    raw = HEAD + multipart(inner, b"Content-Type: image/png\r\n\r\nx")
    assert paths(raw) == [("1.1", "text/plain"), ("1.2", "text/html"), ("2", "image/png")]


def test_an_attached_message_is_one_part_and_never_opened() -> None:
    message = b"Content-Type: message/rfc822\r\n\r\n" + multipart(b"\r\ninner", boundary=b"i")
    assert paths(HEAD + multipart(b"\r\nouter", message)) == [
        ("1", "text/plain"),
        ("2", "message/rfc822"),
    ]


def test_the_text_of_an_attached_message_does_not_bleed_into_the_mail() -> None:
    message = b"Content-Type: message/rfc822\r\n\r\nFrom: bo@x.test\r\n\r\ninner"
    letter = read_letter(HEAD + multipart(b"\r\nouter", message))
    assert "inner" not in letter.text
    assert letter.forwarded is not None
    assert letter.forwarded.from_ is not None
    assert (letter.forwarded.from_.address, letter.forwarded.how) == ("bo@x.test", How.ATTACHED)
    assert letter.forwarded.body == "inner"


def test_an_attached_message_in_base64_is_read_too() -> None:
    message = (
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"RnJvbTogYm9AeC50ZXN0DQoNCmlubmVy"
    )
    letter = read_letter(HEAD + multipart(b"\r\nouter", message))
    assert letter.forwarded is not None
    assert letter.forwarded.body == "inner"


def test_an_attached_message_with_two_authors_names_nobody() -> None:
    message = (
        b"Content-Type: message/rfc822\r\n\r\nFrom: bo@x.test\r\nFrom: eve@x.test\r\n\r\ninner"
    )
    letter = read_letter(HEAD + multipart(b"\r\nouter", message))
    assert letter.forwarded is not None
    assert letter.forwarded.from_ is None


def test_an_attached_message_whose_from_is_odd_is_less_sure() -> None:
    message = b"Content-Type: message/rfc822\r\n\r\nFrom: bo@x.test (Bo)\r\n\r\ninner"
    letter = read_letter(HEAD + multipart(b"\r\nouter", message))
    assert letter.forwarded is not None
    assert letter.forwarded.from_ is not None
    assert letter.forwarded.confidence < 0.9


def test_a_digest_holds_messages_by_default() -> None:
    raw = HEAD + multipart(b"\r\nFrom: a@x.test\r\n\r\nhi", kind=b"digest")
    assert paths(raw) == [("1", "message/rfc822")]


def test_a_boundary_that_begins_like_another_is_another() -> None:
    inner = multipart(b"\r\none", b"\r\ntwo", boundary=b"bb")
    assert [path for path, _ in paths(HEAD + multipart(inner, b"\r\nthree"))] == ["1.1", "1.2", "2"]


def test_an_outer_boundary_closes_what_is_open_inside() -> None:
    inner = multipart(b"\r\none", boundary=b"i", end=False)
    assert [path for path, _ in paths(HEAD + multipart(inner, b"\r\ntwo"))] == ["1.1", "2"]


def test_a_multipart_without_its_boundary_is_shown_as_text() -> None:
    letter = read_letter(HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\nhi")
    assert (letter.text, letter.attachments) == ("hi", ())
    assert "no boundary" in letter.degraded[0]


def test_a_mail_that_is_cut_off_says_so() -> None:
    letter = read_letter(HEAD + multipart(b"\r\nhi", end=False))
    assert "closing boundary" in letter.degraded[0]


def test_torn_base64_is_decoded_as_far_as_it_goes_and_said() -> None:
    raw = HEAD + multipart(attachment(b"filename=a.pdf", b"QUJDR", b"base64"))
    letter = read_letter(raw)
    assert letter.degraded == ("the base64 of part 1 is torn",)
    assert read_part(raw, "1") == b"ABC"


def test_two_content_types_are_said() -> None:
    letter = read_letter(HEAD + b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n<p>hi")
    assert letter.degraded == ("the mail has 2 Content-Type fields",)


def test_a_part_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        read_part(HEAD + b"\r\nhi", "7")


@pytest.mark.parametrize(
    ("body", "encoding", "octets"),
    [
        (b"aGVsbG8=", b"base64", b"hello"),
        (b"aGVs\r\nbG8=\r\n", b"BASE64", b"hello"),
        (b"aGVsbG8", b"base64", b"hello"),
        (b"!a#G$V%sbG8=", b"base64", b"hello"),
        (b"h=65llo=\r\n!", b"quoted-printable", b"hello!"),
        (b"h=zzllo", b"quoted-printable", b"h=zzllo"),
        (b"begin 644 a\r\n%:&5L;&\\\r\n`\r\nend", b"x-uuencode", b"hello"),
        (b"hello", b"x-unheard-of", b"hello"),
    ],
)
def test_content_is_decoded_and_measured_alike(body: bytes, encoding: bytes, octets: bytes) -> None:
    raw = HEAD + multipart(attachment(b"filename=a.pdf", body, encoding))
    (found,) = read_letter(raw).attachments
    assert read_part(raw, found.path) == octets
    assert found.size == len(octets)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b"filename=a.pdf", "a.pdf"),
        (b'filename="a b;c.pdf"', "a b;c.pdf"),
        (b"filename*=utf-8''%E2%82%AC%20rates.pdf", "€ rates.pdf"),
        (b"filename=plain.pdf; filename*=utf-8''%E2%82%AC.pdf", "€.pdf"),
        (b"filename*0*=utf-8''%E2%82; filename*1*=%AC; filename*2=.pdf", "€.pdf"),
        (b'filename*1=b.pdf; filename*0="a"', "ab.pdf"),
        (b'filename="=?utf-8?B?4oKsLnBkZg==?="', "€.pdf"),
        ('filename="€.pdf"'.encode(), "€.pdf"),
        (b'filename="../../etc/passwd"', "_.._etc_passwd"),
        (b'filename="C:\\\\Users\\\\a.pdf"', "C_Users_a.pdf"),
        (b'filename="a\x01\x7fb.pdf"', "ab.pdf"),
        ('filename="a\u202efdp.exe"'.encode(), "afdp.exe"),
        (b'filename="never closed.pdf', "never closed.pdf"),
        (b"filename*=x-unheard''%41.pdf", "A.pdf"),
        (b"filename=", ""),
    ],
)
def test_the_name_of_an_attachment_is_decoded_and_safe(field: bytes, name: str) -> None:
    (found,) = read_letter(HEAD + multipart(attachment(field))).attachments
    assert found.name == name


def test_a_long_name_keeps_its_ending() -> None:
    name = safe_name("a" * 400 + ".pdf")
    assert len(name) == 255
    assert name.endswith("a.pdf")


def test_an_image_of_the_html_is_inline_and_has_its_id() -> None:
    image = b"Content-Type: image/png; name=a.png\r\nContent-ID: <img1@x>\r\n\r\nx"
    page = b"Content-Type: text/html\r\n\r\n<img src='cid:img1@x'>"
    letter = read_letter(HEAD + multipart(page, image, kind=b"related"))
    (found,) = letter.attachments
    assert (found.inline, found.content_id, found.path) == (True, "img1@x", "2")


def test_parameters_without_value_or_name_do_no_harm() -> None:
    assert dict(read_valued(b"text/plain; ; =x; a; b=c;;").parameters) == {"b": "c"}


def _stdlib(message: Message) -> list[tuple[str, int]]:
    if message.is_multipart() and message.get_content_maintype() == "multipart":
        return [leaf for part in message.get_payload() for leaf in _stdlib(part)]  # type: ignore[arg-type]
    if message.get_content_maintype() == "message":
        return [(message.get_content_type(), -1)]
    return [(message.get_content_type(), len(message.get_payload(decode=True) or b""))]


def _honest() -> list[Path]:
    manifest = SAMPLES / "manifest.json"
    if not manifest.exists():
        return []
    return [
        SAMPLES / entry["file"]
        for entry in json.loads(manifest.read_text(encoding="utf-8"))["files"]
        if "malformed" not in entry["tags"]
    ]


def test_honest_mail_has_the_parts_that_the_standard_library_sees() -> None:
    if not _honest():
        pytest.skip(f"no samples at {SAMPLES}")
    different = []
    compared = 0
    for path in _honest():
        raw = path.read_bytes()
        tree = BytesParser().parsebytes(raw)
        if read_letter(raw).degraded or any(part.defects for part in tree.walk()):
            continue
        ours = [
            (part.type, -1 if part.type.startswith("message/") else part.size(raw))
            for part in read_parts(raw, []).leaves()
        ]
        compared += 1
        if ours != _stdlib(tree):
            different.append((path.name, ours, _stdlib(tree)))
    assert different == []
    assert compared > 200
