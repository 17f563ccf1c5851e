"""Machines are told from people by what only machines write (F7); a person's mail is never taken for a machine's."""

from __future__ import annotations

import pytest

from maild.model.letter import Kind, Letter
from maild.parse import read_letter


def letter(*lines: str, body: str = "hello") -> Letter:
    fields = [line for line in lines if not line.startswith("From:")]
    sender = next((line for line in lines if line.startswith("From:")), "From: Ann <ann@x.test>")
    return read_letter(("\r\n".join([sender, *fields]) + "\r\n\r\n" + body).encode())


def report(kind: str) -> Letter:
    part = f"--b\r\nContent-Type: message/{kind}\r\n\r\nReporting-MTA: dns; x\r\n--b--\r\n"
    return letter(f"Content-Type: multipart/report; report-type={kind}; boundary=b", body=part)


@pytest.mark.parametrize(
    "lines",
    [
        ["Subject: Re: Automatic reply: offer"],
        ["Subject: Automatic reply: offer"],
        ["Subject: Undeliverable: your parcel"],
        ["Subject: Re: failure notice"],
        ["Subject: Out of office next week"],
        ["Subject: Delivery report for Monday"],
        ["Auto-Submitted: no"],
        ["X-Auto-Response-Suppress: All"],
        ["Precedence: bulk"],
        ["X-Autoreply: no"],
        ["List-Unsubscribe: <mailto:x@x.test>"],
        ["From: postmaster@x.test", "Subject: our new server"],
        ["Return-Path: <>", "Subject: hello"],
        ["Return-Path: <ann@x.test>", "Subject: Undelivered goods"],
        ["Subject: Fwd: Report Domain: x.test Submitter: y.test"],
        ['Content-Type: text/plain; name="a.ics"'],
    ],
)
def test_what_a_person_may_write_is_normal(lines: list[str]) -> None:
    found = letter(*lines)
    assert (found.kind, found.kind_proof) == (Kind.NORMAL, "")


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (["Auto-Submitted: auto-replied"], Kind.AUTO_REPLY),
        (["Auto-Submitted: Auto-Replied (vacation)"], Kind.AUTO_REPLY),
        (["Auto-Submitted: auto-generated"], Kind.AUTO_REPLY),
        (["X-Autoreply: yes"], Kind.AUTO_REPLY),
        (["X-Autorespond: absent"], Kind.AUTO_REPLY),
        (["Precedence: auto_reply"], Kind.AUTO_REPLY),
        (["Subject: Abwesend: Ihr Angebot", "Return-Path: <>"], Kind.AUTO_REPLY),
        (["Subject: Automatic reply: x", "X-Auto-Response-Suppress: All"], Kind.AUTO_REPLY),
        (["List-Id: <a.x.test>"], Kind.LIST),
        (["List-Unsubscribe: <mailto:x@x.test>", "Precedence: bulk"], Kind.LIST),
        (
            ["List-Unsubscribe: <x:>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click"],
            Kind.LIST,
        ),
        (["List-Id: <a.x.test>", "Auto-Submitted: auto-generated"], Kind.LIST),
        (["From: MAILER-DAEMON@x.test", "Subject: failure notice"], Kind.BOUNCE),
        (["From: MAILER-DAEMON@x.test", "Return-Path: <>"], Kind.BOUNCE),
        (["From: postmaster@x.test", "Subject: Undeliverable: hello"], Kind.BOUNCE),
        (["Return-Path: <>", "Subject: Undelivered Mail Returned to Sender"], Kind.BOUNCE),
        (["Return-Path: <>", "X-Failed-Recipients: bo@x.test"], Kind.BOUNCE),
        (["Subject: Report Domain: x.test Submitter: y.test Report-ID: <1>"], Kind.REPORT),
        (["Content-Type: text/calendar; method=REQUEST"], Kind.CALENDAR),
    ],
)
def test_what_only_a_machine_writes_is_seen_with_its_proof(lines: list[str], kind: Kind) -> None:
    found = letter(*lines)
    assert found.kind is kind
    assert found.kind_proof


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("delivery-status", Kind.BOUNCE),
        ("disposition-notification", Kind.REPORT),
        ("feedback-report", Kind.REPORT),
    ],
)
def test_a_report_is_known_by_its_type(name: str, kind: Kind) -> None:
    assert report(name).kind is kind
    assert report(name).attachments == ()


def test_what_is_attached_to_a_bounce_is_not_forwarded() -> None:
    body = (
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nx: y\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: bo@x.test\r\n\r\nmine\r\n--b--\r\n"
    )
    found = letter(
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b", body=body
    )
    assert (found.kind, found.forwarded, found.looks_forwarded) == (Kind.BOUNCE, None, False)


def test_a_bounce_that_a_person_forwards_is_a_persons_mail() -> None:
    inner = "From: MAILER-DAEMON@x.test\r\nSubject: failure notice\r\nAuto-Submitted: auto-replied"
    body = f"--b\r\n\r\nsee below\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n\r\nx\r\n--b--\r\n"
    found = letter(
        "Content-Type: multipart/mixed; boundary=b", "Subject: Fwd: failure notice", body=body
    )
    assert found.kind is Kind.NORMAL
    assert found.looks_forwarded


def test_an_invitation_that_is_attached_as_a_file_is_a_persons_mail() -> None:
    body = (
        "--b\r\n\r\nsee the invitation\r\n--b\r\nContent-Type: text/calendar; method=REQUEST\r\n"
        "Content-Disposition: attachment; filename=a.ics\r\n\r\nx\r\n--b--\r\n"
    )
    assert letter("Content-Type: multipart/mixed; boundary=b", body=body).kind is Kind.NORMAL
