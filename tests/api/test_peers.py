"""For whom a request asks: the peer, or whoever a proxy of ours saw before it."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from starlette.requests import Request

from maild.faces.api.holding import peer_of
from maild.testing.world import World
from tests.api.served import Heard, Served, serving

PROXIES = tuple(map(ip_network, ("127.0.0.1", "::1", "10.0.0.0/8")))
TRIES = 110


@pytest.mark.parametrize(
    ("peer", "told", "found"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("::ffff:127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.7, 10.1.2.3"], "198.51.100.7"),
        ("127.0.0.1", ["10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", ["203.0.113.9, unknown"], "127.0.0.1"),
        ("127.0.0.1", [" , "], "127.0.0.1"),
        ("::1", ["2001:db8::7"], "2001:db8::7"),
        (None, ["198.51.100.7"], "198.51.100.7"),
        (None, [], "unix"),
    ],
)
def test_the_last_address_that_is_no_proxys_is_the_peer(
    peer: str | None, told: list[str], found: str
) -> None:
    assert peer_of(request_from(peer, told), PROXIES) == found


def test_without_proxies_nobody_is_believed() -> None:
    for peer in ("127.0.0.1", None):
        request = request_from(peer, ["198.51.100.7"])
        assert peer_of(request) == (peer or "unix")


def request_from(peer: str | None, told: list[str]) -> Request:
    headers = [(b"x-forwarded-for", one.encode()) for one in told]
    client = None if peer is None else (peer, 1)
    return Request({"type": "http", "headers": headers, "client": client})


def try_to_sign_in(served: Served, before: str, number: int) -> Heard:
    body = {"name": f"nobody-{number}@acme.example", "password": "wrong password"}
    return served.ask("POST", "/login", body, header={"X-Forwarded-For": before})


@pytest.mark.slow
def test_U10_who_guesses_through_a_proxy_shuts_nobody_else_out(acme: World, tmp_path: Path) -> None:
    with serving(acme.app, tmp_path, proxies=("127.0.0.1",)) as served:
        heard = [try_to_sign_in(served, "203.0.113.9", number).code for number in range(TRIES)]
        assert heard[-1] == "TOO_MANY_TRIES"
        assert try_to_sign_in(served, "198.51.100.7", 0).code == "SIGN_IN_REFUSED"
        spoofed = try_to_sign_in(served, "198.51.100.8, 203.0.113.9", 0)
        assert spoofed.code == "TOO_MANY_TRIES", "what a stranger wrote there counts for nothing"
