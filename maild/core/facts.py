"""Gathering what decisions are made from: bulk reads for a batch, then one Case for each delivery."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from maild.auth.finding import Verdict
from maild.auth.proof import proof_of
from maild.core.app import App
from maild.core.drops import drops_among
from maild.core.letters import is_ours
from maild.model.address import Address, InvalidAddressError
from maild.model.decide import Case
from maild.model.facts import (
    Binding,
    Directory,
    Drop,
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
from maild.store.facts import Owned
from maild.store.store import Tx

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
    droppers: Sequence[tuple[int | None, Binding]]
    """Users to whose drop addresses mail came."""
    exposed: Mapping[str, int]
    """Users by their drop addresses that stand in To or Cc."""
    ours: frozenset[int]
    """Messages that this installation wrote itself."""
    verdicts: Mapping[int, Verdict]
    """What verifying messages found out."""
    twins: Mapping[int, Sequence[int]]
    """Messages of the same Message-ID with other content, by message."""


def gather(app: App, tx: Tx, batch: Sequence[tuple[Claimed, Letter]]) -> Gathered:
    """Read everything that deciding these deliveries needs, in a fixed number of queries."""
    rows = tx.facts
    accounts = {claimed.account_id for claimed, _ in batch}
    inboxes = {claimed.inbox_id for claimed, _ in batch}
    addresses = {address for _, letter in batch for address in named_in(letter)}
    norms = {name.norm for address in addresses for name in (address, address.base)}
    authors = {letter.sender.address for _, letter in batch if isinstance(letter.sender, Author)}
    witnesses = rows.witnesses(claimed.message_id for claimed, _ in batch)
    droppers = {one.drop_user_id for some in witnesses.values() for one in some if one.drop_user_id}
    return Gathered(
        inboxes=rows.inbox_facts(inboxes),
        witnesses=witnesses,
        verdicts={
            key: Verdict.from_dict(found)
            for key, found in tx.verdicts.of(claimed.message_id for claimed, _ in batch).items()
        },
        droppers=rows.primaries(droppers) if droppers else (),
        exposed=_exposed(app, tx, batch) if droppers else {},
        ours=frozenset(claimed.message_id for claimed, letter in batch if is_ours(app.key, letter)),
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


def _exposed(app: App, tx: Tx, batch: Sequence[tuple[Claimed, Letter]]) -> dict[str, int]:
    boxes = [box.address for _, letter in batch for box in (*letter.to, *letter.cc)]
    return {text: row.user_id for text, row in drops_among(app, tx, boxes).items()}


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
        proof=_proof(letter, witnesses, gathered.verdicts.get(claimed.message_id)),
        thread=tuple(
            gathered.threads[account, ref]
            for ref in _references(letter)
            if (account, ref) in gathered.threads
        ),
        rulings=tuple(gathered.rulings.get(claimed.id, ())),
        drop=_drop(account, letter, witnesses, gathered),
        is_ours=claimed.message_id in gathered.ours,
        same_id_other_content=bool(gathered.twins.get(claimed.message_id)),
        marked=next((one for one in witnesses if one.spam_mark is not None), None),
        whole_size=min((one.whole_size or 0 for one in witnesses), default=0),
        tells_no_recipient=bool(witnesses) and all(one.origin == "none" for one in witnesses),
        lies_in_a_mailbox=claimed.state in {State.FILED, State.UNFILED, State.HELD},
    )


def _drop(
    account: int, letter: Letter, witnesses: Sequence[Witness], gathered: Gathered
) -> Drop | None:
    """Say whose drop address the mail came to; two people's are nobody's."""
    users = {one.drop_user_id for one in witnesses if one.drop_user_id is not None}
    if len(users) != 1:
        return None
    (user,) = users
    seen = [(of, binding) for of, binding in gathered.droppers if binding.user_id == user]
    if not seen:
        return None
    binding = next(
        (binding for of, binding in seen if of == account), replace(seen[0][1], membership=None)
    )
    boxes = (*letter.to, *letter.cc)
    return Drop(
        binding=binding,
        is_exposed=any(gathered.exposed.get(box.address) == user for box in boxes),
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


def _proof(
    letter: Letter, witnesses: Sequence[Witness], verdict: Verdict | None
) -> Proven | Unproven:
    if not isinstance(letter.sender, Author):
        return Unproven("there is no one author to prove")
    return proof_of(letter.sender.address, witnesses, verdict)


def to_verify(claimed: Claimed, letter: Letter, gathered: Gathered) -> str | None:
    """Return the author whose mail is to be verified: a user of the account, whom nothing proves yet."""
    verdict = gathered.verdicts.get(claimed.message_id)
    if not isinstance(letter.sender, Author) or (verdict is not None and not verdict.is_temporary):
        return None
    case = case_of(claimed, letter, gathered)
    author = letter.sender.address
    is_users = case.directory.is_colleague(author) or author in case.directory.tagged
    # Of a giant only the header is here, and no signature of its body can hold (D12).
    is_open = case.drop is None and not case.whole_size and isinstance(case.proof, Unproven)
    return author if is_users and is_open else None


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
