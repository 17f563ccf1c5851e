"""Who may come in: limits on sessions in all, of one address, and on connections of one address in a minute.

Never grows with the number of strangers: what it knows of a minute it forgets with the minute, and it knows of no more
than RATES_MAX addresses.
"""

from __future__ import annotations

import logging
from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address

from maild.doors.smtp import replies
from maild.doors.smtp.facts import ListenerFacts
from maild.doors.smtp.transaction import Peer

MINUTE = 60.0
RATES_MAX = 50_000
"""Addresses counted in one minute.  When the table is full, further ones come in uncounted: who owns many networks
must not be able to shut everybody else out; the other limits still hold."""

_log = logging.getLogger("maild.doors")


class Gate:
    """Counts the peers of one listener."""

    def __init__(self, facts: ListenerFacts) -> None:
        """Begin with nobody."""
        self._facts = facts
        self._inside: Counter[str] = Counter()
        self._lately: Counter[str] = Counter()
        self._minute_ends = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nobody is counted as inside."""
        return not self._inside

    def enter(self, peer: Peer, others: int, now: float) -> str | None:
        """Count a peer in, beside `others`; or return the reply that refuses it."""
        if peer.network is not None and self._is_too_often(peer.network, now):
            return replies.TOO_OFTEN
        if others >= self._facts.max_connections:
            _log.warning("too_many_connections listener=%s", self._facts.name)
            return replies.TOO_MANY_CONNECTIONS
        if peer.network is not None:
            if self._inside[peer.network] >= self._facts.max_per_address:
                _log.warning("too_many_connections_of_one listener=%s", self._facts.name)
                return replies.TOO_MANY_CONNECTIONS
            self._inside[peer.network] += 1
        return None

    def leave(self, peer: Peer) -> None:
        """Count out a peer that was counted in."""
        if peer.network is not None:
            self._inside[peer.network] -= 1
            if not self._inside[peer.network]:
                del self._inside[peer.network]

    def _is_too_often(self, network: str, now: float) -> bool:
        if now >= self._minute_ends:
            self._lately.clear()
            self._minute_ends = now + MINUTE
        if network not in self._lately and len(self._lately) >= RATES_MAX:
            return False
        self._lately[network] += 1
        most = self._facts.max_rate_per_address
        if self._lately[network] == most + 1:  # Once a minute: a flood must not fill the log.
            _log.warning("too_many_connections_in_a_minute listener=%s", self._facts.name)
        return self._lately[network] > most

    def peer_of(self, name: object) -> Peer:
        """Return who that is, by the name that the socket or the PROXY header gives."""
        if not isinstance(name, tuple):
            return Peer("unix", None, is_relay=True)
        ip = plain_ip(str(name[0]))
        is_relay = any(
            ip in network for network in self._facts.relays if network.version == ip.version
        )
        return Peer(str(ip), None if is_relay else network_of(ip), is_relay=is_relay)


def plain_ip(text: str) -> IPv4Address | IPv6Address:
    """Return it without the scope, and an IPv4 address that came through an IPv6 socket as what it is."""
    ip = ip_address(text.partition("%")[0])
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def is_loopback(name: str) -> bool:
    """Whether a peer of that name is this machine itself."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return True  # A unix socket.


def network_of(ip: IPv4Address | IPv6Address) -> str:
    """Return what one owner surely has: an IPv4 address, or a /64."""
    return str(ip) if isinstance(ip, IPv4Address) else str(int(ip) >> 64)
