"""F7: bounces without the fields of RFC 3464, as servers write them for people.

The layouts are those of qmail, Exim, Exchange 5.5 to 2003, Notes, Yahoo, Zoho, OpenSMTPD, GMX, mail.ru, MailEnable, IMail,
MDaemon and Amazon WorkMail, known from bounces that they sent; the words are ours.
"""

from __future__ import annotations

import pytest

from maild.model.letter import Kind, Returned
from maild.parse import read_letter

MARK = "cd" * 32
HEADER = "From: MAILER-DAEMON@mx.example\r\nTo: info@acme.example\r\nSubject: failure notice\r\n"
OURS = (
    "Received: from here by there; Thu, 19 Nov 2026 09:00:00 +0000\nFrom: info@acme.example\nTo: bo@x.test\n"
    f"Message-ID: <1@acme.example>\nX-Maild-Loop: {MARK}\nSubject: Offer\n\nHello bob@y.test\n"
)


def read(text: str, header: str = HEADER) -> Returned:
    letter = read_letter((header + "\r\n" + text.replace("\n", "\r\n")).encode())
    assert letter.kind is Kind.BOUNCE, letter.kind_proof
    assert letter.returned is not None
    return letter.returned


@pytest.mark.parametrize(
    ("text", "recipients", "status"),
    [
        ("Not delivered:\n\n<bo@x.test>:\n10.0.0.1 said: 550 5.1.1 nobody\n", "bo@x.test", "5.1.1"),
        ("Gave up.\n\n<bo@x.test>:\nSorry, nobody there. (#5.1.1)\n", "bo@x.test", "5.1.1"),
        (
            "The following failed:\n\n  bo@x.test\n    SMTP error: host mx [10.0.0.1]: 550 No such user here\n",
            "bo@x.test",
            "5.1.1",
        ),
        (
            "Your message\n\n  To:      ann@y.test\n  Subject: Offer\n\ndid not reach:\n\nbo@x.test on Thu, 19 Nov\n    Unknown Recipient\n",
            "bo@x.test",
            "5.1.1",
        ),
        (
            "did not reach:\n\nc=US;a= ;p=X;dda:SMTP=bo@x.test; on Thu, 19 Nov\n  Unknown Recipient\n",
            "bo@x.test",
            "5.1.1",
        ),
        (
            "was not delivered to:\n\n  bo@x.test\n\nbecause:\n\n  User Bo not listed in Domino Directory\n",
            "bo@x.test",
            "5.1.1",
        ),
        ('failed:\n\n"bo@x.test":\nhost: mx\n5.2.2 <bo@x.test>... full\n', "bo@x.test", "5.2.2"),
        ("bo@x.test Invalid Address, ERROR_CODE :550\n", "bo@x.test", "5.1.1"),
        (
            "Unknown user: bo@x.test\n\nRCPT TO answered:\n553 5.3.0 <bo@x.test>\n",
            "bo@x.test",
            "5.3.0",
        ),
        ("bo@x.test - no such user here.\n", "bo@x.test", "5.1.1"),
        (
            "> bo@x.test\n\n RCPT To:<bo@x.test>\n 552 would exceed mailbox quota\n",
            "bo@x.test",
            "5.2.2",
        ),
        (" * [bo@x.test]: 550 account is overquota\n", "bo@x.test", "5.2.2"),
        ("Final-Recipient: rfc822; bo@x.test\nStatus: 5.1.1\n", "bo@x.test", "5.1.1"),
        ("Your mail to bo@x.test came back: the mailbox is full.\n", "bo@x.test", "5.2.2"),
        ("Failed Recipient: bo@x.test\nReason: Remote host said: 421 busy\n", "bo@x.test", "4.0.0"),
        ("<bo@x.test>: 550 5.1.1 x\n<cy@x.test>: 550 5.2.2 y\n", "bo@x.test cy@x.test", "5.1.1"),
        ("<bo@x.test>:\nnobody\n\n<postmaster@mx.example> can tell more.\n", "bo@x.test", ""),
        (
            "From: info@acme.example\nSubject: Offer\n\n<bo@x.test>:\n550 user unknown\n",
            "bo@x.test",
            "5.1.1",
        ),
        (
            "To: ann@y.test\nSubject: Offer\nDate: Thu\n\ndid not reach:\n\nbo@x.test on Thu\n  Unknown Recipient\n",
            "bo@x.test",
            "5.1.1",
        ),
        (
            "Your message\n\n  To:      ann@y.test\n\ndid not reach:\n\nc=US;dda:SMTP=bo@x.test; on Thu\n",
            "bo@x.test",
            "",
        ),
        ("They are not accepting mail from eve@x.test:\n  bo\n", "", "5.7.1"),
        ("bo@x.test or bob@x.test, we cannot say.\n", "", ""),
        ("We could not do it for info@acme.example.\n", "", ""),
        ("Release 5.5.2653.19 at 5.4.3.2 gave up on 450 mails.\n", "", ""),
    ],
)
def test_F7_a_server_without_fields_is_understood(text: str, recipients: str, status: str) -> None:
    found = read(text)
    assert (found.recipients, found.status) == (tuple(recipients.split()), status)


