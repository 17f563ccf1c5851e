"""One listener: its sockets, its limits on connections, its commits, and its end in good order."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

from maild.core.intake import Intake
from maild.core.raw import Spool
from maild.doors.smtp.data import disk_full, internal_error
from maild.doors.smtp.engine import HANDSHAKE_S
from maild.doors.smtp.facts import ListenerFacts, TlsMode
from maild.doors.smtp.session import Session, session_class
from maild.doors.smtp.sockets import ListenError, listening
from maild.doors.smtp.transaction import Guest, Peer
from maild.model.clock import Clock
from maild.model.envelope import Envelope
from maild.model.reason import Answer
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
        self._per_network: Counter[str] = Counter()
        self._commits: set[asyncio.Task[list[Answer]]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        """Accepting, and shaking hands, where TLS is implicit."""
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
        if self.facts.tls is TlsMode.IMPLICIT:
            self._tasks |= {
                loop.create_task(self._accept_tls(sock, kind)) for sock in self._sockets
            }
            return
        for sock in self._sockets:
            make = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
            self._servers.append(await make(lambda: kind(self, loop), sock=sock))

    async def _accept_tls(self, sock: socket.socket, kind: type[Session]) -> None:
        """Count peers before they shake hands; a loop's own server would do it afterwards."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peername = await loop.sock_accept(sock)
            except OSError as error:
                # Out of descriptors: the sessions that end give some back.
                _log.error("accept_failed listener=%s error=%s", self.name, error.strerror)
                await asyncio.sleep(0.1)
                continue
            task = loop.create_task(self._shake_hands(connection, kind(self, loop), peername))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _shake_hands(
        self, connection: socket.socket, session: Session, peername: object
    ) -> None:
        if not session.ask_in(peername):
            self.forget(session)
            connection.close()
            return
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: session,
                connection,
                ssl=self.facts.tls_context,
                ssl_handshake_timeout=HANDSHAKE_S,
            )
        except OSError:
            _log.debug("handshake_failed listener=%s", self.name)
        finally:
            if session.transport is None:
                self.forget(session)
                connection.close()

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
        for sock in self._sockets if self.facts.tls is TlsMode.IMPLICIT else ():
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
                await asyncio.wait_for(self._all_gone.wait(), CLOSE_S)
        for session in [*self._sessions, *self._refused]:
            session.abort()
        await asyncio.sleep(0)

    # -- for the sessions ----------------------------------------------------------------------------------------

    def admit(self, session: Guest, peername: object) -> bool:
        """Count a session in, unless there are too many."""
        is_welcome = self._has_place(session, self._peer_of(peername))
        (self._sessions if is_welcome else self._refused).add(session)
        return is_welcome

    def _has_place(self, session: Guest, peer: Peer) -> bool:
        if self._is_stopping:
            session.go_down()
            return False
        if len(self._sessions) >= self.facts.max_connections:
            _log.warning("too_many_connections listener=%s", self.name)
            return False
        if peer.network is not None:
            if self._per_network[peer.network] >= self.facts.max_per_address:
                _log.warning("too_many_connections_of_one listener=%s", self.name)
                return False
            self._per_network[peer.network] += 1
        session.peer = peer
        return True

    def forget(self, session: Guest) -> None:
        """Count a session out."""
        self._sessions.discard(session)
        self._refused.discard(session)
        if not self._sessions and not self._refused:
            self._all_gone.set()
        network = session.peer.network
        if network is not None:
            self._per_network[network] -= 1
            if not self._per_network[network]:
                del self._per_network[network]

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

    def _peer_of(self, name: object) -> Peer:
        if not isinstance(name, tuple):
            return Peer("unix", None, is_relay=True)
        ip = _plain_ip(str(name[0]))
        is_relay = any(
            ip in network for network in self.facts.relays if network.version == ip.version
        )
        return Peer(str(ip), None if is_relay else _network_of(ip), is_relay=is_relay)


def _plain_ip(text: str) -> IPv4Address | IPv6Address:
    """Without the scope, and an IPv4 address that came through an IPv6 socket as what it is."""
    ip = ip_address(text.partition("%")[0])
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def _network_of(ip: IPv4Address | IPv6Address) -> str:
    """What one owner surely has: an IPv4 address, or a /64."""
    return str(ip) if isinstance(ip, IPv4Address) else str(int(ip) >> 64)


def _shown(sock: socket.socket) -> str:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    return f"[{name[0]}]:{name[1]}" if sock.family == socket.AF_INET6 else f"{name[0]}:{name[1]}"
