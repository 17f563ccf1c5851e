"""How often something may be tried within a while: windows end by themselves, and no parallel try is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from maild.core.app import App
from tests.core.conftest import Frozen

HOUR = timedelta(hours=1)


def tried(app: App, key: str = "k", *, most: int = 3) -> bool:
    with app.store.write() as tx:
        return tx.throttles.count(key, now=app.clock(), window=HOUR, most=most)


def is_spent(app: App, *, most: int = 3) -> bool:
    with app.store.read() as tx:
        return tx.throttles.is_spent("k", now=app.clock(), window=HOUR, most=most)


def test_as_many_tries_as_the_limit_says_are_within_it(app: App) -> None:
    assert [tried(app) for _ in range(5)] == [True, True, True, False, False]


def test_a_window_ends_an_hour_after_its_first_try(app: App, clock: Frozen) -> None:
    tried(app)
    clock.advance(HOUR - timedelta(seconds=1))
    assert [tried(app) for _ in range(3)] == [True, True, False]
    clock.advance(timedelta(seconds=1))
    assert tried(app)


def test_one_key_is_nothing_to_another(app: App) -> None:
    for _ in range(5):
        tried(app)
    assert tried(app, "other")


def test_whether_it_is_spent_can_be_asked_without_a_try(app: App, clock: Frozen) -> None:
    for _ in range(3):
        assert not is_spent(app)
        tried(app)
    assert is_spent(app)
    clock.advance(HOUR)
    assert not is_spent(app)


def test_it_says_in_how_many_minutes_the_window_ends(app: App, clock: Frozen) -> None:
    tried(app)
    clock.advance(timedelta(minutes=58, seconds=30))
    with app.store.read() as tx:
        assert tx.throttles.minutes_left("k", now=app.clock(), window=HOUR) == 2
        assert tx.throttles.minutes_left("other", now=app.clock(), window=HOUR) == 1


def test_a_key_that_is_cleared_begins_anew(app: App) -> None:
    for _ in range(4):
        tried(app)
    with app.store.write() as tx:
        tx.throttles.clear("k")
    assert tried(app)


def test_of_parallel_tries_none_is_lost(app: App) -> None:
    with ThreadPoolExecutor(8) as threads:
        within = list(threads.map(lambda _: tried(app, most=10), range(40)))
    assert sum(within) == 10


def test_a_key_that_is_tried_without_end_does_not_outgrow_its_column(app: App) -> None:
    for _ in range(6):
        tried(app, most=2)
    with app.store.read() as tx:
        kept = tx.connection.exec_driver_sql("SELECT count FROM throttles").scalar_one()
    assert kept == 3


def test_what_was_tried_long_ago_is_forgotten(app: App, clock: Frozen) -> None:
    tried(app)
    clock.advance(2 * HOUR)
    with app.store.write() as tx:
        assert tx.throttles.forget(app.clock() - HOUR) == 1
