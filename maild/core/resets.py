"""A new password by a mailed link, and signing up by one (U10, U11).

Who asks for a reset learns nothing: the answer, and the work behind it, are the same whether there is such a login or
not.  The mail goes to the person's one primary address, whatever name was asked for.  The second step is left as it is by
a reset: who can read somebody's mail has one of two things.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from maild.core.app import Actor, App
from maild.core.letters import Notice, NotPosted, post
from maild.core.passwords import hash_password
from maild.core.sessions import terms_needed
from maild.core.signing_in import find_login, peer_network, spelling_of
from maild.core.standing import find_user, note, require_over
from maild.model.reason import Reason, RefusedError
from maild.store.logins import LinkRow, LoginRow
from maild.store.store import Tx

RESET, SIGN_UP = "reset", "sign_up"
RESET_LIFE = timedelta(hours=1)
SIGN_UP_LIFE = timedelta(days=7)
WINDOW = timedelta(hours=1)
MOST_OF_NAME, MOST_OF_PEER = 5, 30
"""Requests for a reset within a window: of one name, from one peer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSent:
    """A link is on its way."""

    to: str
    """The primary address."""
    kind: str
    """reset or sign_up"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSet:
    """The link was used."""

    username: str
    """What signs in now, beside every verified address of a general login."""


def ask_reset(app: App, name: str, *, peer: str) -> None:
    """Mail a link for a new password to the person whose user name or verified address this is, if there is one.

    A suspended login's person gets the link to sign up again instead; a disabled one's gets nothing.  Commits one
    transaction.  Raises RefusedError TOO_MANY_TRIES, for names that exist and for others alike.
    """
    now = app.clock()
    digest = hashlib.sha256(spelling_of(name).encode("utf-8", "replace")).hexdigest()[:32]
    by_peer, by_name = f"reset:peer:{peer_network(peer)}", f"reset:name:{digest}"
    with app.store.write() as tx:
        is_within = all(
            tx.throttles.count(key, now=now, window=WINDOW, most=most)
            for key, most in ((by_peer, MOST_OF_PEER), (by_name, MOST_OF_NAME))
        )
        minutes = max(
            tx.throttles.minutes_left(key, now=now, window=WINDOW) for key in (by_peer, by_name)
        )
        if is_within:
            _mail_or_seem_to(tx, app, name)
    if not is_within:
        raise RefusedError(Reason.TOO_MANY_TRIES, minutes=minutes)


class _NobodyError(Exception):
    """Takes back what was done for nobody."""


def _mail_or_seem_to(tx: Tx, app: App, name: str) -> None:
    """Do the same work for a name that is nobody's: on some other login, and taken back before the commit."""
    login = find_login(tx, name)
    is_somebody = login is not None and login.disabled_at is None
    chosen = login if is_somebody else tx.logins.any_awake()
    if chosen is None:
        return
    with suppress(_NobodyError, RefusedError), tx.savepoint():
        held = tx.logins.hold(chosen.id)
        # Whoever has just been disabled, or whose address was just changed, is so by now.
        if held is None or held.disabled_at is not None:
            raise _NobodyError
        _send(tx, app, held, Actor(held.user_id))
        if not is_somebody:
            raise _NobodyError


def send_link(app: App, email: str, *, by: Actor) -> LinkSent:
    """Mail a person the link for a password: by an admin over them or the operator, who may know that they exist.

    A person without a password, or whose login is suspended, gets the link to sign up, which lives longer.  The links of
    that kind before are worth nothing from then on.  Commits one transaction.  Raises RefusedError (INVALID_EMAIL,
    NOT_FOUND, NOT_ALLOWED, CONFLICT).
    """
    with app.store.write() as tx:
        user = find_user(tx, email, by)
        require_over(tx, user.id, by)
        tx.people.hold_user(user.id)  # The login does not change hands meanwhile (U11).
        general = tx.logins.general(user.id)
        login = None if general is None else tx.logins.hold(general.id)
        if login is None or user.email is None:
            raise RefusedError(
                Reason.CONFLICT,
                why=f"{user.display_name} is a communal user and has no login; members open it from their own.",
            )
        if login.disabled_at is not None:
            raise RefusedError(
                Reason.CONFLICT,
                actions=(f"maild user enable {user.email}",),
                why=f"{user.display_name} is disabled and cannot sign in.",
            )
        if not app.has_relay:
            raise RefusedError(
                Reason.CONFLICT,
                actions=(f"maild user password {user.email} --password-file F",),
                why="maild cannot send the link: no relay is configured ([relay] host).",
            )
        return _send(tx, app, login, by)


def send_sign_up(tx: Tx, app: App, user_id: int, *, by: Actor) -> LinkSent:
    """Mail a person the link to sign up again, in the caller's transaction: after a change of e-mail (U11).

    The user has a general login, and their primary address is the new one by now.
    """
    login = tx.logins.general(user_id)
    if login is None:
        raise ValueError("a user without a login cannot sign up")
    return _send(tx, app, login, by)


