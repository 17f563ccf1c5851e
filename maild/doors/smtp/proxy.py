"""The PROXY header (HAProxy's protocol, versions 1 and 2): who is behind the balancer.

Read from the bare socket before anything else is, TLS included, and never an octet beyond the header.  Who may send one
is the listener's business.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from aiosmtpd.proxy_protocol import AF, PROTO, V2_CMD, get_proxy

# The library warns of a bad header under its own name; the listener says it once, with the balancer's.
logging.getLogger("mail.debug").setLevel(logging.CRITICAL)

HEADER_S = 5.0
"""How long a balancer may take: it sends the header with its first packet."""
HEADER_MAX = 4096
"""Octets of a header that are read: of version 2, addresses and as many TLVs as a balancer sensibly sends.  Of version 1
the library takes 107, line end included."""


class BadHeaderError(Exception):
    """There is no header, or none that can be read; the message says what is wrong with it."""


async def real_peer(sock: socket.socket) -> tuple[str, int] | None:
    """Read the header; return who is behind the balancer, or None when it speaks for itself (a health check).

    Raises BadHeaderError.
    """
    header: Any = await get_proxy(_BareReader(sock))
    if header.error:
        raise BadHeaderError(header.error)
    if header.command == V2_CMD.LOCAL or header.family in {AF.UNSPEC, AF.UNIX}:
        return None
    if header.protocol != PROTO.STREAM or not isinstance(
        header.src_addr, IPv4Address | IPv6Address
    ):
        raise BadHeaderError("not the address of a TCP connection")
    return str(header.src_addr), int(header.src_port)


class _BareReader:
    """Reads from a socket that has no transport; what is not asked for stays in the kernel."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._left = HEADER_MAX

    async def read(self, n: int = HEADER_MAX) -> bytes:
        """Read up to so many octets.  Raises BadHeaderError at the end, and for a header that is too long."""
        if n > self._left:
            raise BadHeaderError("header too long")
        piece = await self._receive(n)
        self._left -= len(piece)
        return piece

    async def readexactly(self, n: int) -> bytes:
        """Read so many octets."""
        found = b""
        while len(found) < n:
            found += await self.read(n - len(found))
        return found

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        """Read a line of version 1, with its end."""
        found = b""
        while not found.endswith(separator):
            seen = await self._receive(HEADER_MAX, socket.MSG_PEEK)
            end = seen.find(separator)
            found += await self.read(len(seen) if end < 0 else end + len(separator))
        return found

    async def _receive(self, most: int, flags: int = 0) -> bytes:
        while True:
            try:
                piece = self._sock.recv(most, flags)
            except BlockingIOError:
                await self._until_readable()
            else:
                if not piece:
                    raise BadHeaderError("the connection ended within the header")
                return piece

    async def _until_readable(self) -> None:
        loop = asyncio.get_running_loop()
        there = asyncio.Event()
        loop.add_reader(self._sock, there.set)
        try:
            await there.wait()
        finally:
            loop.remove_reader(self._sock)
