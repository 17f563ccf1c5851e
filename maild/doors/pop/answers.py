"""What a POP3 server says, read: refusals and their codes, capabilities, lists.  Pure.

Nothing here trusts an answer: what is kept of it is bounded, and what is shown is printable and short.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from typing import NamedTuple

from maild.core.remote import Bounds, RemoteError, Trouble

_SAID_MAX = 200
_UID = re.compile(rb"[\x21-\x7e]{1,70}\Z")  # RFC 1939 7
_LISTED = re.compile(rb" *([0-9]{1,10}) +([0-9]{1,18})(?: .*)?\Z", re.DOTALL)
_ORDINARY_UIDL = re.compile(rb"([0-9]{1,10}) ([\x21-\x7e]{1,70})\Z")
_UIDL = re.compile(rb" *([0-9]{1,10})(?: +(.*?))? *\Z", re.DOTALL)
_REFUSAL = re.compile(
    rb"-ERR *(?:\[([A-Za-z0-9/_-]{1,40})[^\]]{0,80}\])? *(.*)\Z", re.DOTALL | re.IGNORECASE
)
_LATER_WORDS = re.compile(r"\block|in use|try again|temporar|too many|busy", re.IGNORECASE)


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """-ERR: the server says no, and the session goes on."""

    def __init__(self, line: bytes) -> None:
        """Read the code (RFC 2449 8, RFC 3206) and the words."""
        found = _REFUSAL.match(line)
        self.code = (found[1] or b"").decode("ascii").upper() if found else ""
        self.said = printable(found[2] if found else line)
        if self.code:
            self.said = f"[{self.code}] {self.said}".strip()
        super().__init__(self.said)


class Listed(NamedTuple):
    """A mail on the server."""

    number: int
    """In this session only."""
    size: int
    """As LIST says: a server may be wrong about it."""
    uidl: str | None
    """None: the server gave none.  One that breaks RFC 1939 (longer than 70 octets, or with others than printable ASCII
    signs) is `#` and the SHA-256 of its octets."""


def printable(said: bytes) -> str:
    """Return a server's words: one short line."""
    text = said[: 4 * _SAID_MAX].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_SAID_MAX]


def sign_in_trouble(refused: Refused, capabilities: frozenset[str]) -> Trouble:
    """Return what a refused sign-in means.  Without a code the words decide, since years of servers have none."""
    match refused.code:
        case "AUTH":
            return Trouble.REFUSED_LOGIN
        case "IN-USE" | "LOGIN-DELAY" | "SYS/TEMP":
            return Trouble.LOGIN_LATER
        case "SYS/PERM":
            return Trouble.NOT_ALLOWED
        case _:
            # RFC 3206 4: whoever has the capability marks each refusal of the credentials.
            is_later = "AUTH-RESP-CODE" in capabilities or _LATER_WORDS.search(refused.said)
            return Trouble.LOGIN_LATER if is_later else Trouble.REFUSED_LOGIN


def session_trouble(refused: Refused) -> Trouble:
    """Return what a refusal of the greeting or of the listing means: not of one mail, but of the whole session."""
    return Trouble.NOT_ALLOWED if refused.code == "SYS/PERM" else Trouble.BUSY


def delay_seconds(argument: str) -> int | None:
    """Return the seconds of LOGIN-DELAY (RFC 2449 6.5), at most a day."""
    number = argument.partition(" ")[0]
    if not number.isascii() or not number.isdecimal():
        return None
    return min(int(number[:9]), 86_400)


class ListReader:
    """Makes entries of the lines of LIST or UIDL as they come, and keeps no more than may be kept."""

    def __init__(self, bounds: Bounds) -> None:
        """Begin."""
        self._bounds = bounds
        self._partial = b""
        self._octets = 0
        self._lines = 0

    def lines(self, piece: bytes) -> list[bytes]:
        """Take the next octets of the answer; return the lines that are whole."""
        self._octets += len(piece)
        if self._octets > self._bounds.listing_octets:
            raise _broken("the listing has no end")
        *whole, self._partial = (self._partial + piece).split(b"\n")
        self._lines += len(whole)
        if self._lines > self._bounds.listing:
            raise _broken("the listing has no end")
        if len(self._partial) > self._bounds.line:
            raise _broken("a line of the listing has no end")
        return [line.removesuffix(b"\r") for line in whole]


def read_sizes(lines: list[bytes], into: dict[int, int]) -> None:
    """Add what LIST said.  A number that comes twice or is none is an error; their order is not."""
    for line in lines:
        found = _LISTED.match(line)
        if found is None:
            raise _broken(f"LIST: {printable(line)}")
        number = int(found[1])
        if number == 0 or number in into:
            raise _broken(f"LIST: {printable(line)}")
        into[number] = int(found[2])


def read_uids(lines: list[bytes], into: dict[int, str | None], known: Container[int]) -> None:
    """Add what UIDL said of the known numbers.  Several mails may have one id; one mail may not have several."""
    for line in lines:
        ordinary = _ORDINARY_UIDL.match(line)
        found = ordinary or _UIDL.match(line)
        if found is None:
            raise _broken(f"UIDL: {printable(line)}")
        number = int(found[1])
        if number in into:
            raise _broken(f"UIDL: {printable(line)}")
        if number in known:
            into[number] = found[2].decode("ascii") if ordinary else _uid(found[2])


def _uid(octets: bytes | None) -> str | None:
    if not octets:
        return None
    if _UID.match(octets):
        return octets.decode("ascii")
    return f"#{hashlib.sha256(octets).hexdigest()}"


def _broken(said: str) -> RemoteError:
    return RemoteError(Trouble.BROKEN_PROTOCOL, said)
