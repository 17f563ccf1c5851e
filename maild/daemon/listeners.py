"""Settings to listeners: TLS contexts, trust, inherited sockets."""

from __future__ import annotations

import os
import socket
import ssl

from maild.doors.smtp.facts import ListenerFacts, TlsMode
from maild.model.envelope import Door, Trust
from maild.model.written import FdSocket
from maild.settings import ListenerSettings, Settings

FIRST_INHERITED = 3
"""The first descriptor that a supervisor hands in (sd_listen_fds(3))."""


class ListenerError(Exception):
    """A listener cannot be made from its settings; the message says which key and what to do."""


def listener_facts(settings: Settings) -> list[ListenerFacts]:
    """Return what each listener of the configuration is.  Raises ListenerError."""
    return [_facts(settings, number, listener) for number, listener in enumerate(settings.listener)]


def _facts(settings: Settings, number: int, listener: ListenerSettings) -> ListenerFacts:
    key = f"listener.{number}"
    bind = listener.bind
    context = _tls(key, listener)
    return ListenerFacts(
        name=f"{listener.protocol}-{number}",
        door=Door(listener.protocol),
        bind=inherited(key, bind) if isinstance(bind, FdSocket) else bind,
        hostname=settings.hostname,
        tls=TlsMode(listener.tls) if context is not None else TlsMode.NONE,
        tls_context=context,
        auth=listener.auth,
        trust=Trust(
            authenticated_for=listener.authenticated_for,
            authserv_ids=listener.trusted_authserv_ids,
            spam_headers=listener.spam_headers,
        ),
        relays=listener.relays,
        proxy_protocol=listener.proxy_protocol,
        max_size=listener.max_size,
        max_recipients=settings.limits.recipients,
        max_connections=listener.max_connections,
        max_per_address=listener.max_per_address,
        max_rate_per_address=listener.max_rate_per_address,
        idle_timeout=listener.idle_timeout,
        data_timeout=listener.data_timeout,
        session_timeout=listener.session_timeout,
    )


def _tls(key: str, listener: ListenerSettings) -> ssl.SSLContext | None:
    """Return the context of the listener's certificate; None without one."""
    if listener.tls == "none" or listener.tls_cert is None or listener.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    for path in (listener.tls_cert, listener.tls_key):
        if not os.access(path, os.R_OK):
            raise ListenerError(
                f"{key}: the TLS file {path} cannot be read; check its path and mode"
            )
    try:
        context.load_cert_chain(listener.tls_cert, listener.tls_key)
    except (ssl.SSLError, OSError) as error:
        raise ListenerError(
            f"{key}: {listener.tls_cert} and {listener.tls_key} are no certificate and its key: {error}"
        ) from error
    return context


def inherited(key: str, bind: FdSocket) -> socket.socket:
    """Return the socket of that name that the supervisor handed in (LISTEN_FDS, LISTEN_FDNAMES)."""
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    count = int(os.environ.get("LISTEN_FDS", "0") or 0)
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and bind.name in names[:count]:
        return socket.socket(fileno=FIRST_INHERITED + names.index(bind.name))
    raise ListenerError(
        f"{key}.bind: no socket named {bind.name!r} was handed in; start maild by its .socket unit"
    )
