"""Sessions: who is signed in on which browser, and until when (U10).

A session's secret is told once, to the browser that it is for; kept is its digest.  A session lives while it is used, and
at most ninety days; it ends with its user's password, and when the user is disabled or their address is changed.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from maild.core.app import Actor, App
from maild.core.logins import is_there_for
from maild.core.signing_in import SignedIn
from maild.core.standing import find_user, note, require_over
from maild.core.tokens import shut_to
from maild.model.plain_text import short, storable
from maild.model.reason import Reason, RefusedError
from maild.store.logins import LoginRow
from maild.store.sessions import SessionRow
from maild.store.store import Tx
from maild.store.users import UserRow

IDLE = timedelta(days=14)
LONGEST = timedelta(days=90)
SEEN_EVERY = timedelta(minutes=1)
"""How exactly it is known when a session was used: a page of thirty pictures is one use."""
AGENT_MAX = 200
_ID_LENGTH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBegun:
    """A new session, and its secret for this one time."""

    secret: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSeen:
    """A living session that was used just now."""

    by: Actor
    """With the one account that the login opens, if it is an account's own (U9)."""
    login_id: int
    expires_at: datetime
    digest: str
    """By which it is found again, for what takes long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session as its person, or who helps them, sees it."""

    id: str
    account: str | None
    """Of a login that is an account's own."""
    peer: str
    agent: str
    created_at: datetime
    seen_at: datetime
    """To the minute."""
    expires_at: datetime


def begin_session(
    app: App, signed_in: SignedIn, *, peer: str, agent: str = "", accepts_terms: str = ""
) -> SessionBegun:
    """Begin a session for who has just signed in; `accepts_terms` is the version that they were shown and accept.

    Commits one transaction: the session, and the acceptance with its time.  Raises RefusedError TERMS_NEEDED until the
    version that counts is accepted, SIGN_IN_REFUSED when what opened the login has ended in this moment, NOT_ALLOWED for a
    token.
    """
    if signed_in.login_id is None:
        raise RefusedError(Reason.NOT_ALLOWED, why="A token opens no session.")
    secret = secrets.token_urlsafe(32)
    now = app.clock()
    with app.store.write() as tx:
        login = tx.logins.hold(signed_in.login_id)
        if login is None or not _still_opens(tx, login, signed_in):
            raise RefusedError(Reason.SIGN_IN_REFUSED)
        if app.terms.version and login.terms_version != app.terms.version:
            if accepts_terms != app.terms.version:
                raise terms_needed(app)
            tx.logins.accept_terms(login.id, app.terms.version, now)
        tx.sessions.add(
            login.id,
            _digest(secret),
            now=now,
            expires_at=now + IDLE,
            peer=short(storable(peer), 100),
            agent=short(storable(agent), AGENT_MAX),
        )
        note(tx, app, Actor(login.user_id), "session.begun", login.account_id, login=login.id)
    return SessionBegun(secret=secret, expires_at=now + IDLE)


def _still_opens(tx: Tx, login: LoginRow, signed_in: SignedIn) -> bool:
    """Whether the login, which is held, still opens by what was shown before this transaction.

    Since then its owner may have changed (U11), or the sessions have been ended by a new password, or with an identity.
    """
    if _is_shut(login) or login.user_id != signed_in.user_id:
        return False
    if signed_in.password_hash not in {None, login.password_hash}:
        return False
    identity_id = signed_in.identity_id
    attached = (row.id for row in tx.identities.of(login.id) if row.suspended_at is None)
    return identity_id is None or identity_id in attached


def terms_needed(app: App) -> RefusedError:
    """Return the refusal of who has yet to accept the terms of service."""
    return RefusedError(
        Reason.TERMS_NEEDED,
        actions=(f"accept the terms: {app.terms.url}",),
        version=app.terms.version,
        url=app.terms.url,
    )


def look(app: App, secret: str) -> SessionSeen | None:
    """Return whose living session this is; None for what is none.  Using it lengthens its life.

    Commits at most once a minute and session, that it was used.
    """
    return look_again(app, _digest(secret))


