"""What becomes of a mail: a pure function of letter, proof, directory rows and rulings (E2).

The rows of the table of outcomes in `docs/rules.md` are the functions of this file.  A repair adds a ruling and the same
function decides again; nobody pokes state.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from maild.model.address import Address, InvalidAddressError
from maild.model.facts import (
    Binding,
    Directory,
    Drop,
    InboxFacts,
    Proven,
    Ruling,
    ThreadHit,
    TokenHit,
    Unproven,
    Witness,
)
from maild.model.identify import (
    Known,
    Sender,
    Stranger,
    Unknown,
    among_rivals,
    by_drop,
    by_word,
    from_norms,
    identify,
    in_place_of,
)
from maild.model.letter import LOOP_HEADER, Author, How, Kind, Letter, Mailbox
from maild.model.machine import told_of
from maild.model.match import (
    Ambiguous,
    Hit,
    NoClient,
    by_address,
    by_thread,
    by_token,
    each_by_address,
)
from maild.model.people import InboxKind, MemberState
from maild.model.reason import Reason
from maild.model.ruled import (
    Named,
    filed_by_hand,
    is_released,
    newest,
    put_aside,
    ruled_original,
    standing,
    who_said,
    within,
)
from maild.model.states import Move
from maild.model.trace import Trace

SURE_ENOUGH = 0.8
"""The confidence from which an original's sender is believed (FORWARD_UNSURE below it)."""

