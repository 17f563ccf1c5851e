"""What lies between a socket and a session in clear: a little is read at a time, however much there is.

A loop takes 256 KiB at once from whoever sends that much, and may do so twice before a reader stops it; a thousand such
peers are half a gigabyte.
"""

from __future__ import annotations

import asyncio

from typing_extensions import override

OCTETS = 128 * 1024


class Narrow(asyncio.BufferedProtocol):
    """Hands over what comes, and all that happens, to a session's own protocol."""

    _room = memoryview(bytearray(OCTETS))
    """One for all connections: it is emptied before the loop turns to the next."""

    def __init__(self, session: asyncio.Protocol) -> None:
        """Stand before the session."""
        self._session = session

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._session.connection_made(transport)

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where to put what comes next."""
        return self._room

    @override
    def buffer_updated(self, nbytes: int) -> None:
        """Hand over what came."""
        self._session.data_received(bytes(self._room[:nbytes]))

    @override
    def eof_received(self) -> bool | None:
        """Tell that the peer sends no more."""
        return self._session.eof_received()

    @override
    def pause_writing(self) -> None:
        """Tell that the peer reads too slowly."""
        self._session.pause_writing()

    @override
    def resume_writing(self) -> None:
        """Tell that it reads again."""
        self._session.resume_writing()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that it is over."""
        self._session.connection_lost(exc)
