"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a POST that is sent twice is done once."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Send

from maild.core.app import App
from maild.core.once import Kept, begin_once, forget_begun, keep_answer
from maild.faces.api.problems import refusal_of
from maild.faces.api.work import Threads
from maild.model.reason import Reason, RefusedError

HEADER = "idempotency-key"
KEY_MAX = 255
ANSWER_MAX = 1024 * 1024
"""Octets of an answer that is kept."""
_HTTP_FAULT = 500
_NOTHING_WAS_DONE = {Reason.BUSY.code, Reason.SHUTTING_DOWN.code}


def key_of(request: Request) -> str | None:
    """Return the key of a request that is to be done once.  Raises RefusedError INVALID_REQUEST for what is none."""
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST":
        return None
    if not (0 < len(key) <= KEY_MAX and key.isascii() and key.isprintable()):
        raise RefusedError(
            Reason.INVALID_REQUEST,
            why=f"header.idempotency-key: it has 1 to {KEY_MAX} characters of ASCII",
        )
    return key


class Once:
    """Does requests once, by what the store keeps of them."""

    def __init__(self, inside: ASGIApp, app: App, threads: Threads) -> None:
        """`inside` is what has the routes."""
        self._inside = inside
        self._app = app
        self._threads = threads

    async def answer(
        self, request: Request, receive: Receive, send: Send, *, whose: str, key: str, body: bytes
    ) -> None:
        """Answer a request, with the answer of the first one where there was one.  Raises RefusedError as `begin_once`."""
        asked = _digest_of(request, body)
        kept = await self._do(lambda: begin_once(self._app, whose, key, asked), whose)
        if kept is not None:
            await _again(kept)(request.scope, receive, send)
            return
        messages: list[Message] = []

        async def collected(message: Message) -> None:
            messages.append(message)

        await self._inside(request.scope, receive, collected)
        await self._keep(whose, key, messages)
        for message in messages:
            await send(message)

    async def _keep(self, whose: str, key: str, messages: list[Message]) -> None:
        status, text, content = _written(messages)
        if status < _HTTP_FAULT and len(content) <= ANSWER_MAX:
            await self._do(lambda: keep_answer(self._app, whose, key, status, text), whose)
        elif _code_of(content) in _NOTHING_WAS_DONE:
            await self._do(lambda: forget_begun(self._app, whose, key), whose)

    async def _do(self, act: Callable[[], Any], whose: str) -> Any:
        def done() -> Any:
            try:
                return act()
            except Exception as error:
                raise refusal_of(error) from error

        return await self._threads.do(done, whose)


def _digest_of(request: Request, body: bytes) -> str:
    asked = [request.method, request.scope["path"], request.scope["query_string"].decode("latin-1")]
    told = hashlib.sha256(json.dumps(asked).encode())
    told.update(body)
    return told.hexdigest()


def _written(messages: list[Message]) -> tuple[int, str, bytes]:
    """Return an answer's status, what is kept of it, and its body."""
    content = b"".join(message.get("body", b"") for message in messages)
    header = [
        [name.decode("latin-1"), text.decode("latin-1")]
        for name, text in messages[0]["headers"]
        if name.lower() != b"date"
    ]
    text = json.dumps({"header": header, "body": base64.b64encode(content).decode()})
    return messages[0]["status"], text, content


def _again(kept: Kept) -> Response:
    told = json.loads(kept.text)
    response = Response(base64.b64decode(told["body"]), kept.status)
    # As they were, one that comes twice among them.
    response.raw_headers = [
        (name.encode("latin-1"), text.encode("latin-1")) for name, text in told["header"]
    ]
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _code_of(content: bytes) -> str | None:
    try:
        told = json.loads(content)
    except ValueError:
        return None
    return told.get("code") if isinstance(told, dict) else None
