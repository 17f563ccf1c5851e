"""Gathering what decisions are made from: bulk reads for a batch, then one Case for each delivery."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from maild.auth.finding import Outcome, Verdict
from maild.auth.proof import proof_of
from maild.auth.trusted import trusted_proof
from maild.core.app import App
from maild.core.asked_about import in_question, named_user
from maild.core.drops import drops_among
from maild.core.inherited import (
    Seen,
    is_authors,
    kept_for,
    seen_by,
    seen_from,
    tagged_for,
    valid_at,
    with_heirs,
)
from maild.core.letters import errand_returned
from maild.core.past import imported_among, is_past
from maild.core.references import References, gather_references, tokens_of
from maild.core.submissions import owners_of, signers_of, with_sign_in
from maild.core.verdicts import kept_verdicts, sealers_among
from maild.core.written_here import (
    Posted,
    WrittenHere,
    clients_about,
    is_loop,
    posted_here,
    written_here,
    written_of,
)
from maild.model.address import Address
from maild.model.case import Case
from maild.model.facts import (
    Binding,
    ClientRef,
    Directory,
    Drop,
    InboxFacts,
    Preferred,
    Proven,
    Ruling,
    ThreadHit,
    Trust,
    Unproven,
    Witness,
)
from maild.model.letter import Author, Letter, references_in
from maild.model.people import InboxKind
from maild.model.ruled import Named, newest, standing
from maild.model.states import State
from maild.store.deliveries import Claimed
from maild.store.facts import Owned
from maild.store.store import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The rows that a batch's decisions need."""

    inboxes: Mapping[int, InboxFacts]
    witnesses: Mapping[int, Sequence[Witness]]
    addresses: Mapping[int, frozenset[Address]]
    """What the directory is asked about, by delivery."""
    bindings: Mapping[str, Seen]
    """By address: a batch may name a thousand, of which each mail looks at its own."""
    tagged: Sequence[tuple[int | None, Binding]]
    inbox_names: set[tuple[int, str]]
    contacts: Owned
    domains: Owned
    threads: Mapping[tuple[int, str], ThreadHit]
    references: References
    rulings: Mapping[int, Sequence[Ruling]]
    named: Sequence[tuple[int | None, Binding]]
    """Users who a person said wrote a mail."""
    preferred: Mapping[tuple[int, str], Preferred]
    trusts: Mapping[int, Sequence[Trust]]
    droppers: Sequence[tuple[int | None, Binding]]
    """Users to whose drop addresses mail came."""
    signers: Sequence[tuple[int | None, Binding]]
    """Users who signed in to hand mail in."""
    heirs: Mapping[int, int]
    """Who those users, and those whom people named, are today: themselves, or whom they were merged into (U13)."""
    resolved: Mapping[int, int]
    """By which binding a mail that is decided again was resolved before, by delivery."""
    kept: Seen
    """Those bindings."""
    exposed: Mapping[str, int]
    """Users by their drop addresses that stand in To or Cc."""
    ours: Mapping[int, Posted | None]
    """Messages that this installation sent, and who here wrote them; None: itself."""
    returned: Mapping[int, str]
    """Errands whose mail a message reports on."""
    verdicts: Mapping[int, Verdict]
    """What verifying messages found out."""
    written: Mapping[int, WrittenHere]
    """What somebody wrote here, by message."""
    about: Mapping[int, Sequence[ClientRef]]
    """The clients of what was written here, by the message that reports on it."""
    twins: Mapping[int, Sequence[int]]
    """Messages of the same Message-ID with other content, by message."""
    imported: frozenset[int]
    """Deliveries that an import made."""


