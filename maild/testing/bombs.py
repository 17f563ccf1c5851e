"""Mails that were built to break readers, each for a way in which one did break somewhere (T6)."""

from __future__ import annotations

from collections.abc import Callable

BODY = b"\r\nMIME-Version: 1.0\r\n\r\nhello\r\n"
HEAD = b"From: Ann <ann@x.test>\r\nTo: bo@x.test\r\nMIME-Version: 1.0\r\n"


def nested_multiparts(levels: int, lines: int = 0) -> bytes:
    """Multiparts inside each other, all opened before any line of content."""
    opened = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at)
        for at in range(levels)
    )
    return HEAD + opened + b"\r\nhello\r\n" + b"--b\r\n" * lines


def nested_messages(levels: int) -> bytes:
    """Attached messages inside each other."""
    return HEAD + b"Content-Type: message/rfc822\r\n\r\n" * levels + b"hello"


def many_parts(count: int) -> bytes:
    """One multipart with very many small parts."""
    part = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    return HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * count + b"--b--\r\n"


def parts_without_end(count: int) -> bytes:
    """Parts whose header never ends: each must not make us look to the end of the mail."""
    parts = b"--b\r\nX: y\r\n" * count
    return (
        HEAD
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + parts
        + b"X: y\r\n" * 2_000_000
    )


def encoded_word_subject(words: int) -> bytes:
    """The subject that took a test process to 24 GB in the standard library's newer reader."""
    return HEAD + b"Subject:" + b" =?utf-8?q?a?=\r\n" * words + BODY


def encoded_word_names(words: int) -> bytes:
    """The same in a name."""
    return b"From:" + b" =?utf-8?q?a?=\r\n" * words + b" <ann@x.test>" + BODY


def commas(count: int) -> bytes:
    """A list of nobody."""
    return b"From: ann@x.test\r\nTo: " + b"," * count + BODY


def recipients(count: int) -> bytes:
    """A long list."""
    return b"From: ann@x.test\r\nTo: " + b"a@b.c," * count + BODY


def recipient_fields(count: int) -> bytes:
    """A list in as many fields."""
    return b"From: ann@x.test\r\n" + b"To: a@b.c\r\n" * count + b"X: y" + BODY


def unclosed_quotes(count: int) -> bytes:
    """Quoted pairs that never end."""
    return b'From: ann@x.test\r\nTo: "' + b'\\"' * count + b"," * 2000 + BODY


def brackets(count: int) -> bytes:
    """Brackets that never close."""
    return b"From: ann@x.test\r\nTo: " + b"(" * count + b"<" * count + BODY


def groups(count: int) -> bytes:
    """Many groups (RFC 5322 3.4)."""
    return b"From: ann@x.test\r\nTo: " + b"a:b@c.d;" * count + BODY


def rfc2231_pieces(count: int) -> bytes:
    """A parameter in very many pieces."""
    pieces = b"".join(b";\r\n name*%d=a" % at for at in range(count))
    return HEAD + b"Content-Type: application/pdf" + pieces + BODY


def parameter_quotes(count: int) -> bytes:
    """One open quotation mark in front of very many semicolons, which the standard library counts anew each time."""
    return HEAD + b'Content-Type: application/pdf; a="' + b";" * count + b'"' * count + BODY


def many_fields(count: int) -> bytes:
    """Fields of different names."""
    return b"".join(b"X-%d: y\r\n" % at for at in range(count)) + HEAD + BODY


def endless_field(octets: int) -> bytes:
    """One long field."""
    return HEAD + b"X: " + b"y" * octets + BODY


def many_folds(count: int) -> bytes:
    """One field on very many lines."""
    return HEAD + b"X: y" + b"\r\n z" * count + BODY


def references(count: int) -> bytes:
    """A long thread."""
    return HEAD + b"References:" + b"\r\n <a@b>" * count + BODY


def open_references(count: int) -> bytes:
    """Brackets of ids that never close."""
    return HEAD + b"References: " + b"<" * count + b"\r\nIn-Reply-To: " + b"a@" * count + BODY


