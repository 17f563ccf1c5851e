"""What must be true of people, addresses and logins."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, and_, exists, func, or_, select

from maild.model.address import Address, InvalidAddressError, canonical_domain
from maild.model.people import AddressKind, NameKind
from maild.store.doctor_checks import check
from maild.store.login_tables import login_links, sessions, tokens
from maild.store.people_tables import (
    accounts,
    addresses,
    client_domains,
    communal_members,
    contacts,
    inboxes,
    logins,
    names,
    owner_chain,
    users,
)
from maild.store.schema import entries


@check("every stored address is in its canonical form (U2)")
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


@check(
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


@check("no address was two users' at one moment (U12)")
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


@check("every person has exactly one live primary address, which is confirmed")
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


@check("an address rests only when it was given up, and what was given up is historic (U11)")
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


@check(
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


@check("a user name that looks like an address is one of that user's own (U8)")
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


@check(
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


@check("mail in a communal mailbox has an active member who opens it (M1)")
def _opened(connection: Connection) -> Iterator[str]:
    member = users.alias("opening_users")
    opens = exists().where(
        communal_members.c.inbox_id == inboxes.c.id,
        member.c.id == communal_members.c.user_id,
        member.c.disabled_at.is_(None),
    )
    rows = connection.execute(
        select(inboxes.c.norm).where(
            inboxes.c.communal_user_id.is_not(None),
            exists().where(entries.c.owner_id == inboxes.c.communal_user_id),
            ~opens,
        )
    )
    for (norm,) in rows:
        yield f"{norm}: nobody opens its mailbox"
