"""Which addresses a source's host may be reached at: an admin must not use maild to look into the operator's network (T17).

A name is looked up once, and whoever connects goes to an address that is returned here, never to the name again.
Nothing here connects.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import idna

from maild.core.remote import RemoteError, Trouble
from maild.model.source import SourceKind

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Lookup = Callable[[str, int], list[str]]
"""Name and port to addresses, in the order to try; raises OSError."""

_PORTS = {SourceKind.POP: {110, 995}, SourceKind.IMAP: {143, 993}}
# The special-purpose registries of IANA, written out: what the standard library counts as global differs by version.
_CLOSED4 = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
            *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
            *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            # A cloud's inner services at a number that looks public.
            "168.63.129.16/32",
        ),
    )
)
_OPEN6 = IPv6Network("2000::/3")
"""The only unicast space that IANA has given out; loopback, ULA, link-local, multicast lie outside."""
_CLOSED6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
"""Teredo among them."""
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = {0x00005EFE, 0x02005EFE}
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)\Z")


def is_closed(address: Address) -> bool:
    """Whether an address is no public one, or carries an IPv4 address that is none."""
    carried = _carried(address)
    if carried is not None:
        address = carried
    if isinstance(address, IPv4Address):
        return any(address in network for network in _CLOSED4)
    if address.scope_id is not None or address not in _OPEN6:
        return True
    return any(address in network for network in _CLOSED6)


def _carried(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that decides: a mapped one, NAT64's (behind DNS64 every host looks so), 6to4's, ISATAP's.

    An ISATAP host of a closed IPv6 network stays closed: the network is looked at first.
    """
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return _last_four(address)
    if address.sixtofour is not None:
        return address.sixtofour
    is_isatap = (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    if is_isatap and address in _OPEN6 and is_closed(_last_four(address)):
        return _last_four(address)
    return None


def _last_four(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)


def may_reach(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether an address may be connected to."""
    return _is_named(address, allowed) or not is_closed(address)


def _is_named(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether the operator named a network that holds it."""
    return any(address in network for network in allowed)


def look_up(host: str, port: int) -> list[str]:
    """Ask the system's resolver.  Raises OSError.  It may take as long as the resolver does: no limit can be set."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def resolve(
    host: str, port: int, *, allowed: Sequence[Network], lookup: Lookup = look_up
) -> list[str]:
    """Return the addresses of a host that may be connected to, in the order to try.

    Those that may not are left out, and only when none is left is it an error: nobody connects to a name, so a mixed
    answer reaches nothing that a clean one would not; and a host with a public IPv4 and an internal IPv6 address, or
    `localhost` where one family is allowed, goes on working.

    Blocks: call it on a thread.  Raises RemoteError: NO_SUCH_HOST or FORBIDDEN_ADDRESS.
    """
    plain = _plain(host)
    address = _literal(plain)
    if address is None:
        if _NUMBER.search(plain.rstrip(".").rpartition(".")[2]):
            # 127.1, 0x7f000001, 017700000001: the resolver takes them for addresses, people do not see them as such.
            raise RemoteError(Trouble.FORBIDDEN_ADDRESS, "write the address in full")
        found = _addresses(plain, port, lookup)
    else:
        found = [address]
    reachable = [_unmapped(each) for each in found]
    reachable = [each for each in reachable if may_reach(each, allowed)]
    if not reachable:
        raise RemoteError(Trouble.FORBIDDEN_ADDRESS)
    return list(dict.fromkeys(map(str, reachable)))


def check_port(
    kind: SourceKind, port: int, addresses: Sequence[str], *, allowed: Sequence[Network]
) -> None:
    """Let any port pass in networks that the operator named, and elsewhere only the protocol's two.

    `addresses` are those that `resolve` returned.  Raises RemoteError(FORBIDDEN_ADDRESS).
    """
    if port in _PORTS[kind]:
        return
    if not addresses or not all(_is_named(ip_address(each), allowed) for each in addresses):
        raise RemoteError(Trouble.FORBIDDEN_ADDRESS, f"port {port}")


def _plain(host: str) -> str:
    """Return a host name in ASCII, as the resolver is to see it.

    Fullwidth digits and ideographic dots become plain ones here, before anything is judged by its looks.
    """
    text = host.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if not text or len(text) > 1000 or any(sign <= " " or sign in "/@\\[]" for sign in text):
        raise RemoteError(Trouble.NO_SUCH_HOST)
    if "%" in text:
        raise RemoteError(
            Trouble.FORBIDDEN_ADDRESS
        )  # A zone: such an address means this very machine's links.
    if text.isascii():
        return text
    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise RemoteError(Trouble.NO_SUCH_HOST) from None


def _literal(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        if ":" in text:
            raise RemoteError(Trouble.NO_SUCH_HOST) from None
        return None


def _addresses(name: str, port: int, lookup: Lookup) -> list[Address]:
    try:
        found = lookup(name, port)
    except (OSError, UnicodeError) as error:
        raise RemoteError(Trouble.NO_SUCH_HOST, getattr(error, "strerror", None) or "") from None
    return [ip_address(each) for each in found]


def _unmapped(address: Address) -> Address:
    """Return the IPv4 address inside ::ffff:0:0/96: the system would connect to that one."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
