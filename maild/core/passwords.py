"""Passwords of logins: argon2id, with the library's own recommended cost (RFC 9106)."""

from __future__ import annotations

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
    elif "\0" in password or any("\ud800" <= char <= "\udfff" for char in password):
        why = "it holds characters that cannot be typed"
    if why is not None:
        raise RefusedError(Reason.INVALID_VALUE, what="The password", value="…", why=why)
    return PasswordHasher().hash(password)


def is_password(password_hash: str, password: str) -> bool:
    """Whether this is the password that was kept."""
    try:
        return PasswordHasher().verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
