"""Clients by lists: files, the API and directories say who the clients are, again and again (F6).

An entry with a key is the client with that external key, one without is the one without a key that has its name.  So a
second list changes what is there, a third the same changes nothing, and each entry hears what became of it.  What a person
put at a client by hand, no list takes away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

from maild.core.app import Actor, App
from maild.core.clients import NewClient, ReadyClient, ready_client
from maild.core.clients_sweeping import ask_sweep
from maild.core.importing import Outcome, refused_line
from maild.core.names import SHARED_ADDRESS, USER, other_kind
from maild.core.standing import home, require_member
from maild.model.client_card import ClientCard, Difference, difference
from maild.model.reason import Reason, RefusedError
from maild.model.wrong import Wrong
from maild.store.accounts import AccountRow
from maild.store.client_lists import NewRow
from maild.store.clients import ClientRow
from maild.store.store import Tx

BATCH = 500
"""Entries of one transaction."""
SAID_MAX = 20
"""Changes, and clients of a conflict, that an outcome spells out."""

Line = tuple[int, "ClientCard | Wrong"]


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that was refused."""

    line: int
    subject: str
    refusal: RefusedError


@dataclass(slots=True)
class _Entry:
    """One entry on its way to its client."""

    line: int
    card: ClientCard
    ready: ReadyClient
    namesake: int | None = None
    """The line of an earlier entry of its name that has a key where this one has none, or the other way about."""
    client: ClientRow | None = None
    """The one that it is; None: it will be added."""
    contacts: Difference = field(default_factory=Difference)
    domains: Difference = field(default_factory=Difference)
    warnings: list[str] = field(default_factory=list)

    @property
    def identity(self) -> tuple[str, str]:
        """What names it in its list."""
        return ("name", self.ready.name) if self.ready.key is None else ("key", self.ready.key)

    @property
    def is_renamed(self) -> bool:
        return self.client is not None and self.client.name != self.ready.name

    def changes(self) -> tuple[str, ...]:
        """Say what is otherwise at its client."""
        said = []
        if self.client is not None and self.is_renamed:
            said.append(f"name: {self.client.name} → {self.ready.name}")
        if self.client is not None:
            said += [f"+ {one}" for one in self.contacts.added]
            said += [f"+ @{one}" for one in self.domains.added]
        said += [f"- {one}" for one in self.contacts.dropped]
        said += [f"- @{one}" for one in self.domains.dropped]
        more = [f"and {len(said) - SAID_MAX} more"] if len(said) > SAID_MAX else []
        return (*said[:SAID_MAX], *more)


def import_clients(
    app: App,
    lines: Iterable[Line],
    *,
    account: str | None = None,
    dry_run: bool = False,
    by: Actor,
) -> Iterator[Outcome]:
    """Add or change clients entry by entry; yield each outcome after its batch was committed.

    A transaction for each five hundred entries; with `dry_run` none is kept: then who is added has no id, and the warnings do
    not know of contacts and domains that earlier transactions of the list would have brought.  Safe to repeat: who is there as the list
    says is unchanged, so an import that was cut off is begun again.  A key, or a name without a key, that stands twice in
    one list is refused the second time; so is a new client of a name that the list has given to one with a key, or without,
    where it is the other.  Raises RefusedError before the first entry where the account or the right is wrong.
    """
    with app.store.read() as tx:
        require_member(tx, home(tx, account, by), by)
    return _batches(app, lines, account=account, dry_run=dry_run, by=by)


def _batches(
    app: App, lines: Iterable[Line], *, account: str | None, dry_run: bool, by: Actor
) -> Iterator[Outcome]:
    stated: dict[tuple[str, str], int] = {}
    rest = iter(lines)
    while batch := list(islice(rest, BATCH)):
        with app.store.write() as tx:
            where = home(tx, account, by, hold=True)
            # A block that nothing of is kept, and still what becomes of each entry is what the act would make of it.
            with tx.trial() if dry_run else nullcontext():
                found = listed_in(tx, app, where, batch, by, stated=stated)
        yield from (_told(one, dry_run=dry_run) for one in found)


def _told(one: Outcome | Refused, *, dry_run: bool) -> Outcome:
    if isinstance(one, Refused):
        return refused_line(one.line, one.subject, one.refusal)
    return replace(one, id=None) if dry_run and one.outcome == "added" else one


