"""F7: what a report on delivery says, and which mail it brings back (RFC 3464, 6522)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from typing_extensions import override

from maild.model.letter import Kind, Returned
from maild.parse import read_letter
from maild.parse.bounces import read_returned
from maild.parse.header_block import Field
from maild.parse.parts import read_parts

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
        recipients=("lea@acme.example",),
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


def test_F7_of_several_recipients_those_who_were_not_reached_are_named() -> None:
    found = read(
        report(
            b"Reporting-MTA: dns; mx.example\r\n\r\n"
            b"Final-Recipient: rfc822; ann@x.test\r\nAction: relayed\r\nStatus: 2.0.0\r\n\r\n"
            b"Final-Recipient: rfc822; bob@x.test\r\nAction: delayed\r\nStatus: 4.4.7\r\n\r\n"
            b"Final-Recipient: rfc822; cid@x.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
            b"Final-Recipient: rfc822; dan@x.test\r\nAction: failed\r\nStatus: 5.2.2\r\n"
        )
    )
    assert found is not None
    assert (found.recipients, found.status) == (("cid@x.test", "dan@x.test"), "5.1.1")
    assert not found.is_delayed


def test_F7_a_server_that_still_tries_says_so() -> None:
    found = read(report(STATUS.replace(b"failed", b"delayed").replace(b"5.2.2", b"4.2.2")))
    assert found is not None
    assert (found.status, found.is_delayed) == ("4.2.2", True)


@pytest.mark.parametrize(
    ("status", "diagnostic", "code"),
    [
        (b"5.0.0", b"smtp; 550 5.1.1 nobody of that name", "5.1.1"),
        (b"5.0.0", b"smtp; 550 No such user", "5.1.1"),
        (b"5.0.0", b"smtp; 452 4.2.2 later", "5.0.0"),
        (b"5.0.0", b"smtp; 550 we do not like you", "5.0.0"),
        (b"5.0.0", b"smtp; 550 Sender verify failed, unrouteable address", "5.1.8"),
        (b"5.2.2", b"smtp; 550 5.1.1 nobody of that name", "5.2.2"),
    ],
)
def test_F7_a_code_that_says_nothing_is_made_exact_by_what_the_other_server_said(
    status: bytes, diagnostic: bytes, code: str
) -> None:
    found = read(report(b"Status: " + status + b"\r\nDiagnostic-Code: " + diagnostic + b"\r\n"))
    assert found is not None
    assert found.status == code


@pytest.mark.parametrize(
    ("fields", "recipient"),
    [
        (b"Original-Recipient: <bo@x.test>", "bo@x.test"),
        (b"Final-Recipient: RFC822; <bo@x.test>", "bo@x.test"),
        (
            b"Final-Recipient: x400; /S=bo/O=x/\r\nOriginal-Recipient: rfc822; bo@x.test",
            "bo@x.test",
        ),
        (
            b"Final-Recipient: rfc822; bo@store\r\nOriginal-Recipient: rfc822; bo@x.test",
            "bo@x.test",
        ),
        (b"Final-Recipient: rfc822; bounce+a=b@x.test", "bounce+a=b@x.test"),
    ],
)
def test_F7_the_recipient_is_an_address_however_the_field_is_written(
    fields: bytes, recipient: str
) -> None:
    found = read(report(fields + b"\r\nStatus: 5.1.1\r\n"))
    assert found is not None
    assert found.recipients == (recipient,)


def test_F7_a_report_that_a_gateway_wraps_is_read_in_its_wrapping() -> None:
    outer = (
        b"From: MAILER-DAEMON@gate.example\r\nTo: info@acme.example\r\nSubject: Returned mail\r\n"
        b'Content-Type: multipart/mixed; boundary="o"\r\n\r\n--o\r\n\r\nSee below.\r\n'
        b"--o\r\nContent-Type: message/rfc822\r\n\r\n" + report() + b"\r\n--o--\r\n"
    )
    found = read(outer)
    assert found is not None
    assert (found.recipients, found.loop_mark) == (("lea@acme.example",), MARK)


def test_F7_without_the_mail_itself_its_id_is_what_the_report_says() -> None:
    found = read(
        report(STATUS.replace(b"dns; mx.example", b"dns; mx\r\nX-Original-Message-ID: <7@x>"), b"")
    )
    assert found is not None
    assert (found.message_id, found.loop_mark) == ("7@x", None)


class _Passes(list[Field]):
    """Header fields that count how often they are gone through."""

    passes = 0

    @override
    def __iter__(self) -> Iterator[Field]:
        self.passes += 1
        return super().__iter__()


def _passes_for(recipients: int) -> int:
    named = ", ".join(f"bo{at}@x.test" for at in range(recipients))
    raw = f"Content-Type: message/rfc822\r\n\r\nFrom: ann@x.test\r\nTo: {named}\r\n\r\nHello\r\n"
    found = _Passes([Field(b"from", b"mailer-daemon@x.test")])
    leaves = list(read_parts(raw.encode(), []).leaves())
    read_returned(raw.encode(), leaves, found=found, subject="", text="")
    return found.passes


def test_T6_a_bounces_fields_are_not_read_again_for_each_recipient_of_what_came_back() -> None:
    assert _passes_for(500) == _passes_for(2)
