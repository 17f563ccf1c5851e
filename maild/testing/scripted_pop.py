"""POP3 servers that misbehave, each by a script with a name, for tests of the client and of whole polling rounds.

    with scripted("loses-line-at-quit", mails=[b"..."]) as server:
        server.endpoint(), server.address, server.mails, server.deleted, server.commands, server.sessions

`SCRIPTS` has them all; a script's docstring says what it does.  Sign in as NAME with SECRET.  Those whose name ends in
a step (`hangs-at-…`, `loses-line-at-…`, `drips-at-…`) behave before it.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Callable, Sequence

from typing_extensions import override

from maild.model.source import TlsMode
from maild.testing import pop_scripts
from maild.testing.pop_server import NAME, SECRET, Peer, PopMail, PopServer

__all__ = ["NAME", "SCRIPTS", "SECRET", "Peer", "PopMail", "PopServer", "scripted"]

SCRIPTS: dict[str, type[Peer]] = dict(pop_scripts.SCRIPTS)

STEPS = ("greeting", "capa", "user", "pass", "list", "uidl", "top", "retr", "dele", "noop", "quit")


def scripted(name: str, mails: Sequence[bytes] = ()) -> PopServer:
    """Return a server of the script; start it, or use it as a context."""
    return PopServer(SCRIPTS[name], mails)


def _script(name: str) -> Callable[[type[Peer]], type[Peer]]:
    def keep(peer: type[Peer]) -> type[Peer]:
        SCRIPTS[name] = peer
        return peer

    return keep


_script("behaves")(Peer)


# At each step.


def _at(step: str, act: Callable[[Peer], None], says: str) -> type[Peer]:
    """Return a peer that does one thing in place of a step."""
    if step == "greeting":
        return type("Scripted", (Peer,), {"greet": act, "__doc__": says})
    return type("Scripted", (Peer,), {f"do_{step}": lambda peer, _: act(peer), "__doc__": says})


def _drip(peer: Peer) -> None:
    while True:
        peer.drip(b"+OK and so on ")


def _lose_amid(peer: Peer) -> None:
    peer.say(b"+OK\r\n1 ")
    peer.lose()


for _step in STEPS:
    SCRIPTS[f"hangs-at-{_step}"] = _at(_step, Peer.hang, "It never answers.")
    SCRIPTS[f"loses-line-at-{_step}"] = _at(_step, Peer.lose, "It cuts the line.")
for _step in ("greeting", "capa", "list", "uidl", "retr", "quit"):
    SCRIPTS[f"drips-at-{_step}"] = _at(_step, _drip, "It sends an octet at a time, without an end.")
for _step in ("capa", "list", "uidl", "top", "retr"):
    SCRIPTS[f"loses-line-amid-{_step}"] = _at(_step, _lose_amid, "It cuts the line in the text.")


# Greetings.


class _Greets(Peer):
    @override
    def greet(self) -> None:
        super().greet()
        self.hang()


def _greets(greeting: bytes, says: str) -> type[Peer]:
    return type("Scripted", (_Greets,), {"greeting": greeting, "__doc__": says})


SCRIPTS |= {
    "speaks-imap": _greets(b"* OK IMAP4rev1 ready\r\n", "It is an IMAP server."),
    "speaks-smtp": _greets(b"220 mail.example ESMTP\r\n", "It is an SMTP server."),
    "speaks-http": _greets(b"HTTP/1.1 400 Bad Request\r\n\r\n", "It is a web server."),
    "speaks-noise": _greets(b"\x00\xff\x13" * 500_000, "It sends a line of noise."),
    "greets-no": _greets(b"-ERR [SYS/TEMP] come again\r\n", "It is busy."),
}


# Signing in.


def _refuses_pass(line: bytes, says: str) -> type[Peer]:
    return type("Scripted", (Peer,), {"do_pass": lambda peer, _: peer.say(line), "__doc__": says})


SCRIPTS |= {
    "wrong-password": _refuses_pass(b"-ERR [AUTH] no\r\n", "It knows the password better."),
    "wrong-password-uncoded": _refuses_pass(b"-ERR bad password\r\n", "The same without a code."),
    "in-use": _refuses_pass(b"-ERR [IN-USE] locked\r\n", "Another session has the box."),
    "in-use-uncoded": _refuses_pass(
        b"-ERR unable to lock maildrop\r\n", "The same without a code."
    ),
    "login-delay": _refuses_pass(b"-ERR [LOGIN-DELAY] too soon\r\n", "It wants a pause."),
    "sys-temp": _refuses_pass(b"-ERR [SYS/TEMP] disk\r\n", "It has a fault for a while."),
    "sys-perm": _refuses_pass(b"-ERR [SYS/PERM] POP is not for you\r\n", "It has one for ever."),
}


@_script("repeats-the-password")
class _Repeats(Peer):
    """It repeats the password in its refusal."""

    @override
    def do_pass(self, argument: bytes) -> None:
        self.say(b"-ERR [AUTH] " + argument + b" is wrong\r\n")


@_script("repeats-the-password-cut")
class _RepeatsCut(Peer):
    """It repeats the password so late that a short message would end within it."""

    @override
    def do_pass(self, argument: bytes) -> None:
        self.say(b"-ERR [AUTH] " + b"x " * 97 + argument + b"\r\n")


@_script("list-repeats-the-password")
class _ListRepeats(Peer):
    """It repeats the password in a listing."""

    @override
    def do_list(self, _: bytes) -> None:
        self.say(b"+OK\r\n" + SECRET.encode() + b"\r\n.\r\n")


@_script("no-user")
class _NoUser(Peer):
    """It has AUTH PLAIN in place of USER and PASS."""

    capabilities: Sequence[str] = ("TOP", "UIDL", "SASL PLAIN")

    @override
    def do_user(self, _: bytes) -> None:
        self.say(b"-ERR what?\r\n")

    def do_auth(self, argument: bytes) -> None:
        """AUTH."""
        self.say(b"+ \r\n" if argument == b"PLAIN" else b"-ERR what?\r\n")
        right = b64encode(f"\0{NAME}\0{SECRET}".encode())
        self.say(b"+OK\r\n" if self.read_line() == right else b"-ERR [AUTH] no\r\n")


class _Bearer(Peer):
    """XOAUTH2 with NAME and SECRET as its token."""

    capabilities: Sequence[str] = ("TOP", "UIDL", "USER", "SASL XOAUTH2 PLAIN")
    right = b64encode(f"user={NAME}\x01auth=Bearer {SECRET}\x01\x01".encode())

    def judge(self, proof: bytes) -> None:
        """Say yes; or why not, and no after an empty line."""
        if proof == self.right:
            self.say(b"+OK\r\n")
        else:
            self.say(b"+ " + b64encode(b'{"status":"401"}') + b"\r\n")
            self.say(b"-ERR [AUTH] no\r\n" if self.read_line() == b"" else b"-ERR what?\r\n")


@_script("xoauth2")
class _TwoSteps(_Bearer):
    """XOAUTH2 in two steps alone, as at Microsoft's."""

    def do_auth(self, argument: bytes) -> None:
        """AUTH."""
        if argument != b"XOAUTH2":
            self.say(b"-ERR Protocol error\r\n")
        else:
            self.say(b"+ \r\n")
            self.judge(self.read_line())