def gather(
    app: App,
    tx: Tx,
    batch: Sequence[tuple[Claimed, Letter]],
    supposed: Mapping[int, Sequence[Witness]] | None = None,
) -> Gathered:
    """Read everything that deciding these deliveries needs, in a fixed number of queries.

    `supposed`: how messages that are not stored would come in.
    """
    rows, mails = tx.facts, [claimed for claimed, _ in batch]
    accounts = {claimed.account_id for claimed in mails}
    inboxes = {claimed.inbox_id for claimed in mails}
    rulings = rows.rulings(claimed.id for claimed, _ in batch)
    asked = {
        claimed.id: in_question(letter, rulings.get(claimed.id, ())) for claimed, letter in batch
    }
    addresses = frozenset[Address]().union(*asked.values())
    norms = _norms(addresses)
    contacts = rows.contacts(accounts, norms)
    domains = rows.domains(accounts, {address.domain for address in addresses})
    named = {user for some in rulings.values() if (user := named_user(some)) is not None}
    returned = {
        claimed.message_id: errand
        for claimed, letter in batch
        if (errand := errand_returned(app.key, letter)) is not None
    }
    authors = {letter.sender.address for _, letter in batch if isinstance(letter.sender, Author)}
    witnesses = supposed or rows.witnesses(claimed.message_id for claimed, _ in batch)
    droppers = {one.drop_user_id for some in witnesses.values() for one in some if one.drop_user_id}
    signers = {
        one.signed_in_user_id
        for some in witnesses.values()
        for one in some
        if one.signed_in_user_id
    }
    others = droppers | named | signers
    heirs = tx.people.heirs(others) if others else {}
    oldest = min((claimed.received_at for claimed, _ in batch), default=None)
    again = [claimed.id for claimed in mails if claimed.state is not State.RECEIVED]
    resolved = rows.resolved_by(again) if again else {}
    trusts = tx.standing.trusts(accounts)
    return Gathered(
        inboxes=rows.inbox_facts(inboxes),
        witnesses=witnesses,
        verdicts=kept_verdicts(
            tx,
            app.prover,
            {claimed.message_id: claimed.account_id for claimed, _ in batch},
            trusts,
        ),
        droppers=rows.primaries(heirs[user] for user in droppers) if droppers else (),
        signers=rows.primaries(heirs[user] for user in signers) if signers else (),
        heirs=heirs,
        resolved=resolved,
        kept=with_heirs(tx, rows.these(resolved.values())) if resolved else (),
        exposed=_exposed(app, tx, batch) if droppers else {},
        returned=returned,
        written=written_here(tx, mails),
        about=clients_about(tx, mails, returned),
        ours=posted_here(app, tx, batch),
        addresses=asked,
        bindings=_by_norm(with_heirs(tx, rows.bindings(norms, oldest))),
        tagged=with_heirs(tx, rows.tagged(authors, oldest)),
        inbox_names=rows.inboxes_among(accounts, norms),
        contacts=contacts,
        domains=domains,
        preferred=_preferred(tx, contacts, domains),
        trusts=trusts,
        threads=rows.threads(
            accounts, {ref for _, letter in batch for ref in references_in(letter)}
        ),
        references=gather_references(app, tx, batch, witnesses, norms),
        rulings=rulings,
        named=rows.primaries(heirs[user] for user in named) if named else (),
        imported=imported_among(tx, witnesses, mails),
        twins=rows.twins(
            (one.message_id, one.account_id, one.message_id_header, one.content_key)
            for one in mails
            if one.message_id_header is not None
        ),
    )


def _norms(addresses: Iterable[Address]) -> set[str]:
    return {name.norm for address in addresses for name in (address, address.base)}


def _by_norm(bindings: Seen) -> Mapping[str, Seen]:
    found: dict[str, list[tuple[int | None, Binding]]] = {}
    for of, binding in bindings:
        found.setdefault(binding.norm, []).append((of, binding))
    return found


def _exposed(app: App, tx: Tx, batch: Sequence[tuple[Claimed, Letter]]) -> dict[str, int]:
    boxes = [box.address for _, letter in batch for box in (*letter.to, *letter.cc)]
    return {text: row.user_id for text, row in drops_among(app, tx, boxes).items()}


