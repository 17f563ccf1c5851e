"""What the door says to commands, good and bad."""

from __future__ import annotations

import re
import smtplib

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from maild.model.envelope import Door
from maild.model.reason import Answer, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.doors.conftest import OpenDoor, OpenIt


@pytest.fixture
def door(open_door: OpenIt) -> OpenDoor:
    return open_door()


def test_the_greeting_and_ehlo_tell_what_the_door_can_and_nothing_else(open_door: OpenIt) -> None:
    client = open_door(max_size=12345).connect()
    assert client.reply() == "220 mail.acme.example ESMTP maild"
    assert client.ask("EHLO me").split("|") == [
        "250-mail.acme.example",
        "250-SIZE 12345",
        "250-8BITMIME",
        "250-SMTPUTF8",
        "250-PIPELINING",
        "250 ENHANCEDSTATUSCODES",
    ]


def test_helo_is_answered_in_one_line_without_enhanced_code(door: OpenDoor) -> None:
    assert door.client().ask("HELO me") == "250 mail.acme.example"


def test_lmtp_knows_lhlo_and_neither_helo_nor_ehlo(open_door: OpenIt) -> None:
    client = open_door(Door.LMTP).connect()
    assert client.reply() == "220 mail.acme.example LMTP maild"
    assert client.ask("EHLO me").startswith("500 5.5.1")
    assert client.ask("HELO me").startswith("500 5.5.1")
    assert client.ask("MAIL FROM:<a@b>").startswith("503 5.5.1")
    assert "250-PIPELINING|250 ENHANCEDSTATUSCODES" in client.ask("LHLO me")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("NOOP", "250 2.0.0"),
        ("NOOP words", "250 2.0.0"),
        ("RSET", "250 2.0.0"),
        ("RSET x", "501 5.5.4"),
        ("VRFY ann", "252 2.5.0"),
        ("VRFY", "501 5.5.4"),
        ("EXPN list", "502 5.5.1"),
        ("HELP", "214 2.0.0"),
        ("AUTH PLAIN AGEAYg==", "500 5.5.1"),
        ("STARTTLS", "454 4.7.0"),
        ("STARTTLS x", "501 5.5.4"),
        ("FROB", "500 5.5.1"),
        ("BDAT 5 LAST", "500 5.5.1"),
        ("XFORWARD NAME=x", "500 5.5.1"),
        ("EHLO", "501 5.5.4"),
        ("HELO", "501 5.5.4"),
        ("RCPT TO:<info@acme.example>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("QUIT now", "501 5.5.4"),
        ("", "500 5.5.2"),
        ("   ", "500 5.5.2"),
        ("NO\rOP", "500 5.5.2"),
        ("NOOP \0", "500 5.5.2"),
        ("NOOP " + "x" * 2000, "500 5.5.2"),
        ("NOOP " + "x" * 300_000, "500 5.5.2"),
        ("MAIL", "501 5.5.4"),
        ("MAIL FROM", "501 5.5.4"),
        ("MAIL FROM:", "553 5.1.7"),
        ("MAIL FROM:<a@b", "553 5.1.7"),
        ("MAIL FROM:<>x", "553 5.1.7"),
        ("MAIL FROM:<a b@c>", "553 5.1.7"),
        ("MAIL FROM:<a@b> SIZE=x", "501 5.5.4"),
        ("MAIL FROM:<a@b> SIZE", "501 5.5.4"),
        ("MAIL FROM:<a@b> SIZE=1 SIZE=2", "501 5.5.4"),
        ("MAIL FROM:<a@b> SIZE=99999999999", "552 5.3.4"),
        ("MAIL FROM:<a@b> BODY=BINARYMIME", "501 5.5.4"),
        ("MAIL FROM:<a@b> SMTPUTF8=1", "501 5.5.4"),
        ("MAIL FROM:<a@b> AUTH=<>", "555 5.5.4"),
        ("MAIL FROM:<a@b> =", "501 5.5.4"),
        ("MAIL FROM:<ä@b.example>", "553 5.6.7"),
    ],
)
def test_a_command_is_answered_with_code_and_enhanced_code(
    door: OpenDoor, command: str, answer: str
) -> None:
    client = door.client()
    client.ask("EHLO me")
    assert client.ask(command).startswith(answer + " ")
    assert client.ask("NOOP").startswith("250 2.0.0")


