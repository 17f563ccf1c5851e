"""Setting a login's second step up and switching it off (U10).

It is set up in two acts: a secret is told, and counts only when a code made from it has come back.  Whoever may not read
the person's app switches it off only as an admin over them, or as the operator, and the person is told by mail.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from maild.core import totp
from maild.core.app import Actor, App
from maild.core.letters import Notice, post
from maild.core.logins import LoginView, login_view, named_login
from maild.core.standing import find_user, note, require_over, require_signed_in
from maild.model.reason import Reason, RefusedError
from maild.store.logins import LoginRow
from maild.store.store import Tx

UNCONFIRMED = -1
"""The step of a secret that no code has confirmed."""
ISSUER = "maild"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondStep:
    """What an app needs; told once."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    """For a QR code."""


def begin_second_step(app: App, email: str, *, account: str | None = None, by: Actor) -> SecondStep:
    """Make the secret of a login's second step, which asks for nothing before `confirm_second_step`.

    Repeated before that, the earlier secret is worth nothing.  Commits one transaction.  Raises RefusedError
    (ALREADY_EXISTS where there is one that counts; CONFLICT without the installation's key; NOT_ALLOWED for others).
    """
    secret = totp.new_secret()
    sealed = totp.sealed(app, secret)
    with app.store.write() as tx:
        login = _own(tx, email, account, by)
        if login.has_second_step:
            raise RefusedError(
                Reason.ALREADY_EXISTS,
                noun="second step of",
                value=login.username,
                hint="Switch it off before another one is set up.",
            )
        tx.logins.set_second_step(login.id, sealed, UNCONFIRMED)
        return SecondStep(secret=secret, uri=totp.uri(secret, name=login.username, issuer=ISSUER))


def confirm_second_step(
    app: App, email: str, code: str, *, account: str | None = None, by: Actor
) -> LoginView:
    """Have the second step asked for from now on, as this code shows that the app has the secret.

    That code counts no second time.  Commits one transaction.  Raises RefusedError (CONFLICT, INVALID_VALUE, NOT_ALLOWED).
    """
    with app.store.write() as tx:
        login = _own(tx, email, account, by)
        if login.totp is None or login.has_second_step:
            raise RefusedError(
                Reason.CONFLICT, why="There is no second step that waits for its first code."
            )
        step = totp.step_of(totp.unsealed(app, login.totp), code, app.clock())
        if step is None:
            raise _wrong_code()
        tx.logins.set_second_step(login.id, login.totp, step)
        note(tx, app, by, "login.second_step_on", login.account_id, login=login.id)
        return login_view(tx, _held(tx, login))


def end_second_step(
    app: App, email: str, *, code: str = "", account: str | None = None, by: Actor
) -> LoginView:
    """Switch a second step off: its person with a code, an admin over them or the operator without.

    Their act is told to the person by mail.  Safe to repeat.  Commits one transaction.  Raises RefusedError
    (INVALID_VALUE, TOO_MANY_TRIES, NOT_ALLOWED, NOT_FOUND).
    """
    with app.store.write() as tx:
        user = find_user(tx, email, by)
        is_self = by.user_id == user.id
        if not is_self:
            require_over(tx, user.id, by)
        login = _held(tx, named_login(tx, user, account, by))
        needs_code = is_self and login.has_second_step
        may_end = not needs_code or totp.use_code(tx, app, login.id, code)
        if may_end and login.totp is not None:
            tx.logins.set_second_step(login.id, None, None)
            note(tx, app, by, "login.second_step_off", login.account_id, login=login.id)
            if not is_self:
                _tell(tx, app, login)
        view = login_view(tx, _held(tx, login))
    if not may_end:  # Behind the commit: the try counts.
        raise _wrong_code()
    return view


def _wrong_code() -> RefusedError:
    return RefusedError(
        Reason.INVALID_VALUE,
        what="The code",
        value="…",
        why="it is not the one that the app shows now; check the clock of the device",
    )


def _own(tx: Tx, email: str, account: str | None, by: Actor) -> LoginRow:
    """Return the person's own login, held.  Raises RefusedError."""
    user = find_user(tx, email, by)
    if not by.is_operator and by.user_id != user.id:
        raise RefusedError(
            Reason.NOT_ALLOWED, why="A second step is set up by the person who has the device."
        )
    require_signed_in(by)
    return _held(tx, named_login(tx, user, account, by))


def _held(tx: Tx, login: LoginRow) -> LoginRow:
    held = tx.logins.hold(login.id)
    assert held is not None  # noqa: S101 - it was found in this transaction
    return held


def _tell(tx: Tx, app: App, login: LoginRow) -> None:
    user = tx.people.user(login.user_id)
    post(
        tx,
        app,
        Notice(
            to=user.email or "",
            to_name=user.display_name,
            subject="Your second step was switched off",
            text=f"Hello {user.display_name},\n\nthe second step of the login {login.username} was switched off by an "
            "administrator. If you did not ask for that, tell them, and set it up again.",
        ),
        key=f"second-step-off:{login.id}:{app.ids()}",
    )
