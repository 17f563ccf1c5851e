"""A request that is sent twice is done once: the Idempotency-Key of whoever was not sure whether it arrived.

What was answered is kept for a day, for the same token or session alone, and sealed with that secret, of which the database
has a digest only: a new token's secret within an answer lies nowhere in clear.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from maild.core.app import App
from maild.core.seal import SealingKey, seal, unseal
from maild.model.reason import Reason, RefusedError

KEPT = timedelta(days=1)
AT_MOST = timedelta(minutes=2)
"""For so long a request may be in hand; one that has no answer by then has none that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the first request was answered."""

    status: int
    text: str
    """As it was handed over."""


def begin_once(app: App, secret: str, key: str, request: str) -> Kept | None:
    """Return what a request was answered before; None: it is the first, and is to be done now.

    `request` is a digest of all that is asked.  Commits one transaction.  Raises RefusedError: KEY_USED_OTHERWISE for
    another request under the key, STILL_IN_HAND, OUTCOME_UNKNOWN where the daemon ended within the first one.
    """
    holder, now = _digest(secret), app.clock()
    with app.store.write() as tx:
        found = tx.kept_answers.find(holder, key)
        if found is not None and found.begun_at <= now - KEPT:
            tx.kept_answers.drop(holder, key)
            found = None
        if found is None:
            if tx.kept_answers.begin(holder, key, request, now):
                return None
            found = tx.kept_answers.find(holder, key)
    if found is not None and found.request != request:
        raise RefusedError(Reason.KEY_USED_OTHERWISE)
    if found is None or (found.status is None and now - found.begun_at < AT_MOST):
        raise RefusedError(Reason.STILL_IN_HAND)
    if found.status is None or found.answer is None:
        raise RefusedError(Reason.OUTCOME_UNKNOWN)
    return Kept(
        status=found.status, text=unseal(SealingKey.of(secret), found.answer, _bound(holder, key))
    )


def keep_answer(app: App, secret: str, key: str, status: int, text: str) -> None:
    """Keep what a request was answered.  Commits one transaction."""
    holder = _digest(secret)
    sealed = seal(SealingKey.of(secret), text, _bound(holder, key))
    with app.store.write() as tx:
        tx.kept_answers.finish(holder, key, status, sealed)


def forget_begun(app: App, secret: str, key: str) -> None:
    """Let a request be done anew of which nothing was done.  Commits one transaction."""
    with app.store.write() as tx:
        tx.kept_answers.drop(_digest(secret), key)


def _bound(holder: str, key: str) -> list[str]:
    return ["answer", holder, key]


def _digest(secret: str) -> str:
    # Not the token's own digest: what is kept here opens nothing there.
    return hashlib.sha256(f"once:{secret}".encode("utf-8", "replace")).hexdigest()
