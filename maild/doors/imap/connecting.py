"""Brings a connection up to where somebody can sign in: TCP, TLS or STARTTLS, greeting, capabilities.

It must never go on in clear where TLS was asked for, and never believe what was said before TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import ssl
from pathlib import Path

from aioimaplib.aioimaplib import AUTH, NONAUTH

from maild.core.remote import Bounds, Endpoint, Patience, RemoteError, Tls, Trouble
from maild.doors.imap.ask import Ask
from maild.doors.imap.wire import Wire
from maild.doors.imap.words import trouble_of

_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


async def connected(
    endpoint: Endpoint, address: str, *, patience: Patience, bounds: Bounds
) -> Wire:
    """Return a line to a server that has greeted us, with its capabilities.  Raises RemoteError."""
    loop = asyncio.get_running_loop()
    wire = Wire(loop, line=bounds.line)
    try:
        await _reach(wire, address, endpoint.port, patience)
        if endpoint.tls is Tls.IMPLICIT:
            await _begin_tls(wire, endpoint, patience)
        await _greet(wire, endpoint.tls, patience)
        if endpoint.tls is Tls.STARTTLS:
            await _starttls(wire, endpoint, patience)
        await read_capabilities(wire, patience)
    except BaseException:
        wire.fail(Trouble.LINE_LOST)
        raise
    return wire


async def _reach(wire: Wire, address: str, port: int, patience: Patience) -> None:
    try:
        async with asyncio.timeout(patience.connect):
            await wire.loop.create_connection(lambda: wire, address, port)
    except TimeoutError:
        said = f"no connection in {patience.connect:g} s"
        raise RemoteError(Trouble.NOT_REACHED, said) from None
    except OSError as error:
        raise RemoteError(Trouble.NOT_REACHED, _tcp_words(error)) from error
    line = wire.transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # Keeping a line alive is a courtesy of the kernel.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _tcp_words(error: OSError) -> str:
    """Return the system's words; asyncio's name the address, which is not for everybody (T17)."""
    return os.strerror(error.errno).lower() if error.errno else "not reached"


async def _begin_tls(wire: Wire, endpoint: Endpoint, patience: Patience) -> None:
    """Go on over TLS on this connection.  Nothing that came in clear survives."""
    wire.is_deaf = True
    try:
        context = await asyncio.to_thread(_tls_context, endpoint.ca_file)
        async with asyncio.timeout(patience.connect):
            transport = await wire.loop.start_tls(
                wire.transport,
                wire,
                context,
                server_hostname=endpoint.host.rstrip("."),
                ssl_handshake_timeout=patience.connect,
            )
    except TimeoutError:
        said = f"no TLS in {patience.connect:g} s"
        raise wire.fail(Trouble.TLS_FAILED, said) from None
    except ssl.SSLCertVerificationError as error:
        raise wire.fail(Trouble.TLS_FAILED, error.verify_message) from error
    except (OSError, ValueError, UnicodeError) as error:
        raise wire.fail(Trouble.TLS_FAILED, _tls_words(error)) from error
    if transport is None:  # The peer left in the middle.
        raise wire.fail(Trouble.TLS_FAILED, "the server left before TLS stood")
    wire.begin_anew(transport)


def _tls_words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error) or "the server left before TLS stood"


def _tls_context(ca_file: str) -> ssl.SSLContext:
    """Return the context for a file of certificates, one for all connections: each holds half a megabyte.

    Raises OSError (ssl.SSLError is one) when the file cannot be read as certificates.
    """
    return _context_of(ca_file, Path(ca_file).stat().st_mtime_ns if ca_file else 0)


@functools.lru_cache(maxsize=32)
def _context_of(ca_file: str, _changed: int) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _greet(wire: Wire, tls: Tls, patience: Patience) -> None:
    greeting = await wire.greeted(patience.connect)
    head, _, words = greeting.partition(b" ")
    kind, _, words = words.partition(b" ")
    match head, kind.upper():
        case b"*", b"OK":
            wire.state = NONAUTH
        case b"*", b"PREAUTH" if tls is Tls.STARTTLS:
            # It leaves no way to TLS (RFC 3501 6.2.1: STARTTLS is not for the authenticated).
            raise wire.fail(Trouble.TLS_FAILED, "the server signed us in before TLS")
        case b"*", b"PREAUTH":
            wire.state = AUTH
        case b"*", b"BYE":
            raise wire.fail(trouble_of(words, Trouble.BUSY), words)
        case _:
            raise wire.fail(Trouble.NOT_THIS_PROTOCOL, greeting)


async def _starttls(wire: Wire, endpoint: Endpoint, patience: Patience) -> None:
    await read_capabilities(wire, patience)
    if "STARTTLS" not in wire.capabilities:
        raise wire.fail(Trouble.TLS_FAILED, "the server does not offer STARTTLS")
    asked = await wire.ask(Ask("STARTTLS"), within=patience.connect)
    if not asked.is_ok:
        raise wire.fail(Trouble.TLS_FAILED, asked.closing)
    await _begin_tls(wire, endpoint, patience)


async def read_capabilities(wire: Wire, patience: Patience) -> None:
    """Ask what the server can do; it may change with TLS and with sign-in."""
    asked = await wire.ask(Ask("CAPABILITY"), within=patience.sign_in)
    if not asked.is_ok:
        raise wire.fail(trouble_of(asked.closing, Trouble.BROKEN_PROTOCOL), asked.closing)
    listed: set[str] = set()
    for answer in asked.answers:
        name, _, rest = answer[0].partition(b" ")
        if name.upper() == b"CAPABILITY":
            listed.update(rest.decode("ascii", "replace").upper().split())
    if not {"IMAP4REV1", "IMAP4REV2"} & listed:
        raise wire.fail(Trouble.NOT_THIS_PROTOCOL, "the server does not speak IMAP4rev1")
    wire.capabilities = listed
