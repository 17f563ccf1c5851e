"""I3: whose sender policy is asked for: of servers of the world, and of nobody else who hands mail over."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from maild.model.envelope import Door, Trust
from tests.doors.conftest import OpenDoor, OpenIt
from tests.doors.test_proxy import BALANCER, v1


def is_direct(door: OpenDoor, peer: str | None = None) -> bool:
    """Send a mail, as this peer behind the balancer, and return what the inside took it for."""
    client = door.connect()
    if peer is not None:
        client.send(v1(peer))
    client.reply()
    client.to_data().send(b"x\r\n.\r\n")
    assert client.reply().startswith("250")
    return door.intake.kept[-1].envelope.is_direct


def test_I3_a_server_of_the_world_is_asked_about(open_door: OpenIt) -> None:
    assert is_direct(open_door(proxy_protocol=True, relays=(BALANCER,)), "203.0.113.9")


def test_I3_a_relay_is_not_the_world(open_door: OpenIt) -> None:
    relays = (BALANCER, ip_network("203.0.113.0/24"))
    assert not is_direct(open_door(proxy_protocol=True, relays=relays), "203.0.113.9")


@pytest.mark.parametrize("relays", [(), (BALANCER,)])
def test_I3_this_machine_is_not_the_world(open_door: OpenIt, relays: tuple[object, ...]) -> None:
    assert not is_direct(open_door(relays=relays))


def test_I3_a_listener_of_authenticated_users_is_not_the_world(open_door: OpenIt) -> None:
    trust = Trust(authenticated_for=("acme.example",))
    door = open_door(proxy_protocol=True, relays=(BALANCER,), trust=trust)
    assert not is_direct(door, "203.0.113.9")


def test_I3_lmtp_stands_behind_a_server(open_door: OpenIt) -> None:
    door = open_door(proxy_protocol=True, relays=(BALANCER,), door=Door.LMTP)
    client = door.connect().send(v1("203.0.113.9"))
    client.reply()
    client.send(b"LHLO a.example\r\n").reply()
    client.send(b"MAIL FROM:<a@world.example>\r\n").reply()
    client.send(b"RCPT TO:<info@acme.example>\r\n").reply()
    client.send(b"DATA\r\n").reply()
    client.send(b"x\r\n.\r\n")
    assert client.reply().startswith("250")
    assert not door.intake.kept[-1].envelope.is_direct
