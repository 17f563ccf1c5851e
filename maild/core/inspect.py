"""What-if: what maild would decide about a mail, by the same pure function, storing nothing (E3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from maild.core.accept import find_inbox
from maild.core.app import OPERATOR, App
from maild.core.drops import drops_among
from maild.core.facts import Gathered, case_of, gather
from maild.core.readers import readers_of
from maild.core.rules_applied import apply_rules, place_of, rules_of
from maild.core.standing import home, parse_address
from maild.core.unknown_senders import knows
from maild.model.case import Decision
from maild.model.decide import decide
from maild.model.drop import masked
from maild.model.facts import Proven, Unproven, Witness
from maild.model.letter import Author, Letter
from maild.model.reason import Reason
from maild.model.rules import NOTHING, Heard, Rule
from maild.model.states import IN_A_MAILBOX, Move, State, moved
from maild.model.trace import Trace
from maild.store.deliveries import Claimed
from maild.store.intake import InboxRow
from maild.store.store import Tx

PROVEN = Proven("it was asked what happens if the sender is proven")
UNPROVEN = Unproven("a file alone proves nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How the mails would come in."""

    rcpt: str | None = None
    """The envelope's recipient; None: the first inbox that the mail's own fields name, else the account's first."""
    mail_from: str | None = None
    peer: str | None = None
    proven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One mail: its size and what reading it gave."""

    size: int
    letter: Letter | Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    decision: Decision
    trace: Trace
    inbox: InboxRow
    heard: Heard = NOTHING


class WhatIf:
    """Answers for one account (None: for the only one, or by the recipient alone)."""

    def __init__(self, app: App, account: str | None, asked: Asked) -> None:
        """Raises RefusedError INVALID_EMAIL, NOT_FOUND."""
        self._app = app
        self._asked = asked
        if asked.rcpt is not None:
            parse_address(asked.rcpt)
        with app.store.read() as tx:
            is_told = account is not None or len(tx.views.accounts()) == 1
            self._account = home(tx, account, OPERATOR).id if is_told else None
            first = None if self._account is None else tx.views.first_inbox(self._account)
        self._default = first

    def would(self, samples: Sequence[Sample]) -> list[dict[str, Any] | None]:
        """Return for each mail what would become of it; None where no inbox is in question.  Raises StoreDownError."""
        with self._app.store.read() as tx:
            inboxes = self._inboxes(tx, samples)
            rcpt = self._asked.rcpt or ""
            dropped = drops_among(self._app, tx, [rcpt]).get(rcpt)
            outcomes: list[_Outcome | dict[str, Any] | None] = [None] * len(samples)
            cases: list[tuple[int, InboxRow, Claimed, Letter]] = []
            for at, (sample, inbox) in enumerate(zip(samples, inboxes, strict=True)):
                if inbox is None:
                    outcomes[at] = self._nowhere()
                elif dropped is not None and dropped.dead_at is not None:
                    outcomes[at] = _refused(Reason.DROP_ADDRESS_ROTATED, address=masked(rcpt))
                elif inbox.max_size is not None and sample.size > inbox.max_size:
                    outcomes[at] = _refused(
                        Reason.TOO_LARGE, size=sample.size, limit=inbox.max_size
                    )
                elif dropped is None and (stranger := self._turned_away(tx, inbox, sample)):
                    outcomes[at] = _refused(
                        Reason.UNKNOWN_SENDER_REFUSED, inbox=inbox.norm, address=stranger
                    )
                elif isinstance(sample.letter, Letter):
                    cases.append((at, inbox, self._claimed(at, inbox, sample), sample.letter))
                else:
                    outcomes[at] = _unparseable(sample.letter, inbox)
            witness = Witness(
                door="inspect",
                recipients=() if dropped is not None else (rcpt,),
                drop_user_id=None if dropped is None else dropped.user_id,
            )
            gathered = gather(
                self._app,
                tx,
                [(claimed, letter) for _, _, claimed, letter in cases],
                {claimed.message_id: [witness] for _, _, claimed, _ in cases},
            )
            now = self._app.clock()
            rules = rules_of(tx, {claimed.account_id for _, _, claimed, _ in cases}, now)
            for at, inbox, claimed, letter in cases:
                own = rules.get(claimed.account_id, ())
                outcomes[at] = self._decide(claimed, letter, inbox, (gathered, own))
            return _documents(tx, outcomes, now)

    def _inboxes(self, tx: Tx, samples: Sequence[Sample]) -> list[InboxRow | None]:
        named = [self._named_by(sample) for sample in samples]
        reached = find_inbox(tx.intake, [text for texts in named for text in texts])
        if self._account is not None:
            reached = {
                text: inbox for text, inbox in reached.items() if inbox.account_id == self._account
            }
        return [next((reached[text] for text in texts if text in reached), None) for texts in named]

    def _named_by(self, sample: Sample) -> list[str]:
        """Return the addresses that may say the inbox, the surest first (D14)."""
        if self._asked.rcpt is not None:
            return [self._asked.rcpt]
        texts: list[str] = []
        if isinstance(sample.letter, Letter):
            boxes = (*sample.letter.to, *sample.letter.cc)
            texts = [*sample.letter.delivered_to, *(box.address for box in boxes)]
        return texts if self._default is None else [*texts, self._default]

    def _turned_away(self, tx: Tx, inbox: InboxRow, sample: Sample) -> str | None:
        """Return the sender whom the inbox does not take mail of."""
        sender = sample.letter.sender if isinstance(sample.letter, Letter) else None
        if not inbox.refuses_unknown or self._asked.mail_from == "":
            return None
        if not isinstance(sender, Author) or knows(tx.intake, inbox.account_id, sender):
            return None
        return sender.address

    def _nowhere(self) -> dict[str, Any] | None:
        if self._asked.rcpt is None:
            return None
        return _refused(Reason.NO_SUCH_RECIPIENT, address=self._asked.rcpt)

    def _claimed(self, at: int, inbox: InboxRow, sample: Sample) -> Claimed:
        """Return a delivery that is nowhere: its ids are below every stored one's, so that no row is found for it."""
        return Claimed(
            id=-1 - at,
            ulid="",
            account_id=inbox.account_id,
            message_id=-1 - at,
            inbox_id=inbox.id,
            state=State.RECEIVED,
            attempts=1,
            received_at=self._app.clock(),
            digest="",
            size=sample.size,
            message_id_header=None,
            content_key="",
        )

    def _decide(
        self,
        claimed: Claimed,
        letter: Letter,
        inbox: InboxRow,
        known: tuple[Gathered, Sequence[Rule]],
    ) -> _Outcome:
        gathered, rules = known
        trace = Trace()
        origin = f" from {self._asked.peer}" if self._asked.peer else ""
        sender = (
            "" if self._asked.mail_from is None else f", envelope sender <{self._asked.mail_from}>"
        )
        trace.say(
            "accept",
            f"It would come in{origin} for {inbox.norm}{sender}.",
            "would_come_in",
            inbox=inbox.norm,
        )
        for what in letter.degraded:
            trace.say("parse", f"Could not be read in full: {what}.", "not_read_in_full", what=what)
        case = case_of(claimed, letter, gathered)
        case = replace(case, proof=PROVEN if self._asked.proven else UNPROVEN)
        decision, heard = apply_rules(rules, case, decide(case, trace), claimed.size, trace)
        return _Outcome(decision=decision, trace=trace, inbox=inbox, heard=heard)


