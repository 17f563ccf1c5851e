"""What a rule would have done to the mails that are there (M11): looked at, never touched.

Each mail is judged as it lies today.  The walk goes by portions, each a view of its own, so that nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from maild.core.app import Actor, App
from maild.core.rules import find_rule, parsed, require_rule_keeper, rule_in
from maild.core.rules_applied import ready_rules
from maild.core.standing import home
from maild.model.reason import Reason, RefusedError
from maild.model.rules import Heard, Rule, Seen, hear, may_file
from maild.model.states import Move, State
from maild.model.trace import Trace
from maild.parse import codec
from maild.store.rules import SampleRow
from maild.store.store import Tx

LAST = 1000
LAST_MAX = 10_000
SHOWN = 20
_PORTION = 100
_MOVES = {State.FILED: Move.FILE, State.UNFILED: Move.PLACE, State.HELD: Move.HOLD}

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldChange:
    """A mail that a rule matches, as it is and as it would be."""

    id: str
    received_at: datetime
    inbox: str
    sender: str
    """Every From mailbox, as lists show it."""
    subject: str
    owner: str | None
    owner_then: str | None
    status: str | None
    status_then: str | None
    clients: tuple[str, ...]
    clients_then: tuple[str, ...]
    unread: bool
    unread_then: bool
    changes: bool
    """Whether anything would be otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a rule would have come to."""

    looked_at: int
    not_readable: int
    """Mails of which there is no reading to look at; `maild mail retry` reads them again."""
    matched: int
    would_change: int
    mails: tuple[WouldChange, ...]
    """The newest that match."""


def try_rule(
    app: App,
    what: str,
    *,
    last: int = LAST,
    account: str | None = None,
    by: Actor,
    progress: Progress | None = None,
) -> Tried:
    """Say what a rule would have done to the newest mails; `what` is a rule, or the name of one, on or off.

    Only this rule is heard, as if it were the only one.  Reads only.  Raises RefusedError (as `add_rule`, NOT_FOUND,
    INVALID_VALUE, NOT_ALLOWED, account's).
    """
    if not 1 <= last <= LAST_MAX:
        raise RefusedError(
            Reason.INVALID_VALUE, what="--last", value=last, why=f"it is between 1 and {LAST_MAX}"
        )
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_rule_keeper(tx, where, by)
        if ":" in what:
            rule = rule_in(tx, where, "as typed", parsed(what), by)
        else:
            [rule] = ready_rules(tx, [find_rule(tx, where, what)])
        first_status = next(iter(tx.mailbox.status_names(where.id)), None)
    trial = _Trial(rule, first_status)
    before: tuple[datetime, int] | None = None
    while trial.looked_at < last:
        with app.store.read() as tx:
            rows = tx.rules.sample(
                where.id, before=before, limit=min(_PORTION, last - trial.looked_at)
            )
            trial.look_at(tx, rows)
        if not rows:
            break
        before = rows[-1].received_at, rows[-1].id
        if progress is not None:
            progress(trial.looked_at)
    return trial.outcome()


@dataclass(slots=True)
class _Trial:
    """One rule on its way through the mails."""

    rule: Rule
    first_status: str | None
    looked_at: int = 0
    not_readable: int = 0
    matched: int = 0
    would_change: int = 0
    mails: list[WouldChange] = field(default_factory=list)

    def look_at(self, tx: Tx, rows: list[SampleRow]) -> None:
        """Judge one portion."""
        readings = tx.rules.readings(row.message_id for row in rows)
        filed = tx.rules.filed_under(row.id for row in rows)
        people = {row.owner_id for row in rows}
        if self.rule.owner is not None:
            people.add(self.rule.owner.user_id)
        emails = tx.lists.emails(people)
        self.looked_at += len(rows)
        for row in rows:
            stored = readings.get(row.message_id)
            letter = None if stored is None else codec.load_or_none(stored)
            if letter is None:
                self.not_readable += 1
                continue
            clients = filed.get(row.id, [])
            seen = Seen(
                letter,
                inbox=row.inbox,
                size=row.size,
                direction=row.direction,
                clients=[name for name, how in clients if how != Reason.FILED_BY_RULE.code],
            )
            heard = hear([self.rule], seen, may_file=_may_file(row), trace=Trace())
            if heard.rules:
                self._add(
                    _would(row, heard, [name for name, _ in clients], emails, self.first_status)
                )

    def _add(self, found: WouldChange) -> None:
        self.matched += 1
        self.would_change += found.changes
        if len(self.mails) < SHOWN:
            self.mails.append(found)

    def outcome(self) -> Tried:
        """Return what it came to."""
        return Tried(
            looked_at=self.looked_at,
            not_readable=self.not_readable,
            matched=self.matched,
            would_change=self.would_change,
            mails=tuple(self.mails),
        )


def _may_file(row: SampleRow) -> bool:
    reason = Reason[row.reason]
    return reason is Reason.FILED_BY_RULE or may_file(reason, _MOVES[row.state])


def _would(
    row: SampleRow,
    heard: Heard,
    clients: list[str],
    emails: dict[int | None, str],
    first_status: str | None,
) -> WouldChange:
    owner = emails.get(row.owner_id)
    status = row.status or first_status
    gives = heard.owner is not None and not heard.owner.trouble
    then = WouldChange(
        id=row.ulid,
        received_at=row.received_at,
        inbox=row.inbox,
        sender=row.from_shown,
        subject=row.subject,
        owner=owner,
        owner_then=emails.get(heard.owner.user_id) if heard.owner and gives else owner,
        status=status,
        status_then=status if heard.status is None else heard.status.name,
        clients=tuple(clients),
        clients_then=tuple(clients) if heard.client is None else (heard.client.name,),
        unread=row.unread,
        unread_then=row.unread if heard.unread is None else heard.unread,
        changes=False,
    )
    before = (then.owner, then.status, then.clients, then.unread)
    after = (then.owner_then, then.status_then, then.clients_then, then.unread_then)
    return replace(then, changes=before != after)