@_script("xoauth2-one-line")
class _OneLine(_Bearer):
    """XOAUTH2 in one line alone."""

    def do_auth(self, argument: bytes) -> None:
        """AUTH."""
        mechanism, _, proof = argument.partition(b" ")
        if mechanism != b"XOAUTH2" or not proof:
            self.say(b"-ERR Protocol error\r\n")
        else:
            self.judge(proof)


@_script("repeats-the-token")
class _RepeatsToken(_Bearer):
    """It repeats the begin of a long proof in its refusal."""

    def do_auth(self, _: bytes) -> None:
        """AUTH."""
        self.say(b"+ \r\n")
        self.say(b"-ERR no such token: " + self.read_line()[:100] + b"...\r\n")


@_script("login-delay-announced")
class _Announces(Peer):
    """It says how long to wait between sessions, and that it deletes by itself."""

    capabilities: Sequence[str] = (*Peer.capabilities, "LOGIN-DELAY 900 USER", "EXPIRE 0")


# TLS.


@_script("tls")
class _Tls(Peer):
    """It behaves, under TLS from the start."""

    tls: TlsMode = TlsMode.IMPLICIT


@_script("stls")
class _Stls(Peer):
    """It behaves, and goes to TLS when asked."""

    tls: TlsMode = TlsMode.STARTTLS
    capabilities: Sequence[str] = ("STLS", *Peer.capabilities)


