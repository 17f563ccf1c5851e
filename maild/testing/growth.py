"""Mails that grow: a place in a mail, and what is written there again and again, for tests of the reader's time (T6)."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
COUNTER = b"@@"
"""In what is repeated, this stands for the number of the repetition."""

_START = b"From: Ann <ann@x.test>\r\nTo: bo@x.test\r\nMIME-Version: 1.0\r\n"
_FROM_NOBODY = b"Return-Path: <>\r\nSubject: failure notice\r\n"
_MIXED = _START + b"Content-Type: multipart/mixed; boundary=b\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a mail something stands."""

    before: bytes
    after: bytes
    most: int
    """Octets that are looked at here, or that a daemon takes at all."""
    words: tuple[bytes, ...]
    """What means something here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """A mail that can be made as long as one likes."""

    place: str
    first: bytes = b""
    again: bytes
    last: bytes = b""

    def mail(self, octets: int) -> bytes:
        """Return the mail with so many octets of what is repeated."""
        place = PLACES[self.place]
        times = max(1, octets // max(1, len(self.again)))
        if COUNTER in self.again:
            pieces = self.again.split(COUNTER)
            middle = b"".join((b"%d" % at).join(pieces) for at in range(times))
        else:
            middle = self.again * times
        return b"".join((place.before, self.first, middle, self.last, place.after))


_BLANKS = (b" ", b"\t", b"\r\n ", b"\r\n\t", b"\r\n", b"\n ", b"\r")
_LETTERS = (b"a", b"0", b"\xc3\xbc", b"\xff", b"\0", b"\xef\xbc\xa0", b"A-b", COUNTER)
_WORDS = (b"=?utf-8?q?a?=", b"=?utf-8?b?", b"?=", b"=?", b"=?x?q?=FF?=", b"=?iso-2022-jp?b?GyRC?=")
_SIGNS = (*(bytes([sign]) for sign in b",;:()<>[]\"\\@.=?*'%/"),)
_IDS = (b"<a@b>", b"<", b">", b"a@b", b"@", b"(", b"<<", b"<a@@@b>")
_MIME = (
    *(
        b"; name*@@=a",
        b"; name*0*=x''%ff",
        b"; a=b",
        b"; a",
        b'="',
        b"; charset=utf-8",
        b"%ff",
        b"*1*",
    ),
    *(b"; boundary=b", b"text/plain", b"multipart/mixed", b"(", b"''"),
)
_DATES = (
    b"Mon, ",
    b"1 ",
    b"Jan ",
    b"2026 ",
    b"10:10:10 ",
    b"+0100 ",
    b"(UTC)",
    b"-",
    b":",
    b"9",
    b"AM ",
)
_FIELDS = (
    *(
        b"To: a@b\r\n",
        b"From: a@b\r\n",
        b"X-@@: y\r\n",
        b"Subject: x\r\n",
        b"Content-Type: a/b\r\n",
        b" z\r\n",
    ),
    *(
        b"References: <a@b>\r\n",
        b"Delivered-To: a@b\r\n",
        b"From x\r\n",
        b"X",
        b": ",
        b"List-Id: x\r\n",
        b"Date: 1\r\n",
    ),
    *(
        b"Received: from a by b; 1\r\n",
        b"Message-ID: <a@b>\r\n",
        b"Authentication-Results: a; b=c\r\n",
        b"Reply-To: a,b@c\r\n",
    ),
)
_PARTS = (
    *(
        b"--b\r\n",
        b"--b--\r\n",
        b"--b",
        b"--",
        b"--bb\r\n",
        b"-",
        b"\r\n",
        b"x\r\n",
        b"--b@@\r\n",
        b"--c\r\n",
        b"--c--\r\n",
    ),
    *(
        b"Content-Type: multipart/mixed; boundary=c\r\n\r\n",
        b"Content-Type: multipart/alternative; boundary=b@@\r\n\r\n",
    ),
    *(
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Type: text/html\r\n\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
    ),
    *(
        b"Content-Disposition: attachment; filename=a\r\n",
        b"Content-Type: multipart/digest; boundary=b\r\n\r\n",
        b"QUJD",
    ),
)
_LINES = (
    *(
        b"From: a@x.test\r\n",
        b"To: b@x.test\r\n",
        b"Subject: s\r\n",
        b"Date: 1 Jan 2026 10:10\r\n",
        b"> ",
        b">",
        b"\r\n",
        b"\n",
    ),
    *(
        b"-----Original Message-----\r\n",
        b"---------- Forwarded message ---------\r\n",
        b"Begin forwarded message:\r\n",
        b"a",
    ),
    *(
        b"On 1 Jan 2026, a@b wrote:\r\n",
        b"________________\r\n",
        b"Von: ",
        b"--",
        b"-- \r\n",
        b":",
        b" ",
        b"*From:* ",
        b"<a@b>",
    ),
    *(
        b"From:",
        b"a@b, ",
        b"Cc: ",
        b"wrote:",
        b"_",
        b"\xc2\xa0",
        b"\xe2\x80\x8b",
        b"1:11 2026 ",
        b"x: ",
        b"\xef\xbc\x9a",
    ),
)
_REFUSALS = (
    *(
        b"<bo@x.test>:",
        b"550 5.1.1 x",
        b"5.1.1",
        b"550",
        b"said:",
        b"RCPT TO:",
        b"from a@b ",
        b"bo@x.test",
    ),
    *(
        b"SMTP=",
        b"...",
        b"user unknown",
        b"mailbox full",
        b"will keep trying",
        b"Original message follows",
    ),
    *(
        b"Final-Recipient: rfc822; a@b",
        b"Status: 5.0.0",
        b"Action: failed",
        b"Diagnostic-Code: smtp; 550 x",
    ),
    *(b"\r\n", b"\r\n\r\n", b" ", b"> ", b"<", b"(#", b".", b"5", b"@", b"a@", b"a"),
)
_TAGS = (
    *(
        b"<div>",
        b"</div>",
        b"<p>",
        b"</p>",
        b"<b>",
        b"</b>",
        b"<a href='mailto:x@y'>",
        b"</a>",
        b"<table>",
        b"</table>",
    ),
    *(
        b"<tr>",
        b"<td>",
        b"</td>",
        b"<ul>",
        b"<li>",
        b"</ul>",
        b"<span style='display:none'>",
        b"</span>",
        b"<blockquote>",
    ),
    *(
        b"</blockquote>",
        b"<br>",
        b"<!--",
        b"-->",
        b"<!--[if mso]>",
        b"<![endif]-->",
        b"<script>",
        b"</script>",
        b"<",
        b">",
        b"&",
    ),
    *(
        b"&nbsp;",
        b"&#1;",
        b"&#x",
        b"9",
        b"x@@=1 ",
        b'"',
        b"'",
        b"=",
        b"/",
        b" ",
        b"a",
        b"<x",
        b"</",
        b"<!",
        b"<form>",
        b"</form>",
    ),
    *(
        b"<svg>",
        b"<math>",
        b"<select>",
        b"<option>",
        b"<o:p>",
        b"<template>",
        b"<textarea>",
        b"<title>",
        b"<i id=@@>",
        b"<h1>",
    ),
    *(
        b"From: a@b<br>",
        b"<pre>",
        b"<button>",
        b"<nobr>",
        b"<frameset>",
        b"<plaintext>",
        b"<![CDATA[",
        b"<body>",
        b"<html>",
    ),
)
_CODED = (
    b"QUJD",
    b"=",
    b"=41",
    b"=\r\n",
    b"\r\n",
    b"==",
    b"=4",
    b"M",
    b"`",
    b"begin 644 a\r\n",
    b"end\r\n",
    b" ",
    b"\xff",
    b"a",
)
_OCTETS = (
    b"\xff",
    b"\xc3",
    b"\xe2\x82",
    b"\x1b$B",
    b"\x1b(B",
    b"+2AA-",
    b"\xed\xa0\x80",
    b"a",
    b"\r\n",
    b"~{",
    b"\x81\x30",
    b" ",
)


def _field(name: bytes, *words: bytes) -> Place:
    return Place(
        before=b"X: y\r\n" + name + b": ",
        after=b"\r\n" + (b"" if name == b"From" else _START) + b"\r\nhello\r\n",
        most=64 * KIB,
        words=(*words, *_BLANKS, *_LETTERS, *_SIGNS),
    )


def _body(head: bytes, words: tuple[bytes, ...], *, most: int = 35 * MIB) -> Place:
    return Place(before=_START + head + b"\r\n", after=b"\r\n", most=most, words=words)


def _text(subject: bytes, kind: bytes) -> bytes:
    return b"Subject: " + subject + b"\r\nContent-Type: text/" + kind + b"; charset=utf-8\r\n"


PLACES: dict[str, Place] = {
    "From": _field(b"From", *_WORDS, b"Ann <a@b>", b"a@b,"),
    "To": _field(b"To", *_WORDS, b"Ann <a@b>", b"a@b,", b"x: a@b;", b'"a, b" '),
    "Subject": _field(b"Subject", *_WORDS, b"Fwd: ", b"Re: ", b"[x] "),
    "Date": _field(b"Date", *_DATES),
    "Message-ID": _field(b"Message-ID", *_IDS),
    "References": _field(b"References", *_IDS),
    "In-Reply-To": _field(b"In-Reply-To", *_IDS),
    "Delivered-To": _field(b"Delivered-To", *_IDS),
    "Return-Path": _field(b"Return-Path", *_IDS),
    "Auto-Submitted": _field(b"Auto-Submitted", b"auto-replied", b"no"),
    "Content-Type": _field(b"Content-Type", *_MIME, *_WORDS),
    "Content-Disposition": _field(b"Content-Disposition", *_MIME, *_WORDS),
    "Content-Transfer-Encoding": _field(b"Content-Transfer-Encoding", b"base64", b"x-uuencode"),
    "fields": Place(before=b"", after=_START + b"\r\nhello\r\n", most=256 * KIB, words=_FIELDS),
    "name of a part": Place(
        before=_MIXED + b"\r\n--b\r\nContent-Type: a/b",
        after=b"\r\n\r\nx\r\n--b--\r\n",
        most=64 * KIB,
        words=(*_MIME, *_WORDS, *_BLANKS, *_LETTERS),
    ),
    "parts": _body(b"Content-Type: multipart/mixed; boundary=b\r\n", _PARTS),
    "digest": _body(b"Content-Type: multipart/digest; boundary=b\r\n", (*_PARTS, *_FIELDS)),
    "report": _body(b"Content-Type: multipart/report; boundary=b\r\n", (*_PARTS, *_FIELDS)),
    "text of a bounce": _body(_FROM_NOBODY, (*_REFUSALS, *_LINES, *_FIELDS)),
    "fields of a bounce": _body(
        _FROM_NOBODY
        + b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n",
        (*_REFUSALS, *_PARTS),
    ),
    "X-Failed-Recipients": Place(
        before=_FROM_NOBODY + b"X-Failed-Recipients: ",
        after=b"\r\n" + _START + b"\r\nhello\r\n",
        most=64 * KIB,
        words=(*_IDS, *_BLANKS, *_LETTERS, b", "),
    ),
    "attached": _body(b"Content-Type: message/rfc822\r\n", (*_FIELDS, *_PARTS, *_LINES)),
    "text": _body(_text(b"x", b"plain"), _LINES),
    "forwarded text": _body(_text(b"Fwd: x", b"plain"), _LINES),
    "answered text": _body(_text(b"Re: x", b"plain"), _LINES),
    "flowed text": _body(b"Content-Type: text/plain; format=flowed; delsp=yes\r\n", _LINES),
    "HTML": _body(_text(b"x", b"html"), _TAGS, most=2_000_000),
    "forwarded HTML": _body(_text(b"Fwd: x", b"html"), _TAGS, most=2_000_000),
    "base64": _body(b"Content-Transfer-Encoding: base64\r\n", _CODED),
    "quoted-printable": _body(b"Content-Transfer-Encoding: quoted-printable\r\n", _CODED),
    "uuencode": _body(b"Content-Transfer-Encoding: x-uuencode\r\n", _CODED),
    "attached base64": _body(
        b"Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n", (*_CODED, *_LINES)
    ),
    **{
        f"charset {charset}": _body(
            b"Content-Type: text/plain; charset=" + charset.encode() + b"\r\n", _OCTETS
        )
        for charset in (
            "utf-8",
            "utf-7",
            "iso-2022-jp",
            "gb18030",
            "hz",
            "utf-16",
            "x-none",
            "cp1252",
        )
    },
}
