"""Behind a balancer: the PROXY header says who comes, nobody else may, and nothing that follows it is lost (D2)."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from maild.daemon.listeners import listener_facts
from maild.doors.smtp import proxy
from maild.doors.smtp.facts import TlsMode
from maild.model.envelope import Door
from maild.model.written import UnixSocket
from maild.settings import Settings

if TYPE_CHECKING:
    from tests.doors.conftest import Client, OpenDoor, OpenIt

BALANCER = ip_network("127.0.0.1")
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROXY, LOCAL = 0x21, 0x20
TCP4, UDP4, TCP6, UNIX, UNSPEC = 0x11, 0x12, 0x21, 0x31, 0x00


def v1(peer: str = "203.0.113.9", family: str = "TCP4") -> bytes:
    ours = "2001:db8::25" if family == "TCP6" else "192.0.2.25"
    return f"PROXY {family} {peer} {ours} 40000 25\r\n".encode()


def v2(peer: str = "203.0.113.9", command: int = PROXY, tlv: bytes = b"") -> bytes:
    ip = ip_address(peer)
    kind = TCP6 if isinstance(ip, IPv6Address) else TCP4
    return v2_of(command, kind, ip.packed * 2 + struct.pack("!HH", 40000, 25) + tlv)


def v2_of(command: int, kind: int, rest: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, kind, len(rest)) + rest


@pytest.fixture
def door(open_door: OpenIt) -> OpenDoor:
    return open_door(proxy_protocol=True, relays=(BALANCER,))


def peer_of_a_mail(door: OpenDoor, client: Client) -> str:
    """Send a mail and return for whom the inside took it."""
    client.to_data().send(b"x\r\n.\r\n")
    assert client.reply().startswith("250")
    return door.intake.kept[-1].envelope.peer


@pytest.mark.parametrize(
    ("header", "peer"),
    [
        (v1(), "203.0.113.9"),
        (v1("2001:db8::9", "TCP6"), "2001:db8::9"),
        (v1("::ffff:203.0.113.9", "TCP6"), "203.0.113.9"),
        (v2(), "203.0.113.9"),
        (v2("2001:db8::9"), "2001:db8::9"),
        (v2(tlv=b"\x04\x00\x03abc"), "203.0.113.9"),
    ],
)
def test_D2_the_header_says_who_the_peer_is(door: OpenDoor, header: bytes, peer: str) -> None:
    client = door.connect().send(header)
    assert client.reply().startswith("220 ")
    assert peer_of_a_mail(door, client) == peer


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN whatever it says\r\n",
        v2_of(LOCAL, UNSPEC, b""),
        v2(command=LOCAL),
        v2_of(PROXY, UNSPEC, b""),
        v2_of(PROXY, UNIX, b"\0" * 216),
    ],
)
def test_a_balancer_may_speak_for_itself(door: OpenDoor, header: bytes) -> None:
    client = door.connect().send(header)
    assert client.reply().startswith("220 ")
    assert peer_of_a_mail(door, client) == "127.0.0.1"


@pytest.mark.parametrize("header", [v1(), v2()])
def test_a_header_may_come_in_pieces(door: OpenDoor, header: bytes) -> None:
    client = door.connect()
    for byte in header:
        client.send(bytes([byte]))
        time.sleep(0.002)
    assert client.reply().startswith("220 ")
    assert peer_of_a_mail(door, client) == "203.0.113.9"


@pytest.mark.parametrize("header", [v1(), v2()])
def test_what_follows_the_header_at_once_is_obeyed(door: OpenDoor, header: bytes) -> None:
    mail = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<info@acme.example>\r\nDATA\r\nx\r\n.\r\n"
    client = door.connect().send(header + b"EHLO me\r\n" + mail)
    codes = [reply[:3] for reply in client.replies(6)]
    assert codes == ["220", "250", "250", "250", "354", "250"]
    assert door.intake.kept[0].envelope.peer == "203.0.113.9"


MALFORMED = {
    "no header": b"EHLO me\r\n",
    "half a signature": b"PROXI TCP4 203.0.113.9 192.0.2.25 40000 25\r\n",
    "no family": b"PROXY\r\n",
    "no such family": b"PROXY TCP5 203.0.113.9 192.0.2.25 40000 25\r\n",
    "no such protocol": b"PROXY UDP4 203.0.113.9 192.0.2.25 40000 25\r\n",
    "the other family": b"PROXY TCP4 2001:db8::9 2001:db8::25 40000 25\r\n",
    "no address": b"PROXY TCP4 mx.example 192.0.2.25 40000 25\r\n",
    "no port": b"PROXY TCP4 203.0.113.9 192.0.2.25 40000\r\n",
    "port too high": b"PROXY TCP4 203.0.113.9 192.0.2.25 70000 25\r\n",
    "more than a header": b"PROXY TCP4 203.0.113.9 192.0.2.25 40000 25 26\r\n",
    "a bare line feed": b"PROXY TCP4 203.0.113.9 192.0.2.25 40000 25\n",
    "too long for version 1": b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
    "version 1 without end": b"PROXY UNKNOWN " + b"x" * 5000,
    "no version 2": SIGNATURE[:-1] + b"x" + b"\x21\x11\0\x0c" + b"x" * 12,
    "version 3": v2_of(0x31, TCP4, b"\0" * 12),
    "no such command": v2_of(0x22, TCP4, b"\0" * 12),
    "no such binary family": v2_of(PROXY, 0x41, b"\0" * 12),
    "a datagram": v2_of(PROXY, UDP4, b"\0" * 12),
    "too short for its addresses": v2_of(PROXY, TCP4, b"\0" * 11),
    "too long for version 2": v2_of(PROXY, TCP4, b"\0" * 12 + b"x" * 60_000),
    "garbage": bytes(range(256)) * 4,
}


@pytest.mark.parametrize("header", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_balancer_without_a_readable_header_hears_not_a_word(
    door: OpenDoor, header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client = door.connect().send(header)
    assert client.is_closed()
    assert "proxy_header_refused listener=test balancer=127.0.0.1 reason=" in caplog.text
    assert door.intake.entered == 0


@pytest.mark.parametrize("sent", [b"", b"PROXY TCP4 203.", SIGNATURE])
def test_a_header_that_comes_too_late_does_not_come(
    door: OpenDoor,
    sent: bytes,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proxy, "HEADER_S", 0.3)
    client = door.connect().send(sent)
    assert client.is_closed()
    assert "it did not come in time" in caplog.text


def test_a_balancer_that_hangs_up_within_the_header_leaves_nothing(
    door: OpenDoor, caplog: pytest.LogCaptureFixture
) -> None:
    client = door.connect().send(b"PROXY TCP4")
    client.sock.shutdown(socket.SHUT_WR)
    assert client.is_closed()
    assert "the connection ended within the header" in caplog.text


def test_a_door_that_closes_does_not_wait_for_headers(door: OpenDoor) -> None:
    silent = door.connect()
    door.stop()
    assert silent.is_closed()


def test_connections_without_a_header_yet_have_their_limit(open_door: OpenIt) -> None:
    door = open_door(proxy_protocol=True, relays=(BALANCER,), max_connections=2)
    first, second = door.connect(), door.connect()
    assert door.connect().is_closed()
    first.send(v1())
    assert first.reply().startswith("220 ")
    second.send(v1())
    assert second.reply().startswith("220 ")


# -- strangers -------------------------------------------------------------------------------------------------------


def test_a_strangers_header_is_a_command_that_nobody_knows(open_door: OpenIt) -> None:
    door = open_door(proxy_protocol=True, relays=(ip_network("192.0.2.0/24"),))
    client = door.client().send(v1("192.0.2.7"))
    assert client.reply().startswith("500 5.5.1")
    assert peer_of_a_mail(door, client) == "127.0.0.1"


def test_a_strangers_binary_header_is_nothing_but_bad_lines(open_door: OpenIt) -> None:
    door = open_door(proxy_protocol=True, relays=(ip_network("192.0.2.0/24"),))
    client = door.client().send(v2("192.0.2.7") + b"\r\n")
    assert client.reply().startswith("500 5.5.2")
    client.send(b"NOOP\r\n")
    while (reply := client.reply()).startswith("500 5.5.2"):
        pass
    assert reply.startswith("250 2.0.0")
    assert peer_of_a_mail(door, client) == "127.0.0.1"


def test_a_second_header_is_a_command_that_nobody_knows(door: OpenDoor) -> None:
    client = door.connect().send(v1() + v1("192.0.2.7"))
    assert client.reply().startswith("220 ")
    assert client.reply().startswith("500 5.5.1")
    assert peer_of_a_mail(door, client) == "203.0.113.9"


def test_without_the_setting_a_relays_header_is_a_command_that_nobody_knows(
    open_door: OpenIt,
) -> None:
    client = open_door(relays=(BALANCER,)).client().send(v1())
    assert client.reply().startswith("500 5.5.1")


# -- limits ----------------------------------------------------------------------------------------------------------


def test_limits_per_address_are_those_of_the_real_peer(open_door: OpenIt) -> None:
    door = open_door(proxy_protocol=True, relays=(BALANCER,), max_per_address=1)
    assert door.connect().send(v1()).reply().startswith("220 ")
    assert door.connect().send(v2()).reply() == "421 4.7.0 too many connections"
    assert door.connect().send(v1("203.0.113.10")).reply().startswith("220 ")
    for _ in range(3):
        assert door.connect().send(b"PROXY UNKNOWN\r\n").reply().startswith("220 ")


def test_the_rate_per_address_is_that_of_the_real_peer(open_door: OpenIt) -> None:
    door = open_door(proxy_protocol=True, relays=(BALANCER,), max_rate_per_address=2)
    said = [door.connect().send(v1()).reply()[:3] for _ in range(3)]
    assert said == ["220", "220", "421"]
    assert door.connect().send(v1("203.0.113.10")).reply().startswith("220 ")


def test_a_relay_behind_the_balancer_is_exempt(open_door: OpenIt) -> None:
    relays = (BALANCER, ip_network("198.51.100.0/24"))
    door = open_door(proxy_protocol=True, relays=relays, max_per_address=1)
    for _ in range(3):
        assert door.connect().send(v1("198.51.100.7")).reply().startswith("220 ")


# -- settings --------------------------------------------------------------------------------------------------------


def test_the_settings_of_an_operator_reach_the_door(tmp_path: Path) -> None:
    listener = {
        "proxy_protocol": True,
        "relays": ["192.0.2.0/24"],
        "max_rate_per_address": 7,
        "session_timeout": "3min",
    }
    (facts,) = listener_facts(_settings(tmp_path, listener))
    assert facts.proxy_protocol
    assert facts.relays == (ip_network("192.0.2.0/24"),)
    assert (facts.max_rate_per_address, facts.session_timeout) == (7, 180)


def test_balancers_have_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="addresses of the balancers in relays"):
        _settings(tmp_path, {"proxy_protocol": True, "relays": []})
    _settings(tmp_path, {"proxy_protocol": True, "relays": [], "bind": "unix:lmtp.sock"})


def _settings(folder: Path, listener: dict[str, object]) -> Settings:
    context = {"folder": folder, "hostname": "mail.acme.example"}
    return Settings.model_validate({"listener": [listener]}, context=context)


# -- TLS, and sockets of the file system -----------------------------------------------------------------------------


def test_the_header_stands_before_starttls(
    open_door: OpenIt, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    door = open_door(
        proxy_protocol=True, relays=(BALANCER,), tls=TlsMode.STARTTLS, tls_context=server_tls
    )
    client = door.connect().send(v1())
    assert client.reply().startswith("220 ")
    client.ask("EHLO me")
    assert client.ask("STARTTLS").startswith("220")
    client.sock = client_tls.wrap_socket(client.sock, server_hostname="localhost")
    assert peer_of_a_mail(door, client) == "203.0.113.9"
    assert door.intake.kept[0].envelope.tls


@pytest.mark.parametrize("header", [v1(), v2()])
@pytest.mark.parametrize("in_one_packet", [True, False])
def test_the_header_stands_before_implicit_tls(
    open_door: OpenIt,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    header: bytes,
    in_one_packet: bool,
) -> None:
    door = open_door(
        proxy_protocol=True, relays=(BALANCER,), tls=TlsMode.IMPLICIT, tls_context=server_tls
    )
    client = door.connect()
    # A corked socket sends the header together with the first of the handshake.
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, in_one_packet)
    client.send(header)
    client.sock = client_tls.wrap_socket(client.sock, server_hostname="localhost")
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    assert client.reply().startswith("220 ")
    assert peer_of_a_mail(door, client) == "203.0.113.9"
    assert door.intake.kept[0].envelope.tls


def test_implicit_tls_without_the_header_is_closed_before_the_handshake(
    open_door: OpenIt, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    door = open_door(
        proxy_protocol=True, relays=(BALANCER,), tls=TlsMode.IMPLICIT, tls_context=server_tls
    )
    with pytest.raises(OSError, match=r"EOF|reset|closed"):
        client_tls.wrap_socket(door.connect().sock, server_hostname="localhost")


def test_who_connects_to_a_unix_socket_is_a_balancer(open_door: OpenIt, tmp_path: Path) -> None:
    path = tmp_path / "lmtp.sock"
    door = open_door(Door.LMTP, proxy_protocol=True, bind=UnixSocket(path))
    client = door.connect().send(v2("2001:db8::9"))
    assert client.reply().startswith("220 ")
    client.to_data(hello="LHLO me").send(b"x\r\n.\r\n")
    assert client.reply().startswith("250")
    assert door.intake.kept[0].envelope.peer == "2001:db8::9"
    assert door.connect().send(b"LHLO me\r\n").is_closed()