def look_again(app: App, digest: str) -> SessionSeen | None:
    """Return the session of a digest, if it still lives.  Commits as `look`."""
    now = app.clock()
    with app.store.read() as tx:
        row = tx.sessions.by_digest(digest)
        shut = frozenset() if row is None else shut_to(tx, row.user_id, row.account_id)
    if row is None or not _is_alive(row, now):
        return None
    expires_at = row.expires_at
    if row.seen_at <= now - SEEN_EVERY:
        expires_at = min(now + IDLE, row.created_at + LONGEST)
        with app.store.write() as tx:
            tx.sessions.see(row.id, now=now, expires_at=expires_at)
    return SessionSeen(
        by=Actor(row.user_id, row.account_id, shut, opened_by=f"session:{digest}"),
        login_id=row.login_id,
        expires_at=expires_at,
        digest=row.digest,
    )


def hold_session(tx: Tx, app: App, session: SessionSeen) -> LoginRow:
    """Return the login of a session that was seen a while ago, held: what ends all sessions of a login waits.

    Raises RefusedError TOKEN_REFUSED when it has ended meanwhile.
    """
    login = tx.logins.hold(session.login_id)
    row = tx.sessions.by_digest(session.digest)
    if login is None or row is None or not _is_alive(row, app.clock()):
        raise RefusedError(Reason.TOKEN_REFUSED)
    return login


def end_session(app: App, secret: str) -> None:
    """Sign out.  Commits one transaction; safe to repeat, and silent about what is no session."""
    with app.store.write() as tx:
        row = tx.sessions.by_digest(_digest(secret))
        if row is not None and tx.sessions.end(row.id):
            by = Actor(row.user_id, row.account_id)
            note(tx, app, by, "session.ended", row.account_id, login=row.login_id)


def list_sessions(app: App, email: str, *, by: Actor) -> tuple[SessionView, ...]:
    """Return a person's living sessions, the latest used first.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        user = _person(tx, email, by)
        return tuple(_view(tx, row) for row in _open_to(tx, user, app, by))


def end_sessions(
    app: App, email: str, session_id: str | None = None, *, by: Actor
) -> tuple[SessionView, ...]:
    """End a person's sessions, or the one of that id; return those that were ended.

    Commits one transaction.  Raises RefusedError (INVALID_EMAIL, NOT_FOUND, NOT_ALLOWED).
    """
    with app.store.write() as tx:
        user = _person(tx, email, by)
        found = [
            row
            for row in _open_to(tx, user, app, by)
            if session_id is None or row.digest[:_ID_LENGTH] == session_id
        ]
        if session_id is not None and not found:
            raise RefusedError(
                Reason.NOT_FOUND,
                noun="session",
                value=short(session_id),
                hint="`maild login sessions EMAIL` lists them.",
            )
        for row in found:
            tx.sessions.end(row.id)
        if found:
            note(tx, app, by, "session.ended", None, user=user.id, count=len(found))
        return tuple(_view(tx, row) for row in found)


def close_user(tx: Tx, user_id: int) -> int:
    """End every session of a user and every link that was mailed to them, in the caller's transaction.

    For who disables a user, or exchanges addresses (U11).  Returns how many sessions there were.
    """
    for login in tx.logins.of(user_id):
        # Who is just signing in, or having a link mailed, waits for this transaction, and finds what it made of them.
        tx.logins.hold(login.id)
        tx.logins.end_links(login.id)
    return tx.sessions.end_of_user(user_id)


def _open_to(tx: Tx, user: UserRow, app: App, by: Actor) -> list[SessionRow]:
    """Return a person's sessions, as far as their logins are there for who asks."""
    found = tx.sessions.of(user.id, app.clock())
    return [row for row in found if is_there_for(tx, row, by)]


def _person(tx: Tx, email: str, by: Actor) -> UserRow:
    user = find_user(tx, email, by)
    if by.user_id != user.id:
        require_over(tx, user.id, by)
    return user


def _is_alive(row: SessionRow, now: datetime) -> bool:
    return row.expires_at > now and not _is_shut(row)


def _is_shut(row: LoginRow | SessionRow) -> bool:
    return row.disabled_at is not None or row.suspended_at is not None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _view(tx: Tx, row: SessionRow) -> SessionView:
    return SessionView(
        id=row.digest[:_ID_LENGTH],
        account=None if row.account_id is None else tx.people.account_by_id(row.account_id).slug,
        peer=row.peer,
        agent=row.agent,
        created_at=row.created_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
    )
