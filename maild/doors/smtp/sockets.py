"""Listening sockets: made so that a mistake of the operator becomes a sentence, and no living socket is taken away."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from maild.model.written import HostPort, UnixSocket

BACKLOG = 1024
UNIX_MODE = 0o660


class ListenError(Exception):
    """A door cannot be opened; the message is a sentence for the operator."""


def listening(bind: HostPort | UnixSocket | socket.socket) -> list[socket.socket]:
    """Return the sockets of a listener.  Raises ListenError."""
    if isinstance(bind, socket.socket):
        bind.setblocking(False)
        return [bind]
    opened: list[socket.socket] = []
    try:
        for sock in _unix(bind.path) if isinstance(bind, UnixSocket) else _tcp(bind):
            opened.append(sock)
            sock.setblocking(False)
            sock.listen(BACKLOG)
    except OSError as error:
        for sock in opened:
            sock.close()
        raise ListenError(f"cannot listen on {bind}: {_why(error)}") from error
    return opened


def _tcp(bind: HostPort) -> Iterator[socket.socket]:
    found = socket.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    # With port 0 the kernel would choose another port for each address.
    for family, address in addresses[:1] if bind.port == 0 else addresses:
        # IPPROTO_TCP said aloud: without it the loop leaves Nagle's algorithm on, 40 ms a session.
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
        yield sock


def _unix(path: Path) -> Iterator[socket.socket]:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        # Before listen: nobody connects while the file has the umask's mode.
        path.chmod(UNIX_MODE)
    except OSError:
        sock.close()
        raise
    yield sock


def _remove_stale(path: Path) -> None:
    """Unlink a socket file that nobody answers on.  Raises OSError where somebody does, or it is no socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except FileNotFoundError:
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


_WHY = {
    errno.EADDRINUSE: "another program listens there already",
    errno.EACCES: "no permission; ports below 1024 need CAP_NET_BIND_SERVICE or socket activation",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
    errno.EEXIST: "there is a file of that name, and it is no socket",
    errno.ENOENT: "the folder does not exist",
}


def _why(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host name has no address ({error.strerror})"
    return _WHY.get(error.errno or 0) or error.strerror or type(error).__name__