for _kind in ("expired", "stranger", "wrong-name", "old"):
    SCRIPTS[f"tls-{_kind}"] = type(
        "Scripted", (_Tls,), {"certificate": _kind, "__doc__": f"Its TLS is {_kind}."}
    )
SCRIPTS["tls-hangs"] = type(
    "Scripted", (_Tls,), {"begin_tls": Peer.hang, "__doc__": "It never answers to TLS."}
)


@_script("stls-stripped")
class _Stripped(_Stls):
    """Somebody on the way cuts STLS out of what it can, and refuses it."""

    capabilities: Sequence[str] = Peer.capabilities

    @override
    def do_stls(self, _: bytes) -> None:
        self.say(b"-ERR what?\r\n")


@_script("stls-injected")
class _Injected(_Stls):
    """Somebody on the way puts answers before TLS, to be taken for those under it, and words into CAPA."""

    @override
    def do_capa(self, _: bytes) -> None:
        if not isinstance(self.sock, ssl.SSLSocket):
            self.capabilities = ("STLS", "INJECTED")
        else:
            self.capabilities = _Stls.capabilities
        super().do_capa(b"")

    @override
    def do_stls(self, _: bytes) -> None:
        self.say(b"+OK begin\r\n+OK\r\nINJECTED\r\n.\r\n+OK\r\n+OK\r\n")
        self.begin_tls()


# What it can.


@_script("no-capa")
class _NoCapa(Peer):
    """It has no CAPA, but all the rest."""

    @override
    def do_capa(self, _: bytes) -> None:
        self.say(b"-ERR what?\r\n")


@_script("no-pipelining")
class _NoPipelining(Peer):
    """It wants one command at a time, and throws away what comes with it."""

    capabilities: Sequence[str] = ("TOP", "UIDL", "USER")

    @override
    def read_line(self) -> bytes:
        line = super().read_line()
        self._buffer = b""
        return line


@_script("no-uidl")
class _NoUidl(Peer):
    """It has no UIDL."""

    capabilities: Sequence[str] = ("TOP", "USER", "PIPELINING")

    @override
    def do_uidl(self, _: bytes) -> None:
        self.say(b"-ERR what?\r\n")


@_script("no-top")
class _NoTop(Peer):
    """It has no TOP."""

    capabilities: Sequence[str] = ("UIDL", "USER")

    @override
    def do_top(self, _: bytes) -> None:
        self.say(b"-ERR what?\r\n")


@_script("no-capa-uidl-top")
class _Bare(_NoCapa, _NoUidl, _NoTop):
    """It has what RFC 1939 demands and no more."""


@_script("capability-lies")
class _Lies(Peer):
    """It says that it has UIDL and TOP, and refuses both."""

    @override
    def do_uidl(self, _: bytes) -> None:
        self.say(b"-ERR what?\r\n")

    @override
    def do_top(self, _: bytes) -> None:
        self.say(b"-ERR what?\r\n")
