"""Deciding mail: claim, read, gather, decide, settle.

A batch is claimed in one short transaction, which counts the attempt before the work; reading and deciding happen
without any transaction; TX 2 writes all outcomes by compare-and-set.  One mail's fault never stops the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from maild.core.app import App
from maild.core.facts import Gathered, case_of, gather, parsed
from maild.model.decide import Decision, decide
from maild.model.facts import Proven
from maild.model.letter import PARSER_VERSION, Author, Letter, UnreadableError
from maild.model.reason import Reason
from maild.model.states import IN_A_MAILBOX, Move, State, moved
from maild.model.trace import Trace
from maild.parse import codec
from maild.parse.pool import ReaderClosedError, ReaderDiedError
from maild.store.deliveries import Claimed, Settled
from maild.store.engine import CollisionError, StoreDownError
from maild.store.mailbox import EntryRow
from maild.store.store import Tx

BATCH = 50
"""Deliveries decided in one transaction."""
HOLD = timedelta(minutes=5)
"""How long a worker may take for a batch before another one takes it."""
READING_TRIES = 3
"""Readings that end with a dead worker before the delivery is FAILED."""
CRASH_TRIES = 10
"""Claims that ended without any word before the delivery is FAILED: then maild itself died each time.

More than for readings: a daemon that is killed again and again says little about the mails that it had in hand.
"""
TRY_AGAIN = timedelta(seconds=10)
SETTLE_AFTER = timedelta(seconds=2)
"""How long what is read already may wait for the rest of its batch."""
SHOWN_MAX = 998
"""Characters of a header that lists show (RFC 5322 2.1.1: the longest line)."""

_log = logging.getLogger("maild.decide")


class NoReaderError(Exception):
    """Nobody could own a mail; it stays due until the account has an active user again."""


class Reader(Protocol):
    """What reads mail: the pool of worker processes, or a function in tests."""

    def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Letter | Exception]:
        """Yield for each item, in order, its Letter or the reason why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """One delivery's outcome before it is written."""

    claimed: Claimed
    decision: Decision
    trace: Trace
    letter: Letter | None = None
    proof: str = ""
    twins: Sequence[int] = ()
    released: dict[str, Any] | None = None
    """Where it lay before it was put away, if somebody released it."""


@dataclass(frozen=True, slots=True)
class _Act:
    """The settling of a batch: its name, which is its lease's, and its time."""

    change_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Later:
    """A delivery that is given back undecided, to be taken again after `wait`."""

    claimed: Claimed
    wait: timedelta
    counts: bool = True
    """Whether the attempt says something about the mail."""


def decide_due(app: App, reader: Reader, *, limit: int = BATCH) -> int:
    """Decide what is due, oldest first; return how many deliveries were taken.

    Commits a claim, and then the outcomes; safe to repeat and to run in several places at once.  Raises
    StoreDownError; then the claimed deliveries are due again soon, or at the latest when their lease ends.
    """
    lease, now = app.ids(), app.clock()
    with app.store.write() as tx:
        batch = tx.deliveries.claim(lease=lease, now=now, until=now + HOLD, limit=limit)
    if batch:
        _work_under(app, reader, batch, lease)
    return len(batch)


def _work_under(app: App, reader: Reader, batch: list[Claimed], lease: str) -> None:
    """Work on a batch; whatever goes wrong, its lease does not outlive us."""
    try:
        _work(app, reader, batch, lease)
    except BaseException:
        with suppress(StoreDownError), app.store.write() as tx:
            tx.deliveries.release(lease=lease, now=app.clock() + TRY_AGAIN)
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
        _work_under(app, reader, [replace(claimed, attempts=1) for claimed in batch], lease)


