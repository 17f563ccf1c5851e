"""The feed over HTTP: pages with a cursor, and streams that go on where they were left."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from maild.core import feed
from maild.core.app import OPERATOR
from maild.core.feed import FeedPage
from maild.core.tokens import list_tokens, revoke_token
from maild.faces.api import streaming
from maild.faces.api.work import Limits
from maild.model.reason import Reason, RefusedError
from maild.testing.world import World
from tests.api.served import Heard, Served, heard, on_both, serving
from tests.core.company import Post

LEA, EVA = "lea@acme.example", "eva@acme.example"


@pytest.fixture
def post(acme: World) -> Post:
    return Post(acme.app)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "LOOK_S", 0.05)
    monkeypatch.setattr(streaming, "RECHECK_S", 0.2)


class Stream:
    """A stream that is open."""

    def __init__(self, response: HTTPResponse) -> None:
        self._response = response

    def block(self) -> dict[str, str]:
        """Return the fields of what is said next; of a comment its text, as `comment`."""
        fields: dict[str, str] = {}
        while line := self._response.readline():
            text = line.decode().rstrip("\n")
            if not text:
                return fields
            name, _, value = text.partition(":")
            fields[name or "comment"] = value.strip()
        raise EOFError

    def event(self) -> dict[str, Any]:
        """Return the next event."""
        while "data" not in (said := self.block()):
            pass
        event = json.loads(said["data"])
        assert (event["id"], event["type"]) == (said["id"], said["event"])
        return dict(event)

    def position(self) -> str:
        """Return where it is, as it says without an event."""
        while "id" not in (said := self.block()):
            pass
        assert set(said) == {"id"}
        return said["id"]

    def is_over(self) -> bool:
        """Whether it ends without another event."""
        try:
            while "data" not in self.block():
                pass
        except EOFError:
            return True
        return False


@contextmanager
def open_stream(
    served: Served, token: str, query: str = "", header: dict[str, str] | None = None
) -> Iterator[Stream | Heard]:
    connection = HTTPConnection(served.address[0], served.address[1], timeout=60)
    sent = {"Authorization": f"Bearer {token}"} | (header or {})
    connection.request("GET", f"/api/v1/events/stream{query}", headers=sent)
    response = connection.getresponse()
    try:
        yield Stream(response) if response.status == 200 else heard(response)
    finally:
        response.close()
        connection.close()


@contextmanager
def following(served: Served, token: str, **more: Any) -> Iterator[Stream]:
    with open_stream(served, token, **more) as stream:
        assert isinstance(stream, Stream)
        yield stream


@on_both
def test_G_pages_of_events_follow_each_other(served: Served, post: Post) -> None:
    lea = served.token(LEA)
    start = served.ask("GET", "/events?after=now", token=lea).body
    assert (start["events"], start["more"]) == ([], False)
    for _ in range(3):
        post.send(post.mail(), "info@acme.example")
    post.decide()
    cursor, seen = start["next"], []
    while True:
        page = served.ask("GET", f"/events?after={cursor}&limit=2", token=lea).body
        seen += [one["type"] for one in page["events"]]
        cursor = page["next"]
        if not page["more"]:
            break
    assert sorted(seen) == ["mail.filed"] * 3 + ["mail.received"] * 3
    refused = served.ask("GET", "/events?after=soup", token=lea)
    assert (refused.status, refused.code) == (422, "INVALID_VALUE")


@on_both
def test_G_a_stream_that_broke_goes_on_without_loss_and_without_repeats(
    served: Served, post: Post
) -> None:
    lea = served.token(LEA)
    with following(served, lea) as stream:
        assert stream.block() == {"retry": "2000"}
        post.send(post.mail(), "info@acme.example")
        first = stream.event()
        assert first["type"] == "mail.received"
    post.decide()
    post.send(post.mail(), "info@acme.example")
    with following(served, lea, header={"Last-Event-ID": first["id"]}) as stream:
        seen = [stream.event() for _ in range(2)]
        assert [one["type"] for one in seen] == ["mail.filed", "mail.received"]
        post.decide()
        assert stream.event()["type"] == "mail.filed"


@on_both
def test_G_a_stream_that_broke_before_its_first_event_loses_none(
    served: Served, post: Post
) -> None:
    lea = served.token(LEA)
    with following(served, lea) as stream:
        begin = stream.position()
    post.send(post.mail(), "info@acme.example")
    with following(served, lea, header={"Last-Event-ID": begin}) as stream:
        assert stream.event()["type"] == "mail.received"


def test_G_a_stream_tells_where_it_is_also_where_nothing_may_be_heard(
    acme: World, served: Served, post: Post
) -> None:
    """Whoever connects again does not begin before all that was not for them."""
    with following(served, served.token(EVA)) as stream:
        begin = stream.position()
        acme.client("Verdi", "carlo@verdi.example")
        assert int(stream.position()) > int(begin)


def test_a_stream_says_what_it_is(served: Served) -> None:
    lea = served.token(LEA)
    connection = HTTPConnection(served.address[0], served.address[1], timeout=60)
    connection.request("GET", "/api/v1/events/stream", headers={"Authorization": f"Bearer {lea}"})
    response = connection.getresponse()
    assert response.getheader("content-type") == "text/event-stream"
    assert response.getheader("x-accel-buffering") == "no"
    assert response.getheader("cache-control") == "no-store"
    response.close()
    connection.close()


def test_a_stream_is_heard_while_nothing_happens(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT_S", 0.1)
    with following(served, served.token(LEA)) as stream:
        stream.position()
        assert stream.block() == {"comment": "still here"}


def test_a_stream_reads_nothing_while_nothing_happens(
    served: Served, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    events_after = feed.events_after

    def counted(*args: Any, **named: Any) -> FeedPage:
        reads.append(named["cursor"])
        return events_after(*args, **named)

    monkeypatch.setattr(feed, "events_after", counted)
    monkeypatch.setattr(streaming, "HEARTBEAT_S", 0.5)
    with following(served, served.token(LEA)) as stream:
        assert stream.position()
        stream.block()
        before = len(reads)
        for _ in range(4):
            assert stream.block() == {"comment": "still here"}
        assert len(reads) == before
        post.send(post.mail(), "info@acme.example")
        assert stream.event()["type"] == "mail.received"


def test_G_a_stream_reads_again_what_a_busy_store_kept_back(
    served: Served, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    events_after = feed.events_after
    is_down = threading.Event()

    def failing(*args: Any, **named: Any) -> FeedPage:
        if is_down.is_set():
            is_down.clear()
            raise RefusedError(Reason.STORE_DOWN)
        return events_after(*args, **named)

    monkeypatch.setattr(feed, "events_after", failing)
    monkeypatch.setattr(streaming, "RECHECK_S", 0.2)
    with following(served, served.token(LEA)) as stream:
        assert stream.position()
        is_down.set()
        post.send(post.mail(), "info@acme.example")
        assert stream.event()["type"] == "mail.received"
        assert not is_down.is_set()


def test_R15_a_stream_ends_with_its_token(acme: World, served: Served, post: Post) -> None:
    lea = served.token(LEA)
    with following(served, lea) as stream:
        stream.block()
        [token] = [one for one in list_tokens(acme.app, LEA, by=OPERATOR) if one.active]
        revoke_token(acme.app, token.id, by=OPERATOR)
        post.send(post.mail(), "info@acme.example")
        assert stream.is_over()


def test_M5_a_stream_tells_what_its_hearer_may_see(served: Served, post: Post) -> None:
    """What Eva forwards lies in her mailbox: she hears of it, and the stream of another member does not."""
    eva, lea = served.token(EVA), served.token(LEA)
    with following(served, eva) as stream, following(served, lea) as distributors:
        post.send(post.mail("eva@acme.example", to="crm@acme.example"), "crm@acme.example")
        post.send(post.mail(), "info@acme.example")
        received = [distributors.event()["mail"] for _ in range(2)]
        assert stream.event()["mail"] == received[1]


def test_streams_hold_no_thread_and_keep_nobody_from_asking(acme: World, tmp_path: Path) -> None:
    limits = Limits(threads=1, most=4, most_each=2, streams=6, streams_each=4)
    with serving(acme.app, tmp_path, limits) as served:
        lea = served.token(LEA)
        with (
            following(served, lea),
            following(served, lea),
            following(served, lea),
            following(served, lea),
        ):
            assert served.ask("GET", "/me", token=lea).status == 200
            with open_stream(served, lea) as refused:
                assert isinstance(refused, Heard)
                assert (refused.status, refused.code) == (503, "BUSY")


def test_streams_end_when_the_daemon_stops(acme: World, tmp_path: Path) -> None:
    with serving(acme.app, tmp_path) as served:
        with following(served, served.token(LEA)) as stream:
            stream.block()
            served.api.stop()
            assert stream.is_over()
        late = served.ask("GET", "/events", token="maild_x")
        assert (late.status, late.code) == (503, "SHUTTING_DOWN")