RECIPIENTS_SHOWN = 20
"""Recipients that a step of the trace lists."""
_HOW = {How.ATTACHED: "attached", How.INLINE: "found in the text"}
_MACHINE = {
    Kind.LIST: Reason.LIST_MAIL,
    Kind.BOUNCE: Reason.BOUNCE,
    Kind.AUTO_REPLY: Reason.AUTO_REPLY,
    Kind.REPORT: Reason.AUTO_REPLY,
    Kind.CALENDAR: Reason.AUTO_REPLY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One delivery to decide."""

    letter: Letter
    inbox: InboxFacts
    directory: Directory
    proof: Proven | Unproven
    thread: tuple[ThreadHit, ...] = ()
    tokens: tuple[TokenHit, ...] = ()
    rulings: tuple[Ruling, ...] = ()
    is_ours: bool = False
    """This installation wrote it, and it came back."""
    brings_back_ours: bool = False
    """It is a report on a mail that this installation wrote."""
    same_id_other_content: bool = False
    marked: Witness | None = None
    """The first arrival that its listener's upstream called spam."""
    whole_size: int = 0
    """Octets on the server of a mail that came in as its header alone; 0: it is whole (D12)."""
    tells_no_recipient: bool = False
    """It was collected from a mailbox of many, and no field says for whom (D14)."""
    drop: Drop | None = None
    """It came to a drop address (U7)."""
    rivals: tuple[Binding, ...] = ()
    """The users to whose drop addresses it came, where they are several: it is one's at most."""
    named: Named | None = None
    """Who a person said that it is from."""
    lies_in_a_mailbox: bool = False
    """It was decided before, and its owner has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done with a delivery.  `owner` None: the inbox's owner chain has it, unread."""

    move: Move
    reason: Reason
    facts: dict[str, Any] = field(default_factory=dict)
    hits: tuple[Hit, ...] = ()
    direction: str = "in"
    user: Binding | None = None
    claimed: Binding | None = None
    owner: int | None = None
    """The forwarder keeps what went through a forward inbox, read."""
    beside: tuple[tuple[Reason, dict[str, Any]], ...] = ()


def decide(case: Case, trace: Trace) -> Decision:
    """Decide one delivery.  Total: every Case has a Decision."""
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
        sender = by_drop(case.drop, case.inbox, others_read=bool(_outsiders(case)), trace=trace)
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
    was_taken_back = any(ruling.question == "withdraw" for ruling in case.rulings)
    if case.lies_in_a_mailbox and not was_taken_back:
        trace.say(
            "place", "It lay in a mailbox when the mark came; it stays.", "spam_mark_came_late"
        )
        return None
    return Decision(move=Move.IGNORE, reason=Reason.SPAM, facts={"header": header})


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
        return _filed(by_hand.hits, direction=_direction(case, sender))
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
    return "out" if isinstance(sender, Known) and _outsiders(case) else "in"


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
    if case.inbox.kind is InboxKind.FORWARD:
        return Decision(move=Move.IGNORE, reason=reason, facts=facts)
    outcome = _stranger(case, Stranger(), trace)
    return Decision(move=outcome.move, reason=reason, facts=facts, hits=outcome.hits)


def _by_sender(case: Case, sender: Sender, trace: Trace) -> Decision:
    match sender:
        case Unknown(reason, facts):
            return Decision(move=Move.HOLD, reason=reason, facts=facts)
        case Known():
            return _user(case, trace)
        case Stranger():
            return _stranger(case, sender, trace)


def _user(case: Case, trace: Trace) -> Decision:
    """One proven user: captured mail goes to its outside recipients, a forward to its original's client (F1, F3)."""
    redirected = _redirected(case, trace)
    if redirected is not None:
        return _filed((redirected,))
    outsiders = _outsiders(case)
    if outsiders:
        trace.say(
            "match",
            "A user wrote it to people outside: outgoing mail, filed under whom it was written to.",
            "outgoing",
            recipients=outsiders[:RECIPIENTS_SHOWN],
        )
        found = each_by_address(outsiders, case.directory, trace)
        if not isinstance(found, tuple):
            # Whom they wrote to says no client, or several: what they answer, or quote, may.
            hit = _by_conversation(case, outsiders, trace)
            found = found if hit is None else (hit,)
        return _outcome(found, case, direction="out")
    if case.letter.forwarded is not None or case.letter.looks_forwarded:
        return _forward(case, trace)
    if case.inbox.kind is InboxKind.SHARED and case.inbox.employee_is_client:
        found_self = by_address(
            from_norms(case.letter), case.directory, Reason.FILED_CONTACT, trace, role="sender"
        )
        if isinstance(found_self, Hit):
            return _filed((found_self,))
    hit = by_thread(case.thread, (), is_proven_user=True, trace=trace)
    hit = hit or by_token(case.tokens, (), lambda _: True, case.directory, trace)
    if hit is not None:
        return _filed((hit,))
    return Decision(move=Move.PLACE, reason=Reason.ONLY_USERS_INVOLVED)


def _by_conversation(case: Case, outsiders: list[str], trace: Trace) -> Hit | None:
    """Match a user's mail to people outside by what it answers or quotes.

    An answer quotes what others put into the mail that is answered: there the user's word is a Bcc alone.
    """
    is_answer = bool(case.letter.in_reply_to or case.letter.references)

    def is_own(token: TokenHit) -> bool:
        return not is_answer or (token.in_envelope and not token.in_fields)

    return by_thread(case.thread, outsiders, is_proven_user=False, trace=trace) or by_token(
        case.tokens, outsiders, is_own, case.directory, trace
    )


def _redirected(case: Case, trace: Trace) -> Hit | None:
    """Return the client who wrote a mail that its user's own server passed on unchanged to the drop address (U7)."""
    norms = from_norms(case.letter)
    if case.drop is None or any(case.directory.is_colleague(norm) for norm in norms):
        return None
    found = by_address(norms, case.directory, Reason.FILED_CONTACT, trace, role="sender")
    return found if isinstance(found, Hit) else None


def _outsiders(case: Case) -> list[str]:
    """Return the To and Cc addresses that are neither the account's users nor its inboxes."""
    return _outside(case, (*case.letter.to, *case.letter.cc))


def _outside(case: Case, boxes: tuple[Mailbox, ...]) -> list[str]:
    found: dict[str, None] = {}
    for box in boxes:
        try:
            address = Address.parse(box.address)
        except InvalidAddressError:
            continue
        ours = {address.norm, address.base.norm} & case.directory.inboxes
        if not ours and not case.directory.is_colleague(address.norm):
            found[address.norm] = None
    return list(found)


def _forward(case: Case, trace: Trace) -> Decision:
    """A proven user's forward (F1, F2)."""
    original = case.letter.forwarded
    ruled = ruled_original(case.rulings, trace)
    if ruled is not None:
        to = () if original is None else (*original.to, *original.cc)
        return _by_correspondents(case, Mailbox(ruled), to, trace)
    hit = by_thread(case.thread, (), is_proven_user=True, trace=trace)
    hit = hit or _by_users_token(case, trace)
    if hit is not None:
        return _filed((hit,))
    if original is None or original.from_ is None:
        trace.say(
            "match",
            "It looks forwarded, but who wrote the original could not be read.",
            "original_not_readable",
        )
        return Decision(move=Move.HOLD, reason=Reason.FORWARD_NOT_FOUND)
    percent = f"{original.confidence:.0%}"
    trace.say(
        "match",
        f"It forwards a mail from {original.from_.address} ({_HOW[original.how]}, {percent} sure).",
        "original",
        address=original.from_.address,
        how=original.how.value,
        confidence=original.confidence,
    )
    if original.confidence < SURE_ENOUGH:
        return Decision(
            move=Move.HOLD,
            reason=Reason.FORWARD_UNSURE,
            facts={"address": original.from_.address, "p": percent},
        )
    return _by_correspondents(case, original.from_, (*original.to, *original.cc), trace)


def _by_users_token(case: Case, trace: Trace) -> Hit | None:
    """Match a forward by the reference that its user put to it, or that the original's own people quote.

    A subject that came with the original is its author's word: that one may have seen another client's reference.
    """
    original = case.letter.forwarded
    authors = () if original is None or original.from_ is None else (original.from_,)

    def is_own(token: TokenHit) -> bool:
        is_users_subject = original is not None and token.in_subject and not token.in_original
        return token.in_fields or token.in_envelope or is_users_subject

    return by_token(case.tokens, _outside(case, authors), is_own, case.directory, trace)


def _by_correspondents(
    case: Case, author: Mailbox, to: tuple[Mailbox, ...], trace: Trace
) -> Decision:
    """File a forward to who wrote its original; where that was a colleague, to whom they wrote."""
    correspondents = _outside(case, (author,)) or _outside(case, to)
    if not correspondents:
        trace.say("match", "Everybody in the original is a user.", "original_among_users")
        return Decision(move=Move.PLACE, reason=Reason.ONLY_USERS_INVOLVED)
    found = by_address(
        correspondents, case.directory, Reason.FILED_FORWARD, trace, role="original correspondent"
    )
    return _outcome(found, case)


def _stranger(case: Case, sender: Stranger, trace: Trace) -> Decision:
    """Mail from outside: held in a forward inbox, matched by its From in a shared one."""
    if case.inbox.kind is InboxKind.FORWARD and case.inbox.unknown_policy != "share":
        if sender.claimed is not None:
            return Decision(
                move=Move.HOLD,
                reason=Reason.SENDER_NOT_VERIFIED,
                facts={"user": sender.claimed.user_name, "verdict": "only recorded here"},
            )
        return Decision(
            move=Move.HOLD, reason=Reason.SENDER_UNKNOWN, facts={"from": _shown_from(case.letter)}
        )
    author = (case.letter.sender.address,) if isinstance(case.letter.sender, Author) else ()
    hit = by_thread(case.thread, author, is_proven_user=False, trace=trace)
    hit = hit or by_token(case.tokens, author, lambda _: False, case.directory, trace)
    if hit is not None:
        return _filed((hit,))
    found = by_address(
        from_norms(case.letter), case.directory, Reason.FILED_CONTACT, trace, role="sender"
    )
    if isinstance(found, NoClient) and case.letter.forwarded is not None:
        trace.say(
            "match",
            "It forwards a mail; but only a user's forward is filed under whom the original is from.",
            "forward_by_stranger",
        )
        return Decision(
            move=Move.PLACE,
            reason=Reason.FORWARD_BY_STRANGER,
            facts={"from": _shown_from(case.letter)},
        )
    return _outcome(found, case, missing=Move.PLACE)


def _shown_from(letter: Letter) -> str:
    if isinstance(letter.sender, Author):
        return letter.sender.address
    return ", ".join(box.address for box in letter.from_) or "(none)"


def _outcome(
    found: Hit | tuple[Hit, ...] | Ambiguous | NoClient,
    case: Case,
    *,
    direction: str = "in",
    missing: Move | None = None,
) -> Decision:
    """Turn a match into a decision; without a client a forward inbox holds and a shared one leaves it unfiled."""
    if missing is None:
        missing = Move.HOLD if case.inbox.kind is InboxKind.FORWARD else Move.PLACE
    match found:
        case Hit():
            return _filed((found,), direction=direction)
        case tuple():
            return _filed(found, direction=direction)
        case Ambiguous(address, clients):
            return Decision(
                move=missing,
                reason=Reason.CLIENT_AMBIGUOUS,
                facts={
                    "address": address,
                    "n": len(clients),
                    "clients": ", ".join(client.name for client in clients),
                },
                direction=direction,
            )
        case NoClient(tried):
            return Decision(
                move=missing,
                reason=Reason.CLIENT_NOT_FOUND,
                facts={"tried": ", ".join(tried) or "the mail: it names nobody outside"},
                direction=direction,
            )


def _filed(hits: tuple[Hit, ...], *, direction: str = "in") -> Decision:
    return Decision(
        move=Move.FILE,
        reason=hits[0].how,
        facts={"client": ", ".join(hit.client.name for hit in hits), "fact": hits[0].fact},
        hits=hits,
        direction=direction,
    )
