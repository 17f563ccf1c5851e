"""Sockets, limits on connections, and TLS."""

from __future__ import annotations

import smtplib
import socket
import ssl
import stat
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maild.doors.smtp.facts import TlsMode
from maild.doors.smtp.gate import network_of, plain_ip
from maild.doors.smtp.listener import ListenError
from maild.doors.smtp.sockets import listening
from maild.model.envelope import Door
from maild.model.written import HostPort, UnixSocket

if TYPE_CHECKING:
    from tests.doors.conftest import Client, OpenDoor, OpenIt


def test_more_connections_than_there_may_be_hear_421(open_door: OpenIt) -> None:
    door = open_door(max_connections=2)
    first, _ = door.client(), door.client()
    third = door.connect()
    assert third.reply() == "421 4.7.0 too many connections"
    assert third.is_closed()
    assert first.ask("QUIT").startswith("221")
    assert first.is_closed()
    assert door.client().ask("NOOP").startswith("250")


def test_one_address_has_its_share_and_relays_are_exempt(open_door: OpenIt) -> None:
    door = open_door(max_per_address=1)
    door.client()
    assert door.connect().reply().startswith("421 4.7.0")
    relay = open_door(max_per_address=1, relays=(ip_network("127.0.0.0/8"),))
    for _ in range(5):
        assert relay.client().ask("NOOP").startswith("250")


def test_a_relay_may_ask_for_many_unknown_recipients(open_door: OpenIt) -> None:
    client = open_door(relays=(ip_network("127.0.0.1"),)).client()
    client.ask("EHLO me")
    client.ask("MAIL FROM:<a@b.example>")
    for number in range(30):
        assert client.ask(f"RCPT TO:<n{number}@acme.example>").startswith("550")
    assert client.ask("NOOP").startswith("250")


def test_an_ipv6_owner_is_his_64_and_a_mapped_address_is_ipv4() -> None:
    assert network_of(ip_address("2001:db8::1")) == network_of(ip_address("2001:db8::ffff"))
    assert network_of(ip_address("2001:db8::1")) != network_of(ip_address("2001:db8:0:1::1"))
    assert str(plain_ip("::ffff:192.0.2.1")) == "192.0.2.1"
    assert str(plain_ip("fe80::1%eth0")) == "fe80::1"


def test_sockets_do_not_wait_for_acknowledgements() -> None:
    (sock,) = listening(HostPort("127.0.0.1", 0))
    with sock:
        assert sock.proto == socket.IPPROTO_TCP
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_inherited_socket_is_served(open_door: OpenIt) -> None:
    (sock,) = listening(HostPort("127.0.0.1", 0))
    assert open_door(bind=sock).client().ask("NOOP").startswith("250")


def test_ipv6_is_served(open_door: OpenIt) -> None:
    try:
        door = open_door(bind=HostPort("::1", 0))
    except ListenError:
        pytest.skip("this machine has no IPv6 loopback")
    with socket.create_connection(("::1", door.listener.port)) as sock:
        assert sock.recv(100).startswith(b"220 ")
    assert door.listener.address.startswith("[::1]:")


def test_a_taken_port_and_a_foreign_address_are_told_in_a_sentence(open_door: OpenIt) -> None:
    port = open_door().listener.port
    with pytest.raises(ListenError, match=rf"127.0.0.1:{port}: another program listens there"):
        listening(HostPort("127.0.0.1", port))
    with pytest.raises(ListenError, match="does not have that address"):
        listening(HostPort("192.0.2.1", 0))
    with pytest.raises(ListenError, match="no address"):
        listening(HostPort("does-not-exist.invalid", 0))


