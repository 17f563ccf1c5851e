"""AUTH at the door (RFC 4954, I3): within TLS only, who signed in goes with the mail, and no password is ever told."""

from __future__ import annotations

import base64
import logging
import smtplib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from maild.doors.smtp import auth
from maild.doors.smtp.auth import FAILURES_MAX
from maild.doors.smtp.facts import TlsMode
from maild.model.envelope import Door
from maild.model.reason import Answer, Reason
from tests.doors.stock import with_tls

if TYPE_CHECKING:
    from tests.doors.conftest import Client, OpenDoor, OpenIt

NAME, PASSWORD = "eva@acme.example", "a canary that sings"
EVA = 7
MAIL = b"From: eva@acme.example\r\n\r\nHello\r\n"


@pytest.fixture
def door(open_door: OpenIt, server_tls: ssl.SSLContext) -> OpenDoor:
    door = open_door(tls=TlsMode.STARTTLS, tls_context=server_tls, auth=True)
    door.intake.logins[NAME, PASSWORD] = EVA
    return door


def base(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def plain(name: str = NAME, password: str = PASSWORD, acting_for: str = "") -> str:
    return base(f"{acting_for}\0{name}\0{password}")


@pytest.fixture
def client(door: OpenDoor, client_tls: ssl.SSLContext) -> Client:
    """A client within TLS that has said its name."""
    client = door.client()
    assert client.ask("EHLO me").startswith("250")
    assert client.ask("STARTTLS").startswith("220")
    with_tls(client, client_tls)
    assert client.ask("EHLO me").startswith("250")
    return client


@contextmanager
def a_mail_program(door: OpenDoor, client_tls: ssl.SSLContext) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP("127.0.0.1", door.listener.port, timeout=10) as program:
        # The certificate names localhost.
        program._host = "localhost"  # type: ignore[attr-defined]  # the library has no other way to say it
        program.starttls(context=client_tls)
        yield program


def is_signed_in(door: OpenDoor, client: Client) -> bool:
    """Whether a mail sent now is somebody's."""
    assert client.ask("MAIL FROM:<a@b.example>").startswith("250")
    assert client.ask("RCPT TO:<info@acme.example>").startswith("250")
    assert client.ask("DATA").startswith("354")
    client.send(MAIL + b".\r\n")
    assert client.reply().startswith("250")
    return door.intake.kept[-1].envelope.signed_in_user_id is not None


# -- signing in ------------------------------------------------------------------------------------------------------


def test_I3_a_mail_program_signs_in_and_its_mail_says_who(
    door: OpenDoor, client_tls: ssl.SSLContext
) -> None:
    with a_mail_program(door, client_tls) as program:
        program.login(NAME, PASSWORD)
        program.sendmail("a@b.example", ["info@acme.example"], MAIL)
    assert door.intake.kept[0].envelope.signed_in_user_id == EVA


@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login"])
@pytest.mark.parametrize("initial", [True, False])
def test_AUTH_by_each_mechanism_at_once_and_when_asked(
    door: OpenDoor, client_tls: ssl.SSLContext, mechanism: str, initial: bool
) -> None:
    with a_mail_program(door, client_tls) as program:
        program.ehlo()
        program.user, program.password = NAME, PASSWORD
        name = mechanism.removeprefix("auth_").upper()
        answer = program.auth(name, getattr(program, mechanism), initial_response_ok=initial)
        assert answer == (235, b"2.7.0 signed in")


def test_AUTH_LOGIN_asks_name_and_password_in_turn(client: Client) -> None:
    assert client.ask("AUTH LOGIN") == "334 VXNlcm5hbWU6"
    assert client.ask(base(NAME)) == "334 UGFzc3dvcmQ6"
    assert client.ask(base(PASSWORD)) == "235 2.7.0 signed in"


def test_AUTH_says_who_the_peer_is_to_who_counts_its_tries(door: OpenDoor, client: Client) -> None:
    client.ask(f"AUTH PLAIN {plain()}")
    assert door.intake.tried == [(NAME, PASSWORD, "127.0.0.1")]


def test_AUTH_lasts_for_every_mail_of_the_connection(door: OpenDoor, client: Client) -> None:
    client.ask(f"AUTH PLAIN {plain()}")
    assert is_signed_in(door, client)
    assert client.ask("RSET").startswith("250")
    assert client.ask("EHLO again").startswith("250")
    assert is_signed_in(door, client)


@pytest.mark.slow
def test_U10_who_signed_in_is_not_believed_for_ever_however_much_mail_they_bring(
    door: OpenDoor, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "SIGNED_IN_S", 1.0)
    assert client.ask(f"AUTH PLAIN {plain()}").startswith("235")
    assert is_signed_in(door, client)
    assert client.reply() == "421 4.7.0 you signed in a while ago; connect and sign in again"
    assert client.is_closed()


@pytest.mark.slow
def test_U10_a_mail_that_is_under_way_then_is_taken(
    door: OpenDoor, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "SIGNED_IN_S", 1.0)
    assert client.ask(f"AUTH PLAIN {plain()}").startswith("235")
    client.ask("MAIL FROM:<a@b.example>")
    client.ask("RCPT TO:<info@acme.example>")
    assert client.ask("DATA").startswith("354")
    client.send(MAIL)
    time.sleep(1.3)
    client.send(b".\r\n")
    assert client.reply().startswith("250")
    assert door.intake.kept[-1].envelope.signed_in_user_id == EVA
    assert client.reply().startswith("421 4.7.0 you signed in a while ago")


def test_D2_who_does_not_sign_in_delivers_like_any_peer(door: OpenDoor, client: Client) -> None:
    assert not is_signed_in(door, client)


def test_D2_who_signed_in_still_reaches_our_own_recipients_only(client: Client) -> None:
    client.ask(f"AUTH PLAIN {plain()}")
    client.ask("MAIL FROM:<eva@acme.example>")
    assert client.ask("RCPT TO:<somebody@elsewhere.example>").startswith("550 5.1.1")


# -- TLS -------------------------------------------------------------------------------------------------------------


def test_AUTH_is_not_offered_in_clear(door: OpenDoor) -> None:
    assert "AUTH" not in door.client().ask("EHLO me")


def test_AUTH_is_offered_within_TLS(client: Client) -> None:
    assert "250 AUTH PLAIN LOGIN" in client.ask("EHLO me").replace("250-", "250 ")


def test_AUTH_in_clear_is_refused_and_nobody_is_asked(door: OpenDoor) -> None:
    client = door.client()
    client.ask("EHLO me")
    assert client.ask(f"AUTH PLAIN {plain()}").startswith("538 5.7.11 ")
    assert door.intake.tried == []


def test_AUTH_in_the_packet_of_STARTTLS_is_forgotten(
    door: OpenDoor, client_tls: ssl.SSLContext
) -> None:
    client = door.client()
    client.ask("EHLO me")
    client.send(f"STARTTLS\r\nAUTH PLAIN {plain()}\r\n".encode())
    assert client.reply().startswith("220")
    with_tls(client, client_tls)
    assert client.ask("EHLO me").startswith("250")
    assert door.intake.tried == []
    assert not is_signed_in(door, client)


def test_AUTH_is_there_from_the_first_word_where_TLS_is(
    open_door: OpenIt, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    door = open_door(tls=TlsMode.IMPLICIT, tls_context=server_tls, auth=True)
    door.intake.logins[NAME, PASSWORD] = EVA
    client = door.connect()
    with_tls(client, client_tls)
    assert client.reply().startswith("220")
    assert "AUTH PLAIN LOGIN" in client.ask("EHLO me")
    assert client.ask(f"AUTH PLAIN {plain()}") == "235 2.7.0 signed in"


@pytest.mark.parametrize("protocol", [Door.SMTP, Door.LMTP])
def test_AUTH_is_no_command_where_the_listener_does_not_offer_it(
    open_door: OpenIt, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, protocol: Door
) -> None:
    door = open_door(protocol, tls=TlsMode.STARTTLS, tls_context=server_tls)
    hello = "LHLO me" if protocol is Door.LMTP else "EHLO me"
    client = door.client()
    client.ask(hello)
    client.ask("STARTTLS")
    with_tls(client, client_tls)
    assert "AUTH" not in client.ask(hello)
    assert client.ask(f"AUTH PLAIN {plain()}") == "500 5.5.1 command not recognised"
    assert door.intake.tried == []


# -- what is wrong ---------------------------------------------------------------------------------------------------


def test_T23_a_wrong_password_is_refused_in_one_sentence(door: OpenDoor, client: Client) -> None:
    refused = "535 5.7.8 The user name or the password is not right."
    assert client.ask(f"AUTH PLAIN {plain(password='wrong')}") == refused
    assert client.ask(f"AUTH PLAIN {plain(name='nobody')}") == refused
    assert not is_signed_in(door, client)


def test_T23_a_connection_that_guesses_is_ended(client: Client) -> None:
    for _ in range(FAILURES_MAX - 1):
        assert client.ask(f"AUTH PLAIN {plain(password='wrong')}").startswith("535")
    assert client.ask(f"AUTH PLAIN {plain(password='wrong')}").startswith("421")
    assert client.is_closed()


@pytest.mark.parametrize(
    ("reason", "reply"),
    [
        (Reason.STORE_DOWN, "454 4.7.0 "),
        (Reason.BUSY, "454 4.7.0 "),
        (Reason.INTERNAL_ERROR, "454 4.7.0 "),
        (Reason.TOO_MANY_TRIES, "454 4.7.0 "),
        (Reason.APP_PASSWORD_NEEDED, "534 5.7.9 "),
        (Reason.SIGN_UP_REQUIRED, "535 5.7.8 "),
    ],
)
def test_AUTH_says_what_may_heal_and_what_may_not(
    door: OpenDoor, client: Client, reason: Reason, reply: str
) -> None:
    door.intake.refusal = Answer(reason, {"minutes": 3, "ref": "x"})
    assert client.ask(f"AUTH PLAIN {plain(password='wrong')}").startswith(reply)


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("AUTH", "501 5.5.4 syntax: AUTH mechanism"),
        ("AUTH CRAM-MD5", "504 5.5.4 the mechanisms are PLAIN and LOGIN"),
        ("AUTH XOAUTH2 dXNlcj0=", "504 5.5.4 the mechanisms are PLAIN and LOGIN"),
        ("AUTH PLAIN !!!", "501 5.5.2 that is not what the mechanism asks for"),
        (f"AUTH PLAIN {base('no zeros')}", "501 5.5.2 that is not what the mechanism asks for"),
        ("AUTH PLAIN /w==", "501 5.5.2 that is not what the mechanism asks for"),
        ("AUTH LOGIN !!!", "501 5.5.2 that is not what the mechanism asks for"),
    ],
)
def test_AUTH_that_is_none_is_refused_and_nobody_is_asked(
    door: OpenDoor, client: Client, command: str, reply: str
) -> None:
    assert client.ask(command) == reply
    assert door.intake.tried == []


