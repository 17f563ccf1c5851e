"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a POST that is sent twice is done once."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Send

from maild.core.app import App
from maild.core.once import Kept, begin_once, forget_begun, keep_answer
from maild.faces.api.problems import refusal_of
from maild.faces.api.rates import Rates
from maild.faces.api.work import Threads
from maild.model.reason import Reason, RefusedError

T = TypeVar("T")

_log = logging.getLogger("maild.api")

HEADER = "idempotency-key"
KEY_MAX = 255
ANSWER_MAX = 1024 * 1024
"""Octets of an answer that is kept."""
KEPT_AT_ONCE = 64 * 1024 * 1024
"""Octets that are kept for one person at once, in answers to whatever tokens."""
KEPT_PER_SECOND = 4096.0
"""And for ever.  What is more is done, too, and its outcome is not known to who asks again."""
_ASKS = ("content-type", "if-match", "if-none-match")
"""Fields of the header that are a part of what is asked."""
_HTTP_TOO_MANY = 429
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that is to be done once."""

    whose: str
    """The token or session: its keys are its own."""
    person: str
    """For whom it counts."""
    key: str
    body: bytes


class Once:
    """Does requests once, by what the store keeps of them."""

    def __init__(self, inside: ASGIApp, app: App, threads: Threads) -> None:
        """`inside` is what has the routes."""
        self._inside = inside
        self._app = app
        self._threads = threads
        self._kept = Rates("octets", KEPT_PER_SECOND, KEPT_AT_ONCE)

    async def answer(self, request: Request, receive: Receive, send: Send, asked: Asked) -> None:
        """Answer a request, with the answer of the first one where there was one.  Raises RefusedError as `begin_once`."""
        digest = _digest_of(request, asked.body)
        kept = await self._threads.do(
            _refusing(lambda: begin_once(self._app, asked.whose, asked.key, digest)), asked.person
        )
        if kept is not None:
            await _again(kept)(request.scope, receive, send)
            return
        messages: list[Message] = []

        async def collected(message: Message) -> None:
            messages.append(message)

        await self._inside(request.scope, receive, collected)
        await self._keep(asked, messages)
        for message in messages:
            await send(message)

    async def _keep(self, asked: Asked, messages: list[Message]) -> None:
        """Keep what was answered, or forget what was not begun: however busy it is, and where it fails the answer is given."""
        whose, key = asked.whose, asked.key
        status, text, size = _written(messages)
        if status == _HTTP_TOO_MANY or _code_of(messages) in _NOTHING_WAS_DONE:
            act = partial(forget_begun, self._app, whose, key)
        elif status < _HTTP_FAULT and size <= ANSWER_MAX and self._has_room(asked.person, text):
            act = partial(keep_answer, self._app, whose, key, status, text)
        else:
            return
        try:
            await self._threads.finish(_refusing(act), asked.person)
        except RefusedError as refused:
            _log.error("answer_not_kept reason=%s", refused.reason.code)

    def _has_room(self, person: str, text: str) -> bool:
        return not self._kept.take(person, len(text)).is_over


def _refusing(act: Callable[[], T]) -> Callable[[], T]:
    def done() -> T:
        try:
            return act()
        except Exception as error:
            raise refusal_of(error) from error

    return done


def _digest_of(request: Request, body: bytes) -> str:
    asked = [request.method, request.scope["path"], request.scope["query_string"].decode("latin-1")]
    asked += [f"{name}:{request.headers[name]}" for name in _ASKS if name in request.headers]
    told = hashlib.sha256(json.dumps(asked).encode())
    told.update(body)
    return told.hexdigest()


def _written(messages: list[Message]) -> tuple[int, str, int]:
    """Return an answer's status, what is kept of it, and how long its body is."""
    content = _content(messages)
    header = [
        [name.decode("latin-1"), text.decode("latin-1")]
        for name, text in messages[0]["headers"]
        if name.lower() != b"date"
    ]
    # Of what is JSON each octet is a character already.
    body = {"text": content.decode()} if content.isascii() else {"body": _base64(content)}
    return messages[0]["status"], json.dumps({"header": header, **body}), len(content)


def _content(messages: list[Message]) -> bytes:
    return b"".join(message.get("body", b"") for message in messages)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _again(kept: Kept) -> Response:
    told = json.loads(kept.text)
    content = told["text"].encode() if "text" in told else base64.b64decode(told["body"])
    response = Response(content, kept.status)
    # As they were, one that comes twice among them.
    response.raw_headers = [
        (name.encode("latin-1"), text.encode("latin-1")) for name, text in told["header"]
    ]
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _code_of(messages: list[Message]) -> str | None:
    if messages[0]["status"] < _HTTP_FAULT:
        return None
    try:
        told = json.loads(_content(messages))
    except ValueError:
        return None
    return told.get("code") if isinstance(told, dict) else None