def listed_in(
    tx: Tx,
    app: App,
    where: AccountRow,
    lines: Sequence[Line],
    by: Actor,
    *,
    stated: dict[tuple[str, str], int],
) -> list[Outcome | Refused]:
    """Bring the account's clients to what a part of a list says, within an open transaction; the account is held.

    `stated` is what the list said before, and is added to.  Outcomes come in the order of the lines; nobody's refusal
    stops the others.
    """
    outcomes: dict[int, Outcome | Refused] = {}
    entries = []
    for number, (line, card) in enumerate(lines):
        if isinstance(card, Wrong):
            outcomes[number] = Refused(line, card.subject, card.refusal)
            continue
        try:
            entries.append((number, _read(line, card, stated)))
        except RefusedError as refused:
            outcomes[number] = Refused(line, card.name, refused)
    for check in (partial(_recognise, stated=stated), _compare):
        judge = check(tx, where, [entry for _, entry in entries])
        kept = []
        for number, entry in entries:
            try:
                judge(entry)
            except RefusedError as refused:
                outcomes[number] = Refused(entry.line, entry.card.name, refused)
            else:
                kept.append((number, entry))
        entries = kept
    ids = _write(tx, app, where, [entry for _, entry in entries], by)
    outcomes |= {number: _outcome(entry, ids) for number, entry in entries}
    return [outcomes[number] for number in sorted(outcomes)]


def _read(line: int, card: ClientCard, stated: dict[tuple[str, str], int]) -> _Entry:
    new = NewClient(
        name=card.name, contacts=card.contacts or (), domains=card.domains or (), key=card.key
    )
    entry = _Entry(line, card, ready_client(new))
    first = stated.setdefault(entry.identity, line)
    if first != line:
        sort, value = entry.identity
        raise RefusedError(
            Reason.ALREADY_EXISTS,
            noun=f"client with the {sort}",
            value=value,
            hint=f"Line {first} of this list has it; a client stands once in a list, with all its contacts.",
        )
    if entry.ready.key is None:
        entry.namesake = stated.get(("name of a key", entry.ready.name))
    else:
        entry.namesake = stated.get(("name", entry.ready.name))
        stated.setdefault(("name of a key", entry.ready.name), line)
    return entry


Judge = Callable[[_Entry], None]


def _recognise(
    tx: Tx, where: AccountRow, entries: Sequence[_Entry], *, stated: Mapping[tuple[str, str], int]
) -> Judge:
    """Return what finds the client that an entry is.  It raises RefusedError where that is not certain.

    What the list stated before an entry counts as if it were written already, whichever transaction it is in.
    """
    keyed = tx.client_lists.by_key(where.id, (e.ready.key for e in entries if e.ready.key))
    named = tx.client_lists.by_name(where.id, {entry.ready.name for entry in entries})

    def judge(entry: _Entry) -> None:
        same_name = named.get(entry.ready.name, [])
        without_key = [one for one in same_name if one.external_key is None]
        if entry.ready.key is not None:
            entry.client = keyed.get(entry.ready.key)
            if entry.client is None and entry.namesake is not None:
                raise _two_of_a_name(entry, entry.namesake)
            if entry.client is None and without_key:
                twin = without_key[0]
                entry.warnings.append(
                    f"Another client has the name {twin.name} and no key. If it is the same one: "
                    f"maild client set {twin.ulid} key={entry.ready.key}"
                )
            return
        if len(without_key) > 1:
            raise _not_certain(entry, without_key)
        entry.client = without_key[0] if without_key else None
        if entry.client is None and entry.namesake is not None:
            raise _two_of_a_name(entry, entry.namesake)
        # Those of which the list said before that they have another name by now are none of this one.
        others = [
            one
            for one in same_name
            if stated.get(("key", one.external_key or ""), entry.line) >= entry.line
        ]
        if entry.client is None and others:
            raise _not_certain(entry, others)

    return judge


def _two_of_a_name(entry: _Entry, line: int) -> RefusedError:
    return RefusedError(
        Reason.CONFLICT,
        why=f"Line {line} of this list names {entry.ready.name}, too, and of the two only one has a key: "
        "give each its key.",
    )


def _not_certain(entry: _Entry, found: Sequence[ClientRow]) -> RefusedError:
    name = entry.ready.name
    if found[0].external_key is not None:
        return RefusedError(
            Reason.CONFLICT,
            why=f"The client {name} has the key {found[0].external_key}, and the list names none: "
            "give this one its key.",
        )
    ids = ", ".join(one.ulid for one in found[:SAID_MAX])
    return RefusedError(
        Reason.CONFLICT,
        why=f"{len(found)} clients without a key have the name {name} ({ids}): "
        "give each a key (maild client set ID key=KEY), and the list the same.",
    )