def _work(app: App, reader: Reader, batch: list[Claimed], lease: str) -> None:
    """Read, decide and settle; what was read before a slow mail is settled while that one is still being read."""
    waiting: dict[int, list[Claimed]] = {claimed.message_id: [] for claimed in batch}
    for claimed in batch:
        waiting[claimed.message_id].append(claimed)
    readable = [claimed for claimed in batch if claimed.attempts <= CRASH_TRIES]
    letters: dict[int, Letter | Exception] = {}
    begun = app.clock()
    for message_id, outcome in _read(app, reader, readable):
        letters[message_id] = outcome
        if app.clock() - begun > SETTLE_AFTER:
            _finish(app, [one for key in letters for one in waiting.pop(key)], letters, lease)
            letters.clear()
            begun = app.clock()
    _finish(app, [one for some in waiting.values() for one in some], letters, lease)


def _finish(
    app: App, batch: list[Claimed], letters: Mapping[int, Letter | Exception], lease: str
) -> None:
    """Decide and settle what was read; a delivery without any outcome ended too many claims (CRASH_TRIES)."""
    done: list[_Done] = []
    later: list[_Later] = []
    readable: list[tuple[Claimed, Letter]] = []
    for claimed in batch:
        match letters.get(claimed.message_id):
            case Letter() as letter:
                readable.append((claimed, letter))
            case UnreadableError() as error:
                done.append(_failed(claimed, Reason.UNPARSEABLE, error=str(error)))
            case ReaderClosedError():
                later.append(_Later(claimed, timedelta(), counts=False))
            case ReaderDiedError() as error if claimed.attempts < READING_TRIES:
                _log.warning("reading_died delivery=%s attempt=%d", claimed.ulid, claimed.attempts)
                later.append(_Later(claimed, TRY_AGAIN))
            case ReaderDiedError() as error:
                done.append(_failed(claimed, Reason.UNPARSEABLE, error=str(error)))
            case error:
                done.append(_fault(app, claimed, error))
    done += _decide_all(app, readable)
    _settle(app, done, later, lease)


def _read(
    app: App, reader: Reader, batch: Sequence[Claimed]
) -> Iterator[tuple[int, Letter | Exception]]:
    """Yield each message's letter, from its stored reading where there is one of this parser's."""
    by_message = {claimed.message_id: claimed for claimed in batch}
    with app.store.read() as tx:
        stored = tx.deliveries.readings(by_message, PARSER_VERSION)
        letters = {
            key: letter
            for key, reading in stored.items()
            if (letter := codec.load_or_none(reading)) is not None
        }
        sources: dict[int, bytes | Path] = {}
        for message_id, claimed in by_message.items():
            if message_id not in letters:
                inline = tx.deliveries.inline_body(claimed.account_id, claimed.digest)
                sources[message_id] = (
                    app.store.bodies.path(claimed.account_id, claimed.digest)
                    if inline is None
                    else inline
                )
    yield from letters.items()
    yield from zip(sources, reader.read_many(sources.values()), strict=True)


def _decide_all(app: App, readable: list[tuple[Claimed, Letter]]) -> list[_Done]:
    """Decide a batch on one view of the directory; what fails is decided alone, so that it fails alone."""
    if not readable:
        return []
    try:
        with app.store.read() as tx:
            gathered = gather(tx.facts, readable)
        return [_decide_one(claimed, letter, gathered) for claimed, letter in readable]
    except Exception as error:  # noqa: BLE001 - one of two broad catches: no mail may stop the next one
        if len(readable) == 1:
            return [_fault(app, readable[0][0], error)]
        return [done for one in readable for done in _decide_all(app, [one])]


def _decide_one(claimed: Claimed, letter: Letter, gathered: Gathered) -> _Done:
    trace = Trace()
    doors = dict.fromkeys(
        witness.door for witness in gathered.witnesses.get(claimed.message_id, ())
    )
    trace.say("accept", f"It came in by {' and by '.join(doors)}.")
    for what in letter.degraded:
        trace.say("parse", f"Could not be read in full: {what}.")
    case = case_of(claimed, letter, gathered)
    decision = decide(case, trace)
    return _Done(
        claimed=claimed,
        decision=decision,
        trace=trace,
        letter=letter,
        proof=case.proof.how if isinstance(case.proof, Proven) else case.proof.verdict,
        twins=gathered.twins.get(claimed.message_id, ()),
        released=next((r.answer for r in reversed(case.rulings) if r.question == "release"), None),
    )


