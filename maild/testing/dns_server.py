"""A DNS server on loopback that says what a script tells it to, over UDP and TCP.

    with DnsServer() as server:
        server.txt("s1._domainkey.acme.example", "v=DKIM1; p=...")
        server.acts("slow.example", Act.SILENCE)
        server.port, server.asked

A name without a script does not exist.  It keeps every question in `asked`, in its order, so that tests can count.
"""

from __future__ import annotations

import errno
import socketserver
import struct
import threading
from collections.abc import Sequence
from enum import Enum
from typing import Any, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.rrset
from typing_extensions import override

_UDP_MAX = 1232
_STRING_MAX = 255


class Act(Enum):
    """What a name does instead of answering."""

    SERVFAIL = "servfail"
    SILENCE = "silence"
    GARBAGE = "garbage"
    """Octets that are no answer."""


class DnsServer:
    """Start it as a context; change its script at any time."""

    def __init__(self) -> None:
        """Bind UDP and TCP of one port."""
        self.asked: list[tuple[str, str]] = []
        """Lower-case names without their last dot, and types."""
        self.delay = 0.0
        """Seconds before every answer."""
        self._records: dict[tuple[str, str], dns.rrset.RRset] = {}
        self._acts: dict[str, Act] = {}
        self._over = threading.Event()
        self._udp, self._tcp = _bound(self)
        self.port: int = self._udp.server_address[1]

    def __enter__(self) -> Self:
        """Begin to answer."""
        for server in (self._udp, self._tcp):
            threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
            ).start()
        return self

    def __exit__(self, *of_what: object) -> None:
        """Stop, and free the port."""
        self._over.set()
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()

    def txt(self, name: str, *texts: str | bytes, ttl: int = 300) -> None:
        """Let a name have these TXT records, each cut into strings of 255 octets; none: it exists and has none."""
        self.strings(name, *(_cut(text) for text in texts), ttl=ttl)

    def strings(self, name: str, *records: Sequence[bytes], ttl: int = 300) -> None:
        """Let a name have TXT records of exactly these strings."""
        self._records[_key(name, "TXT")] = dns.rrset.from_rdata_list(
            dns.name.from_text(name),
            ttl,
            [
                dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, tuple(strings))
                for strings in records
            ],
        )

    def records(self, name: str, kind: str, *texts: str, ttl: int = 300) -> None:
        """Let a name have records of another type, in their written form."""
        self._records[_key(name, kind)] = dns.rrset.from_text(
            dns.name.from_text(name), ttl, dns.rdataclass.IN, kind, *texts
        )

    def acts(self, name: str, act: Act | None) -> None:
        """Let a name misbehave, whatever its records are; None: no longer."""
        if act is None:
            self._acts.pop(name.lower(), None)
        else:
            self._acts[name.lower()] = act

    def gone(self, name: str, kind: str = "TXT") -> None:
        """Let a name no longer have records of that type."""
        self._records.pop(_key(name, kind), None)

    def count(self, name: str) -> int:
        """Return how often a name was asked for."""
        return sum(asked == name.lower() for asked, _ in self.asked)

    def answer(self, octets: bytes, *, is_udp: bool) -> bytes | None:
        """Return what goes back for one question; None: nothing."""
        try:
            question = dns.message.from_wire(octets)
        except (dns.exception.DNSException, ValueError):
            return None
        asked = question.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(asked.rdtype)
        self.asked.append((name, kind))
        if self.delay:
            self._over.wait(self.delay)
        act = self._acts.get(name)
        if act is Act.SILENCE:
            return None
        if act is Act.GARBAGE:
            return octets[:2] + b"\x84\x00" + b"\xff" * 40
        reply = dns.message.make_response(question)
        reply.flags |= dns.flags.AA
        found = self._records.get((name, kind))
        if act is Act.SERVFAIL:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif found is not None:
            reply.answer += [found] if len(found) else []
        elif not any(known == name for known, _ in self._records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return self._wire(reply, is_udp=is_udp)

    @staticmethod
    def _wire(reply: dns.message.Message, *, is_udp: bool) -> bytes:
        wire = reply.to_wire(max_size=65535)
        if is_udp and len(wire) > _UDP_MAX:
            reply.answer.clear()
            reply.flags |= dns.flags.TC
            wire = reply.to_wire()
        return wire


def _key(name: str, kind: str) -> tuple[str, str]:
    return name.lower().rstrip("."), kind


def _cut(text: str | bytes) -> list[bytes]:
    octets = text.encode() if isinstance(text, str) else text
    return [octets[at : at + _STRING_MAX] for at in range(0, len(octets), _STRING_MAX)] or [b""]


class _UdpPeer(socketserver.BaseRequestHandler):
    server: _Udp

    @override
    def handle(self) -> None:
        octets, endpoint = self.request
        reply = self.server.owner.answer(octets, is_udp=True)
        if reply is not None:
            endpoint.sendto(reply, self.client_address)


class _TcpPeer(socketserver.StreamRequestHandler):
    server: _Tcp

    @override
    def handle(self) -> None:
        size = self.rfile.read(2)
        if len(size) == 2:
            reply = self.server.owner.answer(
                self.rfile.read(struct.unpack("!H", size)[0]), is_udp=False
            )
            if reply is not None:
                self.wfile.write(struct.pack("!H", len(reply)) + reply)


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True

    def __init__(self, endpoint: Any, owner: DnsServer) -> None:
        self.owner = owner
        super().__init__(endpoint, _UdpPeer)


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, endpoint: Any, owner: DnsServer) -> None:
        self.owner = owner
        super().__init__(endpoint, _TcpPeer)


def _bound(owner: DnsServer) -> tuple[_Udp, _Tcp]:
    """Return servers on a port that is free for both: somebody else may have the other half of one."""
    for _ in range(50):
        udp = _Udp(("127.0.0.1", 0), owner)
        try:
            return udp, _Tcp(udp.server_address, owner)
        except OSError:
            udp.server_close()
    raise OSError(errno.EADDRINUSE, "no port is free for UDP and TCP")
