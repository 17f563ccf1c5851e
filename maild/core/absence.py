"""Absence: who is away from an account, who stands in, and what is handed back on return (M10).

Absences are of an account: who works in several is away from each by itself.  Days are those of the account's time
zone.  While somebody is away, inboxes and rules give what is theirs to whoever stands in (`core.readers`); who somebody
is, and what they send themselves, is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from maild.core.accounts import owner_id
from maild.core.acts import Change, mails, new_act
from maild.core.app import Actor, App
from maild.core.handing import hand_over
from maild.core.readers import day_of, keeping_readers, zone_of
from maild.core.standing import find_user, home, is_admin, note, require_member
from maild.model.absence import Absence, loop_of
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.store.absences import AbsenceRow
from maild.store.accounts import AccountRow
from maild.store.store import Tx

LONGEST = timedelta(days=3660)
"""From today to the last day of an absence."""
MOST = 100
"""Absences of one person that are not over."""
SHOWN = 1000
"""Absences of one list, and mails that one act gives back; the rest with the next."""
REMEMBERED = timedelta(days=90)
"""For how long after an absence what came meanwhile can be given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAbsence:
    """What is asked for, in a person's words."""

    begins: str
    """A day as 2026-12-24, which counts from its first moment; or an instant with its offset (ISO 8601)."""
    until: str
    """A day, which counts to its last moment; or an instant."""
    substitute: str
    """Any address of who stands in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsenceView:
    """An absence as the interface shows it."""

    id: str
    account: str
    email: str | None
    name: str
    substitute: str | None
    substitute_name: str
    begins: datetime
    ends: datetime
    """The first moment at which they are back."""
    first_day: str
    """In the account's time zone."""
    last_day: str
    state: str
    """coming, away or over."""


def add_absence(
    app: App, email: str, new: NewAbsence, *, account: str | None = None, by: Actor
) -> AbsenceView:
    """Write down that somebody will be away and who stands in; oneself, an admin of the account, or the operator.

    Commits one transaction.  Raises RefusedError (INVALID_EMAIL, INVALID_VALUE, NOT_FOUND, NOT_ALLOWED, CONFLICT for days
    that are taken, SUBSTITUTE_LOOP naming it, NOBODY_READS naming inbox and date, account's); then nothing is kept.
    """
    now = app.clock()
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        user_id = _who(tx, where, email, by)
        begins, ends = _days(new, zone_of(tx, where.id), now)
        substitute = owner_id(tx, where, new.substitute, by)
        if substitute == user_id:
            raise RefusedError(
                Reason.INVALID_VALUE,
                what="The substitute",
                value=short(new.substitute),
                why="it is somebody else than who is away",
            )
        # What is over, as by a return, stands in nobody's way.
        _require_free(tx, where, user_id, max(begins, now), ends)
        ulid = app.ids()
        values = {
            "ulid": ulid,
            "account_id": where.id,
            "user_id": user_id,
            "substitute_id": substitute,
            "begins": begins,
            "ends": ends,
            "by_user_id": by.user_id,
            "at": now,
        }
        with keeping_readers(tx, [where.id], now):
            number = tx.absences.add(values)
            new_one = Absence(
                id=number, user_id=user_id, substitute_id=substitute, begins=begins, ends=ends
            )
            # A circle is said as such, though nobody may read by it, too.
            _require_no_loop(tx, where, new_one, now)
        note(tx, app, by, "absence.added", where.id, user=user_id, substitute=substitute)
        return _view(tx, where, _found(tx, where, ulid), now)


def _who(tx: Tx, where: AccountRow, email: str, by: Actor) -> int:
    """Return whose absence it is.  Raises RefusedError unless it is one's own or an admin's to write down."""
    user = find_user(tx, email, by)
    if user.id != by.user_id and not is_admin(tx, where.id, by):
        raise RefusedError(
            Reason.NOT_ALLOWED,
            why=f"Only {user.display_name} and admins of {where.name} say when {user.display_name} is away.",
        )
    return owner_id(tx, where, email, by)


def _days(new: NewAbsence, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    begins = _moment("--from", new.begins, zone, timedelta(0))
    ends = _moment("--until", new.until, zone, timedelta(days=1))
    wrong, what, value = None, "--until", new.until
    if ends <= begins:
        wrong = "it is before the absence begins"
    elif ends <= now:
        wrong = "it is over already"
    elif ends > now + LONGEST:
        wrong = "an absence is of ten years at most"
    elif begins < now - LONGEST:
        wrong, what, value = "it is more than ten years ago", "--from", new.begins
    if wrong is not None:
        raise RefusedError(Reason.INVALID_VALUE, what=what, value=short(value), why=wrong)
    return begins, ends


def _moment(key: str, text: str, zone: ZoneInfo, day: timedelta) -> datetime:
    """Read a day, as the moment `day` after it begins, or an instant."""
    text = text.strip()
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text) + day, time(), zone)
        found = datetime.fromisoformat(text[:40])
        # Far off, a moment of another zone may be none in UTC.
        if found.tzinfo is not None and 2000 <= found.year < 3000:
            return found
    except (ValueError, OverflowError):
        pass
    raise RefusedError(
        Reason.INVALID_VALUE,
        what=key,
        value=short(text),
        why="it is a day as 2026-12-24, or a time as 2026-12-24T12:00:00Z",
    )