def _failed(claimed: Claimed, reason: Reason, **facts: str) -> _Done:
    trace = Trace()
    trace.say("parse", f"{reason.code}: {reason.say(**facts)}.")
    return _Done(
        claimed=claimed,
        decision=Decision(move=Move.FAIL, reason=reason, facts=dict(facts)),
        trace=trace,
    )


def _fault(app: App, claimed: Claimed, error: Exception | None) -> _Done:
    ref = app.ids()
    _log.error("decide_failed ref=%s delivery=%s", ref, claimed.ulid, exc_info=error)
    return _failed(claimed, Reason.INTERNAL_ERROR, ref=ref)


def _settle(app: App, done: list[_Done], later: list[_Later], lease: str) -> None:
    """Write every outcome in one transaction (TX 2); if that fails, each in its own, so that one fails alone."""
    now = app.clock()
    try:
        with app.store.write() as tx:
            for late in later:
                tx.deliveries.put_off(
                    late.claimed.id, lease=lease, due_at=now + late.wait, counts=late.counts
                )
            tx.deliveries.hold(
                [one.claimed.id for one in done], [twin for one in done for twin in one.twins]
            )
            owners = tx.facts.owners(one.claimed.inbox_id for one in done)
            for one in done:
                _settle_one(tx, one, lease, now, owners.get(one.claimed.inbox_id))
    except Exception as error:
        if isinstance(error, StoreDownError) and not isinstance(error, CollisionError):
            raise
        if len(done) + len(later) > 1:
            for one in done:
                _settle(app, [one], [], lease)
            for late in later:
                _settle(app, [], [late], lease)
        elif not done or isinstance(error, CollisionError):
            raise
        else:
            _settle_fault(app, done[0], error, lease)


def _settle_fault(app: App, one: _Done, error: Exception, lease: str) -> None:
    """Say on the delivery that it could not be settled; where not even that can be written, it stays due."""
    claimed = one.claimed
    if isinstance(error, NoReaderError):
        _log.warning("no_owner delivery=%s", claimed.ulid)
        _settle(app, [], [_Later(claimed, HOLD, counts=False)], lease)
        return
    _log.error("settle_failed delivery=%s", claimed.ulid, exc_info=error)
    if one.decision.reason is Reason.INTERNAL_ERROR:
        _settle(app, [], [_Later(claimed, HOLD)], lease)
    else:
        _settle(app, [_fault(app, claimed, error)], [], lease)


def _settle_one(tx: Tx, one: _Done, lease: str, now: datetime, chain_owner: int | None) -> None:
    """Write one outcome, unless somebody else has the delivery by now."""
    claimed, decision = one.claimed, one.decision
    state = moved(claimed.state, decision.move)
    if not tx.deliveries.settle(claimed, _settled(one, state), lease=lease):
        _log.warning("lease_lost delivery=%s", claimed.ulid)
        return
    if one.letter is not None:
        _keep_reading(tx, claimed, one.letter)
    tx.deliveries.refile(claimed, decision.hits, by=None, now=now)
    if state in IN_A_MAILBOX:
        _place(tx, one, chain_owner, _Act(lease, now))
    else:
        tx.mailbox.remove(claimed.id)
    tx.deliveries.add_trace(claimed.id, [step.as_dict() for step in one.trace.steps], now)
    tx.deliveries.mark_twins(
        claimed.account_id, one.twins, {"code": Reason.SAME_ID_OTHER_CONTENT.code, "facts": {}}
    )
    tx.deliveries.add_events(
        [
            {
                "at": now,
                "account_id": claimed.account_id,
                "kind": "decided",
                "delivery_id": claimed.id,
                "subject": {"state": state.value, "reason": decision.reason.code},
            }
        ]
    )


