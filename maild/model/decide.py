"""What becomes of a mail: a pure function of letter, proof, directory rows and rulings (E2).

What comes before its sender's part is here, in order; the rows of the table of outcomes are those of `model.filing`.  A repair
adds a ruling and the same function decides again; nobody pokes state.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from maild.model.case import Case, Decision
from maild.model.facts import Written
from maild.model.filing import filed, of_stranger, of_user, of_written, outsiders
from maild.model.identify import (
    Known,
    Sender,
    Stranger,
    Unknown,
    among_rivals,
    by_drop,
    by_word,
    identify,
    in_place_of,
)
from maild.model.letter import LOOP_HEADER, Kind
from maild.model.machine import told_of
from maild.model.match import Hit
from maild.model.people import InboxKind, MemberState
from maild.model.reason import Reason
from maild.model.ruled import (
    filed_by_hand,
    is_released,
    newest,
    put_aside,
    standing,
    who_said,
    within,
)
from maild.model.states import Move
from maild.model.trace import Trace

_MACHINE = {
    Kind.LIST: Reason.LIST_MAIL,
    Kind.BOUNCE: Reason.BOUNCE,
    Kind.AUTO_REPLY: Reason.AUTO_REPLY,
    Kind.REPORT: Reason.AUTO_REPLY,
    Kind.CALENDAR: Reason.AUTO_REPLY,
}


def decide(case: Case, trace: Trace) -> Decision:
    """Decide one delivery.  Total: every Case has a Decision."""
    if case.written is not None:
        return _written(case, case.written, trace)
    spam = _spam(case, trace)
    if spam is not None:
        _conclude(spam, trace)
        return _with_marks(spam, case)
    case = replace(case, rulings=standing(case.rulings))
    sender = _sender(case, trace)
    decision = (
        _ruled(case, sender, trace)
        or _loop(case, trace)
        or _collected(case, trace)
        or _machine(case, sender, trace)
        or _by_sender(case, sender, trace)
    )
    decision = _with_sender(decision, sender, case)
    _conclude(decision, trace)
    return _with_marks(decision, case)


def _written(case: Case, written: Written, trace: Trace) -> Decision:
    """What somebody wrote here: their word, and no question of who sent it; it is its author's, read (M8)."""
    author = Known(written.author)
    trace.say(
        "accept",
        f"{written.author.user_name} wrote it here.",
        "written_here",
        user=written.author.user_name,
    )
    case = replace(case, rulings=standing(case.rulings))
    decision = _ruled(case, author, trace) or of_written(case, written, trace)
    if written.is_own:
        decision = replace(decision, direction="out", owner=_keeper(author, case))
    decision = replace(decision, user=written.author)
    _conclude(decision, trace)
    return _with_marks(decision, case)


def _conclude(decision: Decision, trace: Trace) -> None:
    reason = decision.reason
    trace.say(
        "file" if decision.hits else "place",
        f"{reason.code}: {reason.say(**decision.facts)}.",
        "decided",
        reason=reason.code,
        **decision.facts,
    )


def _sender(case: Case, trace: Trace) -> Sender:
    sender: Sender
    if case.named is not None:
        sender = by_word(case.named, case.inbox, trace)
    elif case.drop is not None:
        sender = by_drop(case.drop, case.inbox, others_read=bool(outsiders(case)), trace=trace)
    else:
        sender = identify(case.letter, case.inbox, case.directory, case.proof, trace)
        sender = among_rivals(sender, case.rivals, trace)
    taken_over = newest(case.rulings, "substitute")
    if taken_over is None:
        return sender
    return in_place_of(sender, taken_over, trace)


def _with_sender(decision: Decision, sender: Sender, case: Case) -> Decision:
    if not isinstance(sender, Known):
        return replace(decision, claimed=sender.claimed)
    keeps = case.inbox.kind is InboxKind.FORWARD and decision.move in {Move.FILE, Move.PLACE}
    return replace(decision, user=sender.binding, owner=_keeper(sender, case) if keeps else None)


def _keeper(sender: Known, case: Case) -> int | None:
    """Return whose a forward is: its forwarder's, or of who was told to take it over from somebody inactive.

    None: of a mail that was resolved before to somebody who cannot have it any more.
    """
    binding = sender.binding
    if binding.disabled_at is None and binding.membership is MemberState.ACTIVE:
        return binding.user_id
    taken_over = newest(case.rulings, "substitute")
    return None if taken_over is None else int(taken_over.answer["to_id"])


def _with_marks(decision: Decision, case: Case) -> Decision:
    marks: list[tuple[Reason, dict[str, Any]]] = []
    if case.same_id_other_content:
        marks.append((Reason.SAME_ID_OTHER_CONTENT, {}))
    if case.letter.degraded:
        marks.append((Reason.PARSE_DEGRADED, {"parts": "; ".join(case.letter.degraded)}))
    return replace(decision, beside=tuple(marks))


def _spam(case: Case, trace: Trace) -> Decision | None:
    """A trusted upstream called it spam: put aside whoever wrote it, unless a person said something about it.

    Nobody can make a mail disappear by sending a marked copy after it: what lies in a mailbox stays there.
    """
    if case.marked is None or case.marked.spam_mark is None:
        return None
    header = case.marked.spam_mark
    trace.say(
        "accept",
        f"The filter in front of the {case.marked.door} door marked it as spam: {header}.",
        "spam_mark",
        header=header,
        door=case.marked.door,
    )
    if standing(case.rulings):
        trace.say(
            "place",
            "A person decided about it since; the mark does not count.",
            "spam_mark_overruled",
        )
        return None
    if _stays_where_it_lies(case):
        trace.say(
            "place", "It lay in a mailbox when the mark came; it stays.", "spam_mark_came_late"
        )
        return None
    return Decision(move=Move.IGNORE, reason=Reason.SPAM, facts={"header": header})


