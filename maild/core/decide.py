"""Deciding mail: claim, read, gather, decide, settle.

A batch is claimed in one short transaction, which counts the attempt before the work; reading and deciding happen
without any transaction; TX 2 writes all outcomes by compare-and-set.  One mail's fault never stops the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Protocol

from maild import failpoint
from maild.auth.finding import Finding, Verdict
from maild.core.app import App
from maild.core.facts import Gathered, case_of, gather, sealers_of, to_verify
from maild.core.outcome import Outcome
from maild.core.past import is_past
from maild.core.peers import directs_of, with_findings
from maild.core.rules_applied import apply_rules, rules_of
from maild.core.settle import Later, failed, fault, settle
from maild.core.settled import Done
from maild.core.verdicts import Wanted, look_again_at
from maild.model.case import Case, Decision
from maild.model.decide import decide
from maild.model.envelope import Door
from maild.model.facts import Proven
from maild.model.letter import PARSER_VERSION, Letter, UnreadableError
from maild.model.outcome import outcome_of
from maild.model.reason import Reason
from maild.model.rules import Heard, Rule
from maild.model.states import State
from maild.model.trace import Trace
from maild.parse import codec
from maild.parse.pool import ReaderClosedError, ReaderDiedError
from maild.store.deliveries import Claimed
from maild.store.engine import StoreDownError

BATCH = 100
"""Deliveries decided in one transaction."""
HOLD = timedelta(minutes=5)
"""How long a worker may take for a batch before another one takes it."""
_WORKERS = "worker "
"""How the leases of workers begin: commands, which decide in place, have their own."""
READING_TRIES = 3
"""Readings that end with a dead worker before the delivery is FAILED."""
CRASH_TRIES = 10
"""Claims that ended without any word before the delivery is FAILED: then maild itself died each time.

More than for readings: a daemon that is killed again and again says little about the mails that it had in hand.
"""
TRY_AGAIN = timedelta(seconds=10)
SETTLE_AFTER = timedelta(seconds=2)
"""How long what is read already may wait for the rest of its batch."""

_WAYS = {
    Door.SMTP: "from a mail server (SMTP)",
    Door.LMTP: "from the company's mail server (LMTP)",
    Door.PIPE: "from a program on the server",
    Door.HTTP: "over the web (HTTP)",
    Door.IMAP: "from a mailbox that is collected (IMAP)",
    Door.POP: "from a mailbox that is collected (POP)",
    Door.IMPORT: "by an import of old mail",
}

_log = logging.getLogger("maild.decide")


class Reader(Protocol):
    """What reads mail: the pool of worker processes, or a function in tests."""

    def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Letter | Exception]:
        """Yield for each item, in order, its Letter or the reason why there is none."""


class Lane(Enum):
    """Which due deliveries a worker takes.  Fresh ones never wait for a mail that is slow to read (D11)."""

    ANY = "any"
    FRESH = "fresh"
    """What was never tried.  At the first mail whose reading dies the rest of the batch is given back unread."""
    OLDEST = "oldest"
    """The same, for a few: they are read to the end."""
    NEWEST = "newest"
    """The same, newest first: while slow mails stand in a row, the one that came last waits for few of them."""
    AGAIN = "again"
    """What was tried before: its reading died, or its worker did."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one look for work came to."""

    taken: int
    """Deliveries that were claimed."""
    was_slow: bool = False
    """Whether the reading of one of them died."""


def decide_due(app: App, reader: Reader, *, limit: int = BATCH) -> int:
    """Decide what is due, oldest first; return how many deliveries were taken.  As `decide_round`."""
    return decide_round(app, reader, Lane.ANY, limit=limit).taken


