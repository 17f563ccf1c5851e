"""What must be true of mail, its mailbox and the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, and_, exists, func, or_, select

from maild.model.people import MemberState
from maild.model.reason import Reason
from maild.model.source import CopyState
from maild.model.states import IN_A_MAILBOX, State
from maild.store.doctor_checks import check
from maild.store.people_tables import (
    addresses,
    clients,
    memberships,
)
from maild.store.rule_tables import rules
from maild.store.schema import arrivals, deliveries, entries, filings, messages, statuses, transfers
from maild.store.source_tables import remote_copies
from maild.store.writing_tables import outgoing


@check("a mail lies in a mailbox exactly when it is held, unfiled, filed or failed (M1)")
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


@check("every conversation began with a message of its account (M14)")
def _conversations(connection: Connection) -> Iterator[str]:
    first = messages.alias("first_messages")
    began = exists().where(
        first.c.id == messages.c.thread_id, first.c.account_id == messages.c.account_id
    )
    rows = connection.execute(
        select(messages.c.id, messages.c.thread_id).where(messages.c.thread_id.is_not(None), ~began)
    )
    for row in rows:
        yield f"message {row.id} is of the conversation {row.thread_id}"


@check("a mail is filed exactly when it has a client")
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


@check("every owner is a member of the mail's account")
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


@check("the history of owners ends at today's owner (M3)")
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


@check("every mail has one state, and a reason that may stand in it (E1)")
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


@check("every received mail is due to be decided")
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


@check("every stored message came in or was written here, and is delivered somewhere")
def _delivered(connection: Connection) -> Iterator[str]:
    rows = connection.execute(
        select(messages.c.id).where(
            or_(
                and_(
                    ~exists().where(arrivals.c.message_id == messages.c.id),
                    ~exists().where(outgoing.c.message_id == messages.c.id),
                    # To whom it went is forgotten with the rest of it.
                    messages.c.erased_at.is_(None),
                ),
                ~exists().where(deliveries.c.message_id == messages.c.id),
            )
        )
    )
    for row in rows:
        yield f"message {row.id}"


@check("every resolved sender was resolved by an address of that user, which had not ended (U12)")
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


@check("every collected mail that the ledger calls stored is there (D5)")
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


@check("a rule gives an owner, a status and a client of its own account (M11)")
def _rules(connection: Connection) -> Iterator[str]:
    gives = (
        (rules.c.status_id, statuses.c.id == rules.c.status_id, statuses),
        (rules.c.client_id, clients.c.id == rules.c.client_id, clients),
        (rules.c.owner_id, memberships.c.user_id == rules.c.owner_id, memberships),
    )
    for given, match, table in gives:
        own = exists().where(match, table.c.account_id == rules.c.account_id)
        rows = connection.execute(
            select(rules.c.ulid).where(rules.c.removed_at.is_(None), given.is_not(None), ~own)
        )
        for row in rows:
            yield f"rule {row.ulid} gives a {table.name[:-1]} of elsewhere"
