"""Which client a mail is about: each attempt recorded, the winner named, never a guess (F4, F5).  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maild.model.facts import ClientRef, Directory, ThreadHit
from maild.model.reason import Reason
from maild.model.trace import Trace


@dataclass(frozen=True, slots=True)
class Hit:
    """One client, and why."""

    client: ClientRef
    how: Reason
    fact: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several clients have a right to it (CLIENT_AMBIGUOUS)."""

    address: str
    clients: tuple[ClientRef, ...]


@dataclass(frozen=True, slots=True)
class NoClient:
    """Nobody in the directory (CLIENT_NOT_FOUND)."""

    tried: tuple[str, ...]


Match = Hit | Ambiguous | NoClient


def by_thread(
    hits: Sequence[ThreadHit], sender: str | None, *, is_proven_user: bool, trace: Trace
) -> Hit | None:
    """Match by a filed mail that this one answers, if the sender has a part in that thread (F4)."""
    for hit in hits:
        if not is_proven_user and sender not in hit.participants:
            trace.say(
                "match",
                f"It quotes <{hit.message_id}>, but its sender has no part in that thread; not used.",
            )
            continue
        if len(hit.clients) != 1:
            trace.say(
                "match",
                f"It answers <{hit.message_id}>, which is filed under several clients; not used.",
            )
            continue
        client = hit.clients[0]
        trace.say("match", f"It answers <{hit.message_id}>, which is filed under {client.name}.")
        return Hit(client, Reason.FILED_THREAD, "it answers a mail that is filed there")
    if not hits:
        trace.say("match", "It answers no filed mail.")
    return None


def by_address(
    norms: Iterable[str], directory: Directory, how: Reason, trace: Trace, *, role: str
) -> Match:
    """Match by contact address first, then by the client's domain; `role` names whose addresses these are."""
    tried = tuple(dict.fromkeys(norms))
    if not tried:
        trace.say("match", f"There is no {role} to match.")
    for norm in tried:
        found = directory.contacts.get(norm, ())
        if found:
            chosen = _one_of(norm, f"The {role} {norm}", "is a contact of", found, directory, trace)
            fact = f"{norm} is a contact of it"
            return Hit(chosen, how, fact) if isinstance(chosen, ClientRef) else chosen
        trace.say("match", f"The {role} {norm} is nobody's contact.")
    by_domain = Reason.FILED_DOMAIN if how is Reason.FILED_CONTACT else how
    for norm in tried:
        domain = norm.rpartition("@")[2]
        found = directory.domains.get(domain, ())
        if found:
            chosen = _one_of(domain, f"The domain {domain}", "belongs to", found, directory, trace)
            fact = f"the domain of {norm} is its own"
            return Hit(chosen, by_domain, fact) if isinstance(chosen, ClientRef) else chosen
    if tried:
        trace.say("match", "No client has one of these domains.")
    return NoClient(tried)


def _one_of(
    key: str,
    subject: str,
    verb: str,
    found: tuple[ClientRef, ...],
    directory: Directory,
    trace: Trace,
) -> ClientRef | Ambiguous:
    """Return the one client of an address or domain, or the one that a person chose among several."""
    if len(found) == 1:
        trace.say("match", f"{subject} {verb} {found[0].name}.")
        return found[0]
    preferred = directory.preferred.get(key)
    chosen = next((one for one in found if preferred and one.id == preferred.client.id), None)
    if preferred is None or chosen is None:
        return _ambiguous(key, subject, found, trace)
    trace.say(
        "match",
        f"{subject} belongs to {len(found)} clients; {preferred.user} said on {preferred.at.day} "
        f"{preferred.at:%b} that it means {chosen.name}.",
    )
    return chosen


def _ambiguous(key: str, subject: str, found: tuple[ClientRef, ...], trace: Trace) -> Ambiguous:
    names = ", ".join(client.name for client in found)
    trace.say("match", f"{subject} belongs to {len(found)} clients: {names}.")
    return Ambiguous(key, found)


def each_by_address(
    norms: Iterable[str], directory: Directory, trace: Trace
) -> tuple[Hit, ...] | Ambiguous | NoClient:
    """Match every outside recipient of a captured mail for itself; clients found twice count once (F3)."""
    tried = tuple(dict.fromkeys(norms))
    hits: dict[int, Hit] = {}
    for norm in tried:
        match by_address([norm], directory, Reason.FILED_CAPTURE, trace, role="recipient"):
            case Hit() as hit:
                hits.setdefault(hit.client.id, hit)
            case Ambiguous() as ambiguous:
                return ambiguous
            case NoClient():
                continue
    return tuple(hits.values()) or NoClient(tried)