@pytest.mark.parametrize(
    "argument",
    [
        "<>",
        "< >",
        "<a@b.example>",
        " <a@b.example>",
        "<a@b.example> SIZE=1000 BODY=8BITMIME",
        "<a@b.example> body=7bit size=1000 smtputf8",
        "<ä@b.example> SMTPUTF8",
        '<"a.b"@b.example>',
        "<@relay.example:a@b.example>",
        "<a+tag@b.example>",
        "a@b.example",
    ],
)
def test_senders_of_all_forms_are_taken(door: OpenDoor, argument: str) -> None:
    client = door.client()
    client.ask("EHLO me")
    assert client.ask(f"MAIL FROM:{argument}").startswith("250 2.1.0")


def test_a_line_feed_alone_ends_no_command(door: OpenDoor) -> None:
    client = door.client()
    assert client.send(b"EHLO me\n").reply().startswith("500 5.5.2")
    assert client.ask("MAIL FROM:<a@b>").startswith("503 5.5.1")


def test_recipients_are_asked_for_at_rcpt(door: OpenDoor) -> None:
    client = door.client()
    client.ask("EHLO me")
    client.ask("MAIL FROM:<a@b.example>")
    assert client.ask("RCPT TO:<nobody@acme.example>").startswith("550 5.1.1")
    assert client.ask("RCPT TO:<INFO@acme.example>").startswith("250 2.1.5")
    assert client.ask("RCPT TO:<>").startswith("553 5.1.3")
    assert client.ask("RCPT TO:<info@acme.example> NOTIFY=NEVER").startswith("555 5.5.4")
    assert client.ask("RCPT TO:<ä@acme.example>").startswith("553 5.6.7")
    assert client.ask("MAIL FROM:<a@b.example>").startswith("503 5.5.1")
    assert client.ask("DATA x").startswith("501 5.5.4")


def test_the_hundred_and_first_recipient_is_to_be_sent_separately(door: OpenDoor) -> None:
    client = door.client()
    client.ask("EHLO me")
    client.ask("MAIL FROM:<a@b.example>")
    for _ in range(100):
        assert client.ask("RCPT TO:<info@acme.example>").startswith("250")
    assert client.ask("RCPT TO:<info@acme.example>").startswith("452 4.5.3")
    assert client.ask("DATA").startswith("354")
    assert client.send(b"x\r\n.\r\n").reply().startswith("250 2.0.0")
    assert len(door.intake.kept[0].envelope.recipients) == 100


def test_one_smtp_transaction_has_one_size_limit(door: OpenDoor) -> None:
    door.intake.inboxes |= {"small@acme.example": 1000, "small2@acme.example": 1000}
    client = door.client()
    client.ask("EHLO me")
    client.ask("MAIL FROM:<a@b.example>")
    assert client.ask("RCPT TO:<small@acme.example>").startswith("250")
    assert client.ask("RCPT TO:<info@acme.example>").startswith("452 4.5.3")
    assert client.ask("RCPT TO:<small2@acme.example>").startswith("250")


def test_a_declared_size_beyond_the_inboxs_own_limit_is_refused_at_rcpt(door: OpenDoor) -> None:
    door.intake.inboxes["small@acme.example"] = 1000
    client = door.client()
    client.ask("EHLO me")
    client.ask("MAIL FROM:<a@b.example> SIZE=1001")
    assert client.ask("RCPT TO:<small@acme.example>").startswith("552 5.3.4")


def test_a_full_disk_is_told_at_mail_and_before_354(door: OpenDoor) -> None:
    client = door.client()
    client.ask("EHLO me")
    door.intake.full = Answer(Reason.DISK_FULL)
    assert client.ask("MAIL FROM:<a@b.example>").startswith("452 4.3.1")
    door.intake.full = None
    client.ask("MAIL FROM:<a@b.example>")
    client.ask("RCPT TO:<info@acme.example>")
    door.intake.full = Answer(Reason.DISK_FULL)
    assert client.ask("DATA").startswith("452 4.3.1")


