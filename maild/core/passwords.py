"""Passwords of logins: argon2id, with the library's own recommended cost (RFC 9106).

Checking one takes tens of milliseconds by design: never inside a transaction, never in an event loop.  A password is
never repeated, in no error and no log.
"""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from maild.model.reason import Reason, RefusedError

PASSWORD_MIN, PASSWORD_MAX = 8, 1024


def hash_password(password: str) -> str:
    """Return what is kept of a password.  Slow by design: never inside a transaction.

    Raises RefusedError INVALID_VALUE; it never repeats the password.
    """
    why = None
    if len(password) < PASSWORD_MIN:
        why = f"it must have at least {PASSWORD_MIN} characters"
    elif len(password) > PASSWORD_MAX:
        why = f"it must have at most {PASSWORD_MAX} characters"
    elif not _can_be_typed(password):
        why = "it holds characters that cannot be typed"
    if why is not None:
        raise RefusedError(Reason.INVALID_VALUE, what="The password", value="…", why=why)
    return PasswordHasher().hash(password)


def _can_be_typed(password: str) -> bool:
    return "\0" not in password and not any("\ud800" <= char <= "\udfff" for char in password)


def is_password(password_hash: str | None, password: str) -> bool:
    """Whether this is the password that was kept.  Takes as long where none is kept, so that time tells nothing."""
    standing_in = _nobodys_hash()
    could_be = len(password) <= PASSWORD_MAX and _can_be_typed(password)
    try:
        PasswordHasher().verify(password_hash or standing_in, password if could_be else "")
    except (VerificationError, InvalidHashError):
        return False
    return could_be and password_hash is not None


def better_hash(password_hash: str, password: str) -> str | None:
    """Return a new hash of a right password where the kept one was made at another cost than today's."""
    if not PasswordHasher().check_needs_rehash(password_hash):
        return None
    return PasswordHasher().hash(password)


@cache
def _nobodys_hash() -> str:
    return PasswordHasher().hash("nobody has this password")
