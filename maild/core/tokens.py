"""Tokens: secrets by which programs act in a person's name, at the API and when they submit mail.

A token's secret is shown once, to who made it; kept is its digest.  It is never told in a list, an error, or a log.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from maild.core.app import Actor, App
from maild.core.standing import find_user, home, note, require_operator, require_over
from maild.model.people import MemberState
from maild.model.plain_text import one_line, short
from maild.model.reason import Reason, RefusedError
from maild.model.scope import Scope
from maild.store.store import Tx
from maild.store.tokens import NewToken, TokenRow
from maild.store.users import UserRow

PREFIX = "maild_"
"""What every token begins with, so that who finds one in a file knows what it is."""
USE_NOTED_EVERY = timedelta(minutes=1)
LISTED_MAX = 1000
LIVING_MAX = 200
"""Living tokens of one person, and of the operator."""
LIFE_MAX = timedelta(days=36500)
_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """A token as lists show it."""

    id: str
    email: str | None
    """None: the operator's."""
    account: str | None
    """The one account that it opens; None: all of the user's."""
    name: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    """To the minute."""
    active: bool
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMade:
    """A new token, and its secret for this one time."""

    token: TokenView
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """In whose name a token acts."""

    by: Actor
    """With the one account that the token opens, if it is narrowed to one."""
    token_id: str
    expires_at: datetime | None


def make_token(  # noqa: PLR0913 - each is a part of what is asked for, by its name
    app: App,
    email: str | None,
    name: str,
    *,
    account: str | None = None,
    lives: timedelta | None = None,
    scope: Scope = Scope.WRITE,
    maker: Bearer | None = None,
    by: Actor,
) -> TokenMade:
    """Make a token in a person's name, which they do themselves or the operator for them; None: the operator's own.

    `account` narrows it to one account of theirs; `lives` None: until it is revoked; `maker` is the token that makes it, which it
    does not outlive, revoked or not, and beyond whose scope it does not reach.  Commits one transaction; repeated, it makes
    another one.  Raises RefusedError (INVALID_VALUE, NOT_FOUND, NOT_ALLOWED, CONFLICT for who has too many, TOKEN_REFUSED
    for a maker that has ended).
    """
    name = one_line("The token's name", name)
    _require_life(lives)
    secret = PREFIX + secrets.token_urlsafe(32)
    now, ulid = app.clock(), app.ids()
    ends = [None if lives is None else now + lives, None if maker is None else maker.expires_at]
    with app.store.write() as tx:
        user = _held(tx, email, by)
        _require_few(tx, user, now)
        # Who is narrowed to one account makes tokens for that one alone.
        account_id = by.account_id if account is None else _account_of(tx, user, account, by)
        new = NewToken(
            ulid=ulid,
            user_id=None if user is None else user.id,
            account_id=account_id,
            name=name,
            expires_at=min((end for end in ends if end is not None), default=None),
            scope=Scope.READ if by.only_reads else scope,
            maker_id=None if maker is None else _held_maker(tx, maker, now),
        )
        tx.tokens.add(new, _digest(secret), now=now)
        note(tx, app, by, "token.made", account_id, user=new.user_id, token=ulid)
        return TokenMade(token=_view(tx, _row(tx, ulid), now), secret=secret)


def list_tokens(app: App, email: str | None = None, *, by: Actor) -> tuple[TokenView, ...]:
    """Return a person's newest tokens, the ended ones too; without a person everybody's living ones, to the operator.

    Reads only.  Raises RefusedError (INVALID_EMAIL, NOT_FOUND, NOT_ALLOWED).
    """
    with app.store.read() as tx:
        if email is None:
            require_operator(by)
            rows = tx.tokens.living(app.clock(), limit=LISTED_MAX)
        else:
            user = find_user(tx, email, by)
            if by.user_id != user.id:
                require_over(tx, user.id, by)
            rows = tx.tokens.of(user.id, account_id=by.account_id, limit=LISTED_MAX)
        return tuple(_view(tx, row, app.clock()) for row in rows)


def revoke_token(app: App, token_id: str, *, by: Actor) -> TokenView:
    """End a token for good, and all that it made: its person, an admin over them, or the operator.  Safe to repeat.

    Commits one transaction.  Raises RefusedError NOT_FOUND, also for a token that is not theirs to end.
    """
    with app.store.write() as tx:
        row = tx.tokens.by_ulid(token_id) if _ULID.fullmatch(token_id) else None
        if row is None or not _may_end(tx, row, by):
            raise RefusedError(
                Reason.NOT_FOUND,
                noun="token",
                value=short(token_id),
                hint="`maild token list` shows them.",
            )
        if row.revoked_at is None:
            tx.tokens.revoke(row.id, app.clock())
            note(tx, app, by, "token.revoked", row.account_id, user=row.user_id, token=row.ulid)
        return _view(tx, _row(tx, row.ulid), app.clock())


def look_up(app: App, secret: str) -> Bearer | None:
    """Return in whose name a token acts; None for what is no living token, or a disabled or suspended person's.

    Commits at most once a minute, that it was used.
    """
    return look_again(app, _digest(secret)) if secret.startswith(PREFIX) else None


