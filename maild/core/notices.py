"""Telling people of mail that was given to them (M12): one letter for all of a few minutes, naming the mails.

Never of one's own act, of an import, or of what is gone again by then; never to an address that is not verified,
to a communal user, to who is inactive or away, or to who switched it off (`maild user set EMAIL notices=off`).  Capped:
what is over the cap waits for the next letter, and is forgotten after a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice

from maild.core.app import App
from maild.core.capped import counted, is_capped
from maild.core.letters import Notice, post
from maild.model.digest import plain
from maild.model.facts import Binding
from maild.model.people import MemberState
from maild.store.notices import OwedRow
from maild.store.store import Tx

NOTICE = "notice:"
"""What an errand's key begins with."""
WAIT = timedelta(minutes=2)
"""From the first mail that somebody is given to their letter: whoever hands out mail hands out many."""
CAPS = ((timedelta(hours=1), 6), (timedelta(days=1), 30))
"""Letters that one person gets in a while."""
NAMED = 30
"""Mails that a letter names; of the rest it says how many."""
FORGOTTEN = timedelta(days=1)
PEOPLE = 100
"""Who is looked at in one round."""
_GIVE_UP_AFTER = timedelta(hours=20)
_NOTE_MAX = 300


def send_notices(app: App) -> int:
    """Queue the letters that are due; return how many.

    Commits one transaction for each person.  Safe to repeat, and to run on several nodes at once.  Without a relay, what
    would be told is forgotten.  Raises StoreDownError.
    """
    now = app.clock()
    with app.store.read() as tx:
        waiting = tx.notices.due(now - WAIT)
        # Who had enough for now keeps nobody else waiting.
        free = (one for one in waiting if not is_capped(tx, "notice", one[0], CAPS, now))
        due = list(islice(free, PEOPLE))
    if not waiting:
        return 0
    sent = 0
    for user_id, account_id in due:
        with app.store.write() as tx:
            # Two nodes that look at once tell somebody once.
            tx.people.hold_user(user_id)
            sent += _tell(tx, app, user_id, account_id, now)
    with app.store.write() as tx:
        tx.notices.forget(now - FORGOTTEN)
    return sent


def _tell(tx: Tx, app: App, user_id: int, account_id: int, now: datetime) -> bool:
    upto = tx.notices.newest_owed(user_id, account_id)
    if upto is None:
        return False
    to = _address(tx, user_id, account_id, now) if app.has_relay else None
    if to is not None and is_capped(tx, "notice", user_id, CAPS, now):
        return False
    count = 0 if to is None else tx.notices.count_owed(user_id, account_id, upto)
    if to is None or not count:
        tx.notices.settle(user_id, account_id, upto)
        return False
    mails = tx.notices.owed(user_id, account_id, upto, NAMED)
    end = counted(tx, "notice", user_id, CAPS, now, noun="letter") or ""
    notice = Notice(
        to=to.norm,
        to_name=to.user_name,
        subject=_subject(mails, count),
        text=_text(app, to, mails, count) + end,
    )
    post(
        tx,
        app,
        notice,
        # Whoever is told is held, and what they are told goes in this transaction: no letter is queued twice.
        key=f"{NOTICE}{app.ids()}",
        account_id=account_id,
        give_up_at=now + _GIVE_UP_AFTER,
    )
    tx.notices.settle(user_id, account_id, upto)
    return True


def _address(tx: Tx, user_id: int, account_id: int, now: datetime) -> Binding | None:
    """Return where to write to somebody; None: they are not to be told."""
    if tx.notices.off(user_id)[0]:
        return None
    if tx.absences.roster(account_id, [user_id], now).absence(user_id, now) is not None:
        return None
    for account, binding in tx.facts.primaries([user_id]):
        if (
            account == account_id
            and binding.is_verified
            and binding.disabled_at is None
            and binding.membership is MemberState.ACTIVE
        ):
            return binding
    return None


def _subject(mails: Sequence[OwedRow], count: int) -> str:
    givers = {one.giver or "The operator" for one in mails}
    who = plain(givers.pop()) if len(givers) == 1 else "Colleagues"
    if count == 1:
        return f"{who} gave you a mail: {plain(mails[0].subject)}"
    return f"{who} gave you {count} mails"


def _text(app: App, to: Binding, mails: Sequence[OwedRow], count: int) -> str:
    """Return what the letter says; what strangers wrote stands in lines of its own, cut short."""
    lines: list[str] = []
    for one in mails:
        who = plain(one.giver or "The operator")
        lines += [
            f"{plain(one.from_) or 'nobody'}: {plain(one.subject) or 'no subject'}",
            f"  {who} gave it to you, {one.at:%H:%M} UTC; {one.ulid}",
            *([f"  {who} wrote: {plain(one.note, _NOTE_MAX)}"] if one.note.strip() else []),
        ]
    if count > len(mails):
        lines.append(f"… and {count - len(mails)} more.")
    if app.public_url:
        lines += ["", f"Read them: {app.public_url}"]
    lines += ["", "No such letters any more:", f"  maild user set {to.norm} notices=off"]
    return "\n".join(lines)
