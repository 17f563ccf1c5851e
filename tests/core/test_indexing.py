"""Keeping the index of search: no mail stops it for the others, and two nodes bring nothing back, on both databases (M6)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

import pytest

from maild.core import indexing
from maild.core.app import OPERATOR, App
from maild.core.indexing import ROUND, backlog, index_all, index_round, reindex, unindexed
from maild.daemon.deciders import ClosableReader, Decider
from maild.daemon.part import Frame
from maild.daemon.plan import Plan
from maild.daemon.work import Work
from maild.model.indexed import ADDRESSES_MAX, Indexed, tokens_of
from tests.core.company import Post, a_company
from tests.core.conftest import Frozen
from tests.core.test_search import Room

if TYPE_CHECKING:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    from maild.settings import Settings


@pytest.fixture
def room(app: App, clock: Frozen) -> Room:
    return Room(app, clock)


def test_M6_a_mail_to_very_many_is_found_by_who_stands_in_Cc(room: Room) -> None:
    many = ",\n ".join(f"p{number}@many{number}.example" for number in range(ADDRESSES_MAX + 1))
    room.mail("many", "News", to=many, more="Cc: boss@cc.example\n")
    room.settle()
    assert room.found("cc:boss@cc.example") == ["many"]
    assert unindexed(room.app, 10) == []


def test_M6_a_mail_that_cannot_be_indexed_keeps_no_other_out_of_search(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fussy(mail: Indexed) -> list[str]:
        if mail.subject == "Odd":
            raise KeyError("odd.example")
        return tokens_of(mail)

    for name, subject in (("one", "Plan"), ("odd", "Odd"), ("two", "Plan")):
        room.mail(name, subject)
    room.post.decide()
    with monkeypatch.context() as broken:
        broken.setattr(indexing, "tokens_of", fussy)
        assert index_round(room.app) == 3
        assert index_round(room.app) == 0, "it is not tried in every round"
    assert backlog(room.app) == 0
    assert (room.found("plan"), room.found("odd")) == (["two", "one"], [])
    assert room.found("-plan") == ["odd"], "it has no words, and is a mail"
    assert unindexed(room.app, 10) == [(room.id_of("odd"), "KeyError: 'odd.example'")]
    reindex(room.app, by=OPERATOR)
    index_all(room.app)
    assert (room.found("odd"), unindexed(room.app, 10)) == (["odd"], [])


def while_tokens_are_made(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something once, between a round's reading and its writing."""
    waiting = [act]

    def slow(mail: Indexed) -> list[str]:
        while waiting:
            waiting.pop()()
        return tokens_of(mail)

    monkeypatch.setattr(indexing, "tokens_of", slow)


def words_of_index(app: App) -> str:
    with app.store.read() as tx:
        rows = tx.connection.exec_driver_sql("SELECT words FROM search_words").scalars()
        return " ".join(map(str, rows))


@pytest.mark.parametrize("is_indexed_first", [True, False])
def test_M6_a_slow_node_brings_no_word_of_an_erased_mail_back(
    room: Room, monkeypatch: pytest.MonkeyPatch, *, is_indexed_first: bool
) -> None:
    app = room.app
    room.mail("offer", "Secret offer")
    room.post.decide()

    def erased_meanwhile() -> None:
        if is_indexed_first:
            assert index_round(app) == 1
        with app.store.write() as tx:
            tx.erasing.erase(tx.erasing.hold([1]), app.clock())

    while_tokens_are_made(monkeypatch, erased_meanwhile)
    assert index_round(app) == 1
    assert "secret" not in words_of_index(app)
    index_all(app)
    assert ("secret" in words_of_index(app), backlog(app)) == (False, 0)


def test_M6_a_slow_node_takes_nothing_off_that_was_queued_since(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = room.app
    room.mail("same", recipients=("info@acme.example",))
    room.post.decide()

    def indexed_and_come_again() -> None:
        assert index_round(app) == 1
        room.mail("same", recipients=("info@acme.example", "crm@acme.example"))
        room.post.decide()

    while_tokens_are_made(monkeypatch, indexed_and_come_again)
    index_round(app)
    assert backlog(app) > 0
    index_all(app)
    assert "same" in room.found("to:crm@ inbox:info")


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
def test_M6_a_round_writes_one_piece_of_the_index_however_many_mails_it_has(room: Room) -> None:
    for number in range(8):
        room.mail(f"m{number}", f"News {number}")
    room.post.decide()
    assert index_round(room.app) == 8
    with room.app.store.read() as tx:
        pieces = tx.connection.exec_driver_sql("SELECT count(DISTINCT segid) FROM search_words_idx")
        assert pieces.scalar_one() == 1, "each further piece is merged again and again"


def test_M6_search_follows_when_nothing_waits_to_be_decided(app: App) -> None:
    """Both take turns at one interpreter; what is not filed is waited for more than what is not found by its words."""
    a_company(app)
    post = Post(app)
    for _ in range(2 * ROUND + 1):
        post.send(post.mail())
    post.decide()
    frame = Frame(
        cast("Settings", None),
        Plan(),
        app,
        cast("AsyncIOScheduler", None),
        ExitStack(),
        (),
        asyncio.Event(),
    )
    work = Work(frame)
    decider = Decider("fresh", cast("ClosableReader", None), lambda: False)
    work._deciders = (decider,)

    decider.is_busy = True
    asyncio.run(work._index())
    assert backlog(app) == ROUND + 1, "one round"
    decider.is_busy = False
    asyncio.run(work._index())
    assert backlog(app) == 0


def test_a_decider_is_busy_from_the_first_work_that_it_finds_until_there_is_none() -> None:
    seen: list[bool] = []
    idle = threading.Event()

    def work() -> bool:
        if len(seen) == 3:
            idle.set()
            return False
        seen.append(decider.is_busy)
        return True

    decider = Decider("fresh", cast("ClosableReader", None), work)
    decider.start()
    decider.wake()
    assert idle.wait(10)
    decider.stop()
    assert (seen, decider.is_busy) == ([False, True, True], False)
