"""A person's logins: the general one, and an account's own where it asks for that (U9, U10).

An account's own login opens that account alone, and by its user name only: the person's addresses open the general one.
What is told of a login holds no secret, not even a sealed one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from maild.core.app import Actor, App
from maild.core.passwords import hash_password
from maild.core.standing import (
    find_user,
    home,
    in_sight,
    no_account,
    note,
    require_over,
    require_signed_in,
)
from maild.core.usernames import canonical_username, username_taken
from maild.model.people import MemberState
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.logins import LoginRow
from maild.store.sessions import SessionRow
from maild.store.store import Tx
from maild.store.users import UserRow


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityView:
    """Who the person is to a provider."""

    issuer: str
    subject: str
    address: str
    suspended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginView:
    """A login as its person, or who helps them, sees it."""

    username: str
    account: str | None
    """None: the general one."""
    has_password: bool
    second_step: bool
    suspended: bool
    """The person signs up again first."""
    terms_version: str | None
    terms_at: datetime | None
    identities: tuple[IdentityView, ...]


def show_logins(app: App, email: str, *, by: Actor) -> tuple[LoginView, ...]:
    """Return a person's logins; a communal user has none.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        user = find_user(tx, email, by)
        if by.user_id != user.id:
            require_over(tx, user.id, by)
        seen = [login for login in tx.logins.of(user.id) if is_there_for(tx, login, by)]
        return tuple(login_view(tx, login) for login in seen)


def is_there_for(tx: Tx, row: LoginRow | SessionRow, by: Actor) -> bool:
    """Whether a person's login, or a session of it, is there for who asks: themselves, or who is over them.

    To who has one account open, that one's own login is; to others than the person, no login of an account that they do
    not work in: it would tell that the person does (R15).
    """
    if by.account_id not in {None, row.account_id}:
        return False
    is_own = row.account_id is None or row.user_id == by.user_id
    return is_own or in_sight(tx, row.account_id or 0, by)


def add_own_login(
    app: App, email: str, username: str, password: str, *, account: str, by: Actor
) -> LoginView:
    """Give a person a login of their own for an account that asks for it: they do, or the operator for them (U9).

    It may come before the invitation is accepted, which needs it.  Slow.  Commits one transaction.  Raises RefusedError
    (INVALID_VALUE, USERNAME_IN_USE, ALREADY_EXISTS, CONFLICT, NOT_FOUND, NOT_ALLOWED).
    """
    if "@" in username:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The user name of an account's own login",
            value=short(username),
            why="it looks like an address, and addresses open the general login",
        )
    wanted = canonical_username(username, frozenset())
    hashed = hash_password(password)
    with app.store.write() as tx:
        user = _self(tx, email, by)
        require_signed_in(by)
        tx.people.hold_user(user.id)
        where = _asking(tx, user, account, by)
        if not where.settings.get("own_login_required", False):
            raise RefusedError(
                Reason.CONFLICT,
                why=f"{where.name} asks for no login of its own; the general one opens it.",
            )
        if any(login.account_id == where.id for login in tx.logins.of(user.id)):
            raise RefusedError(
                Reason.ALREADY_EXISTS,
                noun="own login for the account",
                value=where.slug,
                hint="Its user name is shown by `maild login show EMAIL`.",
            )
        added = tx.logins.add(user.id, wanted, hashed, account_id=where.id, now=app.clock())
        if added is None:
            raise username_taken(wanted)
        note(tx, app, by, "login.added", where.id, user=user.id, login=added)
        login = tx.logins.login(added)
        assert login is not None  # noqa: S101 - it was just made
        return login_view(tx, login)


def _asking(tx: Tx, user: UserRow, slug: str, by: Actor) -> AccountRow:
    """Return an account that the person is in, or is invited to: to those it is not hidden.  Who only asked for access
    must not learn by this whether it is there; and what opens one account alone must not open another.
    """
    where = tx.people.account(slug) if slug.isascii() and slug.isprintable() else None
    member = None if where is None else tx.people.member(where.id, user.id)
    hidden = {MemberState.REFUSED, MemberState.REQUESTED}
    if where is None or member is None or member.state in hidden:
        raise no_account(slug)
    if by.account_id not in {None, where.id}:
        raise no_account(slug)
    return where


def login_of(tx: Tx, user: UserRow, account_id: int | None) -> LoginRow:
    """Return a person's general login, or the own one of an account.  Raises RefusedError CONFLICT."""
    for login in tx.logins.of(user.id):
        if login.account_id == account_id:
            return login
    why = (
        f"{user.display_name} is a communal user and has no login; members open it from their own."
    )
    if user.kind == "person":
        why = f"{user.display_name} has no such login."
    raise RefusedError(Reason.CONFLICT, why=why)


def named_login(tx: Tx, user: UserRow, account: str | None, by: Actor) -> LoginRow:
    """Return the login that is meant: of the account that is named, or that alone is open to the actor.

    Raises RefusedError NOT_FOUND, CONFLICT.
    """
    return login_of(tx, user, by.account_id if account is None else home(tx, account, by).id)


def _self(tx: Tx, email: str, by: Actor) -> UserRow:
    user = find_user(tx, email, by)
    if not by.is_operator and by.user_id != user.id:
        raise RefusedError(
            Reason.NOT_ALLOWED, why="Only the person themselves, or the operator, may do this."
        )
    return user


def login_view(tx: Tx, login: LoginRow) -> LoginView:
    """Return a login as the interface shows it."""
    return LoginView(
        username=login.username,
        account=None
        if login.account_id is None
        else tx.people.account_by_id(login.account_id).slug,
        has_password=login.password_hash is not None,
        second_step=login.has_second_step,
        suspended=login.suspended_at is not None,
        terms_version=login.terms_version,
        terms_at=login.terms_at,
        identities=tuple(
            IdentityView(
                issuer=row.issuer,
                subject=row.subject,
                address=row.address,
                suspended=row.suspended_at is not None,
            )
            for row in tx.identities.of(login.id)
        ),
    )