def test_AUTH_for_somebody_else_is_refused(door: OpenDoor, client: Client) -> None:
    said = plain(acting_for="jan@acme.example")
    assert client.ask(f"AUTH PLAIN {said}").startswith("535 5.7.8 ")
    assert door.intake.tried == []


def test_AUTH_may_be_cancelled(door: OpenDoor, client: Client) -> None:
    assert client.ask("AUTH PLAIN") == "334 "
    assert client.ask("*") == "501 5.7.0 signing in was cancelled"
    assert client.ask(f"AUTH PLAIN {plain()}") == "235 2.7.0 signed in"


def test_AUTH_takes_a_long_password_and_no_endless_line(door: OpenDoor, client: Client) -> None:
    door.intake.logins[NAME, "x" * 5000] = EVA
    assert client.ask("AUTH PLAIN") == "334 "
    assert client.ask("A" * 13000) == "500 5.5.2 line too long"
    assert client.ask(f"AUTH PLAIN {plain(password='x' * 5000)}") == "235 2.7.0 signed in"


def test_AUTH_is_refused_before_EHLO_twice_and_within_a_mail(
    open_door: OpenIt, door: OpenDoor, client: Client
) -> None:
    assert client.ask("MAIL FROM:<a@b.example>").startswith("250")
    assert client.ask(f"AUTH PLAIN {plain()}").startswith("503 5.5.1 not within a mail")
    assert client.ask("RSET").startswith("250")
    assert client.ask(f"AUTH PLAIN {plain()}").startswith("235")
    assert client.ask(f"AUTH PLAIN {plain()}") == "503 5.5.1 you are signed in"
    assert door.client().ask("AUTH PLAIN") == "503 5.5.1 need EHLO first"