def _compare(tx: Tx, where: AccountRow, entries: Sequence[_Entry]) -> Judge:
    """Return what finds out how an entry's client changes.  It raises RefusedError for a contact that is ours (U4)."""
    there = [entry.client.id for entry in entries if entry.client is not None]
    contacts, domains = tx.client_lists.contacts(there), tx.client_lists.domains(there)
    new = {one for entry in entries for one in entry.ready.contacts}
    kinds = tx.client_lists.kinds(where.id, new)
    may_be_user = bool(tx.rights.setting(where.id, "employee_is_client"))

    def judge(entry: _Entry) -> None:
        id_ = entry.client.id if entry.client is not None else 0
        norms = [one.norm for one in entry.ready.contacts]
        entry.contacts = difference(
            contacts.get(id_, {}), None if entry.card.contacts is None else norms
        )
        entry.domains = difference(
            domains.get(id_, {}), None if entry.card.domains is None else entry.ready.domains
        )
        for address in entry.ready.contacts:
            kind = kinds.get(address.norm) if address.norm in entry.contacts.added else None
            if kind == "inbox" or (kind == "user" and not may_be_user):
                raise other_kind(address, SHARED_ADDRESS if kind == "inbox" else USER)

    return judge


def _write(
    tx: Tx, app: App, where: AccountRow, entries: Sequence[_Entry], by: Actor
) -> dict[int, tuple[int, str]]:
    """Write what the entries come to; return each one's client, by its line, as inner and public id."""
    new = {
        entry.line: NewRow(ulid=app.ids(), name=entry.ready.name, external_key=entry.ready.key)
        for entry in entries
        if entry.client is None
    }
    made = tx.client_lists.add(where.id, list(new.values()), now=app.clock())
    ids = {line: (made[row.ulid], row.ulid) for line, row in new.items()}
    ids |= {
        entry.line: (entry.client.id, entry.client.ulid)
        for entry in entries
        if entry.client is not None
    }
    inner = {line: id_ for line, (id_, _) in ids.items()}
    lists = tx.client_lists
    lists.rename([(inner[e.line], e.ready.name) for e in entries if e.is_renamed])
    lists.drop_contacts([(inner[e.line], one) for e in entries for one in e.contacts.dropped])
    lists.drop_domains([(inner[e.line], one) for e in entries for one in e.domains.dropped])
    lists.add_contacts(
        where.id, [(inner[e.line], one) for e in entries for one in e.contacts.added]
    )
    lists.add_domains(where.id, [(inner[e.line], one) for e in entries for one in e.domains.added])
    _warn(tx, where, entries)
    touched = [entry for entry in entries if entry.client is None or entry.changes()]
    _note(tx, app, where, touched, inner, by)
    if touched:
        ask_sweep(tx, where.id)
    return ids


def _warn(tx: Tx, where: AccountRow, entries: Sequence[_Entry]) -> None:
    """Name the contacts and domains that are at other clients as well: their mail is nobody's until somebody chooses."""
    contacts = {one for entry in entries for one in entry.contacts.added}
    domains = {one for entry in entries for one in entry.domains.added}
    shared = tx.client_lists.shared_contacts(where.id, contacts)
    shared |= {
        f"@{domain}": owners
        for domain, owners in tx.client_lists.shared_domains(where.id, domains).items()
    }
    for entry in entries:
        added = [*entry.contacts.added, *(f"@{one}" for one in entry.domains.added)]
        for value in [one for one in added if one in shared][:SAID_MAX]:
            names = [name for _, name in shared[value][:SAID_MAX]]
            entry.warnings.append(
                f"{value} is at {len(shared[value])} clients ({', '.join(names)}): "
                "its mail is CLIENT_AMBIGUOUS until somebody chooses."
            )


def _note(
    tx: Tx,
    app: App,
    where: AccountRow,
    entries: Sequence[_Entry],
    ids: dict[int, int],
    by: Actor,
) -> None:
    tx.deliveries.add_events(
        [
            {
                "at": app.clock(),
                "account_id": where.id,
                "actor_id": by.user_id,
                "kind": "client.added" if entry.client is None else "client.changed",
                "delivery_id": None,
                "subject": {"client": ids[entry.line]},
            }
            for entry in entries
        ]
    )


def _outcome(entry: _Entry, ids: dict[int, tuple[int, str]]) -> Outcome:
    changes = entry.changes()
    done = "changed" if changes else "unchanged"
    return Outcome(
        line=entry.line,
        subject=entry.card.name,
        outcome="added" if entry.client is None else done,
        id=ids[entry.line][1],
        changes=changes,
        warnings=tuple(entry.warnings),
    )