def decide_round(
    app: App, reader: Reader, lane: Lane, *, limit: int = BATCH, worker: str = ""
) -> Round:
    """Decide one batch of what is due.

    Commits a claim, and then the outcomes; safe to repeat and to run in several places at once.  Raises
    StoreDownError; then the claimed deliveries are due again soon, or at the latest when their lease ends.  A `worker`
    that works one round at a time need not wait for that: it takes them back (`take_back`).
    """
    lease, now = f"{_WORKERS}{worker} {app.ids()}", app.clock()
    with app.store.write() as tx:
        batch = tx.deliveries.claim(
            lease=lease,
            now=now,
            until=now + HOLD,
            limit=limit,
            was_tried={Lane.ANY: None, Lane.AGAIN: True}.get(lane, False),
            newest_first=lane is Lane.NEWEST,
        )
        if batch:
            failpoint.reached("decide.before_claim_commit")
    was_slow = bool(batch) and _work_under(app, reader, batch, _Work(lease, lane))
    return Round(len(batch), was_slow)


def release_workers(app: App) -> None:
    """Make due at once what workers had in hand, where every worker is known to be dead; commands keep theirs.

    Commits.  Raises StoreDownError.
    """
    with app.store.write() as tx:
        tx.deliveries.release_all(_WORKERS, now=app.clock())


def take_back(app: App, worker: str) -> None:
    """Make due at once what this worker claimed and could not give back because the store was down; it works no round.

    Commits.  Raises StoreDownError.
    """
    with app.store.write() as tx:
        tx.deliveries.release_all(f"{_WORKERS}{worker} ", now=app.clock())


@dataclass(frozen=True, slots=True)
class _Work:
    """The name under which a batch is leased, and by which lane."""

    lease: str
    lane: Lane = Lane.ANY

    @property
    def is_quick(self) -> bool:
        """Whether a mail that takes long is another lane's."""
        return self.lane not in {Lane.ANY, Lane.AGAIN}


def _work_under(app: App, reader: Reader, batch: list[Claimed], work: _Work) -> bool:
    """Work on a batch; whatever goes wrong, its lease does not outlive us.  Return whether a reading died."""
    try:
        failpoint.reached("decide.after_claim")
        return _work(app, reader, batch, work)
    except BaseException:
        failpoint.reached("decide.before_release")
        with suppress(StoreDownError), app.store.write() as tx:
            tx.deliveries.release(lease=work.lease, now=app.clock() + TRY_AGAIN)
        raise


def decide_again(app: App, reader: Reader, delivery_ids: Sequence[int]) -> None:
    """Decide these deliveries again in place, whatever their state; entry, owner, unread and history stay (E2).

    Commits as `decide_due`.  A worker that has one of them in hand loses it and writes nothing.
    """
    now = app.clock()
    for start in range(0, len(delivery_ids), BATCH):
        lease = app.ids()
        with app.store.write() as tx:
            batch = tx.deliveries.lease(
                delivery_ids[start : start + BATCH], lease=lease, until=now + HOLD
            )
        again = [replace(claimed, attempts=1) for claimed in batch]
        _work_under(app, reader, again, _Work(lease))


def decide_claimed(app: App, reader: Reader, batch: list[Claimed], lease: str) -> None:
    """Decide deliveries that were leased under this name when they were stored.

    Commits as `decide_due`.  Raises StoreDownError.
    """
    if batch:
        _work_under(app, reader, batch, _Work(lease))


def _work(app: App, reader: Reader, batch: list[Claimed], work: _Work) -> bool:
    """Read, decide and settle; what was read before a slow mail is settled while that one is still being read."""
    waiting: dict[int, list[Claimed]] = {claimed.message_id: [] for claimed in batch}
    for claimed in batch:
        waiting[claimed.message_id].append(claimed)
    readable = [claimed for claimed in batch if claimed.attempts <= CRASH_TRIES]
    letters: dict[int, Letter | Exception] = {}
    was_slow = False
    begun = app.clock()
    # Closed before its end, it gives up what is still being read.
    with closing(_read(app, reader, readable)) as outcomes:
        for message_id, outcome in outcomes:
            letters[message_id] = outcome
            is_long = app.clock() - begun > SETTLE_AFTER
            # Many mails that each take a while are to the next good one what a single slow mail is.
            was_slow |= isinstance(outcome, ReaderDiedError) or (
                is_long and work.lane is Lane.FRESH
            )
            if was_slow and work.lane is Lane.FRESH:
                break
            if is_long:
                _finish(app, [one for key in letters for one in waiting.pop(key)], letters, work)
                letters.clear()
                begun = app.clock()
    failpoint.reached("decide.after_reading")
    unread = {claimed.message_id for claimed in readable} & waiting.keys() - letters.keys()
    if unread:
        given_back = [claimed.id for key in unread for claimed in waiting.pop(key)]
        with app.store.write() as tx:
            tx.deliveries.give_back(given_back, lease=work.lease)
    _finish(app, [one for some in waiting.values() for one in some], letters, work)
    return was_slow


