"""Receivers that misbehave, at the protocol's level: every wait ends, nothing is followed, and nothing is told of them (T17)."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from maild.core.webhook_steps import new_secret
from maild.model.webhook import Down, Gone, PostFate, Refused, Taken
from maild.plugs.receiver import Patience, Receiver, UnreachableError, fate_of, signed
from maild.testing.certificates import Certificates

NOW = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
HASTY = Patience(connect=1.5, whole=4.0, answer=0.2)
"""Connecting and TLS together take less than the whole: cut off within TLS, the client's library leaves its socket open."""
EVENT = {"type": "mail.filed", "timestamp": "2026-11-22T09:15:00+00:00", "data": {"mail": "01J"}}
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture(scope="module")
def certificates() -> Iterator[Certificates]:
    made = Certificates()
    yield made
    made.remove()


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """Read one request to its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


def says(answer: bytes) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(answer)
        await writer.drain()

    return script


async def posted(
    script: Script,
    *,
    url: str = "http://127.0.0.1:{port}/a-secret-path",
    posts: int = 1,
    server_tls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
) -> list[PostFate]:
    """Hand an event to a server that does as the script says, so many times on one line."""

    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        try:
            await script(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    body, headers = signed("evt_1", EVENT, [new_secret()], NOW)
    line = Receiver(
        url.format(port=port),
        tls or ssl.create_default_context(),
        allowed=LOOPBACK,
        patience=HASTY,
    )
    try:
        async with line as receiver:
            return [await receiver.post(body, headers, NOW) for _ in range(posts)]
    finally:
        server.close()
        for task in filter(None, serving):
            task.cancel()
        # What was aborted is closed by the loop's next turns.
        await asyncio.sleep(0.05)


def fate(script: Script, **more: Any) -> PostFate:
    return asyncio.run(posted(script, **more))[0]


class TestAnswers:
    def test_G_2xx_takes_it_and_nothing_else_does(self) -> None:
        assert fate(says(OK)) == Taken()
        for status in (201, 202, 299):
            assert fate_of(status, None, NOW) == Taken()
        for status in (100, 301, 400, 401, 404, 422, 500, 502, 504, 600):
            assert isinstance(fate_of(status, None, NOW), Refused), status
        assert isinstance(fate_of(410, None, NOW), Gone)

    def test_G_a_redirect_is_not_followed(self) -> None:
        asked = 0

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            asked += 1
            await request_of(reader)
            writer.write(b"HTTP/1.1 307 Elsewhere\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n")

        found = fate(script)
        assert isinstance(found, Refused)
        assert "redirects are not followed" in found.why
        assert asked == 1

    @pytest.mark.parametrize(
        ("text", "rest"),
        [
            ("120", timedelta(minutes=2)),
            ("Sun, 22 Nov 2026 09:45:00 GMT", timedelta(minutes=30)),
            ("Sun, 22 Nov 2020 09:45:00 GMT", timedelta(0)),
            ("soon", None),
            ("-5", None),
            ("9" * 41, None),
            (None, None),
        ],
    )
    def test_G_retry_after_is_read_in_both_its_forms(
        self, text: str | None, rest: timedelta | None
    ) -> None:
        for status in (429, 503):
            found = fate_of(status, text, NOW)
            assert isinstance(found, Down)
            assert found.rest == rest


class TestMischief:
    def test_G_one_that_drips_its_header_is_left_in_time(self) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await request_of(reader)
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                writer.write(b"x: y\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)

        assert fate(script) == Refused("no answer within 4 seconds")

    def test_G_a_body_without_end_is_not_read_and_the_event_is_taken(self) -> None:
        sent = 0

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await request_of(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536

        assert fate(script) == Taken()
        assert sent < 16 << 20

    def test_G_a_body_that_drips_holds_nobody_up(self) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await request_of(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)

        assert fate(script) == Taken()

    def test_G_a_bomb_of_a_body_is_never_unpacked(self) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nBOMB"
        assert fate(says(answer)) == Taken()

    def test_G_a_line_that_is_reset_is_tried_again(self) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await request_of(reader)
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

        assert fate(script) == Refused("the line broke before an answer came")

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"\x00\xff" * 100,
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/1.1 two hundred\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        ],
        ids=["nothing", "octets", "ssh", "no-status", "long-header"],
    )
    def test_G_what_is_no_answer_takes_nothing(self, answer: bytes) -> None:
        assert isinstance(fate(says(answer)), Refused)

    def test_G_interim_answers_without_end_are_left_in_time(self) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await request_of(reader)
            while True:
                writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)

        assert isinstance(fate(script), Refused)

    def test_G_nobody_listens(self) -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            found = fate(says(OK), url=f"http://127.0.0.1:{port}/")
        assert found == Down("127.0.0.1: nobody listens there")

    def test_G_one_line_carries_many_events(self) -> None:
        lines = 0

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal lines
            lines += 1
            while True:
                await request_of(reader)
                writer.write(OK)

        assert asyncio.run(posted(script, posts=5)) == [Taken()] * 5
        assert lines == 1


class TestTls:
    def test_G_a_certificate_that_verifies(self, certificates: Certificates) -> None:
        tls = ssl.create_default_context(cafile=str(certificates.trusted("good")))
        found = fate(
            says(OK),
            url="https://localhost:{port}/",
            server_tls=certificates.context("good"),
            tls=tls,
        )
        assert found == Taken()

    @pytest.mark.parametrize("kind", ["expired", "stranger", "wrong-name"])
    def test_G_one_that_does_not_verify_gets_nothing(
        self, certificates: Certificates, kind: str
    ) -> None:
        heard = b""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal heard
            heard += await reader.read(1)

        found = fate(
            script,
            url="https://localhost:{port}/",
            server_tls=certificates.context(kind),
            tls=ssl.create_default_context(cafile=str(certificates.trusted(kind))),
        )
        assert found == Down("localhost: its certificate does not verify")
        assert heard == b""

    def test_G_one_that_speaks_no_tls(self) -> None:
        found = fate(says(OK), url="https://127.0.0.1:{port}/")
        assert isinstance(found, Down | Refused)


class TestPlaces:
    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "localhost", "127.1", "2130706433"],
    )
    def test_T17_a_private_address_is_not_reached_unless_the_operator_said_so(
        self, host: str
    ) -> None:
        line = Receiver(f"https://{host}/", ssl.create_default_context(), patience=HASTY)
        with pytest.raises(UnreachableError, match=r"allow_networks|private"):
            asyncio.run(line.addresses())

    def test_T17_what_was_judged_is_what_is_connected_to(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A name that points elsewhere at the second look is looked up once."""
        looks: list[str] = []

        def look(host: str, port: int, *, allowed: Any) -> list[str]:
            looks.append(host)
            return ["127.0.0.1"]

        monkeypatch.setattr("maild.plugs.receiver.resolve", look)
        found = asyncio.run(posted(says(OK), url="http://rebound.example:{port}/", posts=1))
        assert found == [Taken()]
        assert looks == ["rebound.example"]

    def test_T17_in_clear_only_where_the_operator_named_the_network(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "maild.plugs.receiver.resolve", lambda *_, **__: ["127.0.0.1", "198.51.100.7"]
        )
        line = Receiver(
            "http://mixed.example/", ssl.create_default_context(), allowed=LOOPBACK, patience=HASTY
        )
        with pytest.raises(UnreachableError, match="in clear only"):
            asyncio.run(line.addresses())


def test_G_the_url_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("httpcore").setLevel(logging.NOTSET)
        fate(says(OK))
        fate(says(b""))
    assert "a-secret-path" not in caplog.text


def test_G_during_a_rotation_both_secrets_verify() -> None:
    old, new = new_secret(), new_secret()
    clock = datetime.now(UTC)
    body, headers = signed("evt_1", EVENT, [new, old], clock)
    for secret in (old, new):
        assert Webhook(secret).verify(body, headers)["data"] == {"mail": "01J"}
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body.replace(b"filed", b"fined"), headers)
