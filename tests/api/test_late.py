"""The API is made when it is first asked for, or a while after the start, and never keeps mail waiting."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message

from maild.daemon.api import LateApi, Served
from maild.store.engine import StoreDownError


def ask(late: LateApi) -> tuple[int, str]:
    """Return status and body of one request."""
    heard: list[Message] = []

    async def send(message: Message) -> None:
        heard.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/api/v1/me", "headers": []}
    asyncio.run(late(scope, receive, send))
    return heard[0]["status"], b"".join(one.get("body", b"") for one in heard[1:]).decode()


def problem(heard: tuple[int, str]) -> tuple[int, Any]:
    return heard[0], json.loads(heard[1])["code"]


MADE = (200, "made")


@dataclass
class Api:
    """Says `made`, and notes how it ends."""

    asgi: ASGIApp = field(default_factory=lambda: PlainTextResponse("made"))
    ends: list[str] = field(default_factory=list)

    def check(self) -> None:
        raise StoreDownError("the disk failed")

    def stop(self) -> None:
        self.ends.append("stop")

    def close(self) -> None:
        self.ends.append("close")


def failing(*errors: BaseException) -> Callable[[], Served]:
    """Raise these, one a time; then make the API."""
    left = list(errors)

    def make() -> Served:
        if left:
            raise left.pop(0)
        return Api()

    return make


def test_it_is_made_once_when_it_is_first_asked_for() -> None:
    made: list[Api] = []

    def make() -> Served:
        made.append(Api())
        return made[-1]

    late = LateApi(make)
    late.check()
    assert made == []
    assert [ask(late) for _ in range(3)] == [MADE] * 3
    assert len(made) == 1
    with pytest.raises(StoreDownError):
        late.check()
    late.stop()
    late.close()
    assert made[0].ends == ["stop", "close"]


@pytest.mark.parametrize(
    ("error", "code"),
    [(StoreDownError("it is gone"), "STORE_DOWN"), (ValueError("a secret"), "INTERNAL_ERROR")],
)
def test_what_cannot_be_made_is_503_and_tried_again_for_who_asks_next(
    error: Exception, code: str
) -> None:
    late = LateApi(failing(error))
    answer = ask(late)
    assert problem(answer) == (503, code)
    assert "secret" not in answer[1]
    assert ask(late) == MADE


def test_it_is_made_a_while_after_the_start_though_nobody_asks() -> None:
    made = threading.Event()

    def make() -> Served:
        made.set()
        return Api()

    async def run() -> bool:
        late = LateApi(make, warm_s=0.01)
        late.start()
        return await asyncio.to_thread(made.wait, 20)

    assert asyncio.run(run())


def test_what_is_being_made_at_the_end_is_closed_and_hears_of_it() -> None:
    goes_on = threading.Event()
    api = Api()

    def make() -> Served:
        goes_on.wait(20)
        return api

    async def run() -> None:
        late = LateApi(make, warm_s=0)
        late.start()
        await asyncio.sleep(0.05)
        late.stop()
        goes_on.set()
        await late.wait()
        late.close()

    asyncio.run(run())
    assert api.ends == ["stop", "close"]


def test_who_asks_after_the_end_hears_that_it_ends() -> None:
    late = LateApi(failing(AssertionError("it is made for nobody")))
    late.stop()
    assert problem(ask(late)) == (503, "SHUTTING_DOWN")


def test_a_peer_that_hangs_up_takes_it_from_nobody_else() -> None:
    goes_on = threading.Event()

    def make() -> Served:
        goes_on.wait(20)
        return Api()

    async def run() -> str:
        late = LateApi(make)
        gone = asyncio.ensure_future(late._served())
        stays = asyncio.ensure_future(late._served())
        await asyncio.sleep(0.05)
        gone.cancel()
        goes_on.set()
        served = await stays
        return "" if served is None else "made"

    assert asyncio.run(run()) == "made"
