"""aiosmtpd held tightly: its state, commands and parser are used; its loop, timers and cancelling are replaced.

Why: a peer that half-closes or a timer must not cancel a commit, a fault of
ours is 451 and never 500 with its text, every reply has an enhanced code, and TLS forgets all that came before it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Iterable
from typing import Any, ClassVar, cast

from aiosmtpd.smtp import SMTP
from typing_extensions import override

from maild import failpoint
from maild.core.door_faults import internal_error
from maild.doors.smtp import replies
from maild.doors.smtp.data import DoorReader, PeerGoneError
from maild.doors.smtp.facts import ListenerFacts, TlsMode
from maild.doors.smtp.paths import BadSyntax
from maild.model.reason import Answer, Reason

# The library logs every command at INFO and every line of a mail at DEBUG.
logging.getLogger("mail.log").setLevel(logging.WARNING)

COMMAND_MAX = 1024
"""Octets of a command line: RFC 5321 4.5.3.1.4 asks for 512, SIZE, BODY and SMTPUTF8 for some more."""
ERRORS_MAX = 10
IDLE_COMMANDS_MAX = 100
"""Commands without a mail; with the idle timeout this is what ends a session that only holds its place."""
HANDSHAKE_S = 30.0
LINGER_S = 10.0
"""How long a peer may take to read our last words."""

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_OF_A_MAIL = frozenset({"RCPT", "DATA"})
_WEB = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

_log = logging.getLogger("maild.doors")


class _NoHandler:
    """The library looks through its handler for hooks, at each connection; we override methods instead."""

    @override
    def __dir__(self) -> Iterable[str]:
        """Name no hooks."""
        return ()


_NO_HANDLER = _NoHandler()


class Engine(SMTP):
    """One connection: its lines, its timer, its end.  What the commands mean is the subclass's."""

    COMMANDS: ClassVar[tuple[str, ...]] = ()
    """The commands that are obeyed."""

    def __init__(self, facts: ListenerFacts, loop: asyncio.AbstractEventLoop) -> None:
        """Prepare for one connection."""
        # The library's own dict is shared by all connections, which clear it and let it grow.
        self.command_size_limits: dict[str, int] = {}
        super().__init__(
            _NO_HANDLER,
            data_size_limit=facts.max_size,
            enable_SMTPUTF8=True,
            hostname=facts.hostname,
            ident=f"E{facts.door.upper()} maild" if facts.door == "smtp" else "LMTP maild",
            tls_context=facts.tls_context if facts.tls is TlsMode.STARTTLS else None,
            timeout=facts.idle_timeout,
            loop=loop,
        )
        self._reader: DoorReader = DoorReader(loop)
        asyncio.StreamReaderProtocol.__init__(self, self._reader, self._cb_client_connected, loop)
        self._facts = facts
        self.is_tls = facts.tls is TlsMode.IMPLICIT
        self._is_waiting = False
        """Whether the peer has to say something: between commands, or within a mail."""
        self._is_ending = False
        self._is_shaking_hands = False
        self._is_lost = False
        self._errors = 0
        self._idle_commands = 0
        self._last_words = replies.IDLE
        self._begin_anew()

    @override
    def __dir__(self) -> Iterable[str]:
        """Name the commands and nothing else.

        The library's constructor walks `dir(self)` twice for commands and AUTH mechanisms, 0.2 ms a connection; so it
        finds what we obey at once, and neither AUTH nor its mechanisms.
        """
        return [f"smtp_{command}" for command in self.COMMANDS]

    # -- the connection ------------------------------------------------------------------------------------------

    @override
    def eof_received(self) -> bool:
        """Go on answering a peer that half-closes: what it sent before counts (RFC 5321 4.1.1.4)."""
        asyncio.StreamReaderProtocol.eof_received(self)
        return not self.is_tls

    def _begin_anew(self) -> None:
        """Give the session its whole time without a mail again."""
        self._session_ends = self.loop.time() + self._facts.session_timeout

    @override
    def _reset_timeout(self, duration: float | None = None) -> None:
        """Give the peer its idle time again, but never beyond the time of a session without a mail."""
        idle = self._facts.idle_timeout
        left = self._session_ends - self.loop.time()
        self._rearm(min(idle, left), replies.IDLE if left > idle else replies.SESSION_OVER)

    def _rearm(self, seconds: float, last_words: str) -> None:
        self._last_words = last_words
        # Not 0, which the library takes for its own default.
        super()._reset_timeout(max(0.001, seconds))

    @override
    def _timeout_cb(self) -> None:
        _log.info("door_timeout listener=%s", self._facts.name)
        self.say_goodbye(self._last_words)

    def _suspend_timeout(self) -> None:
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()

    def go_down(self) -> None:
        """End in good order: at once when the peer has the word, else when the answer in hand is given."""
        self._is_ending = True
        if self._is_shaking_hands:
            self.abort()
        elif self._is_waiting:
            self.say_goodbye(Answer(Reason.SHUTTING_DOWN).line())

    def say_goodbye(self, reply: str) -> None:
        """Send a last reply and close."""
        if not self._is_over:
            self._write(reply)
            self._hang_up()

    def _hang_up(self) -> None:
        """Close once everything is sent; the handler is cancelled when the connection is gone."""
        wire = self._wire
        if wire is not None and not wire.is_closing():
            wire.close()
            self._suspend_timeout()
            self._timeout_handle = self.loop.call_later(LINGER_S, self.abort)
            if self._handler_coroutine is not None and self._is_waiting:
                self._handler_coroutine.cancel()

    def abort(self) -> None:
        """Close at once."""
        if self._wire is not None:
            self._wire.abort()
        if self._is_shaking_hands and self._handler_coroutine is not None:
            self._handler_coroutine.cancel()

    @property
    def _wire(self) -> asyncio.Transport | None:
        """The transport; uvloop's is one, too, though not by its class."""
        return cast("asyncio.Transport | None", self.transport)

    @property
    def _is_over(self) -> bool:
        return self.transport is None or self.transport.is_closing()

    @property
    def handler(self) -> asyncio.Task[None] | None:
        """The task that talks with the peer."""
        return self._handler_coroutine

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        """Change to TLS.  Raises ConnectionError when the handshake fails; the connection is gone then."""
        plain = self._wire
        if plain is None:
            raise ConnectionAbortedError
        self._reader.restart()
        self._suspend_timeout()
        self._is_shaking_hands = True
        try:
            transport = await self.loop.start_tls(
                plain, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_S
            )
        except BaseException as error:
            plain.abort()
            self.connection_lost(None)
            if isinstance(error, OSError):  # ssl.SSLError and time-outs are OSErrors
                raise ConnectionAbortedError from error
            raise
        finally:
            self._is_shaking_hands = False
        if transport is None:
            raise ConnectionAbortedError
        self.transport = transport
        self._reader.attach(transport)
        self.is_tls = True
        # RFC 3207 4.2: whatever the client said before is forgotten, its name included.
        self.session = self._create_session()
        self.envelope = self._create_envelope()
        self._reset_timeout()

    # -- the conversation ----------------------------------------------------------------------------------------

    @override
    async def _handle_client(self) -> None:
        try:
            failpoint.reached("door.connection_taken")
            await self._send(f"220 {self.hostname} {self.__ident__}")
            while (line := await self._next_line()) is not None:
                await self._obey(line)
                self._count()
        except OSError:
            pass  # The network's, or the peer's.
        finally:
            self._hang_up()

    async def _next_line(self) -> bytes | None:
        """Return the next line with its end, cut when it is too long, or None at the end of the session."""
        if self._is_ending:
            self.say_goodbye(Answer(Reason.SHUTTING_DOWN).line())
        if self._is_over:
            return None
        self._is_waiting = True
        cut = b""
        try:
            while True:
                try:
                    line = await self._reader.readuntil(b"\n")
                except asyncio.LimitOverrunError as error:
                    cut = await self._reader.readexactly(error.consumed)
                else:
                    return cut + line if cut else line
        except asyncio.IncompleteReadError:
            return None
        finally:
            self._is_waiting = False

    async def _obey(self, line: bytes) -> None:
        """Do one command, whatever the bytes."""
        text = _text_of(line)
        if isinstance(text, BadSyntax):
            await self.push(text.reply)
            return
        command, _, arg = text.partition(" ")
        command = command.upper()
        method = self._smtp_methods.get(command)
        if command in _WEB:
            # Cross-protocol attacks: a browser made to post to a mail port.
            self.say_goodbye(replies.NOT_SMTP)
        elif method is None:
            await self.push(replies.UNKNOWN_COMMAND)
        else:
            self._reset_timeout()
            self._idle_commands += command not in _OF_A_MAIL
            try:
                await method(arg.strip() or None)
            except PeerGoneError:
                raise
            except Exception as error:  # whatever was not foreseen is temporary
                if self._is_lost:
                    raise ConnectionAbortedError from error
                await self.push(await self.handle_exception(error))

    def _count(self) -> None:
        if self._errors >= ERRORS_MAX:
            self.say_goodbye(replies.TOO_MANY_ERRORS)
        elif self._idle_commands > IDLE_COMMANDS_MAX:
            self.say_goodbye(replies.TOO_MANY_COMMANDS)

    @override
    async def handle_exception(self, error: Exception) -> str:
        """Answer for a fault of ours: temporary, with a name for the log and never its text."""
        return internal_error("door_failed", error).line()

    @override
    async def push(self, status: Any) -> None:
        """Send one reply line, with its enhanced code (RFC 2034), and count the peer's errors."""
        reply = replies.enhanced(status)
        if reply.startswith("5"):
            self._errors += 1
        await self._send(reply)

    async def _send(self, *lines: str) -> None:
        """Send lines in one piece, as they are."""
        self._write("\r\n".join(lines))
        await self._writer.drain()

    def _write(self, reply: str) -> None:
        if self._wire is not None:
            self._wire.write(reply.encode("ascii", "replace") + b"\r\n")


def _text_of(line: bytes) -> str | BadSyntax:
    """Return a command line as text, or the reply that refuses it."""
    body = line[:-2]
    most = replies.AUTH_LINE_MAX if line[:5].upper() == b"AUTH " else COMMAND_MAX
    if len(line) > most:
        return BadSyntax(replies.LINE_TOO_LONG)
    if not line.endswith(b"\r\n") or _CONTROL.search(body):
        return BadSyntax(replies.LINE_END)  # RFC 5321 2.3.8
    if not body.strip():
        return BadSyntax(replies.EMPTY_LINE)
    try:
        return body.decode()
    except UnicodeDecodeError:
        return BadSyntax(replies.NOT_UTF8)
