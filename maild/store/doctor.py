"""Every invariant of the stored data, each as a query that finds what breaks it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, and_, exists, func, or_, select, text

from maild.model.address import Address, InvalidAddressError, canonical_domain
from maild.model.people import AddressKind, MemberState, NameKind
from maild.model.reason import Reason
from maild.model.source import CopyState
from maild.model.states import IN_A_MAILBOX, State
from maild.store.bodies import BodyFiles
from maild.store.login_tables import login_links, sessions, tokens
from maild.store.people_tables import (
    accounts,
    addresses,
    client_domains,
    communal_members,
    contacts,
    inboxes,
    logins,
    memberships,
    names,
    owner_chain,
    users,
)
from maild.store.schema import arrivals, bodies, deliveries, entries, filings, messages, transfers
from maild.store.source_tables import remote_copies

CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken invariant: which, and on what."""

    check: str
    subject: str


Check = Callable[[Connection], Iterator[str]]
_CHECKS: dict[str, Check] = {}


def _check(sentence: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        _CHECKS[sentence] = check
        return check

    return register


def sentences() -> list[str]:
    """Return the invariants, as sentences."""
    return [*_CHECKS, BODIES]


def findings(connection: Connection) -> Iterator[Finding]:
    """Yield what breaks an invariant that the database alone can show."""
    for sentence, check in _CHECKS.items():
        for subject in check(connection):
            yield Finding(sentence, subject)


BODIES = "every message has its body, whole"


def body_findings(
    connection: Connection, files: BodyFiles, told: Callable[[int], None]
) -> Iterator[Finding]:
    """Yield missing and damaged bodies; reads every one.  `told` is called with the number read so far."""
    missing = connection.execute(
        select(messages.c.id, messages.c.digest).where(
            messages.c.erased_at.is_(None),
            ~exists().where(
                bodies.c.account_id == messages.c.account_id, bodies.c.digest == messages.c.digest
            ),
        )
    )
    for lost in missing:
        yield Finding(BODIES, f"message {lost.id} has no body {lost.digest}")
    rows = connection.execution_options(yield_per=100).execute(
        select(bodies.c.account_id, bodies.c.digest, bodies.c.size, bodies.c.bytes)
    )
    for number, row in enumerate(rows, 1):
        wrong = _wrong_bytes(row.bytes, row) if row.bytes is not None else _wrong_file(files, row)
        if wrong:
            yield Finding(BODIES, f"body {row.digest} of account {row.account_id}: {wrong}")
        told(number)


def _wrong_bytes(content: bytes, row: Any) -> str | None:
    if len(content) != row.size:
        return f"has {len(content)} octets instead of {row.size}"
    return (
        None
        if hashlib.sha256(content).hexdigest() == row.digest
        else "its bytes do not fit its digest"
    )


def _wrong_file(files: BodyFiles, row: Any) -> str | None:
    path: Path = files.path(row.account_id, row.digest)
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        return f"its file cannot be read: {error.strerror}"
    if size != row.size:
        return f"its file has {size} octets instead of {row.size}"
    return None if digest.hexdigest() == row.digest else "its file's bytes do not fit its digest"


@_check("the database file is sound")
def _sound(connection: Connection) -> Iterator[str]:
    if connection.dialect.name != "sqlite":
        return
    for (line,) in connection.execute(text("PRAGMA integrity_check")):
        if line != "ok":
            yield str(line)
    for row in connection.execute(text("PRAGMA foreign_key_check")):
        yield f"row {row[1]} of {row[0]} refers to a missing row of {row[2]}"


@_check("every stored address is in its canonical form (U2)")
def _canonical(connection: Connection) -> Iterator[str]:
    for table in (addresses, inboxes, contacts, names):
        for (norm,) in connection.execute(select(table.c.norm)):
            try:
                good = Address.parse(norm).norm == norm
            except InvalidAddressError:
                good = False
            if not good:
                yield f"{table.name}: {norm}"
    for (domain,) in connection.execute(select(client_domains.c.domain)):
        try:
            good = canonical_domain(domain) == domain
        except InvalidAddressError:
            good = False
        if not good:
            yield f"client_domains: {domain}"


@_check(
    "every live or resting address and every inbox has its registered name, and nothing else has one (U1, U4)"
)
def _registered(connection: Connection) -> Iterator[str]:
    owners = (
        (
            NameKind.USER,
            addresses,
            or_(addresses.c.valid_to.is_(None), addresses.c.resting_until.is_not(None)),
        ),
        (NameKind.INBOX, inboxes, inboxes.c.id.is_not(None)),
    )
    for kind, table, live in owners:
        match = and_(names.c.norm == table.c.norm, names.c.ref == table.c.id, names.c.kind == kind)
        for (norm,) in connection.execute(select(table.c.norm).where(live, ~exists().where(match))):
            yield f"{norm} is not registered as {kind.value}"
        for (norm,) in connection.execute(
            select(names.c.norm).where(names.c.kind == kind, ~exists().where(match, live))
        ):
            yield f"{norm} is registered as {kind.value} and is none"


@_check("no address was two users' at one moment (U12)")
def _one_user_each(connection: Connection) -> Iterator[str]:
    other = addresses.alias("other_addresses")
    rows = connection.execute(
        select(addresses.c.id, addresses.c.norm)
        .join(other, and_(other.c.norm == addresses.c.norm, other.c.id > addresses.c.id))
        .where(
            or_(other.c.valid_to.is_(None), other.c.valid_to > addresses.c.valid_from),
            or_(addresses.c.valid_to.is_(None), addresses.c.valid_to > other.c.valid_from),
        )
    )
    for row in rows:
        yield f"address {row.id}: {row.norm}"


@_check("every person has exactly one live primary address, which is confirmed")
def _one_primary(connection: Connection) -> Iterator[str]:
    primary = and_(
        addresses.c.kind == "primary",
        addresses.c.valid_to.is_(None),
        addresses.c.verified_at.is_not(None),
    )
    rows = connection.execute(
        select(users.c.ulid, func.count(addresses.c.id))
        .outerjoin(addresses, and_(addresses.c.user_id == users.c.id, primary))
        .where(users.c.kind == "person", users.c.disabled_at.is_(None))
        .group_by(users.c.ulid)
        .having(func.count(addresses.c.id) != 1)
    )
    for ulid, count in rows:
        yield f"user {ulid} has {count}"


@_check("an address rests only when it was given up, and what was given up is historic (U11)")
def _resting(connection: Connection) -> Iterator[str]:
    is_live = addresses.c.valid_to.is_(None)
    rows = connection.execute(
        select(addresses.c.id, addresses.c.norm).where(
            or_(
                and_(is_live, addresses.c.resting_until.is_not(None)),
                and_(is_live, addresses.c.kind == AddressKind.HISTORIC),
                and_(~is_live, addresses.c.kind != AddressKind.HISTORIC),
            )
        )
    )
    for row in rows:
        yield f"address {row.id}: {row.norm}"


@_check(
    "a user who was merged is disabled, and has no live address, no mail, no inbox and no token (U13)"
)
def _merged(connection: Connection) -> Iterator[str]:
    live = exists().where(addresses.c.user_id == users.c.id, addresses.c.valid_to.is_(None))
    mail = exists().where(entries.c.owner_id == users.c.id)
    chained = exists().where(owner_chain.c.user_id == users.c.id)
    default = exists().where(accounts.c.default_owner_id == users.c.id)
    opens = exists().where(communal_members.c.user_id == users.c.id)
    acts = exists().where(tokens.c.user_id == users.c.id, tokens.c.revoked_at.is_(None))
    rows = connection.execute(
        select(users.c.ulid).where(
            users.c.merged_into_id.is_not(None),
            or_(users.c.disabled_at.is_(None), live, mail, chained, default, opens, acts),
        )
    )
    for row in rows:
        yield f"user {row.ulid}"


@_check("a user name that looks like an address is one of that user's own (U8)")
def _usernames(connection: Connection) -> Iterator[str]:
    own = exists().where(
        addresses.c.user_id == logins.c.user_id,
        addresses.c.norm == logins.c.username,
        addresses.c.valid_to.is_(None),
    )
    rows = connection.execute(
        select(logins.c.id).where(logins.c.username.contains("@"), ~own).order_by(logins.c.id)
    )
    for row in rows:
        yield f"login {row.id}"


@_check(
    "nobody is signed in, or holds a link for a password, whose user or login is shut (U10, U11)"
)
def _sessions(connection: Connection) -> Iterator[str]:
    shut = or_(users.c.disabled_at.is_not(None), logins.c.suspended_at.is_not(None))
    opens = or_(
        exists().where(sessions.c.login_id == logins.c.id),
        exists().where(login_links.c.login_id == logins.c.id, login_links.c.kind == "reset"),
    )
    rows = connection.execute(
        select(logins.c.id)
        .join(users, users.c.id == logins.c.user_id)
        .where(shut, opens)
        .order_by(logins.c.id)
    )
    for row in rows:
        yield f"login {row.id}"


@_check("a mail lies in a mailbox exactly when it is held, unfiled, filed or failed (M1)")
def _entries(connection: Connection) -> Iterator[str]:
    has_entry = exists().where(entries.c.delivery_id == deliveries.c.id)
    placed = deliveries.c.state.in_(IN_A_MAILBOX)
    rows = connection.execute(
        select(deliveries.c.ulid, deliveries.c.state).where(
            or_(and_(placed, ~has_entry), and_(~placed, has_entry))
        )
    )
    for row in rows:
        yield f"mail {row.ulid} is {row.state}"


@_check("a mail is filed exactly when it has a client")
def _filings(connection: Connection) -> Iterator[str]:
    has_filing = exists().where(filings.c.delivery_id == deliveries.c.id)
    filed = deliveries.c.state == State.FILED
    rows = connection.execute(
        select(deliveries.c.ulid, deliveries.c.state).where(
            or_(and_(filed, ~has_filing), and_(~filed, has_filing))
        )
    )
    for row in rows:
        yield f"mail {row.ulid} is {row.state}"


@_check("every owner is a member of the mail's account")
def _owners(connection: Connection) -> Iterator[str]:
    rows = connection.execute(
        select(deliveries.c.ulid)
        .join(entries, entries.c.delivery_id == deliveries.c.id)
        .where(
            ~exists().where(
                memberships.c.account_id == entries.c.account_id,
                memberships.c.user_id == entries.c.owner_id,
                memberships.c.state == MemberState.ACTIVE,
            )
        )
    )
    for row in rows:
        yield f"mail {row.ulid}"


@_check("the history of owners ends at today's owner (M3)")
def _history(connection: Connection) -> Iterator[str]:
    last = select(func.max(transfers.c.id)).group_by(transfers.c.delivery_id)
    rows = connection.execute(
        select(deliveries.c.ulid)
        .join(transfers, transfers.c.delivery_id == deliveries.c.id)
        .join(entries, entries.c.delivery_id == deliveries.c.id)
        .where(transfers.c.id.in_(last), transfers.c.to_user_id != entries.c.owner_id)
    )
    for row in rows:
        yield f"mail {row.ulid}"


@_check("every mail has one state, and a reason that may stand in it (E1)")
def _reasons(connection: Connection) -> Iterator[str]:
    for state in State:
        legal = [reason.code for reason in Reason if state in reason.value.states]
        wrong = (
            deliveries.c.reason.is_not(None)
            if state is State.RECEIVED
            else or_(deliveries.c.reason.is_(None), deliveries.c.reason.not_in(legal))
        )
        if state is State.ERASED:
            continue
        rows = connection.execute(
            select(deliveries.c.ulid, deliveries.c.reason).where(deliveries.c.state == state, wrong)
        )
        for row in rows:
            yield f"mail {row.ulid} is {state.value} with {row.reason}"


@_check("every received mail is due to be decided")
def _due(connection: Connection) -> Iterator[str]:
    rows = connection.execute(
        select(deliveries.c.ulid).where(
            or_(
                and_(deliveries.c.state == State.RECEIVED, deliveries.c.due_at.is_(None)),
                and_(deliveries.c.lease.is_not(None), deliveries.c.due_at.is_(None)),
            )
        )
    )
    for row in rows:
        yield f"mail {row.ulid}"


@_check("every stored message came in and is delivered somewhere")
def _delivered(connection: Connection) -> Iterator[str]:
    rows = connection.execute(
        select(messages.c.id).where(
            or_(
                ~exists().where(arrivals.c.message_id == messages.c.id),
                ~exists().where(deliveries.c.message_id == messages.c.id),
            )
        )
    )
    for row in rows:
        yield f"message {row.id}"


@_check("every resolved sender was resolved by an address of that user, which had not ended (U12)")
def _bindings(connection: Connection) -> Iterator[str]:
    rows = connection.execute(
        select(deliveries.c.ulid)
        .outerjoin(addresses, addresses.c.id == deliveries.c.binding_id)
        .where(
            deliveries.c.sender_user_id.is_not(None),
            or_(
                addresses.c.id.is_(None),
                addresses.c.user_id != deliveries.c.sender_user_id,
                addresses.c.valid_to < deliveries.c.received_at,
            ),
        )
    )
    for row in rows:
        yield f"mail {row.ulid}"


@_check("every collected mail that the ledger calls stored is there (D5)")
def _copies(connection: Connection) -> Iterator[str]:
    lost = connection.execute(
        select(remote_copies.c.id, remote_copies.c.state).where(
            remote_copies.c.state.in_((CopyState.STORED, CopyState.HEADER_ONLY)),
            remote_copies.c.message_id.is_(None),
        )
    )
    for row in lost:
        yield f"copy {row.id} is {row.state} and has no message"
    wrong = connection.execute(
        select(remote_copies.c.id)
        .join(messages, messages.c.id == remote_copies.c.message_id)
        .where(remote_copies.c.digest != messages.c.digest)
    )
    for row in wrong:
        # The same mail by another way has other trace headers: then there is an arrival with these bytes.
        known = connection.execute(
            select(arrivals.c.id)
            .join(remote_copies, remote_copies.c.message_id == arrivals.c.message_id)
            .where(remote_copies.c.id == row.id, arrivals.c.digest == remote_copies.c.digest)
        ).first()
        if known is None:
            yield f"copy {row.id} has other bytes than its message and every arrival of it"
