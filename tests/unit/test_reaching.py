"""T17: where a source's host may be reached, for addresses, for names, for all the ways to write either."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given, strategies as st

from maild.core.reaching import Network, check_port, is_closed, may_reach, resolve
from maild.core.remote import RemoteError, Trouble
from maild.model.source import SourceKind

CLOSED4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
]
CLOSED6 = ["::/96", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "2001::/32", "2001:db8::/32"]
METADATA = [
    *("169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    *("fd00:ec2::254", "fd00:c1::a9fe:a9fe", "fd20:ce::254"),
]


def inside(network: str) -> st.SearchStrategy[str]:
    return st.ip_addresses(network=network).map(str)


closed4 = st.sampled_from(CLOSED4).flatmap(inside)
closed6 = st.sampled_from(CLOSED6).flatmap(inside)
carriers = st.sampled_from(
    [
        lambda four: IPv6Address(0xFFFF_0000_0000 | four),
        IPv6Address,
        lambda four: IPv6Address((0x0064_FF9B << 96) | four),
        lambda four: IPv6Address((0x0064_FF9B_0001 << 80) | four),
        lambda four: IPv6Address((0x2002 << 112) | (four << 80) | 1),
        lambda four: IPv6Address((0x2001 << 112) | (four ^ 0xFFFFFFFF)),
        lambda four: IPv6Address((0x2A00_1450_0000_0000 << 64) | (0x5EFE << 32) | four),
    ]
)


def refused(host: str, allowed: Sequence[Network] = (), found: Sequence[str] = ()) -> Trouble:
    with pytest.raises(RemoteError) as failed:
        resolve(host, 995, allowed=allowed, lookup=lambda *_: list(found))
    return failed.value.trouble


@given(address=closed4 | closed6 | st.sampled_from(METADATA))
def test_T17_a_closed_address_is_refused_written_out_or_behind_a_name(address: str) -> None:
    assert refused(address) is Trouble.FORBIDDEN_ADDRESS
    assert refused("pop.example", found=[address]) is Trouble.FORBIDDEN_ADDRESS


@given(address=closed4 | st.sampled_from(METADATA[:4]), carrier=carriers)
def test_T17_a_closed_address_within_another_is_refused(address: str, carrier: object) -> None:
    assert callable(carrier)
    carried = str(carrier(int(IPv4Address(address))))
    assert refused(carried) is Trouble.FORBIDDEN_ADDRESS
    assert refused(f"[{carried}]") is Trouble.FORBIDDEN_ADDRESS
    assert refused("pop.example", found=[carried]) is Trouble.FORBIDDEN_ADDRESS


@given(address=st.ip_addresses())
def test_T17_whatever_the_library_holds_for_inner_is_closed(
    address: IPv4Address | IPv6Address,
) -> None:
    inner = (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or address.is_private
    )
    # Of these what they carry decides; the library calls them reserved as such.
    carrier = any(address in ip_network(each) for each in ("64:ff9b::/96", "::ffff:0:0/96"))
    assert not inner or carrier or is_closed(address)


@given(address=st.ip_addresses(v=4).filter(lambda one: one.is_global and not one.is_multicast))
def test_most_public_addresses_may_be_reached(address: IPv4Address) -> None:
    others = ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "203.0.113.0/24")
    if not any(address in ip_network(network) for network in others):
        assert resolve(str(address), 995, allowed=()) == [str(address)]


@pytest.mark.parametrize("address", ["8.8.8.8", "2a00:1450:4001::5", "64:ff9b::808:808"])
def test_a_public_address_may_be_reached(address: str) -> None:
    assert resolve(address, 995, allowed=()) == [address]


def test_a_mapped_public_address_is_open_and_one_with_a_zone_is_not() -> None:
    assert not is_closed(IPv6Address("::ffff:8.8.8.8"))
    assert refused("pop.example", found=["2a00:1450:4001::5%2"]) is Trouble.FORBIDDEN_ADDRESS


def test_a_mapped_public_address_is_reached_as_what_it_is() -> None:
    assert resolve("::ffff:8.8.8.8", 995, allowed=()) == ["8.8.8.8"]


@given(address=closed4, odd=st.sampled_from(["decimal", "hex", "octal", "short", "hexes"]))
def test_T17_no_odd_way_to_write_an_address_passes(address: str, odd: str) -> None:
    number = int(IPv4Address(address))
    first, second = number >> 24, number & 0xFFFFFF
    host = {
        "decimal": str(number),
        "hex": hex(number),
        "octal": f"0{number:o}",
        "short": f"{first}.{second}",
        "hexes": f"{first:#x}.{second:#x}",
    }[odd]
    assert refused(host, found=["8.8.8.8"]) is Trouble.FORBIDDEN_ADDRESS


@pytest.mark.parametrize(
    "host",
    [
        *("127.1", "127.0.1", "0x7f.1", "0x7f000001", "017700000001", "2130706433", "0177.0.0.1"),
        *("127.0.0.1.", "127.1.", "1.2.3.4.5", "127.0.0.0x1", "0", "00", "0x"),
        *("[::ffff:127.0.0.1]", "[::1]", "::1%lo", "fe80::1%eth0", "[fe80::1%25eth0]"),
        *("8.8.8.8%lo", "[::ffff:7f00:1]", "::127.0.0.1", "127。0。0。1", "１２７.0.0.1", "①②⑦.1"),
    ],
)
def test_T17_these_are_refused_without_asking_anybody(host: str) -> None:
    def never(*_: object) -> list[str]:
        pytest.fail("it was looked up")

    with pytest.raises(RemoteError) as failed:
        resolve(host, 995, allowed=(), lookup=never)
    assert failed.value.trouble in {Trouble.FORBIDDEN_ADDRESS, Trouble.NO_SUCH_HOST}


@pytest.mark.parametrize(
    "host", ["", " ", "a b", "a\0b", "a\r\nb", "a/b", "user@host", "::g", "x" * 2000, "é" * 400]
)
def test_what_is_no_host_is_no_such_host(host: str) -> None:
    assert refused(host, found=["8.8.8.8"]) is Trouble.NO_SUCH_HOST


@given(host=st.text(max_size=40))
def test_T17_no_text_whatsoever_leads_to_a_closed_address(host: str) -> None:
    def like_the_system(name: str, port: int) -> list[str]:
        # What inet_aton takes is an address for getaddrinfo, too; every name is inside here.
        try:
            return [socket.inet_ntoa(socket.inet_aton(name))]
        except (OSError, UnicodeError):
            return ["127.0.0.1"]

    with suppress(RemoteError):
        found = resolve(host, 995, allowed=(), lookup=like_the_system)
        assert not any(is_closed(ip_address(address)) for address in found)


def test_of_a_mixed_answer_the_public_addresses_remain() -> None:
    found = ["10.0.0.1", "8.8.8.8", "fd00::1", "2a00:1450:4001::5", "8.8.8.8"]
    assert resolve("pop.example", 995, allowed=(), lookup=lambda *_: found) == [
        "8.8.8.8",
        "2a00:1450:4001::5",
    ]


def test_a_name_is_looked_up_once() -> None:
    asked: list[tuple[str, int]] = []

    def lookup(name: str, port: int) -> list[str]:
        asked.append((name, port))
        return ["8.8.8.8"] if len(asked) == 1 else ["127.0.0.1"]

    assert resolve("pop.example", 995, allowed=(), lookup=lookup) == ["8.8.8.8"]
    assert asked == [("pop.example", 995)]


def test_a_name_beyond_ascii_is_looked_up_in_ascii() -> None:
    asked: list[str] = []

    def lookup(name: str, port: int) -> list[str]:
        asked.append(name)
        return ["8.8.8.8"]

    resolve("pop.bücher.example", 995, allowed=(), lookup=lookup)
    assert asked == ["pop.xn--bcher-kva.example"]


def test_a_name_that_nobody_has_is_no_such_host() -> None:
    def lookup(name: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(RemoteError) as failed:
        resolve("no.example", 995, allowed=(), lookup=lookup)
    assert failed.value.trouble is Trouble.NO_SUCH_HOST


def test_T17_localhost_of_the_real_resolver_is_refused() -> None:
    with pytest.raises(RemoteError) as failed:
        resolve("localhost", 995, allowed=())
    assert failed.value.trouble is Trouble.FORBIDDEN_ADDRESS


def test_localhost_may_be_reached_where_the_operator_says_so() -> None:
    assert resolve("localhost", 995, allowed=[IPv4Network("127.0.0.0/8")]) == ["127.0.0.1"]


@given(address=closed4)
def test_an_allowed_network_opens_itself_and_no_other(address: str) -> None:
    allowed = [IPv4Network("10.1.0.0/16")]
    one = IPv4Address(address)
    assert may_reach(one, allowed) == (one in allowed[0])


@given(address=inside("10.1.0.0/16"), carrier=carriers)
def test_an_allowed_network_does_not_open_what_carries_its_addresses(
    address: str, carrier: object
) -> None:
    assert callable(carrier)
    carried = carrier(int(IPv4Address(address)))
    assert not may_reach(carried, [IPv4Network("10.1.0.0/16")])


def test_an_allowed_ipv6_network_is_open() -> None:
    allowed = [IPv6Network("fd00:1::/64")]
    assert resolve("fd00:1::7", 995, allowed=allowed) == ["fd00:1::7"]
    assert refused("fd00:2::7", allowed) is Trouble.FORBIDDEN_ADDRESS


@pytest.mark.parametrize(
    ("kind", "port", "passes"),
    [
        (SourceKind.POP, 110, True),
        (SourceKind.POP, 995, True),
        (SourceKind.IMAP, 143, True),
        (SourceKind.IMAP, 993, True),
        (SourceKind.IMAP, 995, False),
        (SourceKind.POP, 25, False),
        (SourceKind.IMAP, 6379, False),
    ],
)
def test_T17_outside_only_the_ports_of_the_protocol_pass(
    kind: SourceKind, port: int, passes: bool
) -> None:
    if passes:
        check_port(kind, port, ["8.8.8.8"], allowed=())
    else:
        with pytest.raises(RemoteError) as failed:
            check_port(kind, port, ["8.8.8.8"], allowed=())
        assert failed.value.trouble is Trouble.FORBIDDEN_ADDRESS


def test_in_an_allowed_network_any_port_passes() -> None:
    allowed = [IPv4Network("127.0.0.0/8")]
    check_port(SourceKind.POP, 11110, ["127.0.0.1"], allowed=allowed)
    with pytest.raises(RemoteError):
        check_port(SourceKind.POP, 11110, ["127.0.0.1", "8.8.8.8"], allowed=allowed)
    with pytest.raises(RemoteError):
        check_port(SourceKind.POP, 11110, [], allowed=allowed)
