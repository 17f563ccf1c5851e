"""How often a token may ask (draft-ietf-httpapi-ratelimit-headers): a bucket for each, in the memory of this process.

After a restart every bucket is full again.  Their number is bounded: of too many, whoever has not asked for longest is
forgotten, and so has a full one.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

BUCKETS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to somebody."""

    name: str
    """Of the policy."""
    burst: int
    per_second: float
    left: float

    @property
    def is_over(self) -> bool:
        """Whether this request is one too many."""
        return self.left < 0

    @property
    def seconds(self) -> int:
        """In how many seconds there is one again; at least 1."""
        return max(1, math.ceil((1 - max(self.left, 0)) / self.per_second))

    def header(self) -> dict[str, str]:
        """Return what every answer says of it."""
        window = math.ceil(self.burst / self.per_second)
        left = max(0, math.floor(self.left))
        full_in = math.ceil((self.burst - max(self.left, 0)) / self.per_second)
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.burst};w={window}',
            "RateLimit": f'"{self.name}";r={left};t={full_in}',
        }


class Rates:
    """Who asked how often.  For one loop."""

    def __init__(
        self, name: str, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Everybody may ask `burst` times at once, and `per_second` times for ever."""
        self._name = name
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """What was left, and when; whoever asked last stands last."""

    def take(self, whose: str, cost: int = 1) -> Allowance:
        """Count a request, or what it costs, and return what is left; one that is too many costs nothing."""
        now = self._clock()
        left, at = self._buckets.pop(whose, (float(self._burst), now))
        there = min(self._burst, left + (now - at) * self._per_second)
        left = there - cost
        self._buckets[whose] = (there if left < 0 else left, now)
        while len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return Allowance(self._name, self._burst, self._per_second, left)