def test_ten_errors_end_the_session(door: OpenDoor) -> None:
    client = door.client()
    for _ in range(10):
        assert client.ask("FROB").startswith("500 5.5.1")
    assert client.reply().startswith("421 4.7.0")
    assert client.is_closed()


def test_twenty_unknown_recipients_end_the_session(door: OpenDoor) -> None:
    client = door.client()
    client.ask("EHLO me")
    client.ask("MAIL FROM:<a@b.example>")
    for number in range(20):
        assert client.ask(f"RCPT TO:<n{number}@acme.example>").startswith("550 5.1.1")
    assert client.reply().startswith("421 4.7.0")
    assert client.is_closed()


def test_commands_without_a_mail_cannot_hold_a_session_for_ever(door: OpenDoor) -> None:
    client = door.client()
    answers = [client.ask("NOOP") for _ in range(101)]
    assert all(answer.startswith("250") for answer in answers)
    assert client.reply().startswith("421 4.7.0")


def test_a_browser_is_sent_away(door: OpenDoor) -> None:
    client = door.client().send(b"POST / HTTP/1.1\r\nHost: x\r\nMAIL FROM:<a@b>\r\n")
    assert client.reply().startswith("421 4.7.0")
    assert client.is_closed()


def test_a_fault_of_ours_is_temporary_and_tells_nothing(
    door: OpenDoor, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(address: str, size: int | None) -> tuple[Answer, int | None]:
        raise RuntimeError("secret postgresql://u:pw@h/db")

    door.intake.recipient = broken  # type: ignore[method-assign]
    client = door.client()
    client.ask("EHLO me")
    client.ask("MAIL FROM:<a@b.example>")
    answer = client.ask("RCPT TO:<info@acme.example>")
    ref = re.fullmatch(r"451 4\.3\.0 A fault in maild \(([0-9a-f]{8})\)", answer)
    assert ref
    assert f"ref={ref[1]}" in caplog.text
    assert client.ask("NOOP").startswith("250")


def test_smtplib_talks_with_the_door(door: OpenDoor) -> None:
    with smtplib.SMTP("127.0.0.1", door.listener.port) as client:
        refused = client.sendmail(
            "a@b.example", ["info@acme.example", "no@acme.example"], "Subject: x\n\n.dot\n"
        )
    assert list(refused) == ["no@acme.example"]
    assert door.intake.kept[0].content == b"Subject: x\r\n\r\n.dot\r\n"
    assert door.intake.kept[0].envelope.recipients == ("info@acme.example",)


COMMAND = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [b"EHLO ", b"MAIL FROM:", b"RCPT TO:", b"RSET", b"VRFY ", b"HELP ", b"STARTTLS", b"NOOP"]
    ).flatmap(lambda verb: st.binary(max_size=80).map(lambda rest: verb + rest)),
    st.sampled_from([b"MAIL FROM:", b"RCPT TO:"]).flatmap(
        lambda verb: st.text('<>@a.:;,"\\()[]ä \t=', max_size=30).map(
            lambda rest: verb + rest.encode()
        )
    ),
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines=st.lists(COMMAND, max_size=8))
def test_any_bytes_are_answered_by_the_protocol(door: OpenDoor, lines: list[bytes]) -> None:
    client = door.client()
    try:
        client.send(b"EHLO me\r\n" + b"".join(line + b"\r\n" for line in lines) + b"QUIT\r\n")
        for _ in range(4000):
            reply = client.reply()
            if not reply:
                break
            assert re.fullmatch(r"(?:[2345][0-9]{2}[- ][ -~]+\|?)+", reply), reply
            assert not reply.startswith("451"), "a fault of ours"
            if reply.startswith(("221", "421", "354")):
                break
        else:
            pytest.fail("the session never ended")
    finally:
        client.close()
        door.clients.remove(client)
    assert not door.errors
