"""Nothing said in clear survives STARTTLS (RFC 3207 4.2, CVE-2024-34083): neither what was obeyed nor what was injected."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING

import pytest

from maild.doors.smtp.facts import TlsMode
from maild.model.envelope import Door
from tests.doors.stock import with_tls

if TYPE_CHECKING:
    from tests.doors.conftest import Client, OpenDoor, OpenIt

HELLO = {Door.SMTP: "EHLO", Door.LMTP: "LHLO"}
EVIL = b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<info@acme.example>\r\n"
INJECTED = {
    "a command": lambda hello: hello + b" evil\r\n",
    "an envelope": lambda hello: hello + b" evil\r\n" + EVIL,
    "a whole transaction": lambda hello: hello + b" evil\r\n" + EVIL + b"DATA\r\ninjected\r\n.\r\n",
    "STARTTLS again": lambda hello: b"STARTTLS\r\n" + hello + b" evil\r\n" + EVIL,
    "half a command": lambda hello: b"MAIL FROM:<evil@b.exa",
    "QUIT": lambda hello: b"QUIT\r\n",
}


@pytest.fixture(params=[Door.SMTP, Door.LMTP])
def door(request: pytest.FixtureRequest, open_door: OpenIt, server_tls: ssl.SSLContext) -> OpenDoor:
    return open_door(request.param, tls=TlsMode.STARTTLS, tls_context=server_tls)


def hello_of(door: OpenDoor) -> str:
    return HELLO[door.listener.facts.door]


def has_forgotten_all(client: Client) -> bool:
    """Whether the session begins anew: in step, and without name, sender or recipients."""
    return [client.ask(command)[:3] for command in ("NOOP", "MAIL FROM:<a@b.example>", "DATA")] == [
        "250",
        "503",
        "503",
    ]


def its_own_mail_is_all(door: OpenDoor, client: Client) -> bool:
    """Whether a mail sent now is the only one, under the name given now."""
    client.to_data(hello=f"{hello_of(door)} honest").send(b"honest\r\n.\r\n")
    assert client.reply().startswith("250")
    return [
        (kept.content, kept.envelope.mail_from, kept.envelope.helo, kept.envelope.tls)
        for kept in door.intake.kept
    ] == [(b"honest\r\n", "a@b.example", "honest", True)]


@pytest.mark.parametrize("injected", INJECTED.values(), ids=INJECTED.keys())
def test_what_is_injected_in_the_packet_of_STARTTLS_is_never_obeyed(
    door: OpenDoor, client_tls: ssl.SSLContext, injected: object
) -> None:
    assert callable(injected)
    hello = hello_of(door)
    client = door.client()
    client.ask(f"{hello} me")
    client.send(b"STARTTLS\r\n" + injected(hello.encode()))
    assert client.reply() == "220 2.0.0 ready to start TLS"
    with_tls(client, client_tls)
    assert has_forgotten_all(client)
    assert its_own_mail_is_all(door, client)


@pytest.mark.parametrize("injected", INJECTED.values(), ids=INJECTED.keys())
def test_what_is_injected_before_the_handshake_spoils_it(
    door: OpenDoor, client_tls: ssl.SSLContext, injected: object
) -> None:
    assert callable(injected)
    hello = hello_of(door)
    client = door.client()
    client.ask(f"{hello} me")
    assert client.ask("STARTTLS").startswith("220")
    client.send(injected(hello.encode()))
    time.sleep(0.02)
    with pytest.raises(OSError, match=r"(?i)eof|reset|closed|wrong version|alert|pipe|record"):
        with_tls(client, client_tls)
    assert door.intake.entered == 0


def test_an_injection_larger_than_the_buffer_is_never_obeyed(door: OpenDoor) -> None:
    hello = hello_of(door)
    client = door.client()
    client.ask(f"{hello} me")
    client.send(b"STARTTLS\r\n")
    try:
        client.send((hello.encode() + b" evil\r\n" + EVIL + b"DATA\r\nx\r\n.\r\n") * 4000)
        assert client.reply().startswith("220")
        while client.sock.recv(65536):
            pass
    except ConnectionError:
        pass
    assert door.intake.entered == 0
    assert door.client().ask("NOOP").startswith("250")


def test_name_sender_and_recipients_given_in_clear_are_forgotten(
    door: OpenDoor, client_tls: ssl.SSLContext
) -> None:
    client = door.client()
    client.ask(f"{hello_of(door)} clear")
    client.ask("MAIL FROM:<clear@b.example>")
    assert client.ask("RCPT TO:<info@acme.example>").startswith("250")
    assert client.ask("STARTTLS").startswith("220")
    with_tls(client, client_tls)
    assert has_forgotten_all(client)
    assert its_own_mail_is_all(door, client)


def test_errors_made_in_clear_are_remembered(door: OpenDoor, client_tls: ssl.SSLContext) -> None:
    client = door.client()
    for _ in range(9):
        assert client.ask("FROB").startswith("500")
    assert client.ask("STARTTLS").startswith("220")
    with_tls(client, client_tls)
    assert client.ask("FROB").startswith("500")
    assert client.reply().startswith("421 4.7.0 too many errors")
