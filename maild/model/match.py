"""Which client a mail is about: each attempt recorded, the winner named, never a guess (F4, F5).  Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from maild.model.facts import ClientRef, Directory, ThreadHit, TokenHit
from maild.model.public_mail import is_public_mail
from maild.model.reason import Reason
from maild.model.reference import quoted
from maild.model.trace import Trace

DOMAINS_SHOWN = 5
"""Domains that a sentence names; a mail may have been written to a thousand."""


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
    hits: Sequence[ThreadHit], people: Collection[str], *, is_proven_user: bool, trace: Trace
) -> Hit | None:
    """Match by a filed mail that this one answers, if one of these people has a part in that thread (F4)."""
    for hit in hits:
        if not is_proven_user and hit.participants.isdisjoint(people):
            trace.say(
                "match",
                f"It quotes <{hit.message_id}>, but its sender has no part in that thread; not used.",
                "thread_of_others",
                message_id=hit.message_id,
            )
            continue
        if len(hit.clients) != 1:
            trace.say(
                "match",
                f"It answers <{hit.message_id}>, which is filed under several clients; not used.",
                "thread_of_several_clients",
                message_id=hit.message_id,
            )
            continue
        client = hit.clients[0]
        trace.say(
            "match",
            f"It answers <{hit.message_id}>, which is filed under {client.name}.",
            "thread",
            message_id=hit.message_id,
            client=client.name,
        )
        return Hit(client, Reason.FILED_THREAD, "it answers a mail that is filed there")
    if not hits:
        trace.say("match", "It answers no mail that is filed.", "no_thread")
    return None


def by_token(
    tokens: Sequence[TokenHit],
    people: Collection[str],
    is_own: Callable[[TokenHit], bool],
    directory: Directory,
    trace: Trace,
) -> Hit | None:
    """Match by a reference that the mail quotes (F4).

    It counts as a proven user's own word (`is_own`), or where one of these people belongs to that client: whoever has
    seen a reference can quote it.
    """
    found: dict[int, Hit] = {}
    for token in tokens:
        text, name = quoted(token.reference), token.client.name
        if not is_own(token) and not any(_belongs(norm, token, directory) for norm in people):
            trace.say(
                "match",
                f"It quotes {text}, the reference of {name}, but nobody whom {name} is known by is in it; not used.",
                "reference_of_others",
                reference=token.reference,
                client=name,
            )
            continue
        trace.say(
            "match",
            f"It quotes {text}, the reference of {name}.",
            "reference",
            reference=token.reference,
            client=name,
        )
        found[token.client.id] = Hit(
            token.client, Reason.FILED_TOKEN, f"the mail quotes its reference {text}"
        )
    if len(found) > 1:
        trace.say(
            "match",
            "It quotes references of several clients; none of them is used.",
            "references_of_several_clients",
        )
        return None
    return next(iter(found.values()), None)


def _belongs(norm: str, token: TokenHit, directory: Directory) -> bool:
    """Whether somebody is a contact of the client, under its domain, or was written to there by a user."""
    domain = norm.rpartition("@")[2]
    return (
        norm in token.known
        or token.client in directory.contacts.get(norm, ())
        or (token.client in directory.domains.get(domain, ()) and not is_public_mail(domain))
    )


def by_address(
    norms: Iterable[str], directory: Directory, how: Reason, trace: Trace, *, role: str
) -> Match:
    """Match by contact address first, then by the client's domain; `role` names whose addresses these are."""
    tried = tuple(dict.fromkeys(norms))
    if not tried:
        trace.say("match", f"There is no {role} to look for.", "nobody_to_match", role=role)
    for norm in tried:
        found = directory.contacts.get(norm, ())
        if found:
            chosen = _one_of(norm, f"The {role} {norm}", "is a contact of", found, directory, trace)
            fact = f"{norm} is one of its contacts"
            return Hit(chosen, how, fact) if isinstance(chosen, ClientRef) else chosen
        trace.say(
            "match",
            f"The {role} {norm} is no client's contact.",
            "no_contact",
            role=role,
            address=norm,
        )
    by_domain = Reason.FILED_DOMAIN if how is Reason.FILED_CONTACT else how
    for norm in tried:
        domain = norm.rpartition("@")[2]
        found = directory.domains.get(domain, ())
        if found and is_public_mail(domain):
            trace.say(
                "match",
                f"Anybody can have a mailbox at {domain}; that says nothing.",
                "public_domain",
                domain=domain,
            )
        elif found:
            chosen = _one_of(domain, f"The domain {domain}", "belongs to", found, directory, trace)
            fact = f"{norm} has its domain"
            return Hit(chosen, by_domain, fact) if isinstance(chosen, ClientRef) else chosen
    if tried:
        names = list(dict.fromkeys(norm.rpartition("@")[2] for norm in tried))
        trace.say(
            "match",
            f"No client has the domain {' or '.join(names[:DOMAINS_SHOWN])}.",
            "no_domain",
            domains=names[:DOMAINS_SHOWN],
        )
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
        trace.say(
            "match",
            f"{subject} {verb} {found[0].name}.",
            "contact" if "@" in key else "domain",
            of=key,
            client=found[0].name,
        )
        return found[0]
    preferred = directory.preferred.get(key)
    chosen = next((one for one in found if preferred and one.id == preferred.client.id), None)
    if preferred is None or chosen is None:
        return _ambiguous(key, subject, found, trace)
    trace.say(
        "match",
        f"{subject} belongs to {len(found)} clients; {preferred.user} said on {preferred.at.day} "
        f"{preferred.at:%b} that it means {chosen.name}.",
        "remembered_client",
        of=key,
        client=chosen.name,
        user=preferred.user,
    )
    return chosen


def _ambiguous(key: str, subject: str, found: tuple[ClientRef, ...], trace: Trace) -> Ambiguous:
    names = ", ".join(client.name for client in found)
    trace.say(
        "match",
        f"{subject} belongs to {len(found)} clients: {names}.",
        "several_clients",
        of=key,
        clients=[client.name for client in found],
    )
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