def _refused(reason: Reason, **facts: Any) -> dict[str, Any]:
    """Return what a door would say: nothing would be stored."""
    sentence = reason.say(**facts)
    return {
        "state": "refused",
        "reason": reason.code,
        "reason_text": sentence,
        "inbox": None,
        "user": None,
        "owner": None,
        "clients": [],
        "direction": None,
        "trace": [f"{reason.code}: {sentence}."],
        "steps": [],
    }


def _unparseable(error: Exception, inbox: InboxRow) -> _Outcome:
    trace = Trace()
    facts = {"error": str(error).rstrip(".")}
    sentence = f"{Reason.UNPARSEABLE.code}: {Reason.UNPARSEABLE.say(**facts)}."
    trace.say("parse", sentence, "decided", reason=Reason.UNPARSEABLE.code, **facts)
    decision = Decision(move=Move.FAIL, reason=Reason.UNPARSEABLE, facts=facts)
    return _Outcome(decision=decision, trace=trace, inbox=inbox)


def _documents(
    tx: Tx, outcomes: Sequence[_Outcome | dict[str, Any] | None], now: datetime
) -> list[dict[str, Any] | None]:
    decided = [one for one in outcomes if isinstance(one, _Outcome)]
    readers = readers_of(tx, (one.inbox.id for one in decided), now)
    places = {
        id(one): place_of(one.decision, one.heard, readers.get(one.inbox.id)) for one in decided
    }
    people = {place.owner for place in places.values()}
    people |= {one.decision.user.user_id for one in decided if one.decision.user is not None}
    emails = tx.lists.emails({number for number in people if number is not None})
    ulids = tx.views.client_ulids(hit.client.id for one in decided for hit in one.decision.hits)
    return [
        _document(one, places[id(one)].owner, emails, ulids) if isinstance(one, _Outcome) else one
        for one in outcomes
    ]


def _document(
    one: _Outcome, owner: int | None, emails: dict[int | None, str], ulids: dict[int, str]
) -> dict[str, Any]:
    decision = one.decision
    state = moved(State.RECEIVED, decision.move)
    return {
        "state": state.value,
        "reason": decision.reason.code,
        "reason_text": decision.reason.say(**decision.facts),
        "inbox": one.inbox.norm,
        "user": emails.get(decision.user.user_id) if decision.user else None,
        "owner": emails.get(owner) if state in IN_A_MAILBOX else None,
        "clients": [
            {"id": ulids[hit.client.id], "name": hit.client.name, "how": hit.how.code}
            for hit in decision.hits
        ],
        "direction": decision.direction,
        "trace": [step.text for step in one.trace.steps],
        "steps": [step.as_dict() for step in one.trace.steps],
    }