@pytest.mark.parametrize(
    ("above", "before"),
    [
        ("--- Below this line is a copy of the message.\n\n", ""),
        ("", ""),
        ("-------\n", "> "),
        ("", "    "),
        ("Im Folgenden die Nachricht:\n", ""),
    ],
)
def test_F7_the_mail_that_comes_back_in_the_text_is_known_by_its_header(
    above: str, before: str
) -> None:
    mail = "\n".join(before + line for line in OURS.splitlines())
    found = read(f"No luck:\n\n<bo@x.test>:\n550 5.1.1 nobody\n\n{above}{mail}")
    assert found == Returned(
        status="5.1.1", recipients=("bo@x.test",), message_id="1@acme.example", loop_mark=MARK
    )


def test_F7_a_mark_below_the_header_of_the_returned_mail_is_none() -> None:
    text = f"<bo@x.test>:\n550\n\nFrom: a@x.test\nTo: b@x.test\nMessage-ID: <2@x>\n\nX-Maild-Loop: {MARK}\n"
    assert read(text).loop_mark is None
    assert read(text).message_id == "2@x"


def test_F7_an_address_in_the_returned_mail_is_not_who_was_missed() -> None:
    found = read(f"It came back.\n\nOriginal message follows.\n\n{OURS}\n<eve@x.test>: 550 5.2.2\n")
    assert (found.recipients, found.status) == (("bo@x.test",), "")


@pytest.mark.parametrize(
    "announced",
    [
        "--- Below this line is a copy of the message.",
        "Original message follows.",
        "> ***Returned Mail Follows:",
    ],
)
def test_F7_what_stands_below_the_words_that_announce_a_mail_is_not_the_servers(
    announced: str,
) -> None:
    found = read(f"It came back.\n\n{announced}\n\n<eve@x.test>: 550 5.2.2 full\n")
    assert (found.recipients, found.status) == ((), "")


def test_F7_who_alone_the_returned_mail_went_to_is_who_was_missed() -> None:
    assert read(f"It came back.\n\n{OURS}").recipients == ("bo@x.test",)
    assert read(f"It came back.\n\n{OURS.replace('bo@', 'al@x.test, bo@')}").recipients == ()


def test_F7_fields_of_the_bounce_itself_are_used() -> None:
    header = (
        "From: Mailer-Daemon@mx.example\r\nTo: info@acme.example\r\nSubject: Delivery failed\r\n"
        "X-Failed-Recipients: bo@x.test,\r\n <cy@x.test> and more\r\nIn-Reply-To: <1@acme.example>\r\n"
    )
    found = read("Sorry.\n", header)
    assert (found.recipients, found.message_id) == (("bo@x.test", "cy@x.test"), "1@acme.example")
    assert found.loop_mark is None


def test_F7_a_server_that_will_keep_trying_has_not_given_up() -> None:
    found = read("<bo@x.test>:\nmailbox full\n\nWe will keep trying for 2 days.\n")
    assert (found.status, found.is_delayed) == ("4.2.2", True)


def test_F7_no_bounce_names_more_people_than_a_mail_can_go_to() -> None:
    found = read("".join(f"<bo{at}@x.test>: 550 nobody\n" for at in range(300)))
    assert len(found.recipients) == 100