def _stays_where_it_lies(case: Case) -> bool:
    """Whether it lies in a mailbox, and not because of a release that was taken back."""
    return case.lies_in_a_mailbox and not any(
        ruling.question == "withdraw" for ruling in case.rulings
    )


def _ruled(case: Case, sender: Sender, trace: Trace) -> Decision | None:
    """What a person said comes before everything that maild thinks."""
    aside = put_aside(case.rulings)
    if aside is not None:
        trace.say("place", f"{aside.user} put it away.", "said_dismissed", user=aside.user)
        facts = {"user": within(aside.user)}
        return Decision(move=Move.IGNORE, reason=Reason.DISMISSED, facts=facts)
    by_hand = filed_by_hand(case.rulings)
    if by_hand is None:
        return None
    if by_hand.hits:
        return filed(by_hand.hits, direction=_direction(case, sender))
    return Decision(
        move=Move.PLACE,
        reason=Reason.UNFILED_BY_HAND,
        facts=by_hand.taken_off or {},
        direction=_direction(case, sender),
    )


def _loop(case: Case, trace: Trace) -> Decision | None:
    """Our own mail came back, by a user's forwarding rule or a mail server's: it must not be answered, or told of."""
    if not case.is_ours:
        return None
    trace.say(
        "parse",
        f"maild wrote this mail itself, and it came back: its mark ({LOOP_HEADER}) is genuine.",
        "our_own",
        header=LOOP_HEADER,
    )
    if is_released(case.rulings):
        trace.say("place", "Somebody released it; treated as normal.", "released")
        return None
    if _stays_where_it_lies(case):
        # A colleague's copy, whose author's was erased since: what was written is not known any more.
        trace.say("place", "It lies in a mailbox; it stays.", "loop_found_late")
        return None
    return Decision(move=Move.IGNORE, reason=Reason.LOOP_STOPPED, facts={"header": LOOP_HEADER})


def _collected(case: Case, trace: Trace) -> Decision | None:
    """What a server did not give, or did not tell, is for a person."""
    if case.whole_size:
        return Decision(
            move=Move.PLACE,
            reason=Reason.TOO_LARGE,
            facts={"size": case.whole_size, "limit": "lower: only its header was fetched"},
        )
    if case.tells_no_recipient:
        said = newest(case.rulings, "recipient")
        if said is not None:
            trace.say(
                "identify",
                f"{who_said(said)} that it was sent to {case.inbox.norm}.",
                "said_recipient",
                inbox=case.inbox.norm,
                user=said.answer.get("user", ""),
            )
            return None
        trace.say(
            "accept",
            "The mailbox that it was collected from does not tell for whom it is.",
            "no_recipient",
        )
        return Decision(move=Move.HOLD, reason=Reason.NO_RECIPIENT_MARKER)
    return None


def _direction(case: Case, sender: Sender) -> str:
    return "out" if isinstance(sender, Known) and outsiders(case) else "in"


def _machine(case: Case, sender: Sender, trace: Trace) -> Decision | None:
    """Machine mail: put aside in a forward inbox, matched and marked in a shared one (F7)."""
    if case.letter.kind is Kind.NORMAL:
        return None
    proof = told_of(case.letter)
    is_users = isinstance(sender, Known) or (
        isinstance(sender, Unknown) and sender.claimed is not None
    )
    if case.letter.kind is Kind.LIST and is_users:
        # crm@ may itself be a group upstream, which puts its list fields on every colleague's forward.
        trace.say(
            "parse",
            f"It came through a list, as {proof} does, but a user wrote it or claims to; treated as mail of that user.",
            "users_mail_through_a_list",
            proof=proof,
        )
        return None
    reason = _MACHINE[case.letter.kind]
    trace.say(
        "parse",
        f"A machine made it: {proof}.",
        "machine",
        kind=case.letter.kind.value,
        proof=proof,
    )
    if case.brings_back_ours and case.letter.returned is not None:
        code = case.letter.returned.status or "without a code"
        fate = "is delayed" if case.letter.returned.is_delayed else "came back"
        trace.say(
            "parse", f"It is about a mail of ours, which {fate} ({code}).", "returned", code=code
        )
    if is_released(case.rulings):
        trace.say("place", "Somebody released it; treated as normal.", "released")
        return None
    facts = {"proof": proof}
    if case.about:
        # With the mail that it is about, whichever inbox the report came back to (F7).
        fact = "the mail that it is about is filed there"
        hits = tuple(Hit(client, Reason.FILED_THREAD, fact) for client in case.about)
        return Decision(move=Move.FILE, reason=reason, facts=facts, hits=hits)
    if case.inbox.kind is InboxKind.FORWARD:
        return Decision(move=Move.IGNORE, reason=reason, facts=facts)
    outcome = of_stranger(case, Stranger(), trace)
    return Decision(move=outcome.move, reason=reason, facts=facts, hits=outcome.hits)


def _by_sender(case: Case, sender: Sender, trace: Trace) -> Decision:
    match sender:
        case Unknown(reason, facts):
            return Decision(move=Move.HOLD, reason=reason, facts=facts)
        case Known():
            return of_user(case, trace)
        case Stranger():
            return of_stranger(case, sender, trace)