def case_of(claimed: Claimed, letter: Letter, gathered: Gathered) -> Case:
    """Return the pure input of one decision."""
    account = claimed.account_id
    witnesses = gathered.witnesses.get(claimed.message_id, ())
    rulings = gathered.rulings.get(claimed.id, ())
    addresses = gathered.addresses[claimed.id]
    norms = _norms(addresses)
    domains = {address.domain for address in addresses}
    known = [one for norm in norms for one in gathered.bindings.get(norm, ())]
    bindings = seen_from(account, valid_at(known, claimed.received_at))
    tagged = tagged_for(account, letter, valid_at(gathered.tagged, claimed.received_at))
    inboxes = frozenset(norm for norm in norms if (account, norm) in gathered.inbox_names)
    before = _before(claimed, rulings, gathered)
    inbox = gathered.inboxes[claimed.inbox_id]
    if (
        is_past(witnesses, imported=claimed.id in gathered.imported)
        and inbox.kind is InboxKind.SHARED
    ):
        # Nobody could have proven it at a door that was not there; its signature, if it holds, still counts.
        inbox = replace(inbox, sender_policy="record")
    if before is not None and is_authors(before, letter):
        bindings[_author(letter)] = before
    return Case(
        letter=letter,
        inbox=inbox,
        directory=Directory(
            bindings=bindings,
            tagged=tagged,
            inboxes=inboxes,
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
            preferred={
                key: gathered.preferred[account, key]
                for key in norms | domains
                if (account, key) in gathered.preferred
            },
        ),
        proof=with_sign_in(
            _proof(
                letter,
                witnesses,
                gathered.verdicts.get(claimed.message_id),
                gathered.trusts.get(account, ()),
            ),
            owners_of(letter, bindings, tagged),
            signers_of(witnesses, gathered.heirs),
            [binding for of, binding in gathered.signers if of == account],
        ),
        thread=tuple(
            gathered.threads[account, ref]
            for ref in references_in(letter)
            if (account, ref) in gathered.threads
        ),
        tokens=tokens_of(claimed, letter, witnesses, inboxes, gathered.references),
        rulings=tuple(rulings),
        named=_named(account, rulings, (before, bindings.get(_author(letter))), gathered),
        drop=_drop(claimed, letter, before, gathered),
        rivals=_rivals(claimed, gathered),
        is_ours=is_loop(claimed, gathered.inboxes, gathered.ours),
        brings_back_ours=claimed.message_id in gathered.returned,
        same_id_other_content=bool(gathered.twins.get(claimed.message_id)),
        marked=next((one for one in witnesses if one.spam_mark is not None), None),
        whole_size=min((one.whole_size or 0 for one in witnesses), default=0),
        tells_no_recipient=bool(witnesses) and all(one.origin == "none" for one in witnesses),
        written=written_of(claimed, gathered.inboxes, before, gathered.written),
        about=tuple(gathered.about.get(claimed.message_id, ())),
        lies_in_a_mailbox=claimed.state in {State.FILED, State.UNFILED, State.HELD},
    )


def _author(letter: Letter) -> str:
    return letter.sender.address if isinstance(letter.sender, Author) else ""


def _before(claimed: Claimed, rulings: Sequence[Ruling], gathered: Gathered) -> Binding | None:
    """Return the binding by which the mail was resolved before."""
    found = kept_for(claimed.account_id, gathered.resolved.get(claimed.id), gathered.kept)
    if found is not None and any(one.question == "substitute" for one in rulings):
        # By a person's word in spite of what its user is now: that word counts, or was taken back.
        return replace(found, was_used=False)
    return found


def _drop(
    claimed: Claimed, letter: Letter, before: Binding | None, gathered: Gathered
) -> Drop | None:
    """Say whose drop address the mail came to; two people's are nobody's."""
    witnesses = gathered.witnesses.get(claimed.message_id, ())
    users = {gathered.heirs[one.drop_user_id] for one in witnesses if one.drop_user_id is not None}
    if len(users) != 1:
        return None
    (user,) = users
    seen = [(of, binding) for of, binding in gathered.droppers if binding.user_id == user]
    if not seen:
        return None
    boxes = (*letter.to, *letter.cc)
    # Resolved before by nobody's word, it was by this: whoever two people that were one are by now.
    rulings = gathered.rulings.get(claimed.id, ())
    is_kept = before is not None and all(one.question != "sender" for one in rulings)
    if before is None or not (is_kept or before.today == user):
        before = seen_by(claimed.account_id, seen)
    return Drop(
        binding=before,
        is_exposed=any(
            gathered.heirs.get(gathered.exposed.get(box.address, 0)) == user for box in boxes
        ),
    )


