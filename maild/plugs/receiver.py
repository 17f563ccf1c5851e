"""Handing events to a webhook's receiver by HTTP, with the headers of Standard Webhooks.

Hostile on purpose as a reader: no redirect is followed, no proxy or password is taken from the environment, a name is
looked up once and only its addresses that may be reached are connected to (T17), every wait ends, and of an answer no
more counts than its status.  Never logs a URL, and never tells more of an answer than its status.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

import httpx
from standardwebhooks import Webhook

import maild
from maild.core.reaching import Network, resolve
from maild.core.remote import RemoteError, Trouble
from maild.model.webhook import Down, Gone, PostFate, Refused, Taken

# It would log each request with its URL, whose path may be a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)

ANSWER_MAX = 64 * 1024
"""Octets of an answer that are read, to use its connection again; nobody looks at them."""
_OK, _REDIRECT, _BAD, _FAULT = 200, 300, 400, 500
_OF_NO_EVENT = frozenset({401, 405, 407, 408, 425})
"""Of 4xx what every event would hear: the signature does not fit, nothing is taken there, or not at this moment."""
_PORTS = {"https": 443, "http": 80}
_NAMES = ThreadPoolExecutor(64, thread_name_prefix="webhook-names")
"""Threads that ask for names, and for nothing else: a name server that is silent keeps one for long after we left it."""
ADDRESSES_MAX = 3
"""Addresses that are tried for one event."""
_DATE = "%a, %d %b %Y %H:%M:%S GMT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a receiver may take, in seconds."""

    connect: float = 5.0
    """For the name, for the connection, and for its TLS, each; together less than the whole: the library does not
    close a socket when it is cut off within TLS."""
    whole: float = 15.0
    """For one event, from the connection to the answer's header; without the name."""
    answer: float = 1.0
    """For the rest of the answer; whoever is slower loses the connection, and nothing else."""


class UnreachableError(Exception):
    """The receiver cannot be connected to; the text is for the admin."""


