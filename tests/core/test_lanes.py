"""Mails that are slow to read do not delay those that are not (D11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Row
from typing_extensions import override

from maild.core.app import App
from maild.core.decide import BATCH, Lane, decide_round
from maild.daemon.deciders import AgainLane, FreshLane
from maild.parse.pool import ReaderDiedError
from maild.store.engine import StoreDownError
from maild.store.schema import deliveries
from maild.store.store import Store, Tx
from tests.core.company import READER, InProcess, Post, a_company
from tests.core.conftest import Frozen


class Dies(InProcess):
    """A reader that each mail with the word “broken” kills, as a mail that takes too long does."""

    def __init__(self) -> None:
        self.readings = 0

    @override
    def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Any]:
        for item in items:
            self.readings += 1
            raw = item if isinstance(item, bytes) else item.read_bytes()
            if b"broken" in raw:
                yield ReaderDiedError("Reading it took too long and was stopped.")
            else:
                yield from super().read_many([item])


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def rows(post: Post) -> Sequence[Row[Any]]:
    """Every delivery, oldest first."""
    with post.app.store.read() as tx:
        return tx.connection.execute(deliveries.select().order_by(deliveries.c.id)).all()


def states(post: Post) -> list[str]:
    return [row.state for row in rows(post)]


def test_D11_the_good_mail_behind_two_hundred_broken_ones_is_filed_after_a_few_of_them(
    post: Post,
) -> None:
    for _ in range(200):
        post.send(post.mail(body="broken"))
    post.send(post.mail(body="good"))
    reader = Dies()
    lane = FreshLane(post.app, reader)
    warm = reader.readings
    while states(post)[-1] == "received":
        assert lane.work()
    died = sum(row.attempts == 1 for row in rows(post))
    assert died <= 4, "readings that died before the good mail was filed"
    assert reader.readings - warm < 50


def test_D11_slow_mails_are_tried_again_apart_and_fail_at_the_third_time(
    post: Post, clock: Frozen
) -> None:
    post.send(post.mail(body="broken"))
    reader = Dies()
    fresh, again = FreshLane(post.app, reader), AgainLane(post.app, reader)
    fresh.work()
    assert decide_round(post.app, READER, Lane.FRESH).taken == 0
    again.work()
    clock.advance(timedelta(seconds=11))
    again.work()
    assert [(row.state, row.reason) for row in rows(post)] == [("failed", "UNPARSEABLE")]


def test_D11_old_mails_are_decided_too_while_slow_ones_keep_coming(post: Post) -> None:
    post.send(post.mail(body="broken"))
    post.send(post.mail(body="good"))
    reader = Dies()
    lane = FreshLane(post.app, reader)
    for _ in range(12):
        lane.work()
        for _ in range(4):
            post.send(post.mail(body="broken"))
    assert states(post)[1] == "filed"


def test_D11_after_the_slow_mails_whole_batches_are_taken_again(post: Post) -> None:
    post.send(post.mail(body="broken"))
    lane = FreshLane(post.app, Dies())
    while lane.work():
        pass
    for _ in range(2 * BATCH):
        post.send(post.mail(body="good"))
    rounds = 1
    while lane.work():
        rounds += 1
    assert rounds < 10
    assert set(states(post)[1:]) == {"filed"}


def test_what_a_slow_mail_kept_from_being_read_is_given_back_without_blame(post: Post) -> None:
    post.send(post.mail(body="broken"))
    post.send(post.mail(body="good"))
    assert decide_round(post.app, Dies(), Lane.FRESH).was_slow
    good = rows(post)[1]
    assert (good.state, good.attempts, good.lease) == ("received", 0, None)


class Leaves:
    """A store that goes away: each transaction from then on is refused, and one that is to be kept is kept unheard."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_away = False
        self.is_heard = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _there(self) -> None:
        if self.is_away:
            raise StoreDownError("the server closed the connection unexpectedly")

    @contextmanager
    def write(self) -> Iterator[Tx]:
        self._there()
        with self._store.write() as tx:
            yield tx
        self.is_away = not self.is_heard
        self._there()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        self._there()
        with self._store.read() as tx:
            yield tx


class TakesAway(InProcess):
    """A reader during whose work the store goes away."""

    def __init__(self, store: Leaves) -> None:
        self._store = store

    @override
    def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Any]:
        yield from super().read_many(items)
        self._store.is_away = True


@pytest.mark.parametrize("kind", [FreshLane, AgainLane])
@pytest.mark.parametrize("at", ["work", "claim"])
def test_D11_what_was_in_hand_when_the_store_went_away_is_decided_as_soon_as_it_is_back(
    post: Post, kind: type[FreshLane | AgainLane], at: str
) -> None:
    post.send(post.mail())
    if kind is AgainLane:
        with post.app.store.write() as tx:
            tx.connection.execute(deliveries.update().values(attempts=1))
    store = Leaves(post.app.store)
    app: App = replace(post.app, store=cast("Store", store))
    lane = kind(app, InProcess())
    if at == "work":
        lane.work()  # Warm.
        post.send(post.mail(body="another"))
        if kind is AgainLane:
            with post.app.store.write() as tx:
                tx.connection.execute(
                    deliveries.update().where(deliveries.c.state == "received").values(attempts=1)
                )
        lane._reader = TakesAway(store)
    else:
        store.is_heard = False
    for _ in range(3):
        with pytest.raises(StoreDownError):
            lane.work()
    store.is_away, store.is_heard = False, True
    lane._reader = InProcess()
    again = AgainLane(app, InProcess())
    while lane.work():
        pass
    again.work()
    assert set(states(post)) == {"filed"}