def _finish(
    app: App, batch: list[Claimed], letters: Mapping[int, Letter | Exception], work: _Work
) -> None:
    """Decide and settle what was read; a delivery without any outcome ended too many claims (CRASH_TRIES)."""
    done: list[Done] = []
    later: list[Later] = []
    readable: list[tuple[Claimed, Letter]] = []
    for claimed in batch:
        match letters.get(claimed.message_id):
            case Letter() as letter:
                readable.append((claimed, letter))
            case UnreadableError() as error:
                done.append(failed(claimed, Reason.UNPARSEABLE, error=str(error)))
            case ReaderClosedError():
                later.append(Later(claimed, timedelta(), counts=False))
            case ReaderDiedError() as error if claimed.attempts < READING_TRIES:
                _log.warning("reading_died delivery=%s attempt=%d", claimed.ulid, claimed.attempts)
                later.append(Later(claimed, timedelta() if work.is_quick else TRY_AGAIN))
            case ReaderDiedError() as error:
                done.append(failed(claimed, Reason.UNPARSEABLE, error=str(error)))
            case error:
                done.append(fault(app, claimed, error))
    done += _decide_all(app, readable)
    settle(app, done, later, work.lease)


def _read(
    app: App, reader: Reader, batch: Sequence[Claimed]
) -> Generator[tuple[int, Letter | Exception]]:
    """Yield each message's letter, from its stored reading where there is one of this parser's."""
    by_message = {claimed.message_id: claimed for claimed in batch}
    with app.store.read() as tx:
        stored = tx.deliveries.readings(by_message, PARSER_VERSION)
        letters = {
            key: letter
            for key, reading in stored.items()
            if (letter := codec.load_or_none(reading)) is not None
        }
        missing = {key: one for key, one in by_message.items() if key not in letters}
        inline = tx.deliveries.inline_bodies(
            (claimed.account_id, claimed.digest) for claimed in missing.values()
        )
    sources: dict[int, bytes | Path] = {
        key: inline.get((claimed.account_id, claimed.digest))
        or app.store.bodies.path(claimed.account_id, claimed.digest)
        for key, claimed in missing.items()
    }
    yield from letters.items()
    failpoint.reached("decide.before_reading")
    yield from zip(sources, reader.read_many(sources.values()), strict=True)


def _decide_all(app: App, readable: list[tuple[Claimed, Letter]]) -> list[Done]:
    """Decide a batch on one view of the directory; what fails is decided alone, so that it fails alone."""
    if not readable:
        return []
    try:
        with app.store.read() as tx:
            gathered = gather(app, tx, readable)
            rules = rules_of(tx, {claimed.account_id for claimed, _ in readable}, app.clock())
        found, senders = _examine(app, readable, gathered)
        gathered = with_findings(gathered, found, senders)
        now = app.clock()
        return [
            replace(
                _decide_one(claimed, letter, gathered, rules.get(claimed.account_id, ())),
                verdict=found.get(claimed.message_id),
                due_at=look_again_at(found.get(claimed.message_id), claimed.received_at, now),
                senders={
                    one.arrival_id: senders[one.arrival_id]
                    for one in directs_of(claimed, gathered)
                    if one.arrival_id in senders
                },
            )
            for claimed, letter in readable
        ]
    except StoreDownError:
        raise  # That says nothing about any mail.
    except Exception as error:  # noqa: BLE001 - one of two broad catches: no mail may stop the next one
        if len(readable) == 1:
            return [fault(app, readable[0][0], error)]
        return [done for one in readable for done in _decide_all(app, [one])]


