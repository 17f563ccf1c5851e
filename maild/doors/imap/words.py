"""What a server's words mean to an admin: response codes (RFC 3501 7.1, RFC 5530) and what big providers say without any.

It must never repeat a secret, should a server repeat one.
"""

from __future__ import annotations

import re

from maild.core.remote import Trouble

_SAID_MAX = 200
_CODE = re.compile(r"\[([A-Za-z][A-Za-z0-9-]*)")
_CODES = {
    "AUTHENTICATIONFAILED": Trouble.REFUSED_LOGIN,
    "EXPIRED": Trouble.REFUSED_LOGIN,
    "PRIVACYREQUIRED": Trouble.REFUSED_LOGIN,
    "AUTHORIZATIONFAILED": Trouble.NOT_ALLOWED,
    "CONTACTADMIN": Trouble.NOT_ALLOWED,
    "NOPERM": Trouble.NOT_ALLOWED,
    "NONEXISTENT": Trouble.NO_SUCH_FOLDER,
    "TRYCREATE": Trouble.NO_SUCH_FOLDER,
    "OVERQUOTA": Trouble.QUOTA,
    "UNAVAILABLE": Trouble.BUSY,
    "INUSE": Trouble.BUSY,
    "LIMIT": Trouble.BUSY,
    "SERVERBUG": Trouble.BUSY,
    "THROTTLED": Trouble.BUSY,
}
_PHRASES = (
    # Microsoft 365, after a sign-in that went well, for a mailbox that this user may not open.
    ("authenticated but not connected", Trouble.NOT_ALLOWED),
    ("too many", Trouble.BUSY),
    ("maximum number of connections", Trouble.BUSY),
    ("throttled", Trouble.BUSY),
    ("try again later", Trouble.BUSY),
    ("temporar", Trouble.BUSY),
    ("over quota", Trouble.QUOTA),
    ("quota exceeded", Trouble.QUOTA),
)


def printable(words: bytes | str) -> str:
    """Return a server's words as one short printable line."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _SAID_MAX]).split())
    return line if len(line) <= _SAID_MAX else f"{line[: _SAID_MAX - 3]}..."


def trouble_of(words: bytes, otherwise: Trouble) -> Trouble:
    """Return what a refusal means; a response code goes before a phrase."""
    text = words.decode("utf-8", "replace").strip()
    code = _CODE.match(text)
    if code is not None and code[1].upper() in _CODES:
        return _CODES[code[1].upper()]
    lowered = text.casefold()
    return next((trouble for phrase, trouble in _PHRASES if phrase in lowered), otherwise)