def _require_free(
    tx: Tx, where: AccountRow, user_id: int, begins: datetime, ends: datetime
) -> None:
    own = tx.absences.of_user(where.id, user_id, begins)
    taken = next((one for one in own if one.begins < ends), None)
    if taken is not None:
        zone = zone_of(tx, where.id)
        raise RefusedError(
            Reason.CONFLICT,
            actions=(f"maild user present {taken.ulid}",),
            why=f"There is an absence from {day_of(taken.begins, zone)} on already, {taken.ulid}: take it back first "
            f"(maild user present {taken.ulid}).",
        )
    if len(own) >= MOST:
        raise RefusedError(
            Reason.CONFLICT, why=f"There are {MOST} absences of this person already."
        )


def _require_no_loop(tx: Tx, where: AccountRow, new: Absence, now: datetime) -> None:
    loop = loop_of(new, tx.absences.roster(where.id, (), now))
    if loop is not None:
        names = tx.views.names(loop.users)
        raise RefusedError(
            Reason.SUBSTITUTE_LOOP,
            date=day_of(loop.since, zone_of(tx, where.id)),
            loop=" → ".join(names[user] for user in loop.users),
        )


def _found(tx: Tx, where: AccountRow, ulid: str) -> AbsenceRow:
    found = tx.absences.absence(where.id, ulid)
    if found is None:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="absence",
            value=short(ulid),
            hint="`maild user absences` shows them.",
        )
    return found


def _view(tx: Tx, where: AccountRow, row: AbsenceRow, now: datetime) -> AbsenceView:
    zone = zone_of(tx, where.id)
    user, substitute = tx.people.user(row.user_id), tx.people.user(row.substitute_id)
    state = "coming" if row.begins > now else "away" if row.ends > now else "over"
    return AbsenceView(
        id=row.ulid,
        account=where.slug,
        email=user.email,
        name=user.display_name,
        substitute=substitute.email,
        substitute_name=substitute.display_name,
        begins=row.begins,
        ends=row.ends,
        first_day=f"{row.begins.astimezone(zone):%F}",
        last_day=f"{(row.ends - timedelta(microseconds=1)).astimezone(zone):%F}",
        state=state,
    )


def list_absences(app: App, *, account: str | None = None, by: Actor) -> list[AbsenceView]:
    """Return who is away and who will be, the first to go first: for every member.  Reads only.  Raises RefusedError."""
    now = app.clock()
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return [_view(tx, where, row, now) for row in tx.absences.of_account(where.id, now, SHOWN)]


def end_absence(app: App, ulid: str, *, account: str | None = None, by: Actor) -> AbsenceView:
    """Take an absence back that has not begun, or end one now; oneself, an admin, or the operator.

    What is over is left as it is.  Commits one transaction.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, account's).
    """
    now = app.clock()
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        row = _found(tx, where, ulid)
        if row.user_id != by.user_id and not is_admin(tx, where.id, by):
            raise RefusedError(
                Reason.NOT_ALLOWED,
                why=f"Only who is away, and admins of {where.name}, end an absence.",
            )
        shown = _view(tx, where, row, now)
        _end(tx, row, now)
        note(tx, app, by, "absence.ended", where.id, user=row.user_id)
        return shown


def _end(tx: Tx, row: AbsenceRow, now: datetime) -> None:
    if row.begins >= now:
        tx.absences.remove(row.id)
    elif row.ends > now:
        tx.absences.change(row.id, {"ends": now})


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """Who is back, and what came meanwhile to who stood in and lies there still."""

    email: str | None
    ended: tuple[str, ...]
    """Absences that were ended by it."""
    waiting: tuple[str, ...]
    """Mails that are still with who got them."""
    change: str | None
    """The act that gave them back, which `maild mail undo` takes; None: nothing was given."""
    given: tuple[str, ...] = ()


def come_back(
    app: App, email: str, *, give_back: bool = False, account: str | None = None, by: Actor
) -> Returned:
    """Say that somebody is back; return what came meanwhile and was neither given on nor taken, or give it to them.

    One act gives back at most a thousand, which one undo takes back; the rest waits for the next.  Commits one
    transaction.  Safe to repeat.  Raises RefusedError (INVALID_EMAIL, NOT_FOUND, NOT_ALLOWED, account's).
    """
    now = app.clock()
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        user_id = _who(tx, where, email, by)
        own = [
            row
            for row in tx.absences.of_user(where.id, user_id, now - REMEMBERED)
            if row.begins <= now
        ]
        running = [row for row in own if row.ends > now]
        for row in running:
            _end(tx, row, now)
        waiting = tx.absences.waiting([row.id for row in own], SHOWN)
        change = _give_back(tx, app, waiting, user_id, by) if give_back and waiting else None
        given = () if change is None else change.moved
        note(tx, app, by, "absence.returned", where.id, user=user_id, given=len(given))
        return Returned(
            email=tx.people.user(user_id).email,
            ended=tuple(row.ulid for row in running),
            waiting=tuple(one for one in waiting if one not in set(given)),
            change=None if change is None else change.id,
            given=given,
        )


def _give_back(tx: Tx, app: App, ulids: Sequence[str], user_id: int, by: Actor) -> Change:
    act = new_act(app, by, "came while they were away")
    given = hand_over(tx, mails(tx, ulids, by), user_id, act)
    return Change(id=act.change_id, moved=tuple(row.ulid for row in given))
