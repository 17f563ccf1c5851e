"""The second step of a login: a code that an app shows, new every thirty seconds (TOTP, RFC 6238).

Of a login's secret only the sealed form is stored, and it is told once, to who sets the second step up.  What a right code
opens is for others to say; nothing here commits.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

import pyotp

from maild.core.app import App
from maild.core.seal import SealError, seal, unseal
from maild.model.reason import Reason, RefusedError
from maild.store.store import Tx

STEP_S = 30
WINDOW = 1
"""Steps before and after the present one whose codes are taken: clocks differ, and people type slowly."""
DIGITS = 6
TRIES_WITHIN = timedelta(minutes=15)
MOST_CODES = 10
"""Wrong codes of one login within that time, whatever name was typed and wherever they come from."""
_BOUND_TO = ("login", "totp")
# Not to one login: a login changes hands when two people exchange their addresses (U11).


def new_secret() -> str:
    """Return a secret of chance: 160 bits, in the letters that apps read (RFC 4226 4)."""
    return pyotp.random_base32()


def sealed(app: App, secret: str) -> str:
    """Return the secret as it is stored.  Raises RefusedError CONFLICT where the installation has no key."""
    if app.key is None:
        raise RefusedError(
            Reason.CONFLICT,
            why="A second step needs the installation's key: set secret_key_file, then restart.",
        )
    return seal(app.key, secret, _BOUND_TO)


def unsealed(app: App, text: str) -> str:
    """Return a stored secret.  Raises RefusedError CONFLICT where the key is gone or another one."""
    if app.key is None:
        raise _cannot_open("secret_key_file is not set")
    try:
        return unseal(app.key, text, _BOUND_TO)
    except SealError as error:
        raise _cannot_open(str(error)) from None


def _cannot_open(why: str) -> RefusedError:
    return RefusedError(
        Reason.CONFLICT,
        actions=("maild login totp EMAIL --off",),
        why=f"The second step of this login cannot be checked: {why}. The operator can switch it off.",
    )


def uri(secret: str, *, name: str, issuer: str) -> str:
    """Return what an app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def use_code(tx: Tx, app: App, login_id: int, code: str) -> bool:
    """Use up a code of a login, in the caller's transaction; False for a wrong one, and for one that was used before.

    Counted by login: whoever is asked for a code has the password, and would else guess on by the person's other names
    and from other places.  The caller commits before it refuses: then the try counts.  Raises RefusedError
    TOO_MANY_TRIES, and as `unsealed`.
    """
    login = tx.logins.hold(login_id)
    now, key = app.clock(), f"second-step:{login_id}"
    if not tx.throttles.count(key, now=now, window=TRIES_WITHIN, most=MOST_CODES):
        minutes = tx.throttles.minutes_left(key, now=now, window=TRIES_WITHIN)
        raise RefusedError(Reason.TOO_MANY_TRIES, minutes=minutes)
    if login is None or not login.has_second_step:  # Switched off in this moment.
        return False
    step = step_of(unsealed(app, login.totp or ""), code, now)
    if step is None or not tx.logins.use_step(login_id, step):
        return False
    tx.throttles.clear(key)
    return True


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is, the newest first; None for a wrong one.  Never leaves early."""
    typed = "".join(code.split())
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdigit()):
        return None
    maker = pyotp.TOTP(secret)
    found = None
    for offset in range(-WINDOW, WINDOW + 1):
        at = now + timedelta(seconds=offset * STEP_S)
        if hmac.compare_digest(maker.at(at), typed):
            found = int(at.timestamp()) // STEP_S
    return found
