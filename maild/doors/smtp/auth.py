"""AUTH (RFC 4954): PLAIN (RFC 4616) and LOGIN, within TLS only; who signs in is the inside's to say.

A password is read, handed in and forgotten: it is in no attribute of the session, no log, and no reply.  The library's own
AUTH is not used: it hashes in the event loop and offers itself where nobody could be asked.
"""

from __future__ import annotations

import base64
import binascii
import logging
import math
from dataclasses import dataclass, field

from typing_extensions import override

from maild.core.intake import Intake
from maild.doors.smtp import replies
from maild.doors.smtp.courtesies import Courteous
from maild.model.reason import Answer, Reason

FAILURES_MAX = 5
"""Refused sign-ins of one connection."""
SIGNED_IN_S = 600.0
"""For how long who signed in is believed: a connection that goes on bringing mail must not outlive a password that was
changed, or a person who was disabled.  A mail that is under way is taken to its end."""
_SIGN_IN_AGAIN = "421 4.7.0 you signed in a while ago; connect and sign in again"
_USERNAME, _PASSWORD = "VXNlcm5hbWU6", "UGFzc3dvcmQ6"
_CANCEL = b"*\r\n"

_log = logging.getLogger("maild.doors")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a peer says of itself."""

    name: str
    secret: str = field(repr=False)


class _StoppedError(Exception):
    """The exchange is over; the reply that says why, None where nobody is there to hear it."""

    def __init__(self, reply: str | None) -> None:
        super().__init__()
        self.reply = reply


class Authenticating(Courteous):
    """A connection whose peer may sign in, where the listener offers it.

    Half a session: whom to ask and who the peer is stand in the half that has the transaction.
    """

    signed_in_user_id: int | None = None
    """Who has signed in; for as long as the connection lasts (RFC 4954 4: neither RSET nor EHLO ends it)."""
    _signed_in_until = math.inf
    _failures = 0

    def _inside(self) -> Intake:
        """Return who is asked.  The session's to say; the library's class leaves no room for an abstract one."""
        raise NotImplementedError

    def _peer_name(self) -> str:
        """Return who is counted when a password is wrong.  The session's to say, too."""
        raise NotImplementedError

    @override
    def _reset_timeout(self, duration: float | None = None) -> None:
        super()._reset_timeout(duration)
        now = self.loop.time()
        if self._signed_in_until < min(now + self._facts.idle_timeout, self._session_ends):
            self._rearm(self._signed_in_until - now, _SIGN_IN_AGAIN)

    @override
    def _offers(self) -> list[str]:
        # In clear a password would be asked for where anybody reads it (RFC 4954 4).
        return ["AUTH PLAIN LOGIN"] if self._facts.auth and self.is_tls else []

    @override
    async def smtp_AUTH(self, arg: str | None) -> None:
        refusal = self._auth_refusal(arg)
        if refusal is not None:
            await self.push(refusal)
            return
        mechanism, _, initial = (arg or "").partition(" ")
        try:
            said = await (
                self._plain(initial.strip())
                if mechanism.upper() == "PLAIN"
                else self._login(initial.strip())
            )
        except _StoppedError as stopped:
            if stopped.reply is not None:
                await self.push(stopped.reply)
            return
        await self._sign_in(said)

    def _auth_refusal(self, arg: str | None) -> str | None:
        """Return what speaks against asking for a password now."""
        session = self.session
        mechanism = (arg or "").partition(" ")[0].upper()
        checks = (
            (not self._facts.auth, replies.UNKNOWN_COMMAND),
            (session is None or session.host_name is None, replies.NEED_EHLO),
            (not self.is_tls, replies.NEED_TLS),
            (self.signed_in_user_id is not None, replies.SIGNED_IN_ALREADY),
            (getattr(self.envelope, "mail", None) is not None, replies.AUTH_IN_MAIL),
            (not mechanism, "501 5.5.4 syntax: AUTH mechanism"),
            (mechanism not in {"PLAIN", "LOGIN"}, replies.UNKNOWN_MECHANISM),
        )
        return next((reply for speaks_against, reply in checks if speaks_against), None)

    async def _plain(self, initial: str) -> Credentials:
        text = await self._answer_to("") if not initial else _decoded(initial)
        parts = text.split("\0")
        if len(parts) != 3:
            raise _StoppedError(replies.BAD_AUTH)
        acting_for, name, secret = parts
        if acting_for not in {"", name}:  # RFC 4616 2: who signs in acts for nobody else here.
            raise _StoppedError(Answer(Reason.SIGN_IN_REFUSED).line())
        return Credentials(name, secret)

    async def _login(self, initial: str) -> Credentials:
        name = _decoded(initial) if initial else await self._answer_to(_USERNAME)
        return Credentials(name, await self._answer_to(_PASSWORD))

    async def _answer_to(self, challenge: str) -> str:
        """Ask, and return what is answered.  Raises _StoppedError."""
        await self._send(f"334 {challenge}")
        self._reset_timeout()
        line = await self._next_line()
        if line is None:
            raise _StoppedError(None)
        if line == _CANCEL:
            raise _StoppedError(replies.AUTH_CANCELLED)
        if len(line) > replies.AUTH_LINE_MAX or not line.endswith(b"\r\n"):
            raise _StoppedError(replies.LINE_TOO_LONG)
        return _decoded(line[:-2].decode("ascii", "replace"))

    async def _sign_in(self, said: Credentials) -> None:
        # The check takes its time, and has an end of its own.
        self._suspend_timeout()
        found = await self._inside().sign_in(said.name, said.secret, self._peer_name())
        self._reset_timeout()
        if isinstance(found, int):
            self.signed_in_user_id = found
            self._signed_in_until = self.loop.time() + SIGNED_IN_S
            self._idle_commands = 0
            await self._send("235 2.7.0 signed in")
            return
        _log.info(
            "sign_in_refused listener=%s peer=%s code=%s",
            self._facts.name,
            self._peer_name(),
            found.reason.code,
        )
        self._failures += 1
        if self._failures >= FAILURES_MAX:
            self.say_goodbye(replies.TOO_MANY_ERRORS)
        else:
            await self.push(_reply(found))


def _reply(answer: Answer) -> str:
    """Return the line for a refusal: whatever may heal is 454 here (RFC 4954 6)."""
    line = answer.line()
    return f"454 4.7.0{line[9:]}" if line.startswith("4") else line


def _decoded(text: str) -> str:
    """Return what base64 says; a single `=` says nothing (RFC 4954 4).  Raises _StoppedError."""
    if text == "=":
        return ""
    try:
        return base64.b64decode(text.encode("ascii"), validate=True).decode()
    except (binascii.Error, ValueError):
        pass
    # Raised here and not above: what was typed shall not hang on the error as its context.
    raise _StoppedError(replies.BAD_AUTH)
