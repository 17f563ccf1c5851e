"""Under which client a mail goes by who sent it: the rows of the table of outcomes in `docs/rules.md` (F1-F5).  Pure."""

from __future__ import annotations

from maild.model.address import Address, InvalidAddressError
from maild.model.case import Case, Decision
from maild.model.facts import TokenHit, Written
from maild.model.identify import Stranger, from_norms
from maild.model.letter import Author, How, Letter, Mailbox
from maild.model.match import (
    Ambiguous,
    Hit,
    NoClient,
    by_address,
    by_thread,
    by_token,
    each_by_address,
)
from maild.model.people import InboxKind
from maild.model.reason import Reason
from maild.model.ruled import ruled_original
from maild.model.states import Move
from maild.model.trace import Trace

SURE_ENOUGH = 0.8
"""The confidence from which an original's sender is believed (FORWARD_UNSURE below it)."""

RECIPIENTS_SHOWN = 20
"""Recipients that a step of the trace lists."""
_HOW = {How.ATTACHED: "attached", How.INLINE: "found in the text"}


def of_user(case: Case, trace: Trace) -> Decision:
    """One proven user: captured mail goes to its outside recipients, a forward to its original's client (F1, F3)."""
    redirected = _redirected(case, trace)
    if redirected is not None:
        return filed((redirected,))
    outside = outsiders(case)
    if outside:
        trace.say(
            "match",
            "A user wrote it to people outside: outgoing mail, filed under whom it was written to.",
            "outgoing",
            recipients=outside[:RECIPIENTS_SHOWN],
        )
        found = each_by_address(outside, case.directory, trace)
        if not isinstance(found, tuple):
            # Whom they wrote to says no client, or several: what they answer, or quote, may.
            hit = _by_conversation(case, outside, trace)
            found = found if hit is None else (hit,)
        return _outcome(found, case, direction="out")
    if case.letter.forwarded is not None or case.letter.looks_forwarded:
        return _forward(case, trace)
    if case.inbox.kind is InboxKind.SHARED and case.inbox.employee_is_client:
        found_self = by_address(
            from_norms(case.letter), case.directory, Reason.FILED_CONTACT, trace, role="sender"
        )
        if isinstance(found_self, Hit):
            return filed((found_self,))
    hit = by_thread(case.thread, (), is_proven_user=True, trace=trace)
    hit = hit or by_token(case.tokens, (), lambda _: True, case.directory, trace)
    if hit is not None:
        return filed((hit,))
    return Decision(move=Move.PLACE, reason=Reason.ONLY_USERS_INVOLVED)


def _by_conversation(case: Case, outside: list[str], trace: Trace) -> Hit | None:
    """Match a user's mail to people outside by what it answers or quotes.

    An answer quotes what others put into the mail that is answered: there the user's word is a Bcc alone.
    """
    is_answer = bool(case.letter.in_reply_to or case.letter.references)

    def is_own(token: TokenHit) -> bool:
        return not is_answer or (token.in_envelope and not token.in_fields)

    return by_thread(case.thread, outside, is_proven_user=False, trace=trace) or by_token(
        case.tokens, outside, is_own, case.directory, trace
    )


def _redirected(case: Case, trace: Trace) -> Hit | None:
    """Return the client who wrote a mail that its user's own server passed on unchanged to the drop address (U7)."""
    norms = from_norms(case.letter)
    if case.drop is None or any(case.directory.is_colleague(norm) for norm in norms):
        return None
    found = by_address(norms, case.directory, Reason.FILED_CONTACT, trace, role="sender")
    return found if isinstance(found, Hit) else None


def outsiders(case: Case) -> list[str]:
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
        return filed((hit,))
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

    A subject that came with the original is its author's word: that one may have seen another client's reference.  One
    that was not read may be any.
    """
    original = case.letter.forwarded
    authors = () if original is None or original.from_ is None else (original.from_,)

    def is_own(token: TokenHit) -> bool:
        return token.in_fields or token.in_envelope or token.is_put_to_original

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


def of_written(case: Case, written: Written, trace: Trace) -> Decision:
    """Mail that somebody wrote here: under the clients of what it answers, else of whom it was written to (M8)."""
    outside = outsiders(case)
    direction = "out" if written.is_own or outside else "in"
    if written.clients:
        names = [client.name for client in written.clients]
        trace.say(
            "match",
            f"What it answers, or passes on, is filed under {', '.join(names)}.",
            "answers_filed",
            clients=names,
        )
        fact = "it answers a mail that is filed there"
        hits = tuple(Hit(client, Reason.FILED_THREAD, fact) for client in written.clients)
        return filed(hits, direction=direction)
    hit = by_thread(case.thread, (), is_proven_user=True, trace=trace)
    if hit is not None:
        return filed((hit,), direction=direction)
    if not outside:
        return Decision(move=Move.PLACE, reason=Reason.ONLY_USERS_INVOLVED, direction=direction)
    found = each_by_address(outside, case.directory, trace)
    return _outcome(found, case, direction=direction, missing=Move.PLACE)


def of_stranger(case: Case, sender: Stranger, trace: Trace) -> Decision:
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
        return filed((hit,))
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
            return filed((found,), direction=direction)
        case tuple():
            return filed(found, direction=direction)
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


def filed(hits: tuple[Hit, ...], *, direction: str = "in") -> Decision:
    """Return the decision to file under these clients; the first says why."""
    return Decision(
        move=Move.FILE,
        reason=hits[0].how,
        facts={"client": ", ".join(hit.client.name for hit in hits), "fact": hits[0].fact},
        hits=hits,
        direction=direction,
    )