def _send(tx: Tx, app: App, login: LoginRow, by: Actor) -> LinkSent:
    is_new = login.suspended_at is not None or login.password_hash is None
    kind, life = (SIGN_UP, SIGN_UP_LIFE) if is_new else (RESET, RESET_LIFE)
    user = tx.people.user(login.user_id)
    secret, now = secrets.token_urlsafe(32), app.clock()
    link_id = tx.logins.add_link(login.id, kind, _digest(secret), now=now, expires_at=now + life)
    what = "signing up" if is_new else "a new password"
    address = f"{app.public_url}/{kind.replace('_', '-')}/{secret}" if app.public_url else secret
    within = f"{life.days} days" if life.days else "an hour"
    notice = Notice(
        to=user.email or "",
        to_name=user.display_name,
        subject="Sign up" if is_new else "Your new password",
        text=f"Hello {user.display_name},\n\nthis is for {what}, as the user {login.username}:\n\n{address}\n\n"
        f"It can be used once, within {within}. If you did not ask for it, there is nothing to do: "
        "nobody else has it.",
    )
    sent = post(
        tx, app, notice, key=f"{kind}:{login.id}:{link_id}:{app.ids()}", give_up_at=now + life
    )
    if isinstance(sent, NotPosted):
        raise RefusedError(Reason.CONFLICT, why=f"No mail can be sent to {notice.to}: {sent.why}.")
    note(tx, app, by, f"login.{kind}_sent", None, login=login.id)
    return LinkSent(to=notice.to, kind=kind)


def use_reset(app: App, secret: str, password: str) -> PasswordSet:
    """Set a new password by a mailed link; every session of the login ends, and its person is told by mail.

    Commits one transaction.  A password that is none leaves the link as it was.  Slow.  Raises RefusedError LINK_ENDED,
    INVALID_VALUE.
    """
    with app.store.read() as tx:
        _living(tx, app, secret, RESET)
    hashed = hash_password(password)
    with app.store.write() as tx:
        login = _use(tx, app, secret, RESET)
        _set(tx, app, login, hashed)
        note(tx, app, Actor(login.user_id), "login.reset", None, login=login.id)
        _tell(tx, app, login)
        return PasswordSet(username=login.username)


def sign_up(app: App, secret: str, password: str, *, accepts_terms: str = "") -> PasswordSet:
    """Choose a password by a mailed link, and accept the terms: a new person's, or one's whose login was suspended.

    What a suspended login had before (second step, sessions) is gone; its identities stay suspended.  A second step of a
    login that only has no password stays, as by a reset.  Commits one transaction.  Slow.  Raises RefusedError LINK_ENDED,
    INVALID_VALUE, TERMS_NEEDED; then the link is as it was.
    """
    with app.store.read() as tx:
        _living(tx, app, secret, SIGN_UP)
    if app.terms.version and accepts_terms != app.terms.version:
        raise terms_needed(app)
    hashed = hash_password(password)
    with app.store.write() as tx:
        login = _use(tx, app, secret, SIGN_UP)
        _set(tx, app, login, hashed)
        if login.suspended_at is not None:
            tx.logins.set_second_step(login.id, None, None)
            tx.logins.wake(login.id)
        if app.terms.version:
            tx.logins.accept_terms(login.id, app.terms.version, app.clock())
        note(tx, app, Actor(login.user_id), "login.signed_up", None, login=login.id)
        return PasswordSet(username=login.username)


def _set(tx: Tx, app: App, login: LoginRow, hashed: str) -> None:
    tx.logins.set_password(login.id, hashed)
    tx.logins.end_links(login.id)
    tx.sessions.end_of_login(login.id)


def _living(tx: Tx, app: App, secret: str, kind: str) -> LinkRow:
    link = tx.logins.link(_digest(secret))
    if link is None or link.kind != kind or link.expires_at <= app.clock():
        raise RefusedError(Reason.LINK_ENDED)
    return link


def _use(tx: Tx, app: App, secret: str, kind: str) -> LoginRow:
    """Use a link up; of two who have it one wins."""
    link = _living(tx, app, secret, kind)
    login = tx.logins.hold(link.login_id)
    if login is None or login.disabled_at is not None or not tx.logins.take_link(link.id):
        raise RefusedError(Reason.LINK_ENDED)
    return login


def _tell(tx: Tx, app: App, login: LoginRow) -> None:
    user = tx.people.user(login.user_id)
    tokens = tx.tokens.count_living(user.id, app.clock())
    # They are programs', and stay; but who takes a login back is to know that something else acts in their name.
    left = f" Your tokens ({tokens}) go on working until you revoke them." if tokens else ""
    post(
        tx,
        app,
        Notice(
            to=user.email or "",
            to_name=user.display_name,
            subject="Your password was changed",
            text=f"Hello {user.display_name},\n\nthe password of the user {login.username} was changed just now by a "
            f"link that was mailed to you. You are signed out everywhere.{left} If it was not you, tell whoever runs "
            "this service.",
        ),
        key=f"password-changed:{login.id}:{app.ids()}",
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
