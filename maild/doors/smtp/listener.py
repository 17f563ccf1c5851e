"""One listener: its sockets, its limits on connections, its commits, and its end in good order."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress

from maild.core.door_faults import disk_full, internal_error
from maild.core.intake import Intake
from maild.core.raw import Spool
from maild.doors.smtp import proxy
from maild.doors.smtp.engine import HANDSHAKE_S
from maild.doors.smtp.facts import ListenerFacts, TlsMode
from maild.doors.smtp.gate import Gate
from maild.doors.smtp.narrow import Narrow
from maild.doors.smtp.session import Session, session_class
from maild.doors.smtp.sockets import ListenError, listening
from maild.doors.smtp.transaction import Guest
from maild.model.clock import Clock
from maild.model.envelope import Envelope
from maild.model.reason import Answer, Reason
from maild.model.written import UnixSocket

__all__ = ["ListenError", "Listener"]

CLOSE_S = 2.0
"""How long, at the end, peers may take to read the last reply."""

_log = logging.getLogger("maild.doors")


class Listener:
    """A door for mail.  `start` once, `stop` once."""

    intake: Intake

    def __init__(self, facts: ListenerFacts, clock: Clock) -> None:
        """Keep the plan; `start` opens the door."""
        self.facts = facts
        self.clock = clock
        self.address = ""
        """Where it listens, as the kernel says it: `127.0.0.1:2525`, `[::1]:2525` or `unix:/path`."""
        self.port = 0
        """The TCP port of the first socket, if it is one."""
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []
        self._sessions: set[Guest] = set()
        self._refused: set[Guest] = set()
        self._gate = Gate(facts)
        self._unannounced = 0
        """Balancers that have yet to say for whom they come."""
        self._commits: set[asyncio.Task[list[Answer]]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        """Accepting, and welcoming, where we do so ourselves."""
        self._is_stopping = False
        self._all_gone = asyncio.Event()

    @property
    def name(self) -> str:
        """The name for logs."""
        return self.facts.name

    async def start(self, intake: Intake) -> None:
        """Open the door.  Raises ListenError."""
        self.intake = intake
        loop = asyncio.get_running_loop()
        # A resolver or a stale socket's peer may take its time.
        self._sockets = await loop.run_in_executor(None, listening, self.facts.bind)
        self.address = ", ".join(map(_shown, self._sockets))
        if self._sockets[0].family != socket.AF_UNIX:
            self.port = int(self._sockets[0].getsockname()[1])
        kind = session_class(self.facts.door)
        if self._accepts_itself:
            self._tasks |= {loop.create_task(self._accept(sock, kind)) for sock in self._sockets}
            return
        for sock in self._sockets:
            make = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
            self._servers.append(await make(lambda: Narrow(kind(self, loop)), sock=sock))

    @property
    def _accepts_itself(self) -> bool:
        """Whether a loop's own server comes too late: peers are counted before they shake hands, and a PROXY header
        stands before TLS."""
        return self.facts.tls is TlsMode.IMPLICIT or self.facts.proxy_protocol

    async def _accept(self, sock: socket.socket, kind: type[Session]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peername = await loop.sock_accept(sock)
            except OSError as error:
                # Out of descriptors: the sessions that end give some back.
                _log.error("accept_failed listener=%s error=%s", self.name, error.strerror)
                await asyncio.sleep(0.1)
                continue
            task = loop.create_task(self._welcome(connection, kind, peername))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _welcome(
        self, connection: socket.socket, kind: type[Session], peername: object
    ) -> None:
        """Learn who comes, and make a session of it."""
        is_served = False
        try:
            if self.facts.proxy_protocol and self._gate.peer_of(peername).is_relay:
                peername = await self._announced(connection, peername)
            session = kind(self, asyncio.get_running_loop(), peername)
            is_served = await self._serve(session, connection)
        except proxy.BadHeaderError as error:
            balancer = self._gate.peer_of(peername).name
            _log.warning(
                "proxy_header_refused listener=%s balancer=%s reason=%r",
                self.name,
                balancer,
                str(error),
            )
        finally:
            if not is_served:
                connection.close()

    async def _announced(self, connection: socket.socket, balancer: object) -> object:
        """Return who is behind the balancer, itself if nobody.  Raises BadHeaderError."""
        if len(self._sessions) + self._unannounced >= self.facts.max_connections:
            raise proxy.BadHeaderError("too many connections")
        self._unannounced += 1
        try:
            async with asyncio.timeout(proxy.HEADER_S):
                return await proxy.real_peer(connection) or balancer
        except TimeoutError as error:
            raise proxy.BadHeaderError("it did not come in time") from error
        except OSError as error:
            raise proxy.BadHeaderError(error.strerror or "the connection broke") from error
        finally:
            self._unannounced -= 1

    async def _serve(self, session: Session, connection: socket.socket) -> bool:
        """Hand the connection to the session; False when it came to nothing."""
        is_secure = self.facts.tls is TlsMode.IMPLICIT
        if is_secure and session.ask_in() is not None:
            self.forget(session)
            return False
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: session if is_secure else Narrow(session),
                connection,
                ssl=self.facts.tls_context if is_secure else None,
                ssl_handshake_timeout=HANDSHAKE_S if is_secure else None,
            )
        except OSError:
            _log.debug("handshake_failed listener=%s", self.name)
        finally:
            if session.transport is None:
                self.forget(session)
        return session.transport is not None

    async def stop(self, grace: float) -> None:
        """Close the door: who waits hears 421, who is past the dot is answered, within `grace` seconds."""
        self._is_stopping = True
        for server in self._servers:
            server.close()
        # The loop takes a few turns to make a session of a connection that it has accepted.
        await asyncio.sleep(0.01)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sock in self._sockets if self._accepts_itself else ():
            sock.close()
        if isinstance(self.facts.bind, UnixSocket) and self._sockets:
            self.facts.bind.path.unlink(missing_ok=True)
        self._sockets = []
        sessions = list(self._sessions)
        for session in sessions:
            session.go_down()
        working = {session.handler for session in sessions if session.handler is not None}
        if working or self._commits:
            _, late = await asyncio.wait(working | self._commits, timeout=grace)
            if late:
                _log.error("door_stopped_unanswered listener=%s tasks=%d", self.name, len(late))
        await self._wait_for_last_words()

    async def _wait_for_last_words(self) -> None:
        if self._sessions or self._refused:
            self._all_gone.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._all_gone.wait()
        for session in [*self._sessions, *self._refused]:
            session.abort()
        await asyncio.sleep(0)

    # -- for the sessions ----------------------------------------------------------------------------------------

    def admit(self, session: Guest, peername: object) -> str | None:
        """Count a session in; or return the reply that refuses it."""
        refusal = self._refusal(session, peername)
        (self._sessions if refusal is None else self._refused).add(session)
        return refusal

    def _refusal(self, session: Guest, peername: object) -> str | None:
        if self._is_stopping:
            return Answer(Reason.SHUTTING_DOWN).line()
        peer = self._gate.peer_of(peername)
        now = asyncio.get_running_loop().time()
        refusal = self._gate.enter(peer, len(self._sessions) + self._unannounced, now)
        if refusal is None:
            session.peer = peer
        return refusal

    def forget(self, session: Guest) -> None:
        """Count a session out.  Safe to repeat."""
        if session in self._sessions:
            self._gate.leave(session.peer)
        self._sessions.discard(session)
        self._refused.discard(session)
        if not self._sessions and not self._refused:
            self._all_gone.set()

    def commit(self, envelope: Envelope, spool: Spool) -> asyncio.Task[list[Answer]]:
        """Have a mail stored by a task of the listener's: whatever becomes of the connection, it is carried out."""
        task = asyncio.get_running_loop().create_task(self._commit(envelope, spool))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        return task

    async def _commit(self, envelope: Envelope, spool: Spool) -> list[Answer]:
        everybody = len(envelope.recipients)
        try:
            if spool.is_spooled:
                raw = await asyncio.get_running_loop().run_in_executor(None, spool.finish)
            else:
                raw = spool.finish()
            answers = await self.intake.accept(envelope, raw)
        except OSError as error:
            return [disk_full(error) or internal_error("commit_failed", error)] * everybody
        except Exception as error:  # noqa: BLE001 - whatever was not foreseen is temporary
            return [internal_error("commit_failed", error)] * everybody
        if len(answers) != everybody:
            wrong = ValueError(f"{len(answers)} answers for {everybody} recipients")
            return [internal_error("commit_failed", wrong)] * everybody
        return answers


def _shown(sock: socket.socket) -> str:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    return f"[{name[0]}]:{name[1]}" if sock.family == socket.AF_INET6 else f"{name[0]}:{name[1]}"
