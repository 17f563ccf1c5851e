"""The traps of the stock library: limits, TLS, AUTH, PROXY and logs.

Each test says the same words to aiosmtpd as released and to our door, and shows the fault on the one and its absence on
the other.  When a release of the library mends a fault, its test fails here, and we may have less of our own.
"""

from __future__ import annotations

import inspect
import logging
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from maild.doors.smtp.facts import TlsMode
from maild.model.reason import Answer, Reason
from tests.doors.stock import HearsProxy, Stock, send_mail, to_354, with_tls

if TYPE_CHECKING:
    from tests.doors.conftest import Client, OpenDoor, OpenIt


@pytest.fixture
def door(open_door: OpenIt) -> OpenDoor:
    return open_door()


# -- limits ----------------------------------------------------------------------------------------------------------


def test_command_limits_stock_grows_them_with_each_ehlo_and_shares_them(
    stock: Stock, door: OpenDoor
) -> None:
    mail = "MAIL FROM:<a@b.example>" + " " * 550 + "SIZE=1"

    def said_to(client: Client, hellos: int) -> str:
        for _ in range(hellos):
            client.ask("EHLO me")
        return client.ask(mail)[:3]

    port = stock.open()
    first, second = stock.connect(port), stock.connect(port)
    assert first.reply().startswith("220")
    assert second.reply().startswith("220")
    assert said_to(first, 1) == "500"
    assert said_to(first, 3) == "250"  # It grew,
    assert said_to(second, 1) == "250"  # for everybody,
    assert stock.connect(port).reply().startswith("220")
    assert said_to(second, 1) == "500"  # until somebody else connects.
    ours, other = door.client(), door.client()
    assert {said_to(ours, 1), said_to(ours, 3), said_to(other, 1)} == {"250"}


def test_recipients_stock_takes_without_end(stock: Stock, door: OpenDoor) -> None:
    def codes(client: Client) -> set[str]:
        client.ask("EHLO me")
        client.ask("MAIL FROM:<a@b.example>")
        return {client.ask("RCPT TO:<info@acme.example>")[:3] for _ in range(150)}

    assert codes(stock.client()) == {"250"}
    assert codes(door.client()) == {"250", "452"}


def test_connections_stock_takes_without_end(stock: Stock, door: OpenDoor) -> None:
    port = stock.open()
    assert {stock.connect(port).reply()[:3] for _ in range(100)} == {"220"}
    assert [door.connect().reply()[:3] for _ in range(21)] == ["220"] * 20 + ["421"]


def test_errors_stock_forgives_without_end(stock: Stock, door: OpenDoor) -> None:
    client = stock.client()
    assert {client.ask("RCPT TO:<a@b.example>")[:3] for _ in range(200)} == {"503"}
    client = door.client()
    client.ask("EHLO me")
    assert {client.ask("RCPT TO:<a@b.example>")[:3] for _ in range(10)} == {"503"}
    assert client.reply().startswith("421 4.7.0")


def test_room_stock_reads_the_whole_mail_before_anybody_can_say_no(
    stock: Stock, door: OpenDoor
) -> None:
    stock.recorder.error = OSError("no space left")
    assert to_354(stock.client()).send(b"x\r\n.\r\n").reply().startswith("500")
    client = door.client()
    client.ask("EHLO me")
    client.ask("MAIL FROM:<a@b.example>")
    client.ask("RCPT TO:<info@acme.example>")
    door.intake.full = Answer(Reason.DISK_FULL)
    assert client.ask("DATA").startswith("452 4.3.1")


def test_a_connection_stock_looks_through_itself_and_asks_for_its_name(
    stock: Stock, door: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    asked: list[str] = []

    def getmembers(thing: object, *more: Any) -> list[tuple[str, Any]]:
        found = GETMEMBERS(thing, *more)
        seen.append(len(found))
        return found

    def getfqdn() -> str:
        asked.append("name")
        return "mail.acme.example"

    monkeypatch.setattr(inspect, "getmembers", getmembers)
    monkeypatch.setattr(socket, "getfqdn", getfqdn)
    stock.client(hostname=None)
    assert sum(seen) > 100
    assert asked
    seen.clear()
    asked.clear()
    door.client()
    assert sum(seen) < 20
    assert not asked


GETMEMBERS = inspect.getmembers


# -- TLS, AUTH, PROXY, logs ------------------------------------------------------------------------------------------


def test_implicit_tls_stock_does_not_know_that_it_has_it(
    stock: Stock, open_door: OpenIt, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    port = stock.open(tls=server_tls, tls_context=server_tls)
    client = with_tls(stock.connect(port), client_tls)
    assert client.reply().startswith("220")
    assert "STARTTLS" in client.ask("EHLO me")
    door = open_door(tls=TlsMode.IMPLICIT, tls_context=server_tls)
    client = with_tls(door.connect(), client_tls)
    assert client.reply().startswith("220")
    assert "STARTTLS" not in client.ask("EHLO me")
    assert send_mail(client, b"x").startswith("250")
    assert door.intake.kept[0].envelope.tls


def test_auth_stock_offers_it_with_nobody_to_ask(
    stock: Stock, open_door: OpenIt, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    door = open_door(tls=TlsMode.STARTTLS, tls_context=server_tls)
    said = []
    for client in (stock.client(tls_context=server_tls), door.client()):
        client.ask("EHLO me")
        assert client.ask("STARTTLS").startswith("220")
        said.append(with_tls(client, client_tls).ask("EHLO me"))
        said.append(client.ask("AUTH PLAIN AGEAYg=="))
    assert "AUTH LOGIN PLAIN" in said[0]
    assert said[1].startswith("535")
    assert "AUTH" not in said[2]
    assert said[3].startswith("500 5.5.1")


def test_proxy_stock_refuses_all_without_a_hook_and_forgets_the_peer_with_one(
    stock: Stock, open_door: OpenIt
) -> None:
    from ipaddress import ip_network

    header = b"PROXY TCP4 203.0.113.9 192.0.2.25 40000 25\r\n"
    assert stock.connect(stock.open(proxy_protocol_timeout=5)).send(header).is_closed()
    stock.recorder = HearsProxy()
    client = stock.connect(stock.open(proxy_protocol_timeout=5)).send(header)
    assert client.reply().startswith("220")
    assert send_mail(client, b"x").startswith("250")
    assert stock.recorder.peers[0][0] == "127.0.0.1"
    door = open_door(proxy_protocol=True, relays=(ip_network("127.0.0.1"),))
    client = door.connect().send(header)
    assert client.reply().startswith("220")
    assert send_mail(client, b"x").startswith("250")
    assert door.intake.kept[0].envelope.peer == "203.0.113.9"


def test_logs_stock_writes_down_commands_and_bodies(
    stock: Stock, door: OpenDoor, caplog: pytest.LogCaptureFixture
) -> None:
    assert logging.getLogger("mail.log").level == logging.WARNING, "as our door sets it"
    caplog.set_level(logging.DEBUG)
    assert send_mail(door.client(), b"a private line").startswith("250")
    assert "private" not in caplog.text
    assert "a@b.example" not in caplog.text
    caplog.set_level(logging.DEBUG, "mail.log")
    assert send_mail(stock.client(), b"a private line").startswith("250")
    assert "private" in caplog.text
    assert "a@b.example" in caplog.text
