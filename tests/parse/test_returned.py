"""F7: what a report on delivery says, and which mail it brings back (RFC 3464, 6522)."""

from __future__ import annotations

import pytest

from maild.model.letter import Kind, Returned
from maild.parse import read_letter

MARK = "ab" * 32
OURS = (
    b"Message-ID: <01abc@mail.acme.example>\r\nX-Maild-Loop: "
    + MARK.encode()
    + b"\r\nSubject: Hello\r\n"
)
STATUS = (
    b"Reporting-MTA: dns; mx.example\r\n\r\n"
    b"Final-Recipient: rfc822; lea@acme.example\r\nAction: failed\r\nStatus: 5.2.2 (full)\r\n"
)


def report(
    status: bytes | None = STATUS, returned: bytes = OURS, type_: str = "message/rfc822"
) -> bytes:
    """Return a report; without `status` the machine's half is missing."""
    machine = b"--b\r\nContent-Type: message/delivery-status\r\n\r\n" + (status or b"") + b"\r\n"
    return (
        b"From: MAILER-DAEMON@mx.example\r\nTo: info@acme.example\r\nSubject: Undelivered\r\n"
        b"Message-ID: <report@mx.example>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        b"--b\r\n\r\nIt could not be delivered.\r\n"
        + (b"" if status is None else machine)
        + f"--b\r\nContent-Type: {type_}\r\n\r\n".encode()
        + returned
        + b"\r\nbody\r\n--b--\r\n"
    )


def read(raw: bytes) -> Returned | None:
    letter = read_letter(raw)
    assert letter.kind is Kind.BOUNCE
    return letter.returned


@pytest.mark.parametrize(
    "type_", ["message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"]
)
def test_F7_a_report_says_its_code_and_brings_back_who_the_mail_was(type_: str) -> None:
    assert read(report(type_=type_)) == Returned(
        status="5.2.2",
        recipient="lea@acme.example",
        message_id="01abc@mail.acme.example",
        loop_mark=MARK,
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (b"Status: 4.2.2\r\n", "4.2.2"),
        (b"status:5.1.1\r\n", "5.1.1"),
        (b"Status: 2.0.0\r\n\r\nStatus: 5.2.2\r\n", "2.0.0"),
        (b"Status: full\r\n", ""),
        (b"Status: 5.2.2222\r\n", ""),
        (b"Status: 9.2.2\r\n", ""),
        (b"X-Status: 5.2.2\r\n", ""),
        (b"", ""),
    ],
)
def test_F7_the_code_is_that_of_the_first_recipient_or_none(status: bytes, code: str) -> None:
    found = read(report(status))
    assert found is not None
    assert found.status == code


def test_F7_without_the_machines_half_there_is_no_code() -> None:
    found = read(report(None))
    assert found is not None
    assert (found.status, found.loop_mark) == ("", MARK)


def test_F7_a_mark_in_the_returned_text_is_none() -> None:
    found = read(
        report(returned=b"Message-ID: <1@x>\r\n\r\nX-Maild-Loop: " + MARK.encode() + b"\r\n")
    )
    assert found is not None
    assert found.loop_mark is None


def test_F7_a_persons_mail_brings_nothing_back() -> None:
    mail = report().replace(b"multipart/report; report-type=delivery-status;", b"multipart/mixed;")
    mail = mail.replace(b"MAILER-DAEMON@mx.example", b"anna@rossi.example")
    assert read_letter(mail.replace(b"Undelivered", b"Hello")).returned is None