def test_a_unix_socket_is_for_its_group_and_goes_with_the_listener(
    open_door: OpenIt, tmp_path: Path
) -> None:
    path = tmp_path / "lmtp.sock"
    door = open_door(Door.LMTP, bind=UnixSocket(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    client = door.client().to_data(hello="LHLO me")
    assert client.send(b"x\r\n.\r\n").reply().startswith("250")
    assert door.intake.kept[0].envelope.peer == "unix"
    with pytest.raises(ListenError, match="another program listens there already"):
        listening(UnixSocket(path))
    # asyncio drops a connection that it accepted as its server was closed: let the probe's be served first.
    assert door.client().ask("NOOP").startswith("250")
    door.stop()
    assert not path.exists()


def test_a_stale_socket_is_replaced_and_a_file_is_not(open_door: OpenIt, tmp_path: Path) -> None:
    path = tmp_path / "lmtp.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    open_door(Door.LMTP, bind=UnixSocket(path)).client()
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(ListenError, match="no socket"):
        listening(UnixSocket(file))
    assert file.read_text() == "mine"
    with pytest.raises(ListenError, match="folder does not exist"):
        listening(UnixSocket(tmp_path / "none" / "lmtp.sock"))


# -- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def secure(open_door: OpenIt, server_tls: ssl.SSLContext) -> OpenDoor:
    return open_door(tls=TlsMode.STARTTLS, tls_context=server_tls)


def _wrap(client: Client, context: ssl.SSLContext) -> Client:
    client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
    return client


def test_starttls_is_offered_once_and_the_mail_says_so(
    secure: OpenDoor, client_tls: ssl.SSLContext
) -> None:
    client = secure.client()
    assert "250 STARTTLS" in client.ask("EHLO me")
    assert client.ask("STARTTLS") == "220 2.0.0 ready to start TLS"
    _wrap(client, client_tls)
    assert client.ask("MAIL FROM:<a@b.example>").startswith("503 5.5.1")
    capabilities = client.ask("EHLO me")
    assert "STARTTLS" not in capabilities
    assert "AUTH" not in capabilities
    assert client.ask("STARTTLS").startswith("503 5.5.1")
    client.to_data().send(b"x" * 100_000 + b"\r\n.\r\n")
    assert client.reply().startswith("250")
    assert secure.intake.kept[0].envelope.tls
    assert client.ask("QUIT").startswith("221")


def test_smtplib_starts_tls(secure: OpenDoor, client_tls: ssl.SSLContext) -> None:
    with smtplib.SMTP("127.0.0.1", secure.listener.port) as client:
        client._host = "localhost"  # type: ignore[attr-defined]
        client.starttls(context=client_tls)
        client.sendmail("a@b.example", ["info@acme.example"], "Subject: x\n\nx\n")
    assert len(secure.intake.kept) == 1


def test_a_spoilt_handshake_leaves_nothing(secure: OpenDoor) -> None:
    client = secure.client()
    client.ask("EHLO me")
    client.ask("STARTTLS")
    client.send(b"\x16\x03\x01this is no TLS" * 100)
    while client.sock.recv(4096):
        pass
    assert secure.client().ask("NOOP").startswith("250")


def test_implicit_tls_speaks_tls_from_the_first_byte(
    open_door: OpenIt, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    door = open_door(tls=TlsMode.IMPLICIT, tls_context=server_tls)
    for _ in range(20):
        client = _wrap(door.connect(), client_tls)
        assert client.reply().startswith("220")
        assert "STARTTLS" not in client.ask("EHLO me")
        assert client.ask("STARTTLS").startswith("503")
        client.to_data().send(b"x\r\n.\r\n")
        assert client.reply().startswith("250")
        assert client.ask("QUIT").startswith("221")
    assert all(kept.envelope.tls for kept in door.intake.kept)


def test_a_silent_peer_of_implicit_tls_does_not_keep_the_listener(
    open_door: OpenIt, server_tls: ssl.SSLContext
) -> None:
    door = open_door(tls=TlsMode.IMPLICIT, tls_context=server_tls, max_connections=1)
    silent = door.connect()
    assert door.connect().is_closed()
    door.stop()
    assert silent.is_closed()