def signed(
    event_id: str, event: Mapping[str, Any], secrets: Sequence[str], now: datetime
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an event: one signature for each secret (Standard Webhooks)."""
    text = json.dumps(event, ensure_ascii=True, separators=(",", ":"))
    signatures = (Webhook(secret).sign(event_id, now, text) for secret in secrets)
    return text.encode("ascii"), {
        "Content-Type": "application/json",
        "User-Agent": f"maild/{maild.__version__}",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


class Receiver:
    """The line to one receiver, for one round.  Use with `async with`."""

    def __init__(
        self,
        url: str,
        tls: ssl.SSLContext,
        *,
        allowed: Sequence[Network] = (),
        patience: Patience | None = None,
        turn: int = 0,
    ) -> None:
        """Connect later; of several addresses a dead one costs a try and not the receiver, and each begins in its turn."""
        self._place: SplitResult = urlsplit(url)
        self._tls = tls
        self._allowed = tuple(allowed)
        self._patience = patience or Patience()
        self._client: httpx.AsyncClient | None = None
        self._turn = turn
        self._addresses: list[str] = []

    async def __aenter__(self) -> Self:
        """Look the name up.  Raises UnreachableError."""
        self._addresses = await self.addresses()
        self._client = httpx.AsyncClient(
            verify=self._tls,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(self._patience.whole, connect=self._patience.connect),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def addresses(self) -> list[str]:
        """Return the receiver's addresses that may be connected to, IPv4 first.  Raises UnreachableError."""
        host = self._place.hostname or ""
        try:
            async with asyncio.timeout(self._patience.connect):
                asking = partial(resolve, host, self._port, allowed=self._allowed)
                found = await asyncio.get_running_loop().run_in_executor(_NAMES, asking)
        except TimeoutError:
            raise UnreachableError(f"the name servers do not answer for {host}") from None
        except RemoteError as error:
            raise UnreachableError(_unreachable(host, error)) from None
        if self._place.scheme == "http" and not all(map(self._is_named, found)):
            raise UnreachableError(
                f"{host} is spoken to in clear only within [webhooks] allow_networks; use https"
            )
        # Sorting keeps the order: many a machine has no way to the IPv6 addresses that it is told of.
        return sorted(found, key=lambda address: ":" in address)

    def _is_named(self, address: str) -> bool:
        return any(ip_address(address) in network for network in self._allowed)

    @property
    def _port(self) -> int:
        return self._place.port or _PORTS[self._place.scheme]

    async def post(self, body: bytes, headers: Mapping[str, str], now: datetime) -> PostFate:
        """Hand an event over; return what came of it.

        Where no connection comes about, nothing was sent: it goes to the next address, and so does what comes after it.
        """
        first: Down | None = None
        for _ in self._addresses[:ADDRESSES_MAX]:
            turn = self._turn
            address = self._addresses[turn % len(self._addresses)]
            fate = await self._post_to(address, body, headers, now)
            if not (isinstance(fate, Down) and fate.is_unconnected):
                return fate
            first = first or fate
            if self._turn == turn:  # Not moved on by another event meanwhile.
                self._turn += 1
        assert first is not None  # noqa: S101 - a name has an address, or is not entered
        return first

    async def _post_to(
        self, address: str, body: bytes, headers: Mapping[str, str], now: datetime
    ) -> PostFate:
        assert self._client is not None  # noqa: S101 - used with `async with`
        request = self._client.build_request(
            "POST",
            self._url(address),
            content=body,
            headers={**headers, "Host": self._place.netloc},
        )
        # Connected is the address that was judged; the certificate must be the name's all the same.
        request.extensions["sni_hostname"] = self._place.hostname or ""
        try:
            async with asyncio.timeout(self._patience.whole):
                answer = await self._client.send(request, stream=True)
        except TimeoutError:
            return Refused(f"no answer within {self._patience.whole:g} seconds")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            return _fate_of(error, self._place.hostname or "")
        try:
            return fate_of(answer.status_code, answer.headers.get("retry-after"), now)
        finally:
            await self._leave(answer)

    def _url(self, address: str) -> str:
        host = f"[{address}]" if ":" in address else address
        path = self._place.path or "/"
        query = f"?{self._place.query}" if self._place.query else ""
        return f"{self._place.scheme}://{host}:{self._port}{path}{query}"

    async def _leave(self, answer: httpx.Response) -> None:
        """Read the answer to its end, if that is near, so that its connection can be used again."""
        with suppress(TimeoutError, httpx.HTTPError, OSError):
            async with asyncio.timeout(self._patience.answer):
                length = 0
                async for piece in answer.aiter_raw():
                    length += len(piece)
                    if length > ANSWER_MAX:
                        break
        with suppress(httpx.HTTPError, OSError):
            await answer.aclose()


def fate_of(status: int, retry_after: str | None, now: datetime) -> PostFate:
    """Return what an answer means.  429 and 503 are about the receiver and not about the event (RFC 9110 15.6.4)."""
    said = f"the receiver answered {status}"
    with suppress(ValueError):
        said += f" {HTTPStatus(status).phrase}"
    match status:
        case 410:
            return Gone()
        case 429 | 503:
            return Down(said, _rest(retry_after, now))
        case _ if _OK <= status < _REDIRECT:
            return Taken()
        case _ if _REDIRECT <= status < _BAD:
            return Refused(f"{said}: redirects are not followed; give the webhook the URL itself")
        case _:
            return Refused(said, is_judged=_BAD <= status < _FAULT and status not in _OF_NO_EVENT)


def _rest(text: str | None, now: datetime) -> timedelta | None:
    """Return what Retry-After asks for: seconds, or a date (RFC 9110 10.2.3); None for anything else."""
    if text is None or len(text) > 40:
        return None
    if text.isascii() and text.isdecimal():
        return timedelta(seconds=min(int(text), 10**9))
    with suppress(ValueError):
        return max(datetime.strptime(text, _DATE).replace(tzinfo=UTC) - now, timedelta(0))
    return None


def _fate_of(error: Exception, host: str) -> PostFate:
    """Return what a line that failed means, in words of ours: those of a library may hold the URL."""
    match error:
        case httpx.ConnectTimeout():
            return Down(f"{host} does not answer a connection", is_unconnected=True)
        case httpx.ConnectError():
            return Down(f"{host}: {_cause(error)}", is_unconnected=True)
        case httpx.TimeoutException():
            return Refused("no answer in time")
        case _:
            return Refused("the line broke before an answer came")


def _cause(error: BaseException) -> str:
    """Return why no connection came about."""
    inner: BaseException | None = error
    for _ in range(5):
        match inner:
            case ssl.SSLCertVerificationError():
                return "its certificate does not verify"
            case ssl.SSLError():
                return "no TLS came about"
            case ConnectionRefusedError():
                return "nobody listens there"
            case None:
                break
            case _:
                inner = inner.__cause__ or inner.__context__
    # By the words alone where the cause is not handed on.
    text = str(error).casefold()
    if "certificate" in text:
        return "its certificate does not verify"
    return "no TLS came about" if "ssl" in text else "no connection came about"


def _unreachable(host: str, error: RemoteError) -> str:
    match error.trouble:
        case Trouble.FORBIDDEN_ADDRESS:
            return f"{host} has a private address; if that is meant, name its network in [webhooks] allow_networks"
        case _:
            return f"there is no host {host}"