def _examine(
    app: App, readable: Sequence[tuple[Claimed, Letter]], gathered: Gathered
) -> tuple[dict[int, Verdict], dict[int, Finding]]:
    """Verify those mails of which it matters, by message, and ask for the policies of those who handed mails over,
    by arrival; no transaction is open while DNS is asked.
    """
    if app.prover is None:
        return {}, {}
    authors = {
        claimed.message_id: (claimed, author)
        for claimed, letter in readable
        if (author := to_verify(claimed, letter, gathered)) is not None
    }
    directs = {
        one.arrival_id: one
        for claimed, _ in readable
        for one in directs_of(claimed, gathered)
        if not one.spf
    }
    return app.prover.examine(_wanted(app, authors, gathered), directs)


def _wanted(
    app: App, authors: Mapping[int, tuple[Claimed, str]], gathered: Gathered
) -> dict[int, Wanted]:
    if not authors:
        return {}
    with app.store.read() as tx:
        inline = tx.deliveries.inline_bodies(
            (claimed.account_id, claimed.digest) for claimed, _ in authors.values()
        )
    return {
        key: (
            inline.get((claimed.account_id, claimed.digest))
            or app.store.bodies.path(claimed.account_id, claimed.digest),
            author,
            claimed.received_at,
            sealers_of(claimed.account_id, gathered),
        )
        for key, (claimed, author) in authors.items()
    }


def _outcome(claimed: Claimed, case: Case, decision: Decision) -> Outcome | None:
    line = outcome_of(case, decision)
    if line is None or decision.user is None:
        return None
    return Outcome(claimed=claimed, user=decision.user, letter=case.letter, line=line)


def _decide_one(
    claimed: Claimed, letter: Letter, gathered: Gathered, rules: Sequence[Rule]
) -> Done:
    trace = Trace()
    doors = dict.fromkeys(
        witness.door for witness in gathered.witnesses.get(claimed.message_id, ())
    )
    ways = ", and ".join(_WAYS[Door(door)] for door in doors)
    trace.say("accept", f"It came in {ways}.", "came_in", doors=list(doors))
    policies = tuple(one.sentence for one in directs_of(claimed, gathered) if one.spf)
    for policy in policies:
        trace.say("accept", f"{policy}.", "sender_policy", said=policy)
    for what in letter.degraded:
        trace.say("parse", f"Could not be read in full: {what}.", "not_read_in_full", what=what)
    case = case_of(claimed, letter, gathered)
    if case.written is not None:
        rules = ()  # Rules say whose a mail is that comes in; what somebody wrote is theirs.
    decision = decide(case, trace)
    witnesses = gathered.witnesses.get(claimed.message_id, ())
    imported = claimed.state in {State.RECEIVED, State.FAILED} and is_past(
        witnesses, imported=claimed.id in gathered.imported
    )
    if imported:
        # Silent: no rule acts on the past, and nobody is told of it (D13).
        heard = Heard(unread=any(one.left_unread for one in witnesses))
    else:
        decision, heard = apply_rules(rules, case, decision, claimed.size, trace)
    return Done(
        claimed=claimed,
        decision=decision,
        heard=heard,
        imported=imported,
        outcome=None if imported else _outcome(claimed, case, decision),
        trace=trace,
        letter=letter,
        proof=case.proof.how if isinstance(case.proof, Proven) else case.proof.verdict,
        policies=policies,
        twins=gathered.twins.get(claimed.message_id, ()),
        returned=gathered.returned.get(claimed.message_id),
        released=next((r.answer for r in reversed(case.rulings) if r.question == "release"), None),
    )
