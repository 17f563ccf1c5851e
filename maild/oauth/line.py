"""One request to a token service, over the standard library: bounded in time and size, verified, and silent.

msal and google-auth send through it as well, so that no other library logs what is sent, follows a redirect with it, or
takes a proxy or a password from the environment.  Never logs, and never tells more of an answer than its status.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, urlencode, urlsplit

from maild.core.remote import RemoteError, Trouble
from maild.oauth.provider import SetupError

ANSWER_MAX = 256 * 1024
Dial = Callable[[str, int, float], socket.socket]
"""Connects to host and port in so many seconds; may refuse an address (T17)."""


def plain_dial(host: str, port: int, timeout: float) -> socket.socket:
    """Connect to any address."""
    return socket.create_connection((host, port), timeout)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a token service answered, below status 500."""

    status: int
    text: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How token services are reached."""

    timeout: float = 20.0
    """For a whole request, with the connection, to the answer's last octet."""
    ca_file: str = ""
    """Certificates that are trusted instead of the system's; empty: the system's."""
    is_clear_allowed: bool = False
    """Whether http is spoken with 127.0.0.1 and ::1; with others it never is."""
    dial: Dial = plain_dial

    def post(self, url: str, form: Mapping[str, str]) -> Answer:
        """Send a form."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", url, urlencode(form).encode(), kind)

    def send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send a request; return the answer.

        Raises SetupError for an address that may not be asked, RemoteError(LOGIN_LATER) where the line or the service
        is at fault, RemoteError(BROKEN_PROTOCOL) for an answer that is none.
        """
        place = _place(url, is_clear_allowed=self.is_clear_allowed)
        try:
            outcome = self._exchange(place, method, body, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            outcome = RemoteError(Trouble.LOGIN_LATER, f"{place.hostname}: {_cause(error)}")
        # Raised here and not above: nothing of what was sent shall hang on the error as its context.
        if isinstance(outcome, RemoteError):
            raise outcome
        return outcome

    def _exchange(
        self, place: SplitResult, method: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer | RemoteError:
        ends_at = time.monotonic() + self.timeout
        sock = self._connected(place)
        with closing(sock), _Deadline(sock, ends_at) as deadline:
            try:
                if isinstance(sock, ssl.SSLSocket):
                    sock.do_handshake()
                outcome = _spoken(sock, place, method, body, headers)
                if not deadline.is_over:
                    return outcome
                raise TimeoutError
            except (OSError, http.client.HTTPException, ValueError):
                if deadline.is_over:
                    raise TimeoutError from None
                raise

    def _connected(self, place: SplitResult) -> socket.socket:
        """Return a connection, on which the handshake has yet to be done where it is TLS."""
        host = place.hostname or ""
        if place.scheme == "http":
            return self.dial(host, place.port or 80, self.timeout)
        # First: certificates that cannot be read leave no connection open.
        context = ssl.create_default_context(cafile=self.ca_file or None)
        sock = self.dial(host, place.port or 443, self.timeout)
        return context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)


class _Deadline:
    """Cuts a connection at a point in time: a time-out for each octet would not end with a server that drips them."""

    def __init__(self, sock: socket.socket, ends_at: float) -> None:
        self._sock = sock
        self._ends_at = ends_at
        self._timer = threading.Timer(max(ends_at - time.monotonic(), 0), self._cut)
        self._timer.daemon = True

    @property
    def is_over(self) -> bool:
        """Whether the time has come; the thread that cuts may be late on a busy machine."""
        return time.monotonic() >= self._ends_at

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        with suppress(OSError):
            # Below TLS, which another thread is just reading from.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


def _spoken(
    sock: socket.socket,
    place: SplitResult,
    method: str,
    body: bytes | None,
    headers: Mapping[str, str],
) -> Answer | RemoteError:
    host = place.hostname or ""
    connection = http.client.HTTPConnection(host, place.port)
    connection.sock = sock
    target = (place.path or "/") + (f"?{place.query}" if place.query else "")
    connection.request(method, target, body, {**headers, "Host": place.netloc})
    response = connection.getresponse()
    raw = response.read(ANSWER_MAX + 1)
    if len(raw) > ANSWER_MAX:
        return RemoteError(Trouble.BROKEN_PROTOCOL, f"{host}: the answer is too large")
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    status = response.status
    if status >= 500 or status in {408, 429}:
        return RemoteError(Trouble.LOGIN_LATER, f"{host}: status {status}")
    if not (200 <= status < 300 or 400 <= status < 500):
        return RemoteError(Trouble.BROKEN_PROTOCOL, f"{host}: status {status}")
    return Answer(status, raw.decode("utf-8", "replace"), dict(response.getheaders()))


def _place(url: str, *, is_clear_allowed: bool) -> SplitResult:
    try:
        place = urlsplit(url)
        is_whole = bool(place.hostname) and place.port != 0 and place.username is None
    except ValueError:
        raise SetupError("a token service's address is not readable") from None
    if not is_whole or not url.isascii() or not url.isprintable() or " " in url:
        raise SetupError("a token service's address is https://HOST/PATH")
    if place.scheme == "https" or (is_clear_allowed and place.scheme == "http" and _is_own(place)):
        return place
    raise SetupError("a token service's address begins with https://")


def _is_own(place: SplitResult) -> bool:
    try:
        return ipaddress.ip_address(place.hostname or "").is_loopback
    except ValueError:
        return False


def _cause(error: Exception) -> str:
    """Return why, in words of ours or the system's: an error of a library may repeat what was sent."""
    match error:
        case TimeoutError():
            return "no answer in time"
        case socket.gaierror():
            return "no such host"
        case ssl.SSLCertVerificationError():
            return "its certificate does not verify"
        case ssl.SSLError():
            return "no TLS came about"
        case OSError() if error.strerror:
            return error.strerror.lower()
        case _:
            return "the answer broke off"
