"""Writing what was decided (TX 2): a whole batch in one transaction, and each delivery alone if that fails.

Nothing here decides; an outcome is written only where the delivery is still as it was claimed.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from maild import failpoint
from maild.core.app import App
from maild.core.asked_about import parsed
from maild.core.full_mailboxes import note_returned
from maild.core.outcome import tell_forwarders
from maild.core.peers import kept
from maild.core.quoting import join_letters
from maild.core.readers import readers_of
from maild.core.reopening import reopen
from maild.core.rules_applied import note_rules, place_of, stays
from maild.core.settled import Done
from maild.core.writing_fates import note_report
from maild.model.absence import Reader
from maild.model.case import Decision
from maild.model.drop import hidden
from maild.model.letter import PARSER_VERSION, Author, Letter
from maild.model.reason import Reason
from maild.model.states import IN_A_MAILBOX, Move, State
from maild.model.trace import Trace
from maild.parse import codec
from maild.store.deliveries import Claimed
from maild.store.engine import CollisionError, StoreDownError
from maild.store.mailbox import EntryRow
from maild.store.settling import Reading, Settled
from maild.store.store import Tx

TRY_LATER = timedelta(minutes=5)
"""When a delivery is looked at again that could not even be said to have failed."""
SHOWN_MAX = 998
"""Characters of a header that lists show (RFC 5322 2.1.1: the longest line)."""

_log = logging.getLogger("maild.decide")


class OvertakenError(Exception):
    """What was decided cannot stand: nobody could own the mail, or its status is gone.  It stays due, and is decided anew."""


@dataclass(frozen=True, slots=True)
class Later:
    """A delivery that is given back undecided, to be taken again after `wait`."""

    claimed: Claimed
    wait: timedelta
    counts: bool = True
    """Whether the attempt says something about the mail."""


@dataclass(frozen=True, slots=True)
class _Act:
    """The settling of a batch: the lease under which it is held, its name, and its time."""

    lease: str
    change_id: str
    at: datetime


def failed(claimed: Claimed, reason: Reason, **facts: str) -> Done:
    """Return the outcome of a mail that cannot be decided."""
    trace = Trace()
    facts = {key: text.rstrip(".") for key, text in facts.items()}
    trace.say(
        "parse", f"{reason.code}: {reason.say(**facts)}.", "decided", reason=reason.code, **facts
    )
    return Done(
        claimed=claimed,
        decision=Decision(move=Move.FAIL, reason=reason, facts=dict(facts)),
        trace=trace,
    )


def fault(app: App, claimed: Claimed, error: Exception | None) -> Done:
    """Return the outcome of a fault of ours, and log it under its reference."""
    ref = app.ids()
    _log.error("decide_failed ref=%s delivery=%s", ref, claimed.ulid, exc_info=error)
    return failed(claimed, Reason.INTERNAL_ERROR, ref=ref)


def settle(app: App, done: list[Done], later: list[Later], lease: str) -> None:
    """Write every outcome in one transaction (TX 2); if that fails, each alone.  Raises StoreDownError, CollisionError."""
    now = app.clock()
    try:
        with app.store.write() as tx:
            for late in later:
                tx.deliveries.put_off(
                    late.claimed.id, lease=lease, due_at=now + late.wait, counts=late.counts
                )
            settled = _settle_all(tx, done, _Act(lease, app.ids(), now))
            for one in settled:
                if not one.imported:
                    note_returned(tx, app, one.claimed, one.letter, one.returned)
                note_report(tx, one.claimed, one.letter, one.returned, now)
            reopen(tx, settled, now)
            tell_forwarders(tx, app, [one.outcome for one in settled if one.outcome is not None])
            failpoint.reached("decide.before_settle_commit")
        failpoint.reached("decide.after_settle_commit")
    except Exception as error:
        if isinstance(error, StoreDownError) and not isinstance(error, CollisionError):
            raise
        if len(done) + len(later) > 1:
            for one in done:
                settle(app, [one], [], lease)
            for late in later:
                settle(app, [], [late], lease)
        elif not done or isinstance(error, CollisionError):
            raise
        else:
            _settle_fault(app, done[0], error, lease)


def _settle_fault(app: App, one: Done, error: Exception, lease: str) -> None:
    """Say on the delivery that it could not be settled; where not even that can be written, it stays due."""
    claimed = one.claimed
    if isinstance(error, OvertakenError):
        _log.warning("overtaken delivery=%s why=%s", claimed.ulid, error)
        settle(app, [], [Later(claimed, TRY_LATER, counts=False)], lease)
        return
    _log.error("settle_failed delivery=%s", claimed.ulid, exc_info=error)
    if one.decision.reason is Reason.INTERNAL_ERROR:
        settle(app, [], [Later(claimed, TRY_LATER)], lease)
    else:
        settle(app, [fault(app, claimed, error)], [], lease)


def _settle_all(tx: Tx, done: Sequence[Done], act: _Act) -> Sequence[Done]:
    """Write all outcomes of deliveries that nobody else has by now; return those."""
    if not done:
        return done
    ours = tx.settling.hold(
        [one.claimed for one in done],
        {twin for one in done for twin in one.twins},
        lease=act.lease,
    )
    for one in done:
        if one.claimed.id not in ours:
            _log.warning("lease_lost delivery=%s", one.claimed.ulid)
    done = _still_theirs(tx, [one for one in done if one.claimed.id in ours], act)
    tx.settling.settle([_settled(one) for one in done])
    _keep_readings(tx, done)
    # What is decided, or was read, for the first time.
    first = [one for one in done if one.claimed.state in {State.RECEIVED, State.FAILED}]
    join_letters(tx, {one.claimed.message_id: one.letter for one in first})
    tx.indexing.queue(one.claimed.id for one in done)
    tx.verdicts.keep(
        {one.claimed.message_id: one.verdict.to_dict() for one in done if one.verdict is not None},
        act.at,
    )
    tx.verdicts.keep_senders(
        {arrival: kept(said) for one in done for arrival, said in one.senders.items()}
    )
    tx.settling.refile([(one.claimed, one.decision.hits) for one in done], act.at)
    _place_all(tx, done, act)
    tx.settling.add_traces(
        [(one.claimed.id, [step.as_dict() for step in one.trace.steps]) for one in done], act.at
    )
    mark = {"code": Reason.SAME_ID_OTHER_CONTENT.code, "facts": {}}
    twins: dict[int, set[int]] = defaultdict(set)
    for one in done:
        twins[one.claimed.account_id].update(one.twins)
    for account_id, message_ids in twins.items():
        tx.settling.mark_twins(account_id, sorted(message_ids), mark)
    tx.deliveries.add_events(
        [
            {
                "at": act.at,
                "account_id": one.claimed.account_id,
                "kind": "decided",
                "delivery_id": one.claimed.id,
                "subject": {"state": one.state.value, "reason": one.decision.reason.code}
                | ({"imported": True} if one.imported else {}),
            }
            for one in done
        ]
    )
    return done


def _still_theirs(tx: Tx, done: list[Done], act: _Act) -> list[Done]:
    """Give back what was judged by an address that had changed hands before the mail came in (U12); return the rest.

    Between the look at the directory and this transaction a change of e-mail may have been committed.  What was decided
    before keeps the address that it was resolved by.
    """
    by = {
        one.claimed.id: (one.decision.user.address_id, one.claimed.received_at)
        for one in done
        if one.decision.user is not None and one.claimed.state is State.RECEIVED
    }
    ended = tx.people.ended_at({address for address, _ in by.values()}) if by else {}
    late = {
        number for number, (address, at) in by.items() if address in ended and ended[address] <= at
    }
    for number in late:
        tx.deliveries.put_off(number, lease=act.lease, due_at=act.at, counts=False)
    return [one for one in done if one.claimed.id not in late]


def _settled(one: Done) -> Settled:
    decision = one.decision
    author = one.letter.sender if one.letter is not None else None
    return Settled(
        delivery_id=one.claimed.id,
        state=one.state,
        reason=decision.reason.code,
        facts=decision.facts,
        beside=[{"code": reason.code, "facts": facts} for reason, facts in decision.beside],
        direction=decision.direction,
        sender_user_id=decision.user.user_id if decision.user else None,
        binding_id=decision.user.address_id if decision.user else None,
        sender_literal=author.address if isinstance(author, Author) else None,
        claimed_user_id=decision.claimed.user_id if decision.claimed else None,
        evidence={"proof": one.proof} | ({"spf": list(one.policies)} if one.policies else {}),
        due_at=one.due_at,
    )


def _place_all(tx: Tx, done: Sequence[Done], act: _Act) -> None:
    """Put each into exactly one mailbox, or into none (M1)."""
    tx.settling.remove_entries(one.claimed.id for one in done if one.state not in IN_A_MAILBOX)
    placed = [one for one in done if one.state in IN_A_MAILBOX]
    readers = readers_of(tx, (one.claimed.inbox_id for one in placed), act.at)
    there = tx.mailbox.entries_of(
        one.claimed.id
        for one in placed
        if one.claimed.state is not State.RECEIVED or one.released is not None
    )
    new: list[dict[str, Any]] = []
    stood_in: list[dict[str, int]] = []
    for one in placed:
        reader = readers.get(one.claimed.inbox_id)
        row = there.get(one.claimed.id)
        if row is not None:
            _place_again(tx, one, row, reader, act)
            continue
        place = place_of(one.decision, one.heard, reader)
        owner = _some(place.owner, one)
        if place.absence_id is not None:
            stood_in.append(
                {"delivery_id": one.claimed.id, "absence_id": place.absence_id, "user_id": owner}
            )
        new.append(
            {
                "delivery_id": one.claimed.id,
                "account_id": one.claimed.account_id,
                "owner_id": owner,
                "unread": place.unread,
                "received_at": one.claimed.received_at,
                "status_id": place.status_id,
            }
        )
    # Somebody who was merged since the batch was judged has no mailbox any more; who is just being merged is waited for.
    heirs = tx.people.heirs({row["owner_id"] for row in new}, hold=True)
    new = [{**row, "owner_id": heirs[row["owner_id"]]} for row in new]
    _require_there(tx, [(row["account_id"], row["owner_id"], row["status_id"]) for row in new])
    _require_opened(tx, {row["owner_id"] for row in new})
    tx.settling.add_entries(new)
    tx.absences.stood_in([{**row, "user_id": heirs[row["user_id"]]} for row in stood_in])
    by_rule = [one for one in placed if _back_where(one) is None]
    note_rules(tx, [(one.claimed, one.heard, there.get(one.claimed.id)) for one in by_rule], act.at)


def _back_where(one: Done) -> dict[str, Any] | None:
    """Return where a released mail goes back to, whatever rules say by now; None: it is placed as any other."""
    lay_there = one.released is not None and one.released.get("owner_id") is not None
    return one.released if lay_there else None


def _require_there(tx: Tx, places: Sequence[tuple[int, int, int | None]]) -> None:
    """Refuse (account, owner, status) whose owner left, or whose status was removed, since the batch was judged."""
    for account_id, user_id in tx.leaving.strangers([place[:2] for place in places]):
        raise OvertakenError(f"user {user_id} has left account {account_id}")
    statuses = {status_id for _, _, status_id in places if status_id is not None}
    for status_id in tx.people.gone_statuses(statuses):
        raise OvertakenError(f"status {status_id} was removed")


def _require_opened(tx: Tx, owners: Iterable[int]) -> None:
    """Refuse communal owners whose last member went since the batch was judged; who goes now waits (`heirs`)."""
    for user_id in tx.people.unread_by_all(owners):
        raise OvertakenError(f"nobody opens the mailbox of user {user_id}")


def _some(owner: int | None, one: Done) -> int:
    if owner is None:
        raise OvertakenError(f"no active user can own the mail of inbox {one.claimed.inbox_id}")
    return owner


def _place_again(tx: Tx, one: Done, row: EntryRow, reader: Reader | None, act: _Act) -> None:
    """Place a delivery that was decided before, or released."""
    place = place_of(one.decision, one.heard, reader)
    owner, unread, status = place.owner, place.unread, place.status_id
    back = _back_where(one)
    if back is not None:
        unread, status = back["unread"], back.get("status_id")
        owner = _back_to(tx, row, back, None if reader is None else reader.user_id, act)
        unread = unread or owner != back["owner_id"]
    elif owner is not None:
        owner = tx.people.heirs([owner], hold=True)[owner]
    if row.owner_id not in {None, owner}:
        if stays(tx, one, place, row):
            owner = row.owner_id
        elif unread and not row.unread:
            # To who has never seen it, though another one has (M2).
            tx.mailbox.set_unread(row.id, unread=True, cause=None)
    _require_there(tx, [(row.account_id, _some(owner, one), status)])
    if owner is not None and owner != row.owner_id:
        _require_opened(tx, tx.people.heirs([owner], hold=True))
    tx.mailbox.place(
        row,
        owner_id=_some(owner, one),
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
    last: int = released["owner_id"] if given is None else given.to_user_id
    heir = tx.people.heirs([last], hold=True)[last]
    is_there = tx.rights.active_role(row.account_id, heir) is not None
    owner = heir if is_there and not tx.people.unread_by_all([heir]) else chain_owner
    if given is not None and owner is not None and owner != last:
        tx.mailbox.add_transfer(
            {
                "delivery_id": row.id,
                "from_user_id": last,
                "to_user_id": owner,
                "by_user_id": None,
                "at": act.at,
                "note": "",
                "was_unread": released["unread"],
                "became_unread": True,
                "change_id": act.change_id,
                "undoes": None,
            }
        )
    return owner


def _keep_readings(tx: Tx, done: Iterable[Done]) -> None:
    """Store each message's reading, without its HTML: that is read from the body when somebody wants to see it."""
    letters: Mapping[int, Letter] = {
        one.claimed.message_id: one.letter for one in done if one.letter is not None
    }
    tx.settling.keep_readings(
        [_reading(message_id, letter) for message_id, letter in letters.items()], PARSER_VERSION
    )
    tx.settling.add_recipients(
        [
            {"message_id": message_id, "kind": kind, "norm": norm}
            for message_id, letter in letters.items()
            for kind, texts in (
                ("to", [box.address for box in letter.to]),
                ("cc", [box.address for box in letter.cc]),
                ("delivered", list(letter.delivered_to)),
            )
            for norm in dict.fromkeys(hidden(address.norm) for address in parsed(texts))
        ]
    )


def _reading(message_id: int, letter: Letter) -> Reading:
    return Reading(
        message_id=message_id,
        letter=codec.dump(replace(letter, html=None)),
        from_norm=letter.sender.address if isinstance(letter.sender, Author) else None,
        from_shown=", ".join(box.address for box in letter.from_)[:SHOWN_MAX],
        from_name=letter.from_[0].name[:SHOWN_MAX] if letter.from_ else "",
        subject=letter.subject[:SHOWN_MAX],
        sent_at=letter.date,
    )
