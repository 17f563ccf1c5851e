"""Signs in: SASL PLAIN where offered, else LOGIN; XOAUTH2 for a token.

A secret goes to the server and nowhere else: not into a log, an exception, or a command's words, even if the server repeats it.
"""

from __future__ import annotations

import base64
import binascii
import json

from aioimaplib.aioimaplib import AUTH

from maild.core.remote import Bearer, Password, Patience, Proof, RemoteError, Trouble
from maild.doors.imap.ask import Ask
from maild.doors.imap.connecting import read_capabilities
from maild.doors.imap.names import is_quotable, quoted
from maild.doors.imap.wire import Wire
from maild.doors.imap.words import printable, trouble_of

_ROOM = 64 * 1024


async def sign_in(wire: Wire, proof: Proof, patience: Patience) -> None:
    """Sign in and read the capabilities anew.  Raises RemoteError; a server that greets with PREAUTH is told nothing."""
    wire.check()
    wire.unsayable = _dresses(proof)
    if not wire.is_signed_in():
        if isinstance(proof, Password):
            asked = await _by_password(wire, proof, patience)
        else:
            asked = await _by_token(wire, proof, patience)
        if not asked.is_ok:
            raise _refused(wire, asked)
        wire.state = AUTH
    await read_capabilities(wire, patience)


async def _by_password(wire: Wire, proof: Password, patience: Patience) -> Ask:
    name, secret = proof.username, proof.secret
    if "\0" in name + secret or {"\r", "\n"} & set(name + secret):
        raise wire.fail(Trouble.REFUSED_LOGIN, "a line end or NUL in the name or password")
    if "AUTH=PLAIN" in wire.capabilities:
        plain = base64.b64encode(f"\0{name}\0{secret}".encode())
        asked = await wire.ask(
            Ask("AUTHENTICATE", "PLAIN", replies=[plain], room=_ROOM), within=patience.sign_in
        )
        # BAD: the server does not know what it offered.  A NO is an answer, and a second try counts against the user.
        if not asked.is_bad or "LOGINDISABLED" in wire.capabilities:
            return asked
    elif "LOGINDISABLED" in wire.capabilities:
        raise wire.fail(
            Trouble.REFUSED_LOGIN, "the server takes no password on this line (LOGINDISABLED)"
        )
    return await wire.ask(_login(name, secret), within=patience.sign_in)


def _login(name: str, secret: str) -> Ask:
    """Return LOGIN.  A literal holds what a quoted string cannot (RFC 3501 4.3)."""
    if is_quotable(name) and is_quotable(secret):
        return Ask("LOGIN", quoted(name), quoted(secret), room=_ROOM)
    first, second = name.encode(), secret.encode()
    replies = [first + b" {%d}" % len(second), second]
    return Ask("LOGIN", f"{{{len(first)}}}", replies=replies, room=_ROOM)


async def _by_token(wire: Wire, proof: Bearer, patience: Patience) -> Ask:
    if "AUTH=XOAUTH2" not in wire.capabilities:
        raise wire.fail(Trouble.REFUSED_LOGIN, "the server does not offer sign-in by XOAUTH2")
    if any(ord(letter) < 32 for letter in proof.username + proof.token):
        raise wire.fail(Trouble.REFUSED_LOGIN, "a control character in the name or token")
    words = f"user={proof.username}\1auth=Bearer {proof.token}\1\1"
    # Refused, the server first sends why and waits for an empty line.
    replies = [base64.b64encode(words.encode()), b""]
    asked = Ask("AUTHENTICATE", "XOAUTH2", replies=replies, room=_ROOM)
    return await wire.ask(asked, within=patience.sign_in)


def _refused(wire: Wire, asked: Ask) -> RemoteError:
    trouble = trouble_of(asked.closing, Trouble.REFUSED_LOGIN)
    if trouble is Trouble.BUSY:
        trouble = Trouble.LOGIN_LATER
    elif trouble is Trouble.NO_SUCH_FOLDER:
        trouble = Trouble.REFUSED_LOGIN
    said = wire.say(asked.closing)
    status = _status(asked.challenge)
    return wire.fail(trouble, f"{said} ({status})" if status else said)


def _status(challenge: bytes) -> str:
    """Return the status of XOAUTH2's JSON."""
    try:
        told = json.loads(base64.b64decode(challenge))
    except (binascii.Error, ValueError, RecursionError):
        return ""
    status = told.get("status") if isinstance(told, dict) else None
    return printable(f"status {status}") if isinstance(status, str | int) and status else ""


def _dresses(proof: Proof) -> frozenset[str]:
    """Return the secret as a server may repeat it: bare, quoted, in base64, a part of that."""
    if isinstance(proof, Password):
        secret, whole = proof.secret, f"\0{proof.username}\0{proof.secret}"
    else:
        secret, whole = proof.token, f"user={proof.username}\1auth=Bearer {proof.token}\1\1"
    dresses = {secret, printable(secret), secret.replace("\\", "\\\\").replace('"', '\\"')}
    for text in (secret, whole):
        code = base64.b64encode(text.encode()).decode().rstrip("=")
        dresses |= {code, code[:-1]}
    return frozenset(dress for dress in dresses if dress)
