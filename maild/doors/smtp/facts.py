"""What the operator decided about one listener; the daemon composes it from the settings."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from maild.model.envelope import Door, Trust
from maild.model.written import HostPort, UnixSocket

MIB = 1024 * 1024


class TlsMode(StrEnum):
    """How a listener speaks TLS."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerFacts:
    """One listener.  Set once by the daemon, never changed."""

    name: str
    """For logs."""
    door: Door
    """SMTP or LMTP."""
    bind: HostPort | UnixSocket | socket.socket
    """Where to listen; a socket is one that was inherited (socket activation) and is listening already."""
    hostname: str
    """Our name in the greeting."""
    tls: TlsMode = TlsMode.NONE
    tls_context: ssl.SSLContext | None = None
    """Without it STARTTLS is not offered; IMPLICIT needs it."""
    auth: bool = False
    """Whether peers may sign in, within TLS."""
    trust: Trust = field(default_factory=Trust)
    relays: tuple[IPv4Network | IPv6Network, ...] = ()
    """Peers exempt from the limits per address and from the limit on unknown recipients."""
    proxy_protocol: bool = False
    """Whether the peers in `relays`, and those of a unix socket, are balancers that begin with a PROXY header."""
    max_size: int = 35 * MIB
    """Largest mail in octets, announced by SIZE (RFC 1870)."""
    max_recipients: int = 100
    """RFC 5321 4.5.3.1.8 asks for at least 100."""
    max_connections: int = 1000
    max_per_address: int = 20
    """Per IPv4 address, and per /64 of IPv6."""
    max_rate_per_address: int = 600
    """Connections within a minute, counted alike."""
    idle_timeout: float = 60.0
    """Seconds that a peer may be silent, between commands and within a mail."""
    data_timeout: float = 900.0
    """Seconds that one mail may take from 354 to its dot."""
    session_timeout: float = 600.0
    """Seconds that a session may go on without a mail taken: from its beginning, or from the end of the last one."""
