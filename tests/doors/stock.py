"""The stock library as released, in a thread, with a small handler: what our door is held against."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    from tests.doors.conftest import Client


class Recorder:
    """A handler as the library's manual writes them: it takes its time, fails when told to, and keeps mails."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.error: Exception | None = None
        self.peers: list[Any] = []
        self.senders: list[str] = []
        self.contents: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        self.peers.append(session.peer)
        self.senders.append(envelope.mail_from)
        self.contents.append(envelope.content)
        return "250 OK kept"


class HearsProxy(Recorder):
    """One that believes every balancer."""

    async def handle_PROXY(self, server: Any, session: Any, envelope: Any, proxy: Any) -> bool:
        return True


class Stock:
    """The library's class as released, on a loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda *_: None)
        self.recorder = Recorder()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._servers: list[asyncio.Server] = []
        self._clients: list[Client] = []
        self._sessions: list[SMTP] = []

    def open(self, kind: type[SMTP] = SMTP, tls: ssl.SSLContext | None = None, **facts: Any) -> int:
        facts.setdefault("hostname", "mail.acme.example")

        def session() -> SMTP:
            self._sessions.append(kind(self.recorder, loop=self.loop, **facts))
            return self._sessions[-1]

        async def start() -> asyncio.Server:
            return await self.loop.create_server(session, "127.0.0.1", 0, ssl=tls)

        self._servers.append(asyncio.run_coroutine_threadsafe(start(), self.loop).result(10))
        return int(self._servers[-1].sockets[0].getsockname()[1])

    def connect(self, port: int) -> Client:
        from tests.doors.conftest import Client

        self._clients.append(Client(socket.create_connection(("127.0.0.1", port))))
        return self._clients[-1]

    def client(self, kind: type[SMTP] = SMTP, **facts: Any) -> Client:
        """A client of a new door, greeted."""
        client = self.connect(self.open(kind, **facts))
        assert client.reply().startswith("220 ")
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()
        for server in self._servers:
            self.loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(self._settle(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _settle(self) -> None:
        await asyncio.sleep(0.05)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # On a busy machine one may not have heard yet that its client is gone.
        for session in self._sessions:
            if isinstance(session.transport, asyncio.WriteTransport):
                session.transport.abort()
        await asyncio.sleep(0)


def to_354(client: Client, *recipients: str, hello: str = "EHLO me") -> Client:
    """Say all up to 354, without a look at the answers."""
    for command in (
        hello,
        "MAIL FROM:<a@b.example>",
        *(f"RCPT TO:<{recipient}>" for recipient in recipients or ("info@acme.example",)),
    ):
        client.ask(command)
    assert client.ask("DATA").startswith("354")
    return client


def send_mail(client: Client, content: bytes) -> str:
    return to_354(client).send(content + b"\r\n.\r\n").reply()


def with_tls(client: Client, context: ssl.SSLContext) -> Client:
    client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
    return client
