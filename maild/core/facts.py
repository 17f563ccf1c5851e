"""Gathering what decisions are made from: bulk reads for a batch, then one Case for each delivery."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from maild.auth.proof import proof_of
from maild.model.address import Address, InvalidAddressError
from maild.model.decide import Case
from maild.model.facts import (
    Binding,
    Directory,
    InboxFacts,
    Proven,
    Ruling,
    ThreadHit,
    Unproven,
    Witness,
)
from maild.model.letter import Author, Letter, Mailbox
from maild.model.people import MemberState
from maild.model.states import State
from maild.store.deliveries import Claimed
from maild.store.facts import DecisionRows, Owned

REFERENCES_MAX = 50
"""How many of the newest References are looked up; a thread longer than that is found by its later mails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The rows that a batch's decisions need."""

    inboxes: Mapping[int, InboxFacts]
    witnesses: Mapping[int, Sequence[Witness]]
    bindings: Sequence[tuple[int | None, Binding]]
    tagged: Sequence[tuple[int | None, Binding]]
    inbox_names: set[tuple[int, str]]
    contacts: Owned
    domains: Owned
    threads: Mapping[tuple[int, str], ThreadHit]
    rulings: Mapping[int, Sequence[Ruling]]
    owners: Mapping[int, int]
    twins: Mapping[int, Sequence[int]]
    """Messages of the same Message-ID with other content, by message."""


def gather(rows: DecisionRows, batch: Sequence[tuple[Claimed, Letter]]) -> Gathered:
    """Read everything that deciding these deliveries needs, in a fixed number of queries."""
    accounts = {claimed.account_id for claimed, _ in batch}
    inboxes = {claimed.inbox_id for claimed, _ in batch}
    addresses = {address for _, letter in batch for address in named_in(letter)}
    norms = {name.norm for address in addresses for name in (address, address.base)}
    authors = {letter.sender.address for _, letter in batch if isinstance(letter.sender, Author)}
    return Gathered(
        inboxes=rows.inbox_facts(inboxes),
        witnesses=rows.witnesses(claimed.message_id for claimed, _ in batch),
        bindings=rows.bindings(norms),
        tagged=rows.tagged(authors),
        inbox_names=rows.inboxes_among(accounts, norms),
        contacts=rows.contacts(accounts, norms),
        domains=rows.domains(accounts, {address.domain for address in addresses}),
        threads=rows.threads(accounts, {ref for _, letter in batch for ref in _references(letter)}),
        rulings=rows.rulings(claimed.id for claimed, _ in batch),
        owners=rows.owners(inboxes),
        twins=rows.twins(
            (
                claimed.message_id,
                claimed.account_id,
                claimed.message_id_header,
                claimed.content_key,
            )
            for claimed, _ in batch
            if claimed.message_id_header is not None
        ),
    )


def case_of(claimed: Claimed, letter: Letter, gathered: Gathered) -> Case:
    """Return the pure input of one decision."""
    account = claimed.account_id
    witnesses = gathered.witnesses.get(claimed.message_id, ())
    addresses = named_in(letter)
    norms = {name.norm for address in addresses for name in (address, address.base)}
    domains = {address.domain for address in addresses}
    return Case(
        letter=letter,
        inbox=gathered.inboxes[claimed.inbox_id],
        directory=Directory(
            bindings=_seen_from(account, gathered.bindings, norms),
            tagged=_tagged(account, letter, gathered.tagged),
            inboxes=frozenset(
                norm for owner, norm in gathered.inbox_names if owner == account and norm in norms
            ),
            contacts={
                norm: gathered.contacts[account, norm]
                for norm in norms
                if (account, norm) in gathered.contacts
            },
            domains={
                name: gathered.domains[account, name]
                for name in domains
                if (account, name) in gathered.domains
            },
        ),
        proof=_proof(letter, witnesses),
        thread=tuple(
            gathered.threads[account, ref]
            for ref in _references(letter)
            if (account, ref) in gathered.threads
        ),
        rulings=tuple(gathered.rulings.get(claimed.id, ())),
        same_id_other_content=bool(gathered.twins.get(claimed.message_id)),
        marked=next((one for one in witnesses if one.spam_mark is not None), None),
        whole_size=min((one.whole_size or 0 for one in witnesses), default=0),
        tells_no_recipient=bool(witnesses) and all(one.origin == "none" for one in witnesses),
        lies_in_a_mailbox=claimed.state in {State.FILED, State.UNFILED, State.HELD},
    )


def named_in(letter: Letter) -> set[Address]:
    """Return every address that a decision may ask the directory for."""
    boxes: list[Mailbox] = [*letter.from_, *letter.to, *letter.cc]
    if letter.forwarded is not None:
        boxes += [*letter.forwarded.to, *letter.forwarded.cc]
        if letter.forwarded.from_ is not None:
            boxes.append(letter.forwarded.from_)
    texts = [box.address for box in boxes]
    if isinstance(letter.sender, Author):
        texts.append(letter.sender.address)
    return set(parsed(texts))


def parsed(texts: Iterable[str]) -> list[Address]:
    """Return the addresses among these texts; what is none is left out."""
    found = []
    for text in texts:
        try:
            found.append(Address.parse(text))
        except InvalidAddressError:
            continue
    return found


def _references(letter: Letter) -> list[str]:
    """Return the Message-IDs that the mail answers, the nearest first."""
    nearest = [*letter.in_reply_to, *reversed(letter.references)]
    return list(dict.fromkeys(nearest))[:REFERENCES_MAX]


def _proof(letter: Letter, witnesses: Sequence[Witness]) -> Proven | Unproven:
    if not isinstance(letter.sender, Author):
        return Unproven("there is no one author to prove")
    return proof_of(letter.sender.address, witnesses)


def _seen_from(
    account: int, bindings: Sequence[tuple[int | None, Binding]], norms: set[str]
) -> dict[str, Binding]:
    """Return each address's binding with the user's standing in this account, not in another one."""
    found: dict[str, Binding] = {}
    for of_account, binding in bindings:
        if binding.norm not in norms:
            continue
        if of_account == account:
            found[binding.norm] = binding
        else:
            found.setdefault(binding.norm, replace(binding, membership=None))
    return found


def _tagged(
    account: int, letter: Letter, tagged: Sequence[tuple[int | None, Binding]]
) -> dict[str, tuple[Binding, ...]]:
    if not isinstance(letter.sender, Author):
        return {}
    norm = letter.sender.address
    ours = tuple(
        binding
        for of_account, binding in tagged
        if of_account == account
        and binding.membership is MemberState.ACTIVE
        and Address.parse(binding.norm).base.norm == norm
    )
    return {norm: ours} if ours else {}
