"""The HTTP door with the API beside it, on a loop in a thread, and a client that says what a test wants."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPResponse
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from typing_extensions import override

from maild.core.app import OPERATOR, Actor, App
from maild.core.tokens import make_token
from maild.doors.http.door import HttpDoor
from maild.doors.http.facts import HttpFacts
from maild.doors.smtp.sockets import listening
from maild.faces.api.application import Api, openapi
from maild.faces.api.holding import Opens, actor_of
from maild.faces.api.work import Limits
from maild.model.reason import Answer, Reason
from maild.model.written import HostPort
from maild.oauth.oidc import Provider
from maild.testing.intake import FakeIntake
from tests.core.company import READER

on_both = pytest.mark.parametrize(
    "app", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
"""Runs a test on either database."""


@dataclass
class Inside(FakeIntake):
    """Mail comes in here for one key."""

    async def opens(self, address: str, key: str) -> tuple[Answer, int | None]:
        if key != "the-key":
            return Answer(Reason.NO_SUCH_INBOX), None
        return Answer(Reason.RECIPIENT_OK), None


@dataclass(frozen=True)
class Heard:
    """One response."""

    status: int
    header: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        assert self.header["content-type"] == "application/problem+json", self.raw
        return str(self.body["code"])


class _Connection(HTTPConnection):
    @override
    def putrequest(self, *args: Any, **named: Any) -> None:
        super().putrequest(*args, **{**named, "skip_accept_encoding": True})


_ITSELF = "/openapi.json"
_DOCUMENT: dict[str, Any] = openapi()
_PATHS: dict[str, Any] = _DOCUMENT["paths"]
_PATTERNS = sorted(
    ((re.compile(re.sub(r"\{\w+\}", ".+", path)), path) for path in _PATHS),
    key=lambda found: len(re.sub(r"\{\w+\}", "", found[1])),
    reverse=True,
)
"""The routes of the document, the most particular first."""


def _closed(schema: Any) -> Any:
    """Return a schema in which an object has what is documented, and nothing else."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(closed.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


_COMPONENTS: dict[str, Any] = _closed(_DOCUMENT["components"])


@cache
def _validator(path: str, method: str, status: str) -> Draft202012Validator | None:
    """Return what knows how an answer must look; None: it is no JSON."""
    content = _PATHS[path][method]["responses"][status].get("content", {})
    if "application/json" not in content:
        return None
    schema = content["application/json"].get("schema")
    assert schema, f"the document says nothing of what {method} {path} answers"
    return Draft202012Validator({**_closed(schema), "components": _COMPONENTS})


def _require_documented(method: str, where: str, answer: Heard) -> None:
    """Fail where something was done and answered in a way that the document does not tell."""
    status = answer.status
    if not (200 <= status < 300 and where.startswith("/api/v1/")) or where.endswith(_ITSELF):
        return
    for pattern, path in _PATTERNS:
        if pattern.fullmatch(where.split("?", maxsplit=1)[0]) and method.lower() in _PATHS[path]:
            assert str(status) in _PATHS[path][method.lower()]["responses"], (method, path, status)
            validator = _validator(path, method.lower(), str(status))
            if validator is not None:
                faults = [
                    f"{'/'.join(map(str, one.instance_path))}: {one.message[:300]}"
                    for one in validator.iter_errors(answer.body)
                ]
                assert not faults, (method, path, faults)
            return
    raise AssertionError(f"{method} {where} was answered {status}, and is not in the document")


class Served:
    """A running API."""

    def __init__(self, app: App, api: Api, folder: Path, facts: HttpFacts) -> None:
        self.app = app
        self.api = api
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        spool = folder / "spool"
        spool.mkdir()
        self.door = HttpDoor(facts, app.clock)
        self.door.beside["/api/"] = self.api.asgi
        sockets = listening(HostPort("127.0.0.1", 0))
        self.listener = sockets[0]
        self.address = sockets[0].getsockname()[:2]
        self.run(self.door.start(Inside(spool), sockets))

    def run(self, doing: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(60)

    def stop(self) -> None:
        self.api.stop()
        self.run(self.door.stop(20))
        self.api.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    def connections(self) -> int:
        """Return how many connections the door has at this moment."""
        server = self.door._server
        assert server is not None
        return len(server.server_state.connections)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, 20)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        header: dict[str, str] | None = None,
    ) -> Heard:
        """Ask once, on a connection of its own; `path` begins after /api/v1, or with /api."""
        sent = {} if token is None else {"Authorization": f"Bearer {token}"}
        content = body
        if body is not None and not isinstance(body, bytes):
            content = json.dumps(body).encode()
        if body is not None:
            sent["Content-Type"] = "application/json"
        where = path if path.startswith(("/api", "/in/")) else f"/api/v1{path}"
        with closing(_Connection(self.address[0], self.address[1], timeout=30)) as connection:
            connection.request(method, where, content, sent | (header or {}))
            answer = heard(connection.getresponse())
        _require_documented(method, where, answer)
        return answer

    def token(self, email: str | None, account: str | None = None) -> str:
        """Make a token of a person; None: the operator's."""
        by = OPERATOR if email is None else Actor(self._id_of(email))
        return make_token(self.app, email, "test", account=account, by=by).secret

    def _id_of(self, email: str) -> int:
        with self.app.store.read() as tx:
            name = tx.people.name(email)
        assert name is not None
        assert name.user_id is not None
        return name.user_id


def heard(response: HTTPResponse) -> Heard:
    """Read a response to its end."""
    raw = response.read()
    header = {name.lower(): value for name, value in response.getheaders()}
    return Heard(response.status, header, raw)


@contextmanager
def serving(
    app: App,
    folder: Path,
    limits: Limits | None = None,
    *,
    facts: HttpFacts | None = None,
    opens: Opens = actor_of,
    providers: Mapping[str, Provider] | None = None,
    proxies: tuple[str, ...] = (),
) -> Iterator[Served]:
    """Run the API for a while."""
    api = Api(
        app,
        READER,
        providers=providers,
        proxies=tuple(map(ip_network, proxies)),
        opens=opens,
        limits=limits,
    )
    served = Served(app, api, folder, facts or HttpFacts())
    try:
        yield served
    finally:
        served.stop()