def _settled(one: _Done, state: State) -> Settled:
    decision = one.decision
    author = one.letter.sender if one.letter is not None else None
    return Settled(
        state=state,
        reason=decision.reason.code,
        facts=decision.facts,
        beside=[{"code": reason.code, "facts": facts} for reason, facts in decision.beside],
        direction=decision.direction,
        sender_user_id=decision.user.user_id if decision.user else None,
        binding_id=decision.user.address_id if decision.user else None,
        sender_literal=author.address if isinstance(author, Author) else None,
        claimed_user_id=decision.claimed.user_id if decision.claimed else None,
        evidence={"proof": one.proof},
    )


def _place(tx: Tx, one: _Done, chain_owner: int | None, act: _Act) -> None:
    """Put it into exactly one mailbox: the forwarder's, read, or the owner chain's, unread (M1)."""
    row = tx.mailbox.entry_of(one.claimed.id)
    owner, unread = one.decision.owner, False
    if owner is None:
        owner, unread = chain_owner, True
    status = None
    if one.released is not None and one.released.get("owner_id") is not None:
        unread, status = one.released["unread"], one.released.get("status_id")
        owner = _back_to(tx, row, one.released, chain_owner, act)
        unread = unread or owner != one.released["owner_id"]
    if owner is None:
        raise NoReaderError(f"no active user can own the mail of inbox {one.claimed.inbox_id}")
    tx.mailbox.place(
        row,
        owner_id=owner,
        unread=unread,
        received_at=one.claimed.received_at,
        status_id=status,
    )


def _back_to(
    tx: Tx, row: EntryRow, released: dict[str, Any], chain_owner: int | None, act: _Act
) -> int | None:
    """Return whose a released mail is: the last owner's, or the owner chain's if that one has left the account (M1).

    It may have been given away between the word that put it away and the act; history ends at today's owner (M3).
    """
    if row.owner_id is not None:
        return row.owner_id
    given = next(reversed(tx.mailbox.transfers(row.id)), None)
    owner: int = released["owner_id"] if given is None else given.to_user_id
    if tx.rights.active_role(row.account_id, owner) is not None:
        return owner
    if given is not None and chain_owner is not None:
        tx.mailbox.add_transfer(
            {
                "delivery_id": row.id,
                "from_user_id": owner,
                "to_user_id": chain_owner,
                "by_user_id": None,
                "at": act.at,
                "note": "",
                "was_unread": released["unread"],
                "became_unread": True,
                "change_id": act.change_id,
            }
        )
    return chain_owner


def _keep_reading(tx: Tx, claimed: Claimed, letter: Letter) -> None:
    """Store the reading, without its HTML: that is read from the body when somebody wants to see it."""
    tx.deliveries.keep_reading(
        claimed.message_id,
        parser_version=PARSER_VERSION,
        letter=codec.dump(replace(letter, html=None)),
        columns={
            "from_norm": letter.sender.address if isinstance(letter.sender, Author) else None,
            "from_shown": ", ".join(box.address for box in letter.from_)[:SHOWN_MAX],
            "from_name": letter.from_[0].name[:SHOWN_MAX] if letter.from_ else "",
            "subject": letter.subject[:SHOWN_MAX],
            "sent_at": letter.date,
        },
    )
    kinds = {
        "to": [box.address for box in letter.to],
        "cc": [box.address for box in letter.cc],
        "delivered": list(letter.delivered_to),
    }
    tx.deliveries.add_recipients(
        [
            {"message_id": claimed.message_id, "kind": kind, "norm": norm}
            for kind, texts in kinds.items()
            for norm in dict.fromkeys(address.norm for address in parsed(texts))
        ]
    )
