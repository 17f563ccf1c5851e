"""A mailbox that is full: its owners' digests pause, and their admins hear of it once (U14).

Known by the code of RFC 3463 3.3 for it, in what the relay answers about a mail of ours, or in a report that comes back
about one.  Nothing else is concluded from such a code, and no mail but the digest is held back by it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from maild.core.app import OPERATOR, App
from maild.core.letters import Notice, post
from maild.core.standing import active_accounts, note, parse_address
from maild.model.digest import listed, plain
from maild.model.letter import Letter
from maild.model.reason import RefusedError
from maild.model.states import State
from maild.store.deliveries import Claimed
from maild.store.store import Tx

REPORTED_FOR = timedelta(days=10)
"""How long after a mail of ours a report about it says something of the mailbox: servers try for five days."""
NAMED_MAX = 10
"""People that a notice names; the others are counted."""

_CAME_BACK = "it came back"
_FULL = re.compile(r"(?<![\d.])[45]\.2\.2(?!\.?\d)", re.ASCII)


def is_full(said: str) -> bool:
    """Whether a server's words hold the code of a full mailbox."""
    return _FULL.search(said) is not None


def pause_digests(tx: Tx, app: App, to: str, *, sent_at: datetime | None = None) -> int:
    """Pause the digests that end in the inbox of this address; return how many people's were not paused yet.

    `sent_at`: when the mail went that a report is about.  Who had the address then may have it no more, and still has
    that mail to make reports of: only what went lately, to who has the address now, counts.
    Within the caller's transaction.  Each admin of these people is told once, but for those who are paused themselves.
    """
    now = app.clock()
    if sent_at is not None and sent_at < now - REPORTED_FOR:
        return 0
    try:
        norm = parse_address(to).norm
    except RefusedError:
        return 0
    names = dict(tx.digest.sharing(norm, since=sent_at))
    paused = tx.digest.pause(names, now)
    concerned: dict[int, set[int]] = {}
    for user in sorted(paused):
        for account in sorted(active_accounts(tx, user)):
            note(tx, app, OPERATOR, "digest.paused", account, user=user)
            concerned.setdefault(account, set()).add(user)
    _tell_admins(tx, app, concerned, {user: names[user] for user in paused})
    return len(paused)


def note_returned(
    tx: Tx, app: App, claimed: Claimed, letter: Letter | None, returned: str | None
) -> None:
    """Write on a mail of ours that it came back, or waits, the first time that its report is read and decided (F7, U14).

    A report that it waits says nothing any more about a mail that came back.
    `returned` is the errand that it went by.  Within the caller's transaction.
    """
    if returned is None or letter is None or letter.returned is None:
        return
    if claimed.state not in {State.RECEIVED, State.FAILED}:
        return
    code = letter.returned.status
    errand = tx.outbox.by_ulid(returned)
    is_delayed = letter.returned.is_delayed
    fate = "it is delayed" if is_delayed else _CAME_BACK
    to = tx.outbox.mark_returned(
        returned, f"{fate}: {code or 'no code'}", unless=_CAME_BACK if is_delayed else None
    )
    if errand is not None and to and is_full(code):
        pause_digests(tx, app, to, sent_at=errand.created_at)


def _tell_admins(
    tx: Tx, app: App, concerned: Mapping[int, set[int]], names: Mapping[int, str]
) -> None:
    told: dict[int, tuple[int, str, str, set[int]]] = {}
    for account, users in concerned.items():
        for admin, admin_name, shown in tx.digest.admins(account):
            if admin not in names and tx.digest.state_of(admin) != "paused":
                told.setdefault(admin, (account, admin_name, shown, set()))[3].update(users)
    at = f"{app.clock():%Y-%m-%dT%H:%M}"
    for admin, (account, admin_name, shown, users) in told.items():
        post(
            tx,
            app,
            _notice(tx, shown, admin_name, {user: names[user] for user in sorted(users)}),
            key=f"digest-paused:{min(users)}:{admin}:{at}",
            account_id=account,
        )


def _notice(tx: Tx, to: str, to_name: str, full: Mapping[int, str]) -> Notice:
    emails = {user: tx.people.user(user).email or "?" for user in list(full)[:NAMED_MAX]}
    who = _listed_some(full.values())
    orders = "\n".join(
        f"  maild user set {shlex.quote(email)} digest=on" for email in emails.values()
    )
    return Notice(
        to=to,
        to_name=to_name,
        subject=f"The mailbox of {who} is full",
        text=(
            f"The server of {emails[min(full)]} says that this mailbox is full, so the daily digest of {who} pauses.\n"
            "Mail in maild is not touched by it.\n\n"
            f"When there is room again:\n{orders}\n"
        ),
    )


def _listed_some(names: Iterable[str]) -> str:
    every = [plain(name) for name in names]
    if len(every) > NAMED_MAX:
        every = [*every[:NAMED_MAX], f"{len(every) - NAMED_MAX} more"]
    return listed(every)
