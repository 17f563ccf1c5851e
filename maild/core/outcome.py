"""Telling forwarders what became of their forwards (M12): one line each, in the transaction that decides.

Off until an account asks for it (`outcome_line`), and for whom switched it off for themselves.  The errand's key is the delivery: decided twice, or by a worker that
died in between, it is told once.  It goes to the primary address of who sent it, never to what stands in the mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from maild.core.app import App
from maild.core.capped import counted
from maild.core.letters import Notice, post
from maild.model.digest import plain
from maild.model.facts import Binding
from maild.model.letter import Letter
from maild.model.people import MemberState
from maild.store.deliveries import Claimed
from maild.store.store import Tx

SETTING = "outcome_line"
CAPS = ((timedelta(hours=1), 20), (timedelta(days=1), 100))
"""Lines that one person gets in a while; the last one says that there are no more."""
FRESH = timedelta(days=2)
"""After that a decision is news to nobody: what was held for want of DNS is decided within one."""
_GIVE_UP_AFTER = timedelta(hours=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What there is to say about one delivery."""

    claimed: Claimed
    user: Binding
    letter: Letter
    line: str


def tell_forwarders(tx: Tx, app: App, outcomes: Sequence[Outcome]) -> None:
    """Queue the lines of a batch, as far as their accounts want any.  Within the caller's transaction."""
    if not outcomes or not app.has_relay or app.key is None:
        return
    now = app.clock()
    wanted = {
        account: bool(tx.rights.setting(account, SETTING))
        for account in {one.claimed.account_id for one in outcomes}
    }
    told = [
        one
        for one in outcomes
        if wanted[one.claimed.account_id] and now - one.claimed.received_at < FRESH
    ]
    # In one order: two workers that count the same people's lines never wait in a circle.
    for one in sorted(told, key=lambda one: (one.user.today, one.claimed.id)):
        _tell(tx, app, one, now)


def _tell(tx: Tx, app: App, one: Outcome, now: datetime) -> None:
    key = f"outcome:{one.claimed.ulid}"
    to = _address(tx, one)
    if to is None or tx.outbox.by_key(key) is not None:
        return
    envelope = {str(row["mail_from"]) for row in tx.lists.arrivals(one.claimed.message_id)}
    answers_to = "" if "" in envelope else min(envelope, default="")
    end = counted(tx, "outcome", one.user.today, CAPS, now, noun="line") if answers_to else None
    if end is None:
        return
    is_filed = one.line.startswith("Filed")
    text = f"{one.line}." if is_filed else f"{one.line} — open {one.claimed.ulid}."
    notice = Notice(
        to=to.norm,
        to_name=to.user_name,
        subject=f"Re: {plain(one.letter.subject)}",
        text=text + end,
        answers=one.letter,
        answers_to=answers_to,
    )
    post(
        tx,
        app,
        notice,
        key=key,
        account_id=one.claimed.account_id,
        give_up_at=now + _GIVE_UP_AFTER,
    )


def _address(tx: Tx, one: Outcome) -> Binding | None:
    """Return the sender's primary address, if they are an active member and it is confirmed."""
    for account, binding in tx.facts.primaries([one.user.today]):
        if (
            account == one.claimed.account_id
            and binding.is_verified
            and binding.disabled_at is None
            and binding.membership is MemberState.ACTIVE
            and not tx.notices.off(binding.user_id)[1]
        ):
            return binding
    return None