def test_AUTH_whose_peer_leaves_in_the_middle_leaves_nothing(
    door: OpenDoor, client: Client
) -> None:
    assert client.ask("AUTH LOGIN").startswith("334")
    client.close()
    assert door.client().ask("NOOP").startswith("250")


def test_D7_no_password_is_told_to_any_log(
    door: OpenDoor, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("mail.log", "asyncio", "maild.doors", "maild.accept"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        client.ask(f"AUTH PLAIN {plain(password='wrong ' + PASSWORD)}")
        client.ask("AUTH LOGIN")
        client.ask(base(NAME))
        client.ask(base(PASSWORD))
        is_signed_in(door, client)
    finally:
        logging.getLogger("mail.log").setLevel(logging.WARNING)
    told = caplog.text
    assert "sign_in_refused" in told
    for secret in (PASSWORD, base(PASSWORD), plain(), plain(password="wrong " + PASSWORD), NAME):
        assert secret not in told


def test_who_a_peer_says_wrote_a_mail_first_is_heard_and_believed_by_nobody(
    door: OpenDoor, client: Client
) -> None:
    assert client.ask(f"AUTH PLAIN {plain()}").startswith("235")
    assert client.ask("MAIL FROM:<a@b.example> AUTH").startswith("501")
    assert client.ask("MAIL FROM:<a@b.example> AUTH=jan@acme.example").startswith("250")
    assert client.ask("RCPT TO:<info@acme.example>").startswith("250")
    assert client.ask("DATA").startswith("354")
    client.send(MAIL + b".\r\n")
    assert client.reply().startswith("250")
    assert door.intake.kept[-1].envelope.signed_in_user_id == EVA
