"""Asking DNS for what verification needs: with a cache, and with a deadline and a number of questions for each mail.

An answer, a name that does not exist, and a failure for now are three things and stay three things.  Whatever a
server sends, this never raises, and it never waits longer than the mail's deadline.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import dns.exception
import dns.rdata
import dns.rdatatype
import dns.rdtypes.txtbase
import dns.resolver

Kind = Literal["TXT", "A", "AAAA", "MX", "PTR"]

VALUE_MAX = 8 * 1024
"""Octets of one record that are looked at; a longer one is as good as none."""
VALUES_MAX = 64
"""Records of one answer that are looked at."""
TTL_MAX = 3600.0
NEGATIVE_TTL = 60.0
"""How long nothing counts as nothing: a key that was just published is found soon."""

# Letters, digits, hyphens and the underscores of service names: no other name carries a key or a policy.
_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The records of a name: a TXT's strings joined, any other in its written form."""

    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """The name does not exist, or has no such record."""


@dataclass(frozen=True, slots=True)
class Temporary:
    """Nobody can say now; `why` is a clause for the trace."""

    why: str


Reply = Answer | Missing | Temporary


class Dns:
    """The resolver of an installation, shared by all threads.  `for_one_mail` opens what a mail may ask."""

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        *,
        port: int = 53,
        deadline: float = 5.0,
        questions: int = 60,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask these servers, or the system's when there are none named.

        `deadline`: seconds that all questions of one mail may take together; `questions`: how many it may send.
        """
        self._resolver: dns.resolver.Resolver | None = None
        with suppress(dns.resolver.NoResolverConfiguration):
            self._resolver = dns.resolver.Resolver(configure=not nameservers)
        if self._resolver is not None and nameservers:
            self._resolver.nameservers = list(nameservers)
            self._resolver.port = port
        if self._resolver is not None:
            self._resolver.use_edns(0, 0, 1232)
        self.deadline = deadline
        self.questions = questions
        self.monotonic = monotonic
        self._cache = _Cache(monotonic)

    def for_one_mail(self, *, ends_at: float | None = None) -> Inquiry:
        """Begin a mail's deadline and count; `ends_at`: a moment of `monotonic` after which it is over in any case."""
        return Inquiry(self, ends_at)

    def cached(self, name: str, kind: Kind) -> Answer | Missing | None:
        """Return what is known of a canonical name without asking."""
        return self._cache.get((name, kind))

    def ask(self, name: str, kind: Kind, seconds: float) -> Reply:
        """Send one question for a canonical name, and wait no longer than this."""
        if self._resolver is None:
            return Temporary("this machine names no DNS server")
        try:
            answer = self._resolver.resolve(
                name + ".", kind, raise_on_no_answer=False, lifetime=seconds, search=False
            )
            reply = _reply(answer)
            ttl = min(float(answer.chaining_result.minimum_ttl), TTL_MAX)
        except dns.resolver.NXDOMAIN:
            reply, ttl = Missing(), NEGATIVE_TTL
        except dns.exception.Timeout:
            return Temporary(f"DNS gave no answer for {name} in time")
        # A damaged answer is as good as none; what of it was read tells nothing.
        except (dns.exception.DNSException, OSError, ValueError, LookupError, EOFError):
            return Temporary(f"DNS failed for {name}")
        if isinstance(reply, Missing):
            ttl = min(ttl, NEGATIVE_TTL)
        self._cache.put((name, kind), reply, ttl)
        return reply


class Inquiry:
    """What one mail asks.  Not for several threads."""

    def __init__(self, source: Dns, ends_at: float | None = None) -> None:
        """Begin the deadline now."""
        self._dns = source
        self._ends = source.monotonic() + source.deadline
        if ends_at is not None:
            self._ends = min(self._ends, ends_at)
        self._heard: dict[tuple[str, Kind], Reply] = {}
        self.asked = 0
        """Questions that went to a server."""

    @property
    def seconds_left(self) -> float:
        """How much of the deadline is left; 0 when it is over."""
        return max(0.0, self._ends - self._dns.monotonic())

    def txt(self, name: str) -> Reply:
        """Return the TXT records of a name."""
        return self.look_up(name, "TXT")

    def look_up(self, name: str, kind: Kind) -> Reply:
        """Return the records of a name.  What no server can have is missing, without a question."""
        name = name.rstrip(".").lower()
        if not _NAME.fullmatch(name):
            return Missing()
        heard = self._heard.get((name, kind))
        if heard is None:
            heard = self._heard[name, kind] = self._dns.cached(name, kind) or self._ask(name, kind)
        return heard

    def _ask(self, name: str, kind: Kind) -> Reply:
        if self.asked >= self._dns.questions:
            return Temporary("the mail needs more DNS look-ups than one may have")
        seconds = self.seconds_left
        if seconds <= 0:
            return Temporary("DNS took too long for this mail")
        self.asked += 1
        return self._dns.ask(name, kind, seconds)


class _Cache:
    """Answers until their time is over; the one unused for longest goes first."""

    _ENTRIES = 4096
    _OCTETS = 4 * 1024 * 1024

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[float, int, Answer | Missing]] = (
            OrderedDict()
        )
        self._octets = 0

    def get(self, key: tuple[str, str]) -> Answer | Missing | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            if kept[0] <= self._monotonic():
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return kept[2]

    def put(self, key: tuple[str, str], reply: Answer | Missing, ttl: float) -> None:
        if ttl <= 0:
            return
        octets = sum(map(len, reply.values)) if isinstance(reply, Answer) else 0
        with self._lock:
            self._drop(key)
            self._kept[key] = (self._monotonic() + ttl, octets, reply)
            self._octets += octets
            while len(self._kept) > self._ENTRIES or self._octets > self._OCTETS:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[str, str]) -> None:
        dropped = self._kept.pop(key, None)
        if dropped is not None:
            self._octets -= dropped[1]


def _reply(answer: dns.resolver.Answer) -> Answer | Missing:
    if answer.rrset is None:
        return Missing()
    # Sorted: servers shuffle records, and nothing may depend on their order.
    values = sorted(value for value in map(_value, answer.rrset) if len(value) <= VALUE_MAX)
    return Answer(tuple(values[:VALUES_MAX])) if values else Missing()


def _value(record: dns.rdata.Rdata) -> bytes:
    if isinstance(record, dns.rdtypes.txtbase.TXTBase):
        return b"".join(record.strings)
    return record.to_text().encode("ascii", "replace")