def html(body: bytes) -> bytes:
    """A page."""
    return HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + body


def plain(body: bytes, parameters: bytes = b"charset=utf-8") -> bytes:
    """A text."""
    return HEAD + b"Content-Type: text/plain; " + parameters + b"\r\n\r\n" + body


def quoted_printable(body: bytes) -> bytes:
    """A text so encoded."""
    return HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + body


BOMBS: dict[str, Callable[[], bytes]] = {
    "3,000 nested multiparts": lambda: nested_multiparts(3_000),
    "900 nested multiparts above a million lines": lambda: nested_multiparts(900, 1_000_000),
    "3,000 nested messages": lambda: nested_messages(3_000),
    "50,000 parts": lambda: many_parts(50_000),
    "5,000 parts whose header never ends": lambda: parts_without_end(5_000),
    "a subject of 80,000 encoded words": lambda: encoded_word_subject(80_000),
    "a From of 80,000 encoded words": lambda: encoded_word_names(80_000),
    "200,000 commas": lambda: commas(200_000),
    "100,000 recipients": lambda: recipients(100_000),
    "20,000 To fields": lambda: recipient_fields(20_000),
    "quotation marks that never close": lambda: unclosed_quotes(100_000),
    "30,000 brackets": lambda: brackets(30_000),
    "10,000 groups": lambda: groups(10_000),
    "20,000 RFC 2231 pieces": lambda: rfc2231_pieces(20_000),
    "30,000 semicolons in quotation marks": lambda: parameter_quotes(30_000),
    "25,000 distinct fields": lambda: many_fields(25_000),
    "a field of 30 MB": lambda: endless_field(30_000_000),
    "a field of five million folds": lambda: many_folds(5_000_000),
    "30,000 references": lambda: references(30_000),
    "60,000 open brackets in References": lambda: open_references(60_000),
    "HTML nested 100,000 deep": lambda: html(b"<div>" * 100_000 + b"deep"),
    "HTML of a million brackets": lambda: html(b"<" * 1_900_000),
    "HTML of 200,000 unclosed bold tags": lambda: html(b"<b><p>" * 200_000),
    "HTML nested 490 deep, 100 times": lambda: html((b"<b>" * 490 + b"x" + b"</b>" * 490) * 100),
    "an HTML number of 100,000 digits": lambda: html(
        b"<i>" * 60_000 + b"&#" + b"9" * 100_000 + b";"
    ),
    "HTML formats opened again in each paragraph": lambda: html(
        b"<div>"
        + b"".join(b"<b id=%d>" % at for at in range(490))
        + b"</div>"
        + b"<p>x</p>" * 49_000
    ),
    "HTML formats opened again by closing tags": lambda: html(
        b"<div>" + b"".join(b"<b id=%d>" % at for at in range(490)) + b"</div>" + b"</p>x" * 300_000
    ),
    "HTML with 200,000 attributes": lambda: html(
        b"<a " + b" ".join(b"x%d" % at for at in range(200_000)) + b">x"
    ),
    "HTML with attributes that hide behind quoted brackets": lambda: html(
        b"<a " + b" ".join(b'x%d=">"' % at for at in range(100_000)) + b">x"
    ),
    "HTML with attributes that hide behind a script": lambda: html(
        b'<script><a x="</script><b ' + b" ".join(b"x%d" % at for at in range(200_000)) + b">x"
    ),
    "HTML comments that never end": lambda: html(b"<!--" * 400_000),
    "HTML scripts that never end": lambda: html(b"<script>" * 200_000),
    "HTML quotation marks that never end": lambda: html(b'<a x="' * 300_000 + b"'"),
    "HTML equal signs": lambda: html(b"<a " + b"= " * 900_000),
    "HTML of 300,000 hard spaces": lambda: html(b"&nbsp;" * 300_000 + b"x"),
    "a long word in Delivered-To": lambda: (
        (b"Delivered-To: " + b"a" * 60_000 + b"\r\n") * 4 + HEAD + BODY
    ),
    "a long word in In-Reply-To": lambda: (
        (b"In-Reply-To: " + b"a" * 60_000 + b"\r\n") * 4 + HEAD + BODY
    ),
    "a long type of blanks": lambda: HEAD + b"Content-Type: a" + b" " * 60_000 + b"b" + BODY,
    "a long type of brackets": lambda: HEAD + b"Content-Type: a" + b"(" * 60_000 + b"b" + BODY,
    "a long parameter without a value": lambda: (
        HEAD + b"Content-Type: a/b; " + b"a" * 60_000 + BODY
    ),
    "a long parameter of stars": lambda: (
        HEAD + b"Content-Type: a/b; " + b"a*1" * 20_000 + b"=b" + BODY
    ),
    "600 names of 50 KB": lambda: (
        HEAD
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + (b'--b\r\nContent-Type: a/b; name="' + b"=?utf-8?q?a?= " * 3_500 + b'"\r\n\r\nx\r\n')
        * 600
    ),
    "an address of 60,000 letters": lambda: b"To: " + b"a" * 60_000 + b"@b\r\n" + HEAD + BODY,
    "an address of 60,000 dots": lambda: b"To: " + b"a." * 30_000 + b"\r\n" + HEAD + BODY,
    "a name of 60,000 blanks": lambda: b"To: a" + b" " * 60_000 + b"b <a@b>\r\n" + HEAD + BODY,
    "a From of 60,000 quotation marks": lambda: b"From: " + b'"' * 60_000 + b"\r\n\r\nx",
    "a From of 60,000 brackets and blanks": lambda: b"From: " + b"< " * 30_000 + b"\r\n\r\nx",
    "a subject of 60,000 question marks": lambda: b"Subject: " + b"=?a?q?" * 10_000 + b"\r\n\r\nx",
    "HTML end tags that match nothing": lambda: html(b"<span></x>" * 50_000),
    "HTML elements closed in the wrong order": lambda: html(b"<span><div></span></div>" * 25_000),
    "HTML tags put together behind a comment": lambda: html(
        b"<<!---->a " + b" ".join(b"x%d=1" % at for at in range(150_000)) + b">x"
    ),
    "a forwarded page with 200,000 attributes in a tag": lambda: (
        b"Subject: Fwd: x\r\n"
        + html(b"<a " + b" ".join(b"x%d" % at for at in range(200_000)) + b">x")
    ),
    "a forwarded page of formats opened again": lambda: (
        b"Subject: Fwd: x\r\n"
        + html(
            b"<div>"
            + b"".join(b"<b id=%d>" % at for at in range(490))
            + b"</div>"
            + b"<p>x</p>" * 45_000
        )
    ),
    "a text of 30,000 lines like those of a header": lambda: plain(b"X-a: y\r\n" * 30_000),
    "HTML tables in tables": lambda: html(b"<table><tr><td>" * 16_000),
    "HTML attributes without end": lambda: html(b"<a " + b"x " * 900_000),
    "a text of 30 MB": lambda: plain(b"word " * 6_000_000),
    "a flowed text of a million lines": lambda: plain(b"> a \r\n" * 1_000_000, b"format=flowed"),
    "a flowed text of signs": lambda: plain(b">" * 1_000_000, b"format=flowed"),
    "30 MB of quoted-printable": lambda: quoted_printable(b"=41=\r\n" * 5_000_000),
    "a text in no charset": lambda: plain(bytes(range(128, 256)) * 8_000, b"charset=x-unknown"),
    "a text in punycode": lambda: plain(
        b"a" * 200_000 + b"-" + b"z" * 200_000, b"charset=punycode"
    ),
    "a text in UTF-7": lambda: plain(b"+2AA-" * 200_000, b"charset=utf-7"),
    "a text in unicode-escape": lambda: plain(b"\\ud800\\x00" * 10_000, b"charset=unicode_escape"),
    "a million blank lines": lambda: plain(b"\r\n" * 1_000_000),
    "30 MB of NUL": lambda: b"\0" * 30_000_000 + b"x",
    "30 MB without a line end": lambda: b"a" * 30_000_000,
    "30 MB of carriage returns": lambda: b"a:\r" + b"\r" * 30_000_000 + b"x",
}