def look_again(app: App, digest: str) -> Bearer | None:
    """Return in whose name the token of a digest acts by now.  Returns and commits as `look_up`."""
    now = app.clock()
    with app.store.read() as tx:
        row = tx.tokens.by_digest(digest)
        if row is None or not _is_alive(row, now) or _is_shut(tx, row):
            return None
        shut = shut_to(tx, row.user_id, row.account_id)
    if row.last_used_at is None or row.last_used_at <= now - USE_NOTED_EVERY:
        with app.store.write() as tx:
            tx.tokens.note_use(row.id, now)
    return Bearer(
        by=Actor(
            row.user_id,
            row.account_id,
            shut,
            is_program=True,
            only_reads=row.scope is Scope.READ,
            opened_by=f"token:{digest}",
        ),
        token_id=row.ulid,
        expires_at=row.expires_at,
    )


def shut_to(tx: Tx, user_id: int | None, account_id: int | None) -> frozenset[int]:
    """Return the accounts that a person's general login does not open, though they work there (U9).

    `account_id`: what is narrowed to one account opens that one.
    """
    if user_id is None or account_id is not None:
        return frozenset()
    return tx.logins.asking_for_own(user_id)


def user_of_token(app: App, secret: str) -> int | None:
    """Return whose living token this is, to send mail from all of their accounts; None for any other.  Commits as `look_up`."""
    bearer = look_up(app, secret)
    if bearer is None or bearer.by.account_id is not None or bearer.by.only_reads:
        return None
    return bearer.by.user_id


def _is_alive(row: TokenRow, now: datetime) -> bool:
    is_over = row.expires_at is not None and row.expires_at <= now
    return row.revoked_at is None and not is_over


def _is_shut(tx: Tx, row: TokenRow) -> bool:
    """Whether the person may not come in at present, or no more into the account that it opens."""
    if row.user_id is None:
        return False
    login = tx.logins.general(row.user_id)
    if login is None or login.disabled_at is not None or login.suspended_at is not None:
        return True
    if row.account_id is None:
        return False
    return not _is_active(tx, row.account_id, row.user_id) or _lacks_own_login(
        tx, row.account_id, row.user_id
    )


def _lacks_own_login(tx: Tx, account_id: int, user_id: int) -> bool:
    """Whether the account asks for a login of its own, and the person has chosen none yet (U9)."""
    if account_id not in tx.logins.asking_for_own(user_id):
        return False
    return all(login.account_id != account_id for login in tx.logins.of(user_id))


def _is_active(tx: Tx, account_id: int, user_id: int) -> bool:
    member = tx.people.member(account_id, user_id)
    return member is not None and member.state is MemberState.ACTIVE


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _whose(tx: Tx, email: str | None, by: Actor) -> UserRow | None:
    if email is None:
        require_operator(by)
        return None
    user = find_user(tx, email, by)
    if not by.is_operator and by.user_id != user.id:
        raise RefusedError(
            Reason.NOT_ALLOWED, why="A token is made by the person in whose name it acts."
        )
    if user.kind != "person":
        raise RefusedError(
            Reason.NOT_ALLOWED,
            why=f"{user.display_name} is a communal user: nobody acts in its name.",
        )
    return user


def _held(tx: Tx, email: str | None, by: Actor) -> UserRow | None:
    """Return whose token it is to be, held: a change of e-mail, which ends their tokens, comes before or after (U11)."""
    user = _whose(tx, email, by)
    if user is None:
        return None
    tx.people.hold_user(user.id)
    now = _whose(tx, email, by)
    if now is None or now.id != user.id:
        raise RefusedError(Reason.CONFLICT, why="Whose address this is was changed at this moment.")
    return now


def _held_maker(tx: Tx, maker: Bearer, now: datetime) -> int:
    """Return the token that makes another one, held: its end, which ends what it made, comes before or after."""
    maker_id = tx.tokens.hold_living(maker.token_id, now)
    if maker_id is None:
        raise RefusedError(Reason.TOKEN_REFUSED)
    return maker_id


def _require_life(lives: timedelta | None) -> None:
    if lives is not None and not timedelta(0) < lives <= LIFE_MAX:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The token's life",
            value=str(lives),
            why=f"it is more than nothing and at most {LIFE_MAX.days} days",
        )


def _require_few(tx: Tx, user: UserRow | None, now: datetime) -> None:
    if tx.tokens.count_living(None if user is None else user.id, now) >= LIVING_MAX:
        raise RefusedError(
            Reason.CONFLICT,
            actions=("maild token list", "maild token revoke ID"),
            why=f"There are {LIVING_MAX} living tokens already; revoke those that nobody uses first.",
        )


def _account_of(tx: Tx, user: UserRow | None, slug: str, by: Actor) -> int:
    account = home(tx, slug, by)
    if user is not None and not _is_active(tx, account.id, user.id):
        raise RefusedError(
            Reason.NOT_ALLOWED, why=f"{user.display_name} is no active member of {account.name}."
        )
    return account.id


def _may_end(tx: Tx, row: TokenRow, by: Actor) -> bool:
    if by.is_operator:
        return True
    if by.user_id is not None and by.user_id == row.user_id:
        return by.account_id in {None, row.account_id}
    if row.user_id is None:
        return False
    try:
        require_over(tx, row.user_id, by)
    except RefusedError:
        return False
    return True


def _row(tx: Tx, ulid: str) -> TokenRow:
    row = tx.tokens.by_ulid(ulid)
    assert row is not None  # noqa: S101 - it was just written, and tokens are not deleted
    return row


def _view(tx: Tx, row: TokenRow, now: datetime) -> TokenView:
    return TokenView(
        id=row.ulid,
        email=None if row.user_id is None else tx.people.user(row.user_id).email,
        account=None if row.account_id is None else tx.people.account_by_id(row.account_id).slug,
        name=row.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        active=_is_alive(row, now),
        scope=row.scope,
    )
