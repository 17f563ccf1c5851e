"""Signing in to a POP3 server: USER and PASS, AUTH PLAIN, XOAUTH2 (RFC 1939, 5034; Google's and Microsoft's scheme).

It must never let a secret become anything but the argument it is: no line ends, no NUL.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode

from maild.core.remote import Bearer, Password, Proof, Trouble
from maild.doors.pop.answers import Refused, printable, sign_in_trouble
from maild.doors.pop.wire import Wire

_FORBIDDEN = {"\r", "\n", "\0"}


def sign_in(
    wire: Wire, proof: Proof, capabilities: frozenset[str], mechanisms: frozenset[str]
) -> None:
    """Sign in.  Raises RemoteError; the line is closed then."""
    name, secret = _words(proof)
    wire.hide(secret)
    signs = _FORBIDDEN | {"\x01"} if isinstance(proof, Bearer) else _FORBIDDEN
    if not name or signs & set(name + secret):
        raise wire.fail(Trouble.REFUSED_LOGIN, "the name or the secret has a sign that cannot be")
    try:
        if isinstance(proof, Bearer):
            _bearer(wire, name, secret)
        elif _wants_plain(name + secret, capabilities, mechanisms):
            _plain(wire, name, secret)
        else:
            wire.user(name)
            wire.pass_(secret)
    except Refused as refused:
        raise wire.fail(sign_in_trouble(refused, capabilities), refused.said) from None


def _words(proof: Proof) -> tuple[str, str]:
    match proof:
        case Password(username, secret):
            return username, secret
        case Bearer(username, token):
            return username, token


def _wants_plain(words: str, capabilities: frozenset[str], mechanisms: frozenset[str]) -> bool:
    """Whether AUTH PLAIN is better than USER and PASS: only there do blanks and others than ASCII have a meaning."""
    if "PLAIN" not in mechanisms:
        return False
    return "USER" not in capabilities or not words.isascii() or " " in words


def _plain(wire: Wire, name: str, secret: str) -> None:
    reply = f"\0{name}\0{secret}".encode()
    wire.hide(reply.decode())
    wire.send(b"AUTH PLAIN\r\n")
    _continue(wire, reply)


def _bearer(wire: Wire, name: str, token: str) -> None:
    """In two steps, as Microsoft wants it (a token is longer than a command may be); in one where that is refused."""
    reply = f"user={name}\x01auth=Bearer {token}\x01\x01".encode()
    wire.hide(reply.decode())
    wire.send(b"AUTH XOAUTH2\r\n")
    try:
        line = wire.answer()
    except Refused as refused:
        if refused.code:
            raise
        wire.send(b"AUTH XOAUTH2 " + b64encode(reply) + b"\r\n")
        _end(wire, wire.answer())
    else:
        _reply(wire, line, reply)


def _continue(wire: Wire, reply: bytes) -> None:
    _reply(wire, wire.answer(), reply)


def _reply(wire: Wire, line: bytes, reply: bytes) -> None:
    if line[:3].upper() == b"+OK":
        raise wire.fail(Trouble.BROKEN_PROTOCOL, "signed in before the proof was given")
    wire.send(b64encode(reply) + b"\r\n")
    _end(wire, wire.answer())


def _end(wire: Wire, line: bytes) -> None:
    """Take the last answer.  A `+` in its place carries the reason why not; the refusal comes after an empty line."""
    if line[:3].upper() == b"+OK":
        return
    reason = _reason(line)
    wire.send(b"\r\n")
    try:
        wire.answer()
    except Refused as refused:
        if refused.code:
            raise
        raise wire.fail(Trouble.REFUSED_LOGIN, f"{reason} {refused.said}".strip()) from None
    raise wire.fail(Trouble.BROKEN_PROTOCOL, "neither yes nor no to the proof")


def _reason(line: bytes) -> str:
    try:
        return printable(b64decode(line[1:].strip(), validate=True))
    except (binascii.Error, ValueError):
        return ""