def _rivals(claimed: Claimed, gathered: Gathered) -> tuple[Binding, ...]:
    """Return the users to whose drop addresses the mail came, if they are several."""
    witnesses = gathered.witnesses.get(claimed.message_id, ())
    users = {gathered.heirs[one.drop_user_id] for one in witnesses if one.drop_user_id is not None}
    found = {b.user_id: b for of, b in gathered.droppers if of == claimed.account_id}
    there = tuple(found[user] for user in sorted(users) if user in found)
    return there if len(there) > 1 else ()


def _named(
    account: int,
    rulings: Sequence[Ruling],
    own: Sequence[Binding | None],
    gathered: Gathered,
) -> Named | None:
    """Say who a person named as the sender: by the first of `own` that is that user's, else by the primary address."""
    ruling = newest(standing(rulings), "sender")
    if ruling is None:
        return None
    user = gathered.heirs[int(ruling.answer["user_id"])]
    for one in own:
        if one is not None and one.today == user:
            return Named(binding=one, ruling=ruling)
    seen = [(of, binding) for of, binding in gathered.named if binding.user_id == user]
    if not seen:
        return None
    return Named(binding=seen_by(account, seen), ruling=ruling)


def _preferred(tx: Tx, contacts: Owned, domains: Owned) -> Mapping[tuple[int, str], Preferred]:
    """Return what people said about the addresses and domains that several clients have."""
    several = [key for owned in (contacts, domains) for key, refs in owned.items() if len(refs) > 1]
    return tx.standing.preferred(several) if several else {}


def _proof(
    letter: Letter,
    witnesses: Sequence[Witness],
    verdict: Verdict | None,
    trusts: Sequence[Trust],
) -> Proven | Unproven:
    if not isinstance(letter.sender, Author):
        return Unproven("there is no one author to prove")
    author = letter.sender.address
    proof = proof_of(author, witnesses, verdict)
    if isinstance(proof, Proven):
        return proof
    return trusted_proof(author, verdict, trusts) or proof


def sealers_of(account: int, gathered: Gathered) -> frozenset[str]:
    """Return the forwarders whose seals an account trusts."""
    return sealers_among(gathered.trusts.get(account, ()))


def to_verify(claimed: Claimed, letter: Letter, gathered: Gathered) -> str | None:
    """Return the author whose mail is to be verified: a user, whom nothing proves yet.

    Also one of another account, at an inbox for forwards: who can prove that is told that they are no member.
    """
    verdict = gathered.verdicts.get(claimed.message_id)
    if not isinstance(letter.sender, Author) or not _is_open(verdict, claimed, gathered):
        return None
    author = letter.sender.address
    may_be_users = author in gathered.bindings or claimed.id in gathered.resolved
    if not may_be_users and not gathered.tagged:
        return (
            None  # Most mail is a stranger's; what its whole case is, need not be asked for that.
        )
    case = case_of(claimed, letter, gathered)
    is_users = case.directory.is_colleague(author) or author in case.directory.tagged
    is_elsewhere = case.inbox.kind is InboxKind.FORWARD and author in case.directory.bindings
    # Of a giant only the header is here, and no signature of its body can hold (D12).
    is_open = case.drop is None and not case.whole_size and isinstance(case.proof, Unproven)
    return author if (is_users or is_elsewhere) and is_open else None


def _is_open(verdict: Verdict | None, claimed: Claimed, gathered: Gathered) -> bool:
    """Whether verifying can find out more than is known: also when its forwarder is trusted by now."""
    if verdict is None or verdict.is_temporary:
        return True
    trusted = sealers_of(claimed.account_id, gathered)
    return any(
        one.method == "arc" and one.outcome is Outcome.NONE and one.domain in trusted
        for one in verdict.findings
    )
